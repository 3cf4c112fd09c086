/* SPDX-License-Identifier: Apache-2.0
 *
 * "Average bits" in all its meanings, each named (docs/recipe.md), of a bound float graph and what
 * is asked of its layers.
 */
#include <math.h>

#include "base/dtype.h"
#include "engine/asked.h"
#include "quant/quantize.h"

static double float_bits(mxd_dtype d)
{
    return d == MXD_F32 ? 32.0 : 16.0;
}

static double count_of(const mxd_value *v)
{
    int64_t n;
    return v->rank >= 0 && mxdi_shape_count(&n, v->dim, v->rank) ? (double)n : 0.0;
}

double mxdi_macs_of(const mxdi_graph *g, const mxd_node *n)
{
    const mxd_value *const x = &g->value[n->in[0]], *const w = &g->value[n->in[1]],
                           *const y     = &g->value[n->out[0]];
    const double                  batch = g->max_batch > 0 ? (double)g->max_batch : 1.0;
    if (mxdi_node_is(n, "Conv"))
        return count_of(y) * count_of(w) / (double)w->dim[0] / batch;
    return x->rank > 0 ? count_of(y) * (double)x->dim[x->rank - 1] / batch : 0.0;
}

/* Values that never reach memory: what a clamp, a pooling, a move or a sum takes in place counts
 * with what comes out of it. */
static void fused_bits(uint8_t *bits, const mxdi_graph *g, const uint8_t *value_bits)
{
    static const char *const ops[] = { "Relu",    "Clip",      "MaxPool",   "Reshape", "Flatten",
                                       "Squeeze", "Unsqueeze", "Transpose", "Add",     "Identity" };
    memcpy(bits, value_bits, g->n_values);
    for (uint32_t n = g->n_nodes; n-- > 0;)
        for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++)
            for (uint32_t i = 0; mxdi_node_is(&g->node[n], ops[k]) && i < g->node[n].n_in; i++)
                if (g->node[n].in[i] != MXD_NO_VALUE && !bits[g->node[n].in[i]])
                    bits[g->node[n].in[i]] = bits[g->node[n].out[0]];
}

struct sums {
    double weights, weight_bits, stored_bits, acts, act_bits, macs, bops, layers, layer_bits, all,
        all_bits;
};

static void add_weights(struct sums *s, const mxdi_graph *g, const mxd_node *n,
                        const mxdi_setting *setting)
{
    for (uint32_t k = 1; k < n->n_in; k++) {
        if (n->in[k] == MXD_NO_VALUE || !g->value[n->in[k]].data ||
            mxdi_dtype_range(g->value[n->in[k]].dtype, &(int64_t){ 0 }, &(int64_t){ 0 }))
            continue;
        const double         count   = count_of(&g->value[n->in[k]]);
        const mxdi_precision p       = setting->precision;
        const bool           main    = k == 1 && mxdi_is_product(n);
        const double         bits    = !main ? 32.0 : p.w_bits ? p.w_bits : float_bits(p.compute);
        const double         storage = !main ? 32.0 : p.w_bits ? (p.w_bits <= 4 ? 4.0 : 8.0) : bits;
        const double         channels = main && p.w_bits
                                            ? (setting->per_tensor ? 1.0
                                               : setting->block    ? ceil(count / setting->block)
                                                                : (double)g->value[n->in[k]].dim[0])
                                            : 0.0;
        s->weights += count;
        s->weight_bits += count * bits;
        s->stored_bits += count * storage + channels * 32.0;
    }
}

mxd_status mxdi_averages_of(mxdi_averages *out, mxdi_graph *g, const mxdi_setting *setting,
                            const uint8_t *stored_bits, mxd_error *err)
{
    uint8_t *const value_bits = MXDI_NEW(&g->arena, uint8_t, g->n_values + 1);
    if (!value_bits)
        return mxdi_nomem(err);
    fused_bits(value_bits, g, stored_bits);
    struct sums  s     = { 0 };
    const double batch = g->max_batch > 0 ? (double)g->max_batch : 1.0;
    double       peak  = 0.0;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const mxd_node *const node = &g->node[n];
        add_weights(&s, g, node, &setting[n]);
        const uint32_t y = node->n_out ? node->out[0] : MXD_NO_VALUE;
        if (y == MXD_NO_VALUE || g->value[y].data)
            continue;
        const double elements = count_of(&g->value[y]) / batch,
                     bits     = value_bits[y] ? value_bits[y] : 32.0;
        const double in_bits  = node->n_in && node->in[0] != MXD_NO_VALUE && value_bits[node->in[0]]
                                    ? value_bits[node->in[0]]
                                    : 32.0;
        s.acts += elements;
        s.act_bits += elements * bits;
        peak =
            fmax(peak, (elements * bits + (node->n_in && node->in[0] != MXD_NO_VALUE
                                               ? count_of(&g->value[node->in[0]]) / batch * in_bits
                                               : 0.0)) /
                           8.0);
        double layer = fmin(bits, in_bits);
        if (mxdi_is_product(node)) {
            const mxdi_precision p = setting[n].precision;
            const double         a = p.a_bits ? p.a_bits : float_bits(p.compute),
                         w         = p.w_bits && p.a_bits ? p.w_bits : float_bits(p.compute),
                         m         = mxdi_macs_of(g, node);
            s.macs += m;
            s.bops += m * a * w;
            layer = fmax(p.w_bits ? p.w_bits : float_bits(p.compute), a);
            s.layers += 1.0;
            s.layer_bits += layer;
        }
        s.all += 1.0;
        s.all_bits += layer;
    }
    *out = (mxdi_averages){ .weight_bits        = s.weights > 0 ? s.weight_bits / s.weights : 0,
                            .weight_bits_stored = s.weights > 0 ? s.stored_bits / s.weights : 0,
                            .act_bits           = s.acts > 0 ? s.act_bits / s.acts : 0,
                            .op_bits            = s.macs > 0 ? sqrt(s.bops / s.macs) : 0,
                            .layer_bits         = s.layers > 0 ? s.layer_bits / s.layers : 0,
                            .layer_bits_all     = s.all > 0 ? s.all_bits / s.all : 0,
                            .peak_act_bytes     = (int64_t)peak };
    return MXD_OK;
}
