/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights and biases in the precision that was decided: integers behind a DequantizeLinear, 16-bit
 * floats behind a pair of Casts. A weight that two layers share is written for each as that layer
 * needs it.
 */
#include <math.h>

#include "base/dtype.h"
#include "engine/asked.h"
#include "quant/layer.h"
#include "quant/qdq.h"
#include "quant/weights_told.h"

mxd_status mxdi_qdq_constant(uint32_t *out, mxdi_graph *g, const char *base, const char *suffix,
                             mxd_dtype dtype, const void *data, const int64_t *dim, int32_t rank,
                             mxd_error *err)
{
    mxd_tensor t = { .data  = (void *)(uintptr_t)data,
                     .dtype = dtype,
                     .rank  = rank }; /* copied below */
    if (rank)
        memcpy(t.dim, dim, (size_t)rank * sizeof(dim[0]));
    char *const name = mxdi_arena_printf(&g->arena, "%s_%s", base, suffix);
    if (!name)
        return mxdi_nomem(err);
    const bool taken = mxdi_graph_find_value(g, name) != MXD_NO_VALUE;
    return mxdi_graph_add_constant(out, g, taken ? NULL : name, name, &t, true, err);
}

mxd_status mxdi_qdq_node(uint32_t *out, mxd_node **node, mxdi_graph *g, const char *op,
                         const char *base, const char *suffix, const uint32_t *in, uint32_t n_in,
                         uint32_t like, mxd_dtype dtype, mxd_error *err)
{
    char *const name = mxdi_arena_printf(&g->arena, "%s_%s", base, suffix);
    if (!name)
        return mxdi_nomem(err);
    const bool taken = mxdi_graph_find_value(g, name) != MXD_NO_VALUE;
    MXD_TRY(mxdi_graph_add_value(out, g, taken ? NULL : name, name, err));
    mxd_value *const       v    = &g->value[*out];
    const mxd_value *const from = &g->value[like];
    v->dtype                    = dtype;
    v->rank                     = from->rank;
    memcpy(v->dim, from->dim, sizeof(v->dim));
    v->batch_axis = from->batch_axis;
    return mxdi_graph_add_node(node, g, op, "", NULL, in, n_in, out, 1, err);
}

/* ---- 16-bit floats ---- */

static mxd_status add_cast_pair(uint32_t *out, mxdi_graph *g, uint32_t x, mxd_dtype half,
                                const char *base, mxd_error *err)
{
    mxd_node *node;
    uint32_t  down;
    MXD_TRY(
        mxdi_qdq_node(&down, &node, g, "Cast", base, mxd_dtype_name(half), &x, 1, x, half, err));
    MXD_TRY(mxdi_node_set_int(g, node, "to", half == MXD_BF16 ? 16 : 10, err));
    MXD_TRY(mxdi_qdq_node(out, &node, g, "Cast", base, half == MXD_BF16 ? "from_bf16" : "from_f16",
                          &down, 1, x, MXD_F32, err));
    return mxdi_node_set_int(g, node, "to", 1, err);
}

/* Inputs, weights and the output of a node are rounded to 16 bits. */
static mxd_status round_layer(mxdi_qdq_plan *p, uint32_t n, mxd_dtype half, mxd_error *err)
{
    mxdi_graph *const g = p->g;
    for (uint32_t k = 0; k < 2; k++) {
        uint32_t    y;
        char *const base = mxdi_arena_printf(&g->arena, "%s_in%u", g->node[n].name, k);
        if (!base)
            return mxdi_nomem(err);
        MXD_TRY(add_cast_pair(&y, g, g->node[n].in[k], half, base, err));
        mxdi_node_set_in(&g->node[n], k, y);
    }
    const uint32_t v = g->node[n].out[0];
    uint32_t       y, raw;
    MXD_TRY(mxdi_graph_add_value(&raw, g, NULL, g->value[v].name, err));
    const char *const name = g->value[raw].name;
    g->value[raw]          = g->value[v];
    g->value[raw].name     = name;
    mxdi_node_set_out(
        &g->node[n], 0,
        raw); /* the rounded value keeps the name, so that nothing behind it changes */
    MXD_TRY(add_cast_pair(&y, g, raw, half, name, err));
    for (uint32_t k = p->n_nodes; k < g->n_nodes; k++)
        if (g->node[k].out[0] == y)
            mxdi_node_set_out(&g->node[k], 0, v);
    return MXD_OK;
}

/* ---- integers ---- */

