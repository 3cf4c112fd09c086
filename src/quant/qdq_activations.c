/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations: their scales and zero points, and the quantizers behind them. 8 bits are stored as
 * u8 (s8 for backends that want them signed), 4 bits as UINT4; between them a Clip in front of the
 * quantizer keeps the integers within their bits.
 */
#include <math.h>

#include "quant/qdq.h"

void mxdi_qdq_affine(float *scale, int32_t *zero_point, float low, float high, uint32_t bits,
                     bool is_signed, bool symmetric)
{
    const int32_t levels = (1 << bits) - 1, q_min = is_signed ? -(1 << (bits - 1)) : 0,
                  q_max = q_min + levels;
    if (symmetric) { /* -q_max..q_max around 0, or around the middle of unsigned storage */
        const float a = fmaxf(-low, high);
        *scale        = a > 0.0f ? a / (float)((1 << (bits - 1)) - 1) : 1.0f;
        *zero_point   = is_signed ? 0 : 1 << (bits - 1);
        return;
    }
    *scale = (float)(((double)high - (double)low) / (double)levels);
    if (!(*scale > 1.2e-38f))
        *scale = 1.0f;
    const double z = rint((double)q_min - (double)low / (double)*scale);
    *zero_point    = (int32_t)(z < q_min ? q_min : z > q_max ? q_max : z);
}

static uint32_t parameters_of(const mxdi_qdq_plan *p, uint32_t v)
{
    return p->domain.same[v] != MXD_NO_VALUE ? p->domain.same[v] : v;
}

/* The method that the layer which reads `v` asks for, or -1. */
static int method_for(const mxdi_qdq_plan *p, uint32_t v, bool *symmetric)
{
    *symmetric = p->symmetric;
    for (uint32_t n = 0; n < p->n_nodes; n++)
        if (p->domain.node[n] && p->g->node[n].n_in && p->g->node[n].in[0] == v &&
            mxdi_precision_is_integer(p->setting[n].precision)) {
            *symmetric = *symmetric || p->setting[n].symmetric;
            return p->setting[n].method;
        }
    return -1;
}

/* The parameters that the file tells, where they are of this width and of a kind that may be
 * written. */
static bool take_told(mxdi_qdq_plan *p, uint32_t v, const mxdi_tensor_stats *t, bool symmetric)
{
    const int32_t middle = 1 << (p->domain.bits[v] - 1);
    if (!(t->scale > 0.0f) || t->bits != p->domain.bits[v] ||
        (symmetric && t->zero_point != middle))
        return false;
    p->scale[v]      = t->scale;
    p->zero_point[v] = t->zero_point - (p->signed_activations ? middle : 0);
    return true;
}

static mxd_status not_observed(const mxdi_qdq_plan *p, const char *name, mxd_error *err)
{
    if (p->calibration->n_modules)
        return mxdi_fail(
            err, MXD_E_INVAL,
            "calibration: no module of NNI's file tells the range of tensor '%s', which an integer layer reads; exclude that "
            "layer or calibrate with --data",
            name);
    return mxdi_fail(err, MXD_E_INVAL,
                     "calibration: nothing was observed of tensor '%s'; calibrate this model again",
                     name);
}

mxd_status mxdi_qdq_ranges(mxdi_qdq_plan *p, mxd_error *err)
{
    for (uint32_t v = 0; v < p->n_values; v++) {
        if (!p->domain.bits[v] || p->domain.same[v] != MXD_NO_VALUE)
            continue;
        const char *const             name = p->g->value[v].name;
        const mxdi_calibration *const seen =
            p->rescaled && p->scaled[v] ? p->rescaled : p->calibration;
        if (!seen)
            return mxdi_fail(
                err, MXD_E_USAGE,
                "tensor '%s' is to be quantized: a calibration (--calibration FILE or --data SPEC) expected",
                name);
        const mxdi_tensor_stats *const t = mxdi_calibration_find(seen, name);
        if (!t)
            return not_observed(p, name, err);
        bool      symmetric;
        float     low, high;
        const int method = method_for(p, v, &symmetric);
        if (take_told(p, v, t, symmetric))
            continue;
        mxdi_calibration_range(&low, &high, seen, t, method, p->domain.bits[v], symmetric);
        mxdi_qdq_affine(&p->scale[v], &p->zero_point[v], low, high, p->domain.bits[v],
                        p->signed_activations, symmetric);
    }
    for (uint32_t v = 0; v < p->n_values; v++) {
        p->scale[v]      = p->scale[parameters_of(p, v)];
        p->zero_point[v] = p->zero_point[parameters_of(p, v)];
    }
    return MXD_OK;
}

