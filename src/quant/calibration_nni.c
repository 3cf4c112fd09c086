/* SPDX-License-Identifier: Apache-2.0
 *
 * NNI's calibration_config as JSON, one object for each module, with flat keys as v2 exports them
 * (names of 2.2 to 2.4, of 2.5 and later, of the Observer, of pull request 5039) or a nested object
 * for each tensor as v3 has them. Both become the same facts of a weight, two inputs and an output.
 * Numbers may be lists, of one number or one for each channel, nested as tolist() leaves them.
 */
#include <math.h>

#include "base/json.h"
#include "base/text.h"
#include "quant/calibration.h"

enum target { WEIGHT, INPUT, INPUT_1, OUTPUT, N_TARGETS };
enum fact { BITS, SCALE, ZERO_POINT, LOW, HIGH, Q_LOW, Q_HIGH, DTYPE, SCHEME, N_FACTS };

typedef struct told {
    const json_t *fact[N_TARGETS][N_FACTS]; /* NULL: nothing, or null */
    bool          nested;
} told;

typedef struct reader {
    mxdi_calibration *c;
    mxd_error        *err;
    const char       *module;
    uint32_t          complaints;
} reader;

static const struct flat_key {
    const char *name;
    uint8_t     target, fact;
} flat_keys[] = {
    { "weight_bits", WEIGHT, BITS },
    { "weight_scale", WEIGHT, SCALE },
    { "weight_zero_point", WEIGHT, ZERO_POINT },
    { "tracked_min_weight", WEIGHT, LOW },
    { "tracked_max_weight", WEIGHT, HIGH },
    { "tracked_qmin_weight", WEIGHT, Q_LOW },
    { "tracked_qmax_weight", WEIGHT, Q_HIGH },
    { "input_bits", INPUT, BITS },
    { "input_scale", INPUT, SCALE },
    { "input_zero_point", INPUT, ZERO_POINT },
    { "tracked_min_input", INPUT, LOW },
    { "tracked_max_input", INPUT, HIGH },
    { "tracked_qmin_input", INPUT, Q_LOW },
    { "tracked_qmax_input", INPUT, Q_HIGH },
    { "output_bits", OUTPUT, BITS },
    { "output_scale", OUTPUT, SCALE },
    { "output_zero_point", OUTPUT, ZERO_POINT },
    { "tracked_min_output", OUTPUT, LOW },
    { "tracked_max_output", OUTPUT, HIGH },
    { "tracked_qmin_output", OUTPUT, Q_LOW },
    { "tracked_qmax_output", OUTPUT, Q_HIGH },
    /* #5039 */
    { "min_weight", WEIGHT, LOW },
    { "max_weight", WEIGHT, HIGH },
    /* 2.2 to 2.4 */
    { "weight_bit", WEIGHT, BITS },
    { "input_bit", INPUT, BITS },
    { "output_bit", OUTPUT, BITS },
    { "activation_bit", OUTPUT, BITS },
    { "activation_bits", OUTPUT, BITS },
    { "tracked_min_activation", OUTPUT, LOW },
    { "tracked_max_activation", OUTPUT, HIGH },
    { "tracked_weight_qmin", WEIGHT, Q_LOW },
    { "tracked_weight_qmax", WEIGHT, Q_HIGH },
    { "tracked_input_qmin", INPUT, Q_LOW },
    { "tracked_input_qmax", INPUT, Q_HIGH },
    { "tracked_output_qmin", OUTPUT, Q_LOW },
    { "tracked_output_qmax", OUTPUT, Q_HIGH },
    { "tracked_activation_qmin", OUTPUT, Q_LOW },
    { "tracked_activation_qmax", OUTPUT, Q_HIGH },
};
static const struct nested_key {
    const char *name;
    uint8_t     fact;
} nested_keys[] = {
    { "quant_bits", BITS },     { "scale", SCALE },      { "zero_point", ZERO_POINT },
    { "tracked_min", LOW },     { "tracked_max", HIGH }, { "quant_dtype", DTYPE },
    { "quant_scheme", SCHEME },
};
enum {
    N_FLAT   = sizeof(flat_keys) / sizeof(flat_keys[0]),
    N_NESTED = sizeof(nested_keys) / sizeof(nested_keys[0]),
    DEEPEST  = 8
};

static void complain(reader *r, const char *format, ...) MXD_PRINTF(2, 3);
static void complain(reader *r, const char *format, ...)
{
    char    text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    r->complaints++;
    (void)mxdi_also(r->err, MXD_E_INVAL, "module '%s': %s", r->module, text);
}