/* Two to a byte where bits allow. */
static mxd_status store_integers(uint32_t *out, mxdi_graph *g, uint32_t like, const int8_t *q,
                                 uint32_t bits, const char *base, mxd_error *err)
{
    const mxd_value v = g->value[like];
    int64_t         count;
    if (!mxdi_shape_count(&count, v.dim, v.rank))
        return mxdi_fail(err, MXD_E_RANGE, "'%s': too large", v.name);
    if (bits > 4)
        return mxdi_qdq_constant(out, g, base, "quantized", MXD_S8, q, v.dim, v.rank, err);
    uint8_t *const packed = MXDI_NEW(&g->arena, uint8_t, (size_t)(count + 1) / 2 + 1);
    if (!packed)
        return mxdi_nomem(err);
    for (int64_t k = 0; k < count; k++)
        packed[k / 2] = (uint8_t)(packed[k / 2] | (q[k] & 15) << (k % 2 * 4));
    return mxdi_qdq_constant(out, g, base, "quantized", MXD_S4, packed, v.dim, v.rank, err);
}

static mxd_status add_weight_dequantizer(mxdi_qdq_plan *p, uint32_t n, const mxdi_weights_q *q,
                                         const int64_t *scale_dim, int32_t scale_rank, int32_t axis,
                                         int32_t block, uint32_t bits, mxd_error *err)
{
    mxdi_graph *const g    = p->g;
    const uint32_t    w    = g->node[n].in[1];
    const char *const base = g->value[w].name;
    const mxd_dtype   type = bits > 4 ? MXD_S8 : MXD_S4;
    uint32_t          in[3], y;
    mxd_node         *node;
    const void *const zeros =
        q->zero_point ? q->zero_point : mxdi_arena_alloc(&g->arena, (size_t)q->n_scales + 1, 1, 1);
    if (!zeros)
        return mxdi_nomem(err);
    MXD_TRY(store_integers(&in[0], g, w, q->q, bits, base, err));
    MXD_TRY(
        mxdi_qdq_constant(&in[1], g, base, "scale", MXD_F32, q->scale, scale_dim, scale_rank, err));
    MXD_TRY(
        mxdi_qdq_constant(&in[2], g, base, "zero_point", type, zeros, scale_dim, scale_rank, err));
    MXD_TRY(mxdi_qdq_node(&y, &node, g, "DequantizeLinear", base, "dequantized", in, 3, w, MXD_F32,
                          err));
    if (scale_rank)
        MXD_TRY(mxdi_node_set_int(g, node, "axis", axis, err));
    if (block)
        MXD_TRY(mxdi_node_set_int(g, node, "block_size", block, err));
    mxdi_node_set_in(&g->node[n], 1, y);
    return MXD_OK;
}

/* b_q = rint(b/(s_x*s_w)) in int32 behind a DequantizeLinear at that scale. */
static mxd_status add_bias(mxdi_qdq_plan *p, uint32_t n, const mxdi_weights_q *q, double s_x,
                           int64_t channels, mxd_error *err)
{
    mxdi_graph *const g = p->g;
    if (g->node[n].n_in < 3 || g->node[n].in[2] == MXD_NO_VALUE)
        return MXD_OK;
    const uint32_t     b     = g->node[n].in[2];
    const float *const bias  = g->value[b].data;
    int32_t *const     bq    = MXDI_NEW(&g->arena, int32_t, (size_t)channels);
    float *const       scale = MXDI_NEW(&g->arena, float, (size_t)channels);
    int32_t *const     zero  = MXDI_NEW(&g->arena, int32_t, (size_t)channels);
    if (!bq || !scale || !zero)
        return mxdi_nomem(err);
    for (int64_t c = 0; c < channels; c++) {
        const double s = s_x * (double)q->scale[q->n_scales == 1 ? 0 : c];
        scale[c]       = (float)s;
        const double r = rint((double)bias[c] / s);
        bq[c] = (int32_t)(r > 1073741824.0 ? 1073741824.0 : r < -1073741824.0 ? -1073741824.0 : r);
    }
    const char *const base = mxdi_arena_printf(&g->arena, "%s_bias", g->node[n].name);
    if (!base)
        return mxdi_nomem(err);
    uint32_t        in[3], y;
    mxd_node       *node;
    const int64_t   dim   = channels;
    const mxd_value shape = g->value[b];
    MXD_TRY(mxdi_qdq_constant(&in[0], g, base, "quantized", MXD_S32, bq,
                              shape.rank == 1 ? &dim : shape.dim, shape.rank, err));
    MXD_TRY(mxdi_qdq_constant(&in[1], g, base, "scale", MXD_F32, scale, &dim, 1, err));
    MXD_TRY(mxdi_qdq_constant(&in[2], g, base, "zero_point", MXD_S32, zero, &dim, 1, err));
    MXD_TRY(mxdi_qdq_node(&y, &node, g, "DequantizeLinear", base, "dequantized", in, 3, b, MXD_F32,
                          err));
    MXD_TRY(mxdi_node_set_int(g, node, "axis", shape.rank - 1, err));
    mxdi_node_set_in(&g->node[n], 2, y);
    return MXD_OK;
}