/* Clip to what `bits` bits hold, where storage is wider. */
static mxd_status add_clip(uint32_t *x, mxdi_qdq_plan *p, uint32_t v, mxd_error *err)
{
    const uint32_t    bits = p->domain.bits[v], storage = bits <= 4 ? 4 : 8;
    const char *const name = p->g->value[v].name;
    if (bits == storage)
        return MXD_OK;
    const int32_t q_min  = p->signed_activations ? -(1 << (bits - 1)) : 0,
                  q_max  = q_min + (1 << bits) - 1;
    const float bound[2] = { (float)(q_min - p->zero_point[v]) * p->scale[v],
                             (float)(q_max - p->zero_point[v]) * p->scale[v] };
    uint32_t    in[3]    = { *x, 0, 0 };
    mxd_node   *node;
    MXD_TRY(mxdi_qdq_constant(&in[1], p->g, name, "low", MXD_F32, &bound[0], NULL, 0, err));
    MXD_TRY(mxdi_qdq_constant(&in[2], p->g, name, "high", MXD_F32, &bound[1], NULL, 0, err));
    return mxdi_qdq_node(x, &node, p->g, "Clip", name, "clipped", in, 3, v, MXD_F32, err);
}

static mxd_status add_quantizer(mxdi_qdq_plan *p, uint32_t v, mxd_error *err)
{
    mxdi_graph *const g       = p->g;
    const char *const name    = g->value[v].name;
    const bool        four    = p->domain.bits[v] <= 4;
    const mxd_dtype   type    = four                    ? (p->signed_activations ? MXD_S4 : MXD_U4)
                                : p->signed_activations ? MXD_S8
                                                        : MXD_U8;
    const uint8_t     z       = (uint8_t)(four ? p->zero_point[v] & 15 : p->zero_point[v]);
    uint32_t          x       = v, in[3], q, y;
    const uint32_t    readers = g->n_nodes;
    mxd_node         *node;
    MXD_TRY(add_clip(&x, p, v, err));
    in[0] = x;
    MXD_TRY(mxdi_qdq_constant(&in[1], g, name, "scale", MXD_F32, &p->scale[v], NULL, 0, err));
    MXD_TRY(mxdi_qdq_constant(&in[2], g, name, "zero_point", type, &z, NULL, 0, err));
    MXD_TRY(mxdi_qdq_node(&q, &node, g, "QuantizeLinear", name, "quantized", in, 3, v, type, err));
    in[0] = q;
    MXD_TRY(mxdi_qdq_node(&y, &node, g, "DequantizeLinear", name, "dequantized", in, 3, v, MXD_F32,
                          err));
    for (uint32_t n = 0; n < readers;
         n++) /* everyone else reads what is stored; network outputs keep the value itself */
        for (uint32_t k = 0; k < g->node[n].n_in; k++)
            if (g->node[n].in[k] == v)
                mxdi_node_set_in(&g->node[n], k, y);
    return MXD_OK;
}

mxd_status mxdi_qdq_activations(mxdi_qdq_plan *p, mxd_error *err)
{
    for (uint32_t v = 0; v < p->n_values; v++)
        if (p->domain.bits[v])
            MXD_TRY(add_quantizer(p, v, err));
    return mxdi_graph_sort(p->g, err);
}
