/* SPDX-License-Identifier: Apache-2.0
 *
 * QLinearConv and QLinearMatMul -> DequantizeLinear on each operand, Conv or MatMul,
 * QuantizeLinear: the one form in which quantization is told further on. The node keeps its name,
 * and all new ones have it as their origin. The bias is dequantized by x_scale * w_scale, as
 * QLinearConv defines it. Where a scale or zero point is computed at run time, or differs along
 * more than one axis, the node stays.
 */
#include "passes/passes.h"

#include "base/dtype.h"

/* Inputs of an operand: the integers, their scale and zero point. */
typedef struct operand {
    uint32_t value, scale, zero;
    int32_t  axis; /* of a scale with several numbers */
} operand;

static bool is_constant(const mxdi_graph *g, uint32_t value)
{
    return value != MXD_NO_VALUE && g->value[value].data != NULL;
}

static int64_t length(const mxd_value *v)
{
    return v->rank == 0 ? 1 : v->dim[0];
}

/* Scale and zero point are constants: one number, or a vector along an axis. */
static bool is_simple(const mxdi_graph *g, const operand *o)
{
    if (!is_constant(g, o->scale) || !is_constant(g, o->zero))
        return false;
    const mxd_value *const scale = &g->value[o->scale], *const zero = &g->value[o->zero];
    return scale->rank <= 1 && zero->rank <= 1 && scale->dtype == MXD_F32 &&
           (length(zero) == 1 || length(zero) == length(scale));
}

/* A binary32 value of the shape of `like`. */
static mxd_status add_real(uint32_t *out, mxdi_graph *g, uint32_t like, mxd_error *err)
{
    MXD_TRY(mxdi_graph_add_value(out, g, NULL, g->value[like].name, err));
    mxd_value *const       v = &g->value[*out];
    const mxd_value *const x = &g->value[like];
    v->dtype                 = MXD_F32;
    v->rank                  = x->rank;
    v->batch_axis            = x->batch_axis;
    memcpy(v->dim, x->dim, sizeof(v->dim));
    return MXD_OK;
}

/* A node that does part of node n's work; part_name NULL: its output's. Parameters along an axis
 * are known since version 13. */
static mxd_status add_part(mxdi_graph *g, const char *op, const char *part_name, uint32_t n,
                           const uint32_t *in, uint32_t n_in, uint32_t out, int32_t axis,
                           mxd_error *err)
{
    const char *const name = g->node[n].name;
    mxd_node         *node = NULL;
    MXD_TRY(mxdi_graph_add_node(&node, g, op, "", part_name, in, n_in, &out, 1, err));
    const mxd_node *const from = &g->node[n]; /* may have moved */
    node->version              = from->version > 13 ? from->version : 13;
    if (axis >= 0)
        MXD_TRY(mxdi_node_set_int(g, node, "axis", axis, err));
    return from->n_origin > 0 ? mxdi_node_add_origins(g, node, from->origin, from->n_origin, err)
                              : mxdi_node_add_origins(g, node, &name, 1, err);
}

/* A zero point of one number beside a scale of many becomes as many. */
static mxd_status widen_zero(mxdi_graph *g, operand *o, mxd_error *err)
{
    const mxd_value zero = g->value[o->zero];
    const int64_t   n    = length(&g->value[o->scale]);
    if (n == length(&zero))
        return MXD_OK;
    uint8_t *const all = mxdi_arena_alloc(&g->arena, (size_t)n, 1, 64);
    if (!all)
        return mxdi_nomem(err);
    memset(all, *(const uint8_t *)zero.data, (size_t)n); /* 8 bits each: the shape function saw */
    const mxd_tensor t = { all, zero.dtype, 1, { n } };
    return mxdi_graph_add_constant(&o->zero, g, NULL, zero.name, &t, false, err);
}

/* *out: the operand as a real value. */
static mxd_status dequantize(uint32_t *out, mxdi_graph *g, uint32_t n, operand *o, mxd_error *err)
{
    MXD_TRY(widen_zero(g, o, err));
    MXD_TRY(add_real(out, g, o->value, err));
    const uint32_t in[] = { o->value, o->scale, o->zero };
    const bool     many = length(&g->value[o->scale]) > 1;
    return add_part(g, "DequantizeLinear", NULL, n, in, 3, *out, many ? o->axis : -1, err);
}