static mxd_status integer_layer(mxdi_qdq_plan *p, uint32_t n, mxd_error *err)
{
    mxdi_graph *const g = p->g;
    mxdi_weights_view w;
    mxdi_weights_q    q;
    if (!g->value[g->node[n].in[1]].data)
        return MXD_OK; /* a product of two activations */
    const mxdi_setting *const s = &p->setting[n];
    const uint32_t x = g->node[n].in[0], b = g->node[n].n_in > 2 ? g->node[n].in[2] : MXD_NO_VALUE;
    const int32_t  axis = mxdi_layer_weights(&w, g, &g->node[n]);
    bool           told;
    MXD_TRY(mxdi_weights_told(&q, &told, p, n, &w, err));
    p->told[n] = told;
    if (!told)
        MXD_TRY(mxdi_wrap(
            err, mxdi_weights_quantize(&q, &g->arena, &w, s->precision.w_bits, s->per_tensor, err),
            "layer '%s'", g->node[n].name));
    const int64_t x_max = 1 << p->domain.bits[x];
    if (!q.zero_point)
        mxdi_weights_guard(&q, &w, b != MXD_NO_VALUE ? g->value[b].data : NULL, (double)p->scale[x],
                           x_max, s->precision.w_bits);
    MXD_TRY(add_bias(p, n, &q, (double)p->scale[x], w.channels, err));
    return add_weight_dequantizer(p, n, &q, &q.n_scales, s->per_tensor && q.n_scales == 1 ? 0 : 1,
                                  axis, 0, s->precision.w_bits, err);
}

/* Weight-only: per channel, or blocks along the input channels. */
static mxd_status weight_only_layer(mxdi_qdq_plan *p, uint32_t n, mxd_error *err)
{
    mxdi_graph *const         g = p->g;
    mxdi_weights_view         w;
    mxdi_weights_q            q;
    const mxdi_setting *const s    = &p->setting[n];
    const int32_t             axis = mxdi_layer_weights(&w, g, &g->node[n]);
    const mxd_value           v    = g->value[g->node[n].in[1]];
    if (!s->block || axis != 0) {
        bool told;
        MXD_TRY(mxdi_weights_told(&q, &told, p, n, &w, err));
        p->told[n] = told;
        if (!told)
            MXD_TRY(mxdi_wrap(
                err,
                mxdi_weights_quantize(&q, &g->arena, &w, s->precision.w_bits, s->per_tensor, err),
                "layer '%s'", g->node[n].name));
        return add_weight_dequantizer(p, n, &q, &q.n_scales,
                                      s->per_tensor && q.n_scales == 1 ? 0 : 1, axis, 0,
                                      s->precision.w_bits, err);
    }
    const int64_t k = v.dim[1], inner = w.inner / k;
    int64_t       dim[MXD_MAX_RANK];
    memcpy(dim, v.dim, sizeof(dim));
    dim[1] = (k + s->block - 1) / s->block;
    MXD_TRY(mxdi_weights_blocks(&q, &g->arena, w.w, w.channels, k, inner, s->block,
                                s->precision.w_bits, err));
    return add_weight_dequantizer(p, n, &q, dim, v.rank, 1, s->block, s->precision.w_bits, err);
}

mxd_status mxdi_qdq_weights(mxdi_qdq_plan *p, mxd_error *err)
{
    for (uint32_t n = 0; n < p->n_nodes; n++) {
        if (!mxdi_is_product(&p->g->node[n]))
            continue;
        const mxdi_precision s        = p->setting[n].precision;
        const bool           constant = mxdi_layer_is_constant(p->g, &p->g->node[n]);
        if (p->domain.node[n])
            MXD_TRY(integer_layer(p, n, err));
        else if (s.w_bits && !s.a_bits && constant)
            MXD_TRY(weight_only_layer(p, n, err));
        if (!s.a_bits && s.compute != MXD_F32)
            MXD_TRY(round_layer(p, n, s.compute, err));
    }
    return MXD_OK;
}
