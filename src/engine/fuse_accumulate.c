/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv, Gemm and MatMul whose operands are dequantized integers become QConv and QMatMul: int32
 * accumulators, integer or float bias, and the multiplier s_x*s_w/s_y of each output channel
 * (docs/numerics.md).
 */
#include <math.h>

#include "base/dtype.h"
#include "engine/fuse_emit.h"
#include "ir/ops.h"

/* All that follows from the operands of one node. */
struct operands {
    mxdi_stored x, w;
    int64_t     channels;  /* of the output */
    uint32_t    b, bf, zw; /* constants, or MXD_NO_VALUE */
    bool        found;
};

/* The axis of the weights that holds output channels, or -1 when the node has no integer
 * definition. */
static int32_t channel_axis(const mxdi_graph *g, const mxd_node *node)
{
    const mxd_value *const x = &g->value[node->in[0]], *const w = &g->value[node->in[1]];
    if (mxdi_node_is(node, "Conv"))
        return 0;
    if (x->rank < 2 || w->rank < 2)
        return -1;
    if (!mxdi_node_is(node, "Gemm"))
        return w->rank - 1;
    if (mxd_node_float(node, "alpha", 1.0f) != 1.0f || mxd_node_float(node, "beta", 1.0f) != 1.0f ||
        mxd_node_int(node, "transA", 0))
        return -1;
    return mxd_node_int(node, "transB", 0) ? 0 : 1;
}

/* Bias of `channels` entries from a constant or a dequantized constant; *ok = false: it has another
 * form. */
static mxd_status fuse_bias(struct operands *o, mxdi_fuser *f, const mxd_node *node,
                            const mxdi_qspec *spec, bool *ok, mxd_error *err)
{
    mxdi_graph *const g = f->g;
    *ok                 = true;
    if (node->n_in < 3 || node->in[2] == MXD_NO_VALUE)
        return MXD_OK;
    const uint32_t         dq = mxdi_fuse_dequantizer(g, &f->links, node->in[2]);
    const mxd_value *const v  = &g->value[dq == MXD_NO_VALUE ? node->in[2] : g->node[dq].in[0]];
    mxdi_affine            a  = { 0 };
    bool                   dequantized = false;
    int64_t                count;
    if (dq != MXD_NO_VALUE)
        MXD_TRY(mxdi_fuse_affine(&a, &dequantized, g, &g->node[dq], err));
    *ok = v->data && mxdi_shape_count(&count, v->dim, v->rank) &&
          (count == o->channels || count == 1) && (v->rank == 0 || v->dim[v->rank - 1] == count) &&
          (dq == MXD_NO_VALUE ? v->dtype == MXD_F32 : dequantized) &&
          (!dequantized || a.n == 1 || a.n == o->channels);
    if (!*ok)
        return MXD_OK;

    int32_t *const b  = MXDI_NEW(&g->arena, int32_t, (size_t)o->channels);
    float *const   bf = MXDI_NEW(&g->arena, float, (size_t)o->channels);
    if (!b || !bf)
        return mxdi_nomem(err);
    bool same_scale = dequantized;
    for (int64_t c = 0; c < o->channels; c++) {
        const int64_t k = count == 1 ? 0 : c;
        if (!dequantized) {
            bf[c] = mxdi_fuse_ratio(((const float *)v->data)[k], 1.0, spec->s);
            continue;
        }
        const float  sb = a.scale[a.n == 1 ? 0 : c];
        const double want =
            (double)o->x.affine.scale[0] * (double)o->w.affine.scale[o->w.affine.n == 1 ? 0 : c];
        same_scale      = same_scale && fabs((double)sb - want) <= 1e-6 * want;
        const int64_t q = mxdi_load_s64(v->data, v->dtype, k) - a.zero_point[a.n == 1 ? 0 : c];
        b[c]            = (int32_t)(uint32_t)(uint64_t)q;
        bf[c]           = mxdi_fuse_ratio((float)q * sb, 1.0, spec->s);
    }
    return same_scale ? mxdi_emit_constant(&o->b, g, MXD_S32, b, (uint32_t)o->channels, err)
                      : mxdi_emit_constant(&o->bf, g, MXD_F32, bf, (uint32_t)o->channels, err);
}

