/* SPDX-License-Identifier: Apache-2.0
 *
 * A QDQ graph as NNI's calibration_config: for each layer the scales and zero points of its weights
 * and what its input and output are quantized to, for other nodes their output. v2 has flat keys,
 * v3 an object for each tensor. Scales and zero points of activations are beside v2's ranges, so
 * that reading them back gives the same integers.
 */
#include <math.h>
#include <stdio.h>

#include "base/dtype.h"
#include "base/json.h"
#include "engine/asked.h"
#include "engine/fuse.h"
#include "quant/calibration.h"
#include "quant/domain.h"
#include "quant/module_name.h"

enum { DEEPEST = 64 };

typedef struct writer {
    mxdi_graph      *g;
    mxdi_links       links;
    mxdi_nni_dialect dialect;
    json_t    *root, *precision; /* precision: what the graph's metadata says of widths, by node */
    mxd_error *err;
} writer;

/* ---- where quantizers are ---- */

static uint32_t producer_of(const writer *w, uint32_t v)
{
    return v == MXD_NO_VALUE ? MXD_NO_VALUE : w->links.producer[v];
}

/* The DequantizeLinear behind moves and pairs of casts that `v` comes from. */
static uint32_t dequantizer_of(const writer *w, uint32_t v)
{
    for (int depth = 0; depth < DEEPEST; depth++) {
        const uint32_t n = producer_of(w, v);
        if (n == MXD_NO_VALUE || mxdi_node_is(&w->g->node[n], "DequantizeLinear"))
            return n;
        if (!mxdi_domain_is_move(&w->g->node[n]) && !mxdi_node_is(&w->g->node[n], "Cast"))
            return MXD_NO_VALUE;
        v = w->g->node[n].in[0];
    }
    return MXD_NO_VALUE;
}

/* The QuantizeLinear that reads `v`, at once or through `clamps` clamps; MXD_NO_VALUE: none. */
static uint32_t quantizer_of(const writer *w, uint32_t v, int clamps)
{
    for (uint32_t k = w->links.first_use[v]; k < w->links.first_use[v + 1]; k++)
        if (mxdi_node_is(&w->g->node[w->links.user[k]], "QuantizeLinear"))
            return w->links.user[k];
    for (uint32_t k = w->links.first_use[v]; clamps > 0 && k < w->links.first_use[v + 1]; k++) {
        const mxd_node *const user = &w->g->node[w->links.user[k]];
        if (mxdi_domain_is_clamp(user))
            return quantizer_of(w, user->out[0], clamps - 1);
    }
    return MXD_NO_VALUE;
}

/* The clamp by which quantizing keeps integers within fewer bits than their type has. */
static bool narrows(const writer *w, const mxd_node *node)
{
    static const char suffix[] = "_clipped";
    const char *const name     = node->n_out ? w->g->value[node->out[0]].name : "";
    const size_t      n        = strlen(name);
    return mxdi_node_is(node, "Clip") && node->n_in == 3 && node->in[1] != MXD_NO_VALUE &&
           node->in[2] != MXD_NO_VALUE && w->g->value[node->in[1]].bytes == sizeof(float) &&
           w->g->value[node->in[2]].bytes == sizeof(float) && n >= sizeof(suffix) &&
           strcmp(name + n - sizeof(suffix) + 1, suffix) == 0;
}

/* ---- what they say ---- */

typedef struct quantizer {
    mxdi_affine at;
    uint32_t    bits;
    bool        is_signed;
    int32_t     first, last; /* integers that occur */
} quantizer;

static void set_range(quantizer *q, uint32_t bits, bool whole)
{
    q->bits      = bits;
    q->is_signed = mxdi_dtype_is_signed(q->at.dtype);
    q->first     = q->is_signed ? -(1 << (bits - 1)) + (whole ? 0 : 1) : 0;
    q->last      = q->is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
}

/* Parameters of a QuantizeLinear, or of the one whose integers a DequantizeLinear reads. */
static mxd_status read_activation(quantizer *q, bool *found, const writer *w, uint32_t n)
{
    *found = false;
    if (n == MXD_NO_VALUE)
        return MXD_OK;
    const mxd_node *node = &w->g->node[n];
    MXD_TRY(mxdi_fuse_affine(&q->at, found, w->g, node, w->err));
    *found = *found && q->at.n == 1 && mxd_dtype_bits(q->at.dtype) <= 8;
    if (!*found)
        return MXD_OK;
    const uint32_t maker = mxdi_node_is(node, "DequantizeLinear") ? producer_of(w, node->in[0]) : n;
    const uint32_t clamp =
        maker == MXD_NO_VALUE ? MXD_NO_VALUE : producer_of(w, w->g->node[maker].in[0]);
    uint32_t bits = mxd_dtype_bits(q->at.dtype);
    if (clamp != MXD_NO_VALUE && narrows(w, &w->g->node[clamp])) {
        const float low     = *(const float *)w->g->value[w->g->node[clamp].in[1]].data,
                    high    = *(const float *)w->g->value[w->g->node[clamp].in[2]].data;
        const double levels = rint(((double)high - (double)low) / (double)q->at.scale[0]) + 1.0;
        for (uint32_t b = 2; b < bits; b++)
            bits = levels == ldexp(1.0, (int)b) ? b : bits;
    }
    set_range(q, bits, true);
    return MXD_OK;
}

