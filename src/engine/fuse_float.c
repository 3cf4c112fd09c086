/* SPDX-License-Identifier: Apache-2.0
 *
 * Float Conv, Gemm and MatMul with constant weights take in what surrounds them: pairs of casts
 * that ask for 16-bit arithmetic, weights kept as integers (weight-only quantization), a residual
 * Add and a clamp. Values stay the same: every rounding that the graph writes down is done where it
 * stood. Only a row added to a MatMul begins its sums, as Gemm's bias does.
 */
#include <assert.h>
#include <math.h>

#include "base/dtype.h"
#include "engine/fuse.h"
#include "engine/fuse_links.h"
#include "ir/ops.h"

/* Three pairs of casts, a DequantizeLinear, two sums and a clamp. */
enum { MOST_TAKEN = 10 };

struct match {
    uint32_t    x, w, bias, r, y; /* y: what the fused node gives in the end */
    mxdi_affine weight_affine;    /* of integer weights */
    mxd_dtype   compute;          /* MXD_F32, MXD_BF16, MXD_F16 */
    bool        integer_weights, round_output;
    float       min, max;
    uint32_t    taken[MOST_TAKEN], n_taken; /* nodes whose work is taken in */
};

static void take(struct match *m, uint32_t n)
{
    assert(m->n_taken < MOST_TAKEN);
    m->taken[m->n_taken++] = n;
}

/* Looks through f32 -> 16 bit -> f32 above `value`: the 16-bit type and the value before it, or
 * MXD_F32. */
static mxd_dtype through_casts(uint32_t *before, struct match *m, const mxdi_graph *g,
                               const mxdi_links *l, uint32_t value)
{
    const uint32_t up = mxdi_fuse_made_by(g, l, value, "Cast");
    *before           = value;
    if (up == MXD_NO_VALUE)
        return MXD_F32;
    const uint32_t  half = g->node[up].in[0];
    const mxd_dtype type = g->value[half].dtype;
    if ((type != MXD_BF16 && type != MXD_F16) || g->value[value].dtype != MXD_F32)
        return MXD_F32;
    const uint32_t down = mxdi_fuse_made_by(g, l, half, "Cast");
    if (down != MXD_NO_VALUE && g->value[g->node[down].in[0]].dtype == MXD_F32) {
        *before = g->node[down].in[0];
        take(m, down);
    } else if (g->value[half].data) {
        *before = half; /* a constant stored in 16 bits */
    } else {
        return MXD_F32;
    }
    take(m, up);
    return type;
}

/* Weights: constant f32 or 16 bits, or integers behind a DequantizeLinear. */
static mxd_status match_weights(struct match *m, bool *ok, mxdi_graph *g, const mxdi_links *l,
                                uint32_t value, mxd_dtype asked, mxd_error *err)
{
    uint32_t        w;
    const mxd_dtype type = through_casts(&w, m, g, l, value);
    const uint32_t  dq   = mxdi_fuse_made_by(g, l, w, "DequantizeLinear");
    *ok                  = false;
    if (dq != MXD_NO_VALUE) {
        MXD_TRY(mxdi_fuse_affine(&m->weight_affine, &m->integer_weights, g, &g->node[dq], err));
        w = g->node[dq].in[0];
        if (!m->integer_weights || !g->value[w].data)
            return MXD_OK;
        take(m, dq);
    }
    m->w = w;
    *ok  = g->value[w].data != NULL && (type == asked || asked == MXD_F32) &&
          (m->integer_weights || mxdi_dtype_is_float(g->value[w].dtype)) &&
          !(asked == MXD_F32 && type != MXD_F32 && g->value[w].dtype == MXD_F32);
    return MXD_OK;
}

/* A constant f32 for each channel, along the last axis. */
static bool is_row(const mxdi_graph *g, uint32_t value, int64_t channels)
{
    const mxd_value *const v = &g->value[value];
    int64_t                count;
    return v->data && v->dtype == MXD_F32 && mxdi_shape_count(&count, v->dim, v->rank) &&
           count == channels && v->rank > 0 && v->dim[v->rank - 1] == channels;
}

static bool match_bias(struct match *m, const mxdi_graph *g, const mxd_node *node, int64_t channels)
{
    m->bias = node->n_in > 2 ? node->in[2] : MXD_NO_VALUE;
    return m->bias == MXD_NO_VALUE || is_row(g, m->bias, channels);
}

/* The row that is added to a MatMul, where the sum is not rounded to 16 bits before. */
static void match_row(struct match *m, const mxdi_graph *g, const mxdi_links *l,
                      const mxd_node *node, int64_t channels)
{
    const uint32_t add = mxdi_fuse_used_by(g, l, m->y, "Add");
    if (!mxdi_node_is(node, "MatMul") || m->compute != MXD_F32 || add == MXD_NO_VALUE)
        return;
    const uint32_t row = g->node[add].in[g->node[add].in[0] == m->y ? 1 : 0];
    if (!is_row(g, row, channels) || g->value[row].rank > g->value[m->y].rank)
        return;
    m->bias = row;
    m->y    = g->node[add].out[0];
    take(m, add);
}