/* The second operand: weights as they are dequantized, or an activation that may have been moved
 * since. */
static mxd_status fuse_second(mxdi_stored *w, mxdi_fuser *f, const mxd_node *node, mxd_error *err)
{
    mxdi_graph *const g  = f->g;
    const uint32_t    dq = mxdi_fuse_dequantizer(g, &f->links, node->in[1]);
    if (dq == MXD_NO_VALUE)
        return mxdi_node_is(node, "MatMul") ? mxdi_fuse_stored(w, f, node->in[1], err) : MXD_OK;
    w->value = g->node[dq].in[0];
    return mxdi_fuse_affine(&w->affine, &w->found, g, &g->node[dq], err);
}

static mxd_status fuse_operands(struct operands *o, mxdi_fuser *f, uint32_t n,
                                const mxdi_qspec *spec, mxd_error *err)
{
    mxdi_graph *const g = f->g;
    *o = (struct operands){ .b = MXD_NO_VALUE, .bf = MXD_NO_VALUE, .zw = MXD_NO_VALUE };
    const int32_t axis = channel_axis(g, &g->node[n]);
    if (axis < 0)
        return MXD_OK;
    MXD_TRY(mxdi_fuse_stored(&o->x, f, g->node[n].in[0], err));
    if (!mxdi_stored_is_small(&o->x))
        return MXD_OK;
    MXD_TRY(fuse_second(&o->w, f, &g->node[n], err));
    if (!o->w.found)
        return MXD_OK;
    const mxd_value *const w = &g->value[o->w.value];
    o->channels              = w->dim[axis];
    const bool one           = o->w.affine.n == 1;
    if (o->w.affine.block || mxd_dtype_bits(o->w.affine.dtype) > 8 ||
        (!one && (o->w.affine.axis != axis || o->w.affine.n != o->channels)) ||
        (!w->data && (mxdi_node_is(&g->node[n], "Conv") || mxdi_node_is(&g->node[n], "Gemm"))))
        return MXD_OK;

    MXD_TRY(fuse_bias(o, f, &g->node[n], spec, &o->found, err));
    bool shifted = false;
    for (uint32_t k = 0; k < o->w.affine.n; k++)
        shifted = shifted || o->w.affine.zero_point[k] != 0;
    if (o->found && shifted)
        MXD_TRY(mxdi_emit_constant(&o->zw, g, MXD_S32, o->w.affine.zero_point, o->w.affine.n, err));
    return MXD_OK;
}

/* m[c] = s_x*s_w[c]/s. */
static mxd_status emit_multiplier(uint32_t *out, mxdi_fuser *f, const struct operands *o,
                                  const mxdi_qspec *spec, mxd_error *err)
{
    float *const m = MXDI_NEW(&f->g->arena, float, o->w.affine.n);
    if (!m)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < o->w.affine.n; k++)
        m[k] = mxdi_fuse_ratio(o->x.affine.scale[0], o->w.affine.scale[k], spec->s);
    return mxdi_emit_constant(out, f->g, MXD_F32, m, o->w.affine.n, err);
}

/* Geometry attributes, all present and resolved. */
static mxd_status set_geometry(mxdi_fuser *f, mxd_node *node, const mxd_node *from,
                               const int64_t *in, const mxd_value *w, mxd_error *err)
{
    if (mxdi_node_is(node, "QMatMul"))
        return mxdi_node_set_int(f->g, node, "transB",
                                 mxdi_node_is(from, "Gemm") ? mxd_node_int(from, "transB", 0) : 0,
                                 err);
    mxdi_window   win;
    const int32_t rank = w->rank - 2;
    MXD_TRY(mxdi_window_of(&win, from, in, w->dim + 2, rank, err));
    int64_t pads[2 * MXDI_MAX_SPATIAL];
    for (int32_t k = 0; k < rank; k++) {
        pads[k]        = win.pad_begin[k];
        pads[rank + k] = win.pad_end[k];
    }
    const uint32_t r = (uint32_t)rank;
    MXD_TRY(mxdi_node_set_ints(f->g, node, "kernel_shape", win.kernel, r, err));
    MXD_TRY(mxdi_node_set_ints(f->g, node, "strides", win.stride, r, err));
    MXD_TRY(mxdi_node_set_ints(f->g, node, "dilations", win.dilation, r, err));
    MXD_TRY(mxdi_node_set_ints(f->g, node, "pads", pads, 2 * r, err));
    return mxdi_node_set_int(f->g, node, "group", mxd_node_int(from, "group", 1), err);
}