/* Of constant integers with a scale for all or one for each channel. */
static mxd_status read_weight(quantizer *q, bool *found, const writer *w, const mxd_node *layer)
{
    const uint32_t n = dequantizer_of(w, layer->in[1]);
    unsigned       bits;
    *found = false;
    if (n == MXD_NO_VALUE || !w->g->value[w->g->node[n].in[0]].data)
        return MXD_OK;
    MXD_TRY(mxdi_fuse_affine(&q->at, found, w->g, &w->g->node[n], w->err));
    *found = *found && q->at.block == 0 && mxd_dtype_bits(q->at.dtype) <= 8;
    if (!*found)
        return MXD_OK;
    const char *const told = json_string_value(json_object_get(w->precision, layer->name));
    if (!told || sscanf(told, "w%u", &bits) != 1 || bits < 2 || bits > mxd_dtype_bits(q->at.dtype))
        bits = mxd_dtype_bits(q->at.dtype);
    set_range(q, bits, false);
    return MXD_OK;
}

/* ---- JSON ---- */

/* One number, or a list: of scales (offset MXDI_NONE), of zero points, of what integer `q` stands
 * for. */
typedef enum number_kind { SCALES, ZEROS, REALS } number_kind;

static json_t *numbers_json(const quantizer *q, number_kind kind, int32_t integer)
{
    json_t *const list = q->at.n > 1 ? json_array() : NULL;
    for (uint32_t k = 0; k < q->at.n; k++) {
        const double  s = (double)q->at.scale[k];
        const int32_t z = q->at.zero_point[k];
        json_t *const v = json_real(kind == SCALES  ? s
                                    : kind == ZEROS ? (double)z
                                                    : s * (double)(integer - z));
        if (q->at.n == 1)
            return v;
        if (json_array_append_new(list, v) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static bool set(json_t *object, json_t *value, const char *format, const char *what)
{
    char key[64];
    (void)snprintf(key, sizeof(key), format, what);
    return json_object_set_new(object, key, value) == 0;
}

static bool write_flat(json_t *module, const quantizer *q, const char *what)
{
    return set(module, json_integer(q->bits), "%s_bits", what) &&
           set(module, numbers_json(q, SCALES, 0), "%s_scale", what) &&
           set(module, numbers_json(q, ZEROS, 0), "%s_zero_point", what) &&
           set(module, numbers_json(q, REALS, q->first), "tracked_min_%s", what) &&
           set(module, numbers_json(q, REALS, q->last), "tracked_max_%s", what) &&
           set(module, json_integer(q->first), "tracked_qmin_%s", what) &&
           set(module, json_integer(q->last), "tracked_qmax_%s", what);
}

static bool write_nested(json_t *module, const quantizer *q, const char *target)
{
    json_t *const facts = json_object();
    char          dtype[16];
    bool          centred = q->is_signed;
    for (uint32_t k = 0; k < q->at.n; k++)
        centred = centred && q->at.zero_point[k] == 0;
    (void)snprintf(dtype, sizeof(dtype), "%sint%u", q->is_signed ? "" : "u", q->bits);
    const bool ok =
        set(facts, numbers_json(q, SCALES, 0), "%s", "scale") &&
        set(facts, numbers_json(q, ZEROS, 0), "%s", "zero_point") &&
        set(facts, json_string(dtype), "%s", "quant_dtype") &&
        set(facts, json_string(centred ? "symmetric" : "affine"), "%s", "quant_scheme") &&
        set(facts, json_integer(q->bits), "%s", "quant_bits") &&
        set(facts, numbers_json(q, REALS, q->last), "%s", "tracked_max") &&
        set(facts, numbers_json(q, REALS, q->first), "%s", "tracked_min");
    return json_object_set_new(module, target, facts) == 0 && ok;
}

static mxd_status write_tensor(json_t *module, const writer *w, const quantizer *q,
                               const char *flat, const char *target)
{
    const bool ok =
        w->dialect == MXDI_NNI_V3 ? write_nested(module, q, target) : write_flat(module, q, flat);
    return ok ? MXD_OK : mxdi_nomem(w->err);
}

/* ---- modules ---- */

static mxd_status describe_layer(json_t *module, const writer *w, const mxd_node *node)
{
    quantizer q;
    bool      found;
    MXD_TRY(read_weight(&q, &found, w, node));
    if (found)
        MXD_TRY(write_tensor(module, w, &q, "weight", "weight"));
    for (uint32_t k = 0; k < 2; k++) {
        const uint32_t n = dequantizer_of(w, node->in[k]);
        if (n == MXD_NO_VALUE || w->g->value[w->g->node[n].in[0]].data ||
            (k == 1 && w->dialect == MXDI_NNI_V2))
            continue;
        MXD_TRY(read_activation(&q, &found, w, n));
        if (found)
            MXD_TRY(write_tensor(module, w, &q, "input", k ? "_input_1" : "_input_0"));
    }
    return MXD_OK;
}

static mxd_status describe(json_t *module, const writer *w, const mxd_node *node)
{
    quantizer  q;
    bool       found;
    const bool layer = mxdi_is_product(node);
    if (layer)
        MXD_TRY(describe_layer(module, w, node));
    MXD_TRY(read_activation(&q, &found, w, quantizer_of(w, node->out[0], layer ? 2 : 1)));
    return found ? write_tensor(module, w, &q, "output", "_output_0") : MXD_OK;
}

/* The module's name; the node's where that is not known or another node has it. */
static const char *name_of(char buffer[MXDI_MODULE_NAME], const writer *w, const mxd_node *node)
{
    const uint32_t    dq   = mxdi_is_product(node) ? dequantizer_of(w, node->in[1]) : MXD_NO_VALUE;
    const char *const from = dq == MXD_NO_VALUE ? "" : w->g->value[w->g->node[dq].in[0]].name;
    const bool        named =
        mxdi_module_of_weight(buffer, from) || mxdi_module_of_node(buffer, node->name);
    return named && !json_object_get(w->root, buffer) ? buffer : node->name;
}

static mxd_status write_module(const writer *w, const mxd_node *node)
{
    static const char *const not_modules[] = { "QuantizeLinear", "DequantizeLinear", "Cast" };
    char                     buffer[MXDI_MODULE_NAME];
    for (size_t k = 0; k < sizeof(not_modules) / sizeof(not_modules[0]); k++)
        if (mxdi_node_is(node, not_modules[k]))
            return MXD_OK;
    if (node->n_out != 1 || narrows(w, node))
        return MXD_OK;
    json_t *const    module = json_object();
    const mxd_status st     = module ? describe(module, w, node) : mxdi_nomem(w->err);
    if (st != MXD_OK || json_object_size(module) == 0) {
        json_decref(module);
        return st;
    }
    json_t *const name = mxdi_json_text(name_of(buffer, w, node));
    const bool    ok =
        json_object_set_new(w->root, name ? json_string_value(name) : NULL, module) == 0;
    json_decref(name);
    return ok ? MXD_OK : mxdi_nomem(w->err);
}

static mxd_status write_all(writer *w)
{
    const char *const meta = mxdi_graph_meta(w->g, "mixdown.precision");
    MXD_TRY(mxdi_links_build(&w->links, w->g, w->err));
    if (meta) {
        const mxdi_view  text = { (const uint8_t *)meta, strlen(meta) };
        const mxd_status st   = mxdi_json_parse(&w->precision, text, w->err);
        if (st == MXD_E_NOMEM)
            return st;
    }
    w->root = json_object();
    if (!w->root)
        return mxdi_nomem(w->err);
    for (uint32_t n = 0; n < w->g->n_nodes; n++)
        MXD_TRY(write_module(w, &w->g->node[n]));
    return MXD_OK;
}

mxd_status mxdi_calibration_write_nni(const char *path, const mxdi_graph *qdq,
                                      mxdi_nni_dialect dialect, mxd_error *err)
{
    writer w = { .links = MXDI_LINKS_INIT, .dialect = dialect, .err = err };
    MXD_TRY(mxdi_graph_clone(&w.g, qdq, err)); /* whose arena holds what is read */
    mxd_status st = write_all(&w);
    if (st == MXD_OK && json_object_size(w.root) == 0)
        st = mxdi_fail(err, MXD_E_INVAL,
                       "%s: nothing to write, no tensor of this network is quantized", path);
    if (st == MXD_OK)
        st = mxdi_json_save(w.root, path, err);
    json_decref(w.root);
    json_decref(w.precision);
    mxdi_links_free(&w.links);
    mxdi_graph_destroy(w.g);
    return st;
}