static void unknown_key(reader *r, const char *key, const char *const *valid, size_t n)
{
    const char *const near = mxdi_nearest(key, valid, n);
    complain(r, "unknown key '%s'%s%s%s", key, near ? ", perhaps '" : "", near ? near : "",
             near ? "'" : "");
}

/* ---- keys ---- */

static const json_t *or_nothing(const json_t *v)
{
    return json_is_null(v) ? NULL : v;
}

static void read_flat(told *t, reader *r, const char *key, const json_t *value)
{
    const char *names[N_FLAT];
    for (size_t k = 0; k < N_FLAT; k++) {
        const struct flat_key *const f = &flat_keys[k];
        names[k]                       = f->name;
        if (strcmp(key, f->name) != 0)
            continue;
        if (t->fact[f->target][f->fact])
            complain(r, "'%s' is there under another name too", key);
        t->fact[f->target][f->fact] = or_nothing(value);
        return;
    }
    unknown_key(r, key, names, N_FLAT);
}

static void read_nested(told *t, reader *r, const char *target, const json_t *facts)
{
    static const char *const targets[N_TARGETS] = { "weight", "_input_0", "_input_1", "_output_0" };
    const char              *names[N_NESTED], *key;
    json_t                  *value;
    unsigned                 at = 0;
    if (strcmp(target, "bias") == 0)
        return; /* int32 at the scale of the products, whatever the file says */
    while (at < N_TARGETS && strcmp(target, targets[at]) != 0)
        at++;
    if (at == N_TARGETS) {
        complain(r, "unknown target '%s'; weight, bias, _input_0, _input_1, _output_0 are known",
                 target);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)facts, key, value)
    {
        size_t k = 0;
        for (; k < N_NESTED && strcmp(key, nested_keys[k].name) != 0; k++)
            names[k] = nested_keys[k].name;
        if (k == N_NESTED)
            unknown_key(r, key, names, N_NESTED);
        else
            t->fact[at][nested_keys[k].fact] = or_nothing(value);
    }
}

/* ---- numbers ---- */

/* How many numbers a list of lists holds; false: something else is in it. */
static bool count_numbers(size_t *n, const json_t *v, int depth)
{
    if (json_is_number(v))
        (*n)++;
    for (size_t k = 0; k < json_array_size(v); k++)
        if (depth == DEEPEST || !count_numbers(n, json_array_get(v, k), depth + 1))
            return false;
    return json_is_number(v) || json_is_array(v);
}

static double *store_numbers(double *out, const json_t *v)
{
    if (json_is_number(v))
        *out++ = json_number_value(v);
    for (size_t k = 0; k < json_array_size(v); k++)
        out = store_numbers(out, json_array_get(v, k));
    return out;
}

/* *out NULL: nothing usable, and told. */
static mxd_status numbers(double **out, size_t *n, reader *r, const json_t *v, const char *what)
{
    *n   = 0;
    *out = NULL;
    if (!count_numbers(n, v, 0) || *n == 0) {
        complain(r, "%s: a number or a list of numbers expected", what);
        return MXD_OK;
    }
    *out = MXDI_NEW(&r->c->arena, double, *n);
    if (!*out)
        return mxdi_nomem(r->err);
    (void)store_numbers(*out, v);
    return MXD_OK;
}

/* One finite number, perhaps in brackets. */
static bool one_number(double *out, reader *r, const json_t *v, const char *what)
{
    for (int depth = 0; depth < DEEPEST && json_array_size(v) == 1; depth++)
        v = json_array_get(v, 0);
    *out = json_number_value(v);
    if (json_is_number(v) && fabs(*out) <= (double)3.4e38f)
        return true;
    complain(r, "%s: one number expected, as of a scale per tensor", what);
    return false;
}

/* ---- what they say ---- */

typedef struct format {
    uint32_t bits;
    bool     known, is_signed; /* of the integers' type */
} format;

static format format_of(reader *r, const told *t, enum target at, const char *what)
{
    const json_t *const bits = t->fact[at][BITS], *const dtype = t->fact[at][DTYPE],
                        *const q_low = t->fact[at][Q_LOW];
    const char *const          word  = json_string_value(dtype);
    format                     f     = { 8, false, false };
    int                        n     = 8;
    if (word && sscanf(word, "int%d", &n) != 1 && sscanf(word, "uint%d", &n) != 1)
        complain(r, "%s: 'quant_dtype': intN or uintN expected, got '%s'", what, word);
    if (bits)
        n = json_is_integer(bits) ? (int)json_integer_value(bits) : 0;
    if (n < 1 || n > 32)
        complain(r, "%s: 1 to 32 bits expected", what);
    else
        f.bits = (uint32_t)n;
    f.known     = word || q_low || t->nested;
    f.is_signed = word ? word[0] == 'i' : q_low ? json_number_value(q_low) < 0.0 : t->nested;
    return f;
}