static mxd_status set_residual(mxdi_fuser *f, mxd_node *node, const mxdi_stored *r, bool first,
                               const mxdi_qspec *spec, mxd_error *err)
{
    mxdi_graph *const g = f->g;
    MXD_TRY(mxdi_node_set_int(g, node, "mid", 0, err));
    MXD_TRY(mxdi_node_set_int(g, node, "residual_first", first, err));
    MXD_TRY(mxdi_node_set_int(g, node, "r_zero_point", r->affine.zero_point[0], err));
    MXD_TRY(mxdi_node_set_float(g, node, "y_scale_ratio", 1.0f, err));
    return mxdi_node_set_float(g, node, "r_scale_ratio",
                               mxdi_fuse_ratio(r->affine.scale[0], 1.0, spec->s), err);
}

/* The nodes that dequantize x, w and b count as this node's work too. */
static mxd_status add_dequantizers(mxdi_fuser *f, uint32_t node, uint32_t n, mxd_error *err)
{
    mxdi_graph *const g = f->g;
    for (uint32_t k = 0; k < g->node[n].n_in; k++) {
        const uint32_t dq = mxdi_fuse_dequantizer(g, &f->links, g->node[n].in[k]);
        if (dq != MXD_NO_VALUE)
            MXD_TRY(mxdi_node_add_origins(g, &g->node[node], g->node[dq].origin,
                                          g->node[dq].n_origin, err));
    }
    return MXD_OK;
}

mxd_status mxdi_fuse_accumulate(uint32_t *out, mxdi_fuser *f, uint32_t n, const mxdi_qspec *spec,
                                uint32_t target, const mxdi_stored *residual, bool residual_first,
                                mxd_error *err)
{
    mxdi_graph *const g = f->g;
    struct operands   o;
    *out = MXD_NO_VALUE;
    MXD_TRY(fuse_operands(&o, f, n, spec, err));
    if (!o.found || (residual && o.bf != MXD_NO_VALUE))
        return MXD_OK;

    uint32_t m, y;
    MXD_TRY(emit_multiplier(&m, f, &o, spec, err));
    MXD_TRY(mxdi_emit_value(&y, f, g->node[n].out[0], spec, target, err));
    const uint32_t in[] = { o.x.value, o.w.value, o.b,
                            o.bf,      m,         residual ? residual->value : MXD_NO_VALUE,
                            o.zw };
    mxd_node      *node;
    MXD_TRY(mxdi_emit_node(&node, f, mxdi_node_is(&g->node[n], "Conv") ? "QConv" : "QMatMul",
                           "mixdown", in, 7, y, n, err));
    const uint32_t at = (uint32_t)(node - g->node);
    MXD_TRY(set_geometry(f, node, &g->node[n], g->value[g->node[n].in[0]].dim + 2,
                         &g->value[o.w.value], err));
    MXD_TRY(mxdi_node_set_int(g, node, "x_zero_point", o.x.affine.zero_point[0], err));
    if (spec->dtype != MXD_F32)
        MXD_TRY(mxdi_emit_range(f, node, spec, err));
    if (residual)
        MXD_TRY(set_residual(f, node, residual, residual_first, spec, err));
    MXD_TRY(add_dequantizers(f, at, n, err));
    *out = y;
    return MXD_OK;
}