/* The bias of a QLinearConv, 32-bit integers in steps of x_scale * w_scale. */
static mxd_status dequantize_bias(uint32_t *out, mxdi_graph *g, uint32_t n, uint32_t bias,
                                  const operand *x, const operand *w, mxd_error *err)
{
    const float *const sx    = g->value[x->scale].data;
    const float *const sw    = g->value[w->scale].data;
    const int64_t      count = length(&g->value[w->scale]);
    float *const       s     = mxdi_arena_alloc(&g->arena, (size_t)count, sizeof(*s), 64);
    if (!s)
        return mxdi_nomem(err);
    for (int64_t k = 0; k < count; k++)
        s[k] = sx[0] * sw[k];
    const mxd_tensor t     = { s, MXD_F32, count > 1 ? 1 : 0, { count } };
    uint32_t         in[2] = { bias, 0 };
    MXD_TRY(mxdi_graph_add_constant(&in[1], g, NULL, g->value[bias].name, &t, false, err));
    MXD_TRY(add_real(out, g, bias, err));
    return add_part(g, "DequantizeLinear", NULL, n, in, 2, *out, count > 1 ? 0 : -1, err);
}

/* Node n turns into `op` with these inputs, and its old output is quantized from the new one. */
static mxd_status replace(mxdi_graph *g, uint32_t n, const char *op, const uint32_t *in,
                          uint32_t n_in, const operand *y, mxd_error *err)
{
    uint32_t *const copy = mxdi_arena_memdup(&g->arena, in, n_in * sizeof(*in), _Alignof(uint32_t));
    uint32_t        real = 0;
    if (!copy)
        return mxdi_nomem(err);
    MXD_TRY(add_real(&real, g, y->value, err));
    const uint32_t q_in[] = { real, y->scale, y->zero };
    MXD_TRY(add_part(g, "QuantizeLinear", g->value[real].name, n, q_in, 3, y->value, -1, err));
    mxd_node *const node = &g->node[n];
    mxdi_node_set_out(node, 0, real);
    node->op   = op;
    node->in   = copy;
    node->n_in = n_in;
    return MXD_OK;
}

static mxd_status decompose_conv(mxdi_graph *g, uint32_t n, bool *changed, mxd_error *err)
{
    const mxd_node *const node = &g->node[n];
    operand               x    = { node->in[0], node->in[1], node->in[2], 1 };
    operand               w    = { node->in[3], node->in[4], node->in[5], 0 };
    const operand         y    = { node->out[0], node->in[6], node->in[7], 1 };
    const uint32_t        bias = node->n_in > 8 ? node->in[8] : MXD_NO_VALUE;
    uint32_t              in[3];
    if (!is_simple(g, &x) || !is_simple(g, &w) || !is_simple(g, &y))
        return MXD_OK;
    *changed = true;
    MXD_TRY(dequantize(&in[0], g, n, &x, err));
    MXD_TRY(dequantize(&in[1], g, n, &w, err));
    if (bias != MXD_NO_VALUE)
        MXD_TRY(dequantize_bias(&in[2], g, n, bias, &x, &w, err));
    return replace(g, n, "Conv", in, bias != MXD_NO_VALUE ? 3 : 2, &y, err);
}

static mxd_status decompose_matmul(mxdi_graph *g, uint32_t n, bool *changed, mxd_error *err)
{
    const mxd_node *const node = &g->node[n];
    operand               a    = { node->in[0], node->in[1], node->in[2], 0 };
    operand               b    = { node->in[3], node->in[4], node->in[5], 0 };
    const operand         y    = { node->out[0], node->in[6], node->in[7], 0 };
    uint32_t              in[2];
    a.axis = g->value[a.value].rank - 2;
    b.axis = g->value[b.value].rank - 1;
    if (!is_simple(g, &a) || !is_simple(g, &b) || !is_simple(g, &y))
        return MXD_OK;
    *changed = true;
    MXD_TRY(dequantize(&in[0], g, n, &a, err));
    MXD_TRY(dequantize(&in[1], g, n, &b, err));
    return replace(g, n, "MatMul", in, 2, &y, err);
}

mxd_status mxdi_pass_decompose_qlinear(mxdi_graph *g, bool *changed, mxd_error *err)
{
    const uint32_t n_nodes = g->n_nodes; /* new ones follow */
    for (uint32_t n = 0; n < n_nodes; n++) {
        if (mxdi_node_is(&g->node[n], "QLinearConv") && !*g->node[n].domain)
            MXD_TRY(decompose_conv(g, n, changed, err));
        else if (mxdi_node_is(&g->node[n], "QLinearMatMul") && !*g->node[n].domain)
            MXD_TRY(decompose_matmul(g, n, changed, err));
    }
    return *changed ? mxdi_graph_sort(g, err) : MXD_OK;
}