/* A range from what is there: as tracked, else all that the scale reaches. */
static bool range_of(double *low, double *high, reader *r, const told *t, enum target at, double s,
                     double z, double levels, const char *what)
{
    const json_t *const min = t->fact[at][LOW], *const max = t->fact[at][HIGH];
    if (!min != !max) {
        complain(r, "%s: a minimum and a maximum expected, got one of them", what);
        return false;
    }
    if (!min) {
        *low  = -z * s;
        *high = (levels - z) * s;
        return s > 0.0;
    }
    if (!one_number(low, r, min, what) || !one_number(high, r, max, what))
        return false;
    if (*low > *high)
        complain(r, "%s: minimum <= maximum expected, got %g and %g", what, *low, *high);
    return *low <= *high;
}

/* *out stays NULL where nothing but bits is told. */
static mxd_status read_activation(const mxdi_tensor_stats **out, reader *r, const told *t,
                                  enum target at, const char *what)
{
    const uint32_t before = r->complaints;
    const format   f      = format_of(r, t, at, what);
    const double   levels = ldexp(1.0, (int)f.bits) - 1.0;
    double         s = 0.0, z = 0.0, low = 0.0, high = 0.0;
    if (t->fact[at][SCALE] && one_number(&s, r, t->fact[at][SCALE], what) &&
        (!((float)s > 0.0f) ||
         (t->fact[at][ZERO_POINT] && !one_number(&z, r, t->fact[at][ZERO_POINT], what))))
        complain(r, "%s: a scale above 0 expected, got %g", what, s);
    z += f.known && f.is_signed ? ldexp(1.0, (int)f.bits - 1) : 0.0;
    if (s > 0.0 && (z != rint(z) || z < 0.0 || z > levels))
        complain(r, "%s: zero point among the integers of %u bits expected", what, f.bits);
    if (r->complaints != before || !range_of(&low, &high, r, t, at, s, z, levels, what))
        return MXD_OK;
    mxdi_tensor_stats *const stats = &r->c->tensor[r->c->n_tensors++];
    stats->name                    = mxdi_arena_printf(&r->c->arena, "%s.%s", r->module, what);
    stats->min = stats->low = (float)low;
    stats->max = stats->high = (float)high;
    if (f.bits <= 8 && f.known) { /* zero points say something only of known integers */
        stats->scale      = (float)s;
        stats->zero_point = (int32_t)z;
        stats->bits       = f.bits;
    }
    *out = stats;
    return stats->name ? MXD_OK : mxdi_nomem(r->err);
}

/* Scales from a symmetric range, as the Observer and #5039 leave it. */
static mxd_status scales_of_range(double **out, size_t *n, reader *r, const told *t, format f)
{
    double *low, *high;
    size_t  n_low;
    MXD_TRY(numbers(&low, &n_low, r, t->fact[WEIGHT][LOW], "weight"));
    MXD_TRY(numbers(&high, n, r, t->fact[WEIGHT][HIGH], "weight"));
    if (!low || !high || n_low != *n) {
        *out = NULL;
        return MXD_OK;
    }
    for (size_t k = 0; k < *n; k++)
        high[k] = fmax(fabs(low[k]), fabs(high[k])) / (ldexp(1.0, (int)f.bits - 1) - 1.0);
    *out = high;
    return MXD_OK;
}