/* Output channels of a node that can be fused, or -1. */
static int64_t fusable_channels(const mxdi_graph *g, const mxd_node *node)
{
    const mxd_value *const x = &g->value[node->in[0]], *const w = &g->value[node->in[1]];
    if (g->value[node->out[0]].dtype != MXD_F32)
        return -1;
    if (mxdi_node_is(node, "Conv"))
        return w->dim[0];
    if (mxdi_node_is(node, "MatMul"))
        return w->rank == 2 && x->rank >= 2 ? w->dim[1] : -1;
    if (!mxdi_node_is(node, "Gemm") || mxd_node_float(node, "alpha", 1.0f) != 1.0f ||
        mxd_node_float(node, "beta", 1.0f) != 1.0f || mxd_node_int(node, "transA", 0))
        return -1;
    return w->dim[mxd_node_int(node, "transB", 0) ? 0 : 1];
}

static bool clamp_bounds(struct match *m, const mxdi_graph *g, const mxd_node *node)
{
    float bound[2] = { 0.0f, INFINITY };
    if (mxdi_node_is(node, "Clip"))
        for (uint32_t k = 0; k < 2; k++) {
            const uint32_t in = node->n_in > 1 + k ? node->in[1 + k] : MXD_NO_VALUE;
            if (in != MXD_NO_VALUE && (!g->value[in].data || g->value[in].dtype != MXD_F32))
                return false;
            bound[k] = in != MXD_NO_VALUE
                           ? *(const float *)g->value[in].data
                           : mxd_node_float(node, k ? "max" : "min", k ? INFINITY : -INFINITY);
        }
    m->min = bound[0];
    m->max = bound[1];
    return bound[0] <= bound[1];
}

/* What follows the product: rounding to 16 bits, a residual, a clamp - each only where nobody else
 * looks. */
static void match_epilogue(struct match *m, const mxdi_graph *g, const mxdi_links *l)
{
    const uint32_t down = mxdi_fuse_used_by(g, l, m->y, "Cast");
    if (m->compute != MXD_F32 && down != MXD_NO_VALUE &&
        g->value[g->node[down].out[0]].dtype == m->compute) {
        const uint32_t up = mxdi_fuse_used_by(g, l, g->node[down].out[0], "Cast");
        if (up != MXD_NO_VALUE && g->value[g->node[up].out[0]].dtype == MXD_F32) {
            m->round_output = true;
            m->y            = g->node[up].out[0];
            take(m, down);
            take(m, up);
        }
    }
    const uint32_t add = mxdi_fuse_used_by(g, l, m->y, "Add");
    if (add != MXD_NO_VALUE && g->node[add].in[0] != g->node[add].in[1]) {
        const uint32_t         r = g->node[add].in[g->node[add].in[0] == m->y ? 1 : 0];
        const mxd_value *const a = &g->value[m->y], *const b = &g->value[r];
        if (!b->data && b->dtype == MXD_F32 && a->rank == b->rank &&
            memcmp(a->dim, b->dim, (size_t)a->rank * sizeof(a->dim[0])) == 0) {
            m->r = r;
            m->y = g->node[add].out[0];
            take(m, add);
        }
    }
    uint32_t clamp = mxdi_fuse_used_by(g, l, m->y, "Relu");
    clamp          = clamp == MXD_NO_VALUE ? mxdi_fuse_used_by(g, l, m->y, "Clip") : clamp;
    if (clamp != MXD_NO_VALUE && clamp_bounds(m, g, &g->node[clamp])) {
        m->y = g->node[clamp].out[0];
        take(m, clamp);
    }
}

