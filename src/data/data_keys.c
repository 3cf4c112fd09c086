/* SPDX-License-Identifier: Apache-2.0
 *
 * The kinds and the keys of a data specification, as tables: what each takes, and how a value gets
 * into the struct.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "data/data_impl.h"

#define BIT(kind) (1u << MXDI_DATA_##kind)
#define ARRAYS    (BIT(FASHION) | BIT(IDX) | BIT(CIFAR10) | BIT(NPY) | BIT(NPZ))
#define ANY       (ARRAYS | BIT(IMAGES) | BIT(ONNX))

static const struct kind_row {
    const char *name;
    uint32_t    least, most; /* files */
    const char *what;
} kinds[] = {
    [MXDI_DATA_FASHION] = { "fashion-mnist", 0, 1, "no file; 'train' or 'test'" },
    [MXDI_DATA_IDX]     = { "idx", 1, 2, "IMAGES, LABELS" },
    [MXDI_DATA_CIFAR10] = { "cifar10", 1, UINT32_MAX, "binary batches" },
    [MXDI_DATA_NPY]     = { "npy", 1, 1, "one .npy file" },
    [MXDI_DATA_NPZ]     = { "npz", 1, 1, "one .npz file" },
    [MXDI_DATA_IMAGES]  = { "images", 1, 1, "a folder or a list of pictures" },
    [MXDI_DATA_ONNX]    = { "onnx", 1, 1, "a folder with test_data_set_*" },
};
_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == MXDI_DATA_KINDS, "every kind has a row");

enum key_type { NUMBERS, COUNT, SEED, SIZE, SHAPE, PAIRS, TEXT, CHOICE };

static const struct key_row {
    const char   *name;
    enum key_type type;
    unsigned      kinds;    /* that know it */
    size_t        at, n_at; /* where the value and, for lists, its length go in the specification */
    const char   *choice[2]; /* of a CHOICE: false, true */
} keys[] = {
#define AT(field) offsetof(mxdi_data_spec, field)
    { "labels", TEXT, BIT(NPY) | BIT(NPZ) | BIT(IMAGES), AT(labels), 0, { 0 } },
    { "scale", NUMBERS, ANY, AT(scale), 0, { 0 } },
    { "mean", NUMBERS, ANY, AT(mean), 0, { 0 } },
    { "std", NUMBERS, ANY, AT(std), 0, { 0 } },
    { "layout", CHOICE, ARRAYS, AT(nhwc), 0, { "nchw", "nhwc" } },
    { "channels", CHOICE, ANY, AT(bgr), 0, { "rgb", "bgr" } },
    { "skip", COUNT, ANY, AT(skip), 0, { 0 } },
    { "subset", COUNT, ANY, AT(subset), 0, { 0 } },
    { "shuffle", SEED, ANY, AT(seed), 0, { 0 } },
    { "shape", SHAPE, ARRAYS | BIT(IMAGES), AT(shape), AT(n_shape), { 0 } },
    { "resize", SIZE, BIT(IMAGES), AT(resize), AT(n_resize), { 0 } },
    { "crop", SIZE, BIT(IMAGES), AT(crop), AT(n_crop), { 0 } },
    { "x", TEXT, BIT(NPZ), AT(x), 0, { 0 } },
    { "inputs", PAIRS, BIT(NPZ), AT(inputs), AT(n_inputs), { 0 } },
#undef AT
};
enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };
_Static_assert(N_KEYS <= 32, "`seen` has a bit for each key");

const char *mxdi_data_kind_name(mxdi_data_kind kind)
{
    return kinds[kind].name;
}

bool mxdi_data_kind_parse(mxdi_data_kind *out, const char *name, size_t n, const char **nearest)
{
    const char *names[MXDI_DATA_KINDS];
    char        word[32];
    for (unsigned k = 0; k < MXDI_DATA_KINDS; k++) {
        names[k] = kinds[k].name;
        if (strlen(names[k]) == n && memcmp(names[k], name, n) == 0) {
            *out = (mxdi_data_kind)k;
            return true;
        }
    }
    (void)snprintf(word, sizeof(word), "%.*s", (int)(n < sizeof(word) ? n : sizeof(word)), name);
    *nearest = mxdi_nearest(word, names, MXDI_DATA_KINDS);
    return false;
}

void mxdi_data_kind_files(mxdi_data_kind kind, uint32_t *least, uint32_t *most, const char **what)
{
    *least = kinds[kind].least;
    *most  = kinds[kind].most;
    *what  = kinds[kind].what;
}