static mxd_status read_weight(mxdi_module_stats *m, reader *r, const told *t)
{
    const format f     = format_of(r, t, WEIGHT, "weight");
    double      *scale = NULL, *zero = NULL;
    size_t       n = 0, n_zeros = 0;
    for (unsigned k = 0; k < N_FACTS; k++)
        m->has_weight = m->has_weight || t->fact[WEIGHT][k];
    m->weight_bits = f.bits;
    m->weight_type = !f.known ? MXDI_EITHER : f.is_signed ? MXDI_SIGNED : MXDI_UNSIGNED;
    if (t->fact[WEIGHT][SCALE])
        MXD_TRY(numbers(&scale, &n, r, t->fact[WEIGHT][SCALE], "scale of the weight"));
    else if (t->fact[WEIGHT][LOW] && t->fact[WEIGHT][HIGH] && f.bits > 1 && f.bits <= 8)
        MXD_TRY(scales_of_range(&scale, &n, r, t, f));
    if (t->fact[WEIGHT][SCALE] && t->fact[WEIGHT][ZERO_POINT])
        MXD_TRY(
            numbers(&zero, &n_zeros, r, t->fact[WEIGHT][ZERO_POINT], "zero point of the weight"));
    if (!scale || n > UINT32_MAX)
        return MXD_OK;
    float *const   s = MXDI_NEW(&r->c->arena, float, n);
    int32_t *const z = MXDI_NEW(&r->c->arena, int32_t, n);
    if (!s || !z)
        return mxdi_nomem(r->err);
    if (zero && n_zeros != n && n_zeros != 1)
        complain(r, "weight: as many zero points as scales expected, got %zu and %zu", n_zeros, n);
    for (size_t k = 0; k < n && (!zero || n_zeros == n || n_zeros == 1); k++) {
        const double v = zero ? zero[n_zeros == 1 ? 0 : k] : 0.0;
        s[k]           = (float)scale[k];
        if (!(s[k] >= 0.0f) || isinf(s[k]) || v != rint(v) || fabs(v) > 255.0) {
            complain(r, "weight: scale %g and zero point %g are no quantizer of weights", scale[k],
                     v);
            break;
        }
        z[k] = (int32_t)v;
    }
    m->weight_scale      = s;
    m->weight_zero_point = z;
    m->n_scales          = (uint32_t)n;
    return MXD_OK;
}

/* What a scale of weights reaches, for people who look at the file. */
static mxd_status show_weight(const mxdi_module_stats *m, reader *r)
{
    mxdi_tensor_stats *const t     = &r->c->tensor[r->c->n_tensors++];
    const int32_t            q_max = m->weight_bits <= 8 ? (1 << (m->weight_bits - 1)) - 1 : 0,
                  first            = m->weight_type == MXDI_UNSIGNED ? 0 : -q_max,
                  last             = m->weight_type == MXDI_UNSIGNED ? 2 * q_max + 1 : q_max;
    t->name                        = mxdi_arena_printf(&r->c->arena, "%s.weight", r->module);
    t->channels                    = m->n_scales;
    for (uint32_t k = 0; k < m->n_scales; k++) {
        t->min = fminf(t->min, m->weight_scale[k] * (float)(first - m->weight_zero_point[k]));
        t->max = fmaxf(t->max, m->weight_scale[k] * (float)(last - m->weight_zero_point[k]));
    }
    t->low  = t->min;
    t->high = t->max;
    return t->name ? MXD_OK : mxdi_nomem(r->err);
}

static mxd_status read_module(reader *r, const json_t *keys)
{
    mxdi_module_stats *const m = &r->c->module[r->c->n_modules++];
    told                     t = { .nested = false };
    const char              *key;
    json_t                  *value;
    m->name = mxdi_arena_strdup(&r->c->arena, r->module);
    if (!m->name)
        return mxdi_nomem(r->err);
    json_object_foreach((json_t *)(uintptr_t)keys, key, value)
    {
        if (json_is_object(value)) {
            t.nested = true;
            read_nested(&t, r, key, value);
        } else {
            read_flat(&t, r, key, value);
        }
    }
    m->nested = t.nested;
    MXD_TRY(read_weight(m, r, &t));
    if (m->n_scales)
        MXD_TRY(show_weight(m, r));
    MXD_TRY(read_activation(&m->input[0], r, &t, INPUT, "input"));
    MXD_TRY(read_activation(&m->input[1], r, &t, INPUT_1, "input_1"));
    return read_activation(&m->output, r, &t, OUTPUT, "output");
}

bool mxdi_calibration_is_nni(const json_t *root)
{
    const char *key;
    json_t     *value;
    json_object_foreach((json_t *)(uintptr_t)root, key,
                        value) if (!json_is_object(value)) return false;
    return json_object_size(root) > 0;
}

mxd_status mxdi_calibration_read_nni(mxdi_calibration *c, const json_t *root, mxd_error *err)
{
    const size_t n   = json_object_size(root);
    mxd_error    own = MXD_ERROR_INIT;
    reader       r   = { .c = c, .err = err ? err : &own };
    json_t      *keys;
    c->method = MXDI_MINMAX;
    c->module = MXDI_NEW(&c->arena, mxdi_module_stats, n);
    c->tensor = MXDI_NEW(&c->arena, mxdi_tensor_stats, n * N_TARGETS);
    if (!c->module || !c->tensor)
        return mxdi_nomem(err);
    *r.err = (mxd_error)MXD_ERROR_INIT;
    json_object_foreach((json_t *)(uintptr_t)root, r.module, keys) MXD_TRY(read_module(&r, keys));
    return r.complaints ? MXD_E_INVAL : MXD_OK;
}