static mxd_status rewrite(mxdi_graph *g, uint32_t n, const struct match *m, mxd_error *err)
{
    const bool     conv = mxdi_node_is(&g->node[n], "Conv");
    const uint32_t in[] = { m->x, m->w, m->bias, m->r };
    mxd_node      *node;
    if (m->integer_weights) {
        const mxdi_affine *const a = &m->weight_affine;
        const mxd_qparams        q = { .scale      = a->scale,
                                       .zero_point = a->zero_point,
                                       .n          = a->n,
                                       .axis       = a->axis,
                                       .block      = a->block,
                                       .q_min      = a->lo,
                                       .q_max      = a->hi };
        MXD_TRY(mxdi_value_set_qparams(g, m->w, &q, err));
    }
    MXD_TRY(mxdi_graph_add_node(&node, g, conv ? "FusedConv" : "FusedMatMul", "mixdown", NULL, in,
                                4, &m->y, 1, err));
    node->n_origin = 0;
    MXD_TRY(mxdi_node_add_origins(g, node, g->node[n].origin, g->node[n].n_origin, err));
    for (uint32_t k = 0; k < m->n_taken; k++)
        MXD_TRY(mxdi_node_add_origins(g, node, g->node[m->taken[k]].origin,
                                      g->node[m->taken[k]].n_origin, err));
    if (conv) {
        MXD_TRY(mxdi_node_copy_attrs(g, node, &g->node[n], err));
    } else {
        MXD_TRY(mxdi_node_set_int(
            g, node, "transB",
            mxdi_node_is(&g->node[n], "Gemm") ? mxd_node_int(&g->node[n], "transB", 0) : 0, err));
    }
    if (m->min > -INFINITY)
        MXD_TRY(mxdi_node_set_float(g, node, "min", m->min, err));
    if (m->max < INFINITY)
        MXD_TRY(mxdi_node_set_float(g, node, "max", m->max, err));
    MXD_TRY(mxdi_node_set_string(g, node, "compute", mxd_dtype_name(m->compute), err));
    return mxdi_node_set_int(g, node, "round_output", m->round_output, err);
}

/* auto_pad resolved, kernel_shape, strides, dilations and pads always present. */
static mxd_status resolve_geometry(mxdi_graph *g, mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = &g->value[node->in[0]], *const w = &g->value[node->in[1]];
    mxdi_window   win;
    const int32_t rank = w->rank - 2;
    MXD_TRY(mxdi_window_of(&win, node, x->dim + 2, w->dim + 2, rank, err));
    int64_t pads[2 * MXDI_MAX_SPATIAL];
    for (int32_t k = 0; k < rank; k++) {
        pads[k]        = win.pad_begin[k];
        pads[rank + k] = win.pad_end[k];
    }
    const uint32_t r = (uint32_t)rank;
    mxdi_node_remove_attr(node, "auto_pad");
    MXD_TRY(mxdi_node_set_ints(g, node, "kernel_shape", win.kernel, r, err));
    MXD_TRY(mxdi_node_set_ints(g, node, "strides", win.stride, r, err));
    MXD_TRY(mxdi_node_set_ints(g, node, "dilations", win.dilation, r, err));
    return mxdi_node_set_ints(g, node, "pads", pads, 2 * r, err);
}

static mxd_status fuse_node(mxdi_graph *g, const mxdi_links *l, uint32_t n, mxd_error *err)
{
    const mxd_node *const node     = &g->node[n];
    struct match          m        = { .bias = MXD_NO_VALUE,
                                       .r    = MXD_NO_VALUE,
                                       .y    = node->out[0],
                                       .min  = -INFINITY,
                                       .max  = INFINITY };
    const int64_t         channels = fusable_channels(g, node);
    if (channels < 0 || !match_bias(&m, g, node, channels))
        return MXD_OK;
    m.compute = through_casts(&m.x, &m, g, l, node->in[0]);
    if (g->value[m.x].dtype != MXD_F32)
        return MXD_OK;
    bool ok;
    MXD_TRY(match_weights(&m, &ok, g, l, node->in[1], m.compute, err));
    if (!ok)
        return MXD_OK;
    match_row(&m, g, l, node, channels);
    match_epilogue(&m, g, l);
    if (mxdi_node_is(node, "Conv"))
        MXD_TRY(resolve_geometry(g, &g->node[n], err));
    MXD_TRY(rewrite(g, n, &m, err));
    mxdi_node_remove(&g->node[n]);
    for (uint32_t k = 0; k < m.n_taken;
         k++) { /* those below the product are done; those above may have other users */
        const uint32_t t = m.taken[k];
        if (t > n)
            mxdi_node_remove(&g->node[t]);
    }
    return MXD_OK;
}

mxd_status mxdi_fuse_float(mxdi_graph *g, mxd_error *err)
{
    mxdi_links     l       = MXDI_LINKS_INIT;
    mxd_status     st      = mxdi_links_build(&l, g, err);
    const uint32_t n_nodes = g->n_nodes;
    for (uint32_t n = 0; n < n_nodes && st == MXD_OK; n++)
        if (g->node[n].op && g->node[n].domain[0] == '\0' &&
            (mxdi_node_is(&g->node[n], "Conv") || mxdi_node_is(&g->node[n], "Gemm") ||
             mxdi_node_is(&g->node[n], "MatMul")))
            st = fuse_node(g, &l, n, err);
    mxdi_links_free(&l);
    if (st == MXD_OK)
        st = mxdi_graph_sort(g, err);
    if (st == MXD_OK)
        st = mxdi_graph_remove_dead(g, err);
    return st == MXD_OK ? mxdi_graph_compact(g, err) : st;
}