static const struct key_row *find_key(const char *name)
{
    for (size_t i = 0; i < N_KEYS; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

bool mxdi_data_key_is_list(const char *key)
{
    const struct key_row *const k = find_key(key);
    return k && k->type != TEXT;
}

/* A whole number in [lo, 2^53]. */
static bool parse_count(int64_t *out, const char *text, int64_t lo)
{
    double v;
    if (!mxdi_parse_number(&v, text) || v < (double)lo || v > 0x1p53 || v != (double)(int64_t)v)
        return false;
    *out = (int64_t)v;
    return true;
}

static mxd_status set_numbers(mxdi_numbers *out, const struct key_row *k, const char *const *value,
                              uint32_t n, mxdi_arena *arena, mxd_error *err)
{
    float *const numbers = MXDI_NEW(arena, float, n);
    if (!numbers)
        return mxdi_nomem(err);
    for (uint32_t i = 0; i < n; i++) {
        double v;
        if (!mxdi_parse_number(&v, value[i]) || fabs(v) > (double)FLT_MAX)
            return mxdi_also(err, MXD_E_USAGE,
                             "%s: expected a number or a fraction like 1/255, got '%s'", k->name,
                             value[i]);
        numbers[i] = (float)v;
        if (strcmp(k->name, "std") == 0 && numbers[i] == 0)
            return mxdi_also(err, MXD_E_USAGE, "std: expected no zero, got '%s'", value[i]);
    }
    *out = (mxdi_numbers){ numbers, n };
    return MXD_OK;
}

static mxd_status set_counts(int64_t *out, uint32_t *n_out, const struct key_row *k,
                             const char *const *value, uint32_t n, uint32_t most, mxd_error *err)
{
    if (n > most)
        return mxdi_also(err, MXD_E_USAGE, "%s: expected at most %u numbers, got %u", k->name, most,
                         n);
    for (uint32_t i = 0; i < n; i++)
        if (!parse_count(&out[i], value[i], 1))
            return mxdi_also(err, MXD_E_USAGE, "%s: expected whole numbers from 1, got '%s'",
                             k->name, value[i]);
    *n_out = n;
    return MXD_OK;
}

static mxd_status set_choice(bool *out, const struct key_row *k, const char *value, mxd_error *err)
{
    *out = strcmp(value, k->choice[1]) == 0;
    if (*out || strcmp(value, k->choice[0]) == 0)
        return MXD_OK;
    return mxdi_also(err, MXD_E_USAGE, "%s: expected %s or %s, got '%s'", k->name, k->choice[0],
                     k->choice[1], value);
}

static mxd_status set_pairs(mxdi_data_spec *s, const struct key_row *k, const char *const *value,
                            uint32_t n, mxdi_arena *arena, mxd_error *err)
{
    if (n % 2)
        return mxdi_also(err, MXD_E_USAGE, "%s: expected pairs NET_INPUT:ARRAY:..., got %u words",
                         k->name, n);
    const char **const copy =
        mxdi_arena_memdup(arena, value, n * sizeof(*value), _Alignof(const char *));
    if (!copy)
        return mxdi_nomem(err);
    s->inputs   = copy;
    s->n_inputs = n / 2;
    return MXD_OK;
}

/* The row of a key that this kind knows and that has not been given before; else what is wrong,
 * added to err. */
static mxd_status check_key(const struct key_row **out, const mxdi_data_spec *s, const char *key,
                            uint32_t *seen, mxd_error *err)
{
    const struct key_row *const k = find_key(key);
    if (!k) {
        const char *names[N_KEYS];
        size_t      n = 0;
        for (size_t i = 0; i < N_KEYS; i++)
            if (keys[i].kinds & 1u << s->kind)
                names[n++] = keys[i].name;
        const char *const near = mxdi_nearest(key, names, n);
        if (near)
            return mxdi_also(err, MXD_E_USAGE, "key '%s' is unknown; did you mean '%s'?", key,
                             near);
        mxd_status st =
            mxdi_also(err, MXD_E_USAGE, "key '%s' is unknown; %s takes", key, kinds[s->kind].name);
        for (size_t i = 0; i < n && err; i++) {
            char *const  end  = err->msg + strlen(err->msg);
            const size_t left = sizeof(err->msg) - strlen(err->msg);
            if (strlen(names[i]) + 2 < left)
                (void)snprintf(end, left, " %s", names[i]);
        }
        return st;
    }
    if (!(k->kinds & 1u << s->kind))
        return mxdi_also(err, MXD_E_USAGE, "key '%s' is not for %s", key, kinds[s->kind].name);
    if (*seen & 1u << (k - keys))
        return mxdi_also(err, MXD_E_USAGE, "key '%s' is given twice", key);
    *seen |= 1u << (k - keys);
    *out = k;
    return MXD_OK;
}

mxd_status mxdi_data_spec_set(mxdi_data_spec *s, const char *key, const char *const *value,
                              uint32_t n, uint32_t *seen, mxdi_arena *arena, mxd_error *err)
{
    const struct key_row *k = NULL;
    MXD_TRY(check_key(&k, s, key, seen, err));
    char *const     base = (char *)s;
    void *const     at   = base + k->at;
    uint32_t *const n_at = (uint32_t *)(void *)(base + k->n_at);
    const bool      single =
        k->type != NUMBERS && k->type != SIZE && k->type != SHAPE && k->type != PAIRS;
    if (n == 0 || (single && n != 1) || value[0][0] == '\0')
        return mxdi_also(err, MXD_E_USAGE, "%s: expected %s, got %u", key,
                         single ? "one value" : "values", n && value[0][0] ? n : 0);
    switch (k->type) {
    case NUMBERS:
        s->scaled = s->scaled || at == &s->scale;
        return set_numbers(at, k, value, n, arena, err);
    case SIZE:
        return set_counts(at, n_at, k, value, n, 2, err);
    case SHAPE:
        return set_counts(at, n_at, k, value, n, MXD_MAX_RANK, err);
    case PAIRS:
        return set_pairs(s, k, value, n, arena, err);
    case CHOICE:
        return set_choice(at, k, value[0], err);
    case SEED:
        s->shuffled = true; /* fall through: a seed is a count */
        __attribute__((fallthrough));
    case COUNT:
        if (parse_count(at, value[0], k->at == offsetof(mxdi_data_spec, subset)))
            return MXD_OK;
        return mxdi_also(err, MXD_E_USAGE, "%s: expected a whole number, got '%s'", key, value[0]);
    case TEXT:
        *(const char **)at = mxdi_arena_strdup(arena, value[0]);
        return *(const char **)at ? MXD_OK : mxdi_nomem(err);
    }
    return MXD_OK;
}
