/* SPDX-License-Identifier: Apache-2.0
 *
 * From each quantizer upwards: what integers must Quantize(value) be? The recursion mirrors
 * docs/numerics.md. Clamps narrow the wanted range, moves and maxima pass through, functions of one
 * dequantized value become tables, and a convolution or matrix product of dequantized operands
 * becomes its integer form. Where a float node without an integer definition stands in between,
 * nothing is rewritten: the quantizer stays and rounds what the float node gives.
 */
#include <math.h>

#include "base/dtype.h"
#include "engine/fuse_emit.h"
#include "ir/ops.h"

static const char *const moves[] = { "Reshape",   "Flatten", "Squeeze",      "Unsqueeze",
                                     "Transpose", "Slice",   "Identity",     "Dropout",
                                     "Expand",    "Gather",  "DepthToSpace", "SpaceToDepth" };

static bool is_move(const mxd_node *node)
{
    for (size_t k = 0; node->op && k < sizeof(moves) / sizeof(moves[0]); k++)
        if (node->domain[0] == '\0' && strcmp(node->op, moves[k]) == 0)
            return true;
    return false;
}

static mxd_status emit(uint32_t *out, mxdi_fuser *f, uint32_t value, const mxdi_qspec *spec,
                       uint32_t target, mxd_error *err);

/* A copy of node n with its first input replaced, giving spec's integers. */
static mxd_status emit_copy(uint32_t *out, mxdi_fuser *f, uint32_t n, uint32_t in0,
                            const mxdi_qspec *spec, uint32_t target, mxd_error *err)
{
    mxdi_graph *const g = f->g;
    uint32_t          in[8], y;
    const uint32_t    n_in = g->node[n].n_in;
    if (n_in > 8)
        return MXD_OK;
    memcpy(in, g->node[n].in, n_in * sizeof(in[0]));
    in[0] = in0;
    MXD_TRY(mxdi_emit_value(&y, f, g->node[n].out[0], spec, target, err));
    mxd_node *node;
    MXD_TRY(mxdi_emit_node(&node, f, g->node[n].op, "", in, n_in, y, n, err));
    node->version = g->node[n].version;
    MXD_TRY(mxdi_node_copy_attrs(g, node, &g->node[n], err));
    *out = y;
    return MXD_OK;
}

mxd_status mxdi_fuse_stored(mxdi_stored *out, mxdi_fuser *f, uint32_t value, mxd_error *err)
{
    mxdi_graph *const g = f->g;
    uint32_t          chain[MXDI_FUSE_DEPTH], n_chain = 0;
    *out = (mxdi_stored){ .value = MXD_NO_VALUE };
    while (value != MXD_NO_VALUE && value < f->n_values &&
           f->links.producer[value] != MXD_NO_VALUE && n_chain < MXDI_FUSE_DEPTH) {
        const uint32_t n = f->links.producer[value];
        if (mxdi_node_is(&g->node[n], "DequantizeLinear")) {
            MXD_TRY(mxdi_fuse_affine(&out->affine, &out->found, g, &g->node[n], err));
            out->value = g->node[n].in[0];
            break;
        }
        if (!is_move(&g->node[n]))
            return MXD_OK;
        chain[n_chain++] = n;
        value            = g->node[n].in[0];
    }
    if (!out->found || (n_chain && out->affine.n != 1)) {
        out->found = false;
        return MXD_OK;
    }
    const mxdi_qspec spec = { out->affine.scale[0], out->affine.zero_point[0], out->affine.lo,
                              out->affine.hi, out->affine.dtype };
    while (n_chain > 0) {
        const uint32_t  n    = chain[--n_chain];
        uint32_t *const memo = &f->moved[g->node[n].out[0]];
        if (*memo == MXD_NO_VALUE) {
            const uint32_t n_path = f->n_path; /* a shared move is nobody's work but its own */
            f->n_path             = 0;
            MXD_TRY(emit_copy(memo, f, n, out->value, &spec, MXD_NO_VALUE, err));
            f->n_path = n_path;
        }
        out->value = *memo;
    }
    return MXD_OK;
}

static mxd_status emit_softmax(uint32_t *out, mxdi_fuser *f, uint32_t n, const mxdi_stored *x,
                               const mxdi_qspec *spec, uint32_t target, mxd_error *err)
{
    mxdi_graph *const      g = f->g;
    const mxd_value *const v = &g->value[g->node[n].in[0]];
    const bool             flattens =
        g->node[n].version < 13; /* Softmax-11 takes the axes from `axis` on as one */
    int64_t axis = mxd_node_int(&g->node[n], "axis", flattens ? 1 : -1);
    axis         = axis < 0 ? axis + v->rank : axis;
    for (int64_t k = axis + 1; k < v->rank; k++)
        if (flattens && v->dim[k] != 1)
            return MXD_OK;
    int64_t e[256];
    for (int32_t d = 0; d < 256; d++)
        e[d] = (int64_t)rint(16777216.0 * exp(-(double)x->affine.scale[0] * d));
    uint32_t table, y;
    MXD_TRY(mxdi_emit_constant(&table, g, MXD_S64, e, 256, err));
    MXD_TRY(mxdi_emit_value(&y, f, g->node[n].out[0], spec, target, err));
    mxd_node *node;
    MXD_TRY(mxdi_emit_node(&node, f, "QSoftmax", "mixdown", (uint32_t[]){ x->value, table }, 2, y,
                           n, err));
    MXD_TRY(mxdi_node_set_int(g, node, "axis", axis, err));
    MXD_TRY(mxdi_node_set_float(g, node, "y_scale", spec->s, err));
    MXD_TRY(mxdi_emit_range(f, node, spec, err));
    *out = y;
    return MXD_OK;
}

/* ---- clamps, Pad, Concat ---- */

static const mxd_value *constant_input(const mxdi_graph *g, const mxd_node *node, uint32_t k)
{
    return node->n_in > k && node->in[k] != MXD_NO_VALUE && g->value[node->in[k]].data
               ? &g->value[node->in[k]]
               : NULL;
}

static bool has_input(const mxd_node *node, uint32_t k)
{
    return node->n_in > k && node->in[k] != MXD_NO_VALUE;
}

/* What is left of spec's range behind an inner clamp to [lo, hi]: the outer clamp has the last
 * word. */
static void narrow(mxdi_qspec *spec, int32_t lo, int32_t hi)
{
    const int32_t outer_lo = spec->q_min, outer_hi = spec->q_max;
    spec->q_min = lo < outer_lo ? outer_lo : lo > outer_hi ? outer_hi : lo;
    spec->q_max = hi > outer_hi ? outer_hi : hi < outer_lo ? outer_lo : hi;
}

static mxd_status emit_clamped(uint32_t *out, mxdi_fuser *f, uint32_t n, const mxdi_qspec *spec,
                               uint32_t target, mxd_error *err)
{
    const mxd_node *const node = &f->g->node[n];
    int64_t               lo, hi;
    mxdi_qspec            inner = *spec;
    if (!mxdi_dtype_range(spec->dtype, &lo, &hi))
        return MXD_OK;
    float bound[2] = { 0.0f, INFINITY };
    if (mxdi_node_is(node, "Clip"))
        for (uint32_t k = 0; k < 2; k++) {
            const mxd_value *const v = constant_input(f->g, node, 1 + k);
            if (has_input(node, 1 + k) && (!v || v->dtype != MXD_F32))
                return MXD_OK;
            bound[k] = v ? *(const float *)v->data
                         : mxd_node_float(node, k ? "max" : "min", k ? INFINITY : -INFINITY);
        }
    const int32_t q_lo = mxdi_fuse_clampq(bound[0] / spec->s, spec->z, (int32_t)lo, (int32_t)hi);
    const int32_t q_hi = mxdi_fuse_clampq(bound[1] / spec->s, spec->z, (int32_t)lo, (int32_t)hi);
    narrow(&inner, q_lo > q_hi ? q_hi : q_lo, q_hi);
    return emit(out, f, node->in[0], &inner, target, err);
}

/* The value that Pad fills with: attribute, constant, or dequantized constant. */
static mxd_status pad_value(float *out, bool *ok, mxdi_fuser *f, const mxd_node *node,
                            mxd_error *err)
{
    *out = mxd_node_float(node, "value", 0.0f);
    *ok  = true;
    if (!has_input(node, 2))
        return MXD_OK;
    const mxd_value *const v = constant_input(f->g, node, 2);
    if (v) {
        *ok  = v->dtype == MXD_F32;
        *out = *ok ? *(const float *)v->data : 0.0f;
        return MXD_OK;
    }
    mxdi_stored s;
    MXD_TRY(mxdi_fuse_stored(&s, f, node->in[2], err));
    *ok = mxdi_stored_is_small(&s) && f->g->value[s.value].data != NULL;
    if (*ok)
        *out = (float)(mxdi_load_s64(f->g->value[s.value].data, s.affine.dtype, 0) -
                       s.affine.zero_point[0]) *
               s.affine.scale[0];
    return MXD_OK;
}

static mxd_status emit_pad(uint32_t *out, mxdi_fuser *f, uint32_t n, const mxdi_qspec *spec,
                           uint32_t target, mxd_error *err)
{
    mxdi_graph *const g = f->g;
    float             real;
    bool              ok;
    MXD_TRY(pad_value(&real, &ok, f, &g->node[n], err));
    if (!ok || strcmp(mxd_node_string(&g->node[n], "mode", "constant"), "constant") != 0 ||
        mxd_dtype_bits(spec->dtype) != 8)
        return MXD_OK;
    uint32_t x, pads, fill, y;
    MXD_TRY(emit(&x, f, g->node[n].in[0], spec, MXD_NO_VALUE, err));
    if (x == MXD_NO_VALUE)
        return MXD_OK;
    uint32_t             n_pads;
    const int64_t *const attr = mxd_node_ints(&g->node[n], "pads", &n_pads);
    pads                      = has_input(&g->node[n], 1) ? g->node[n].in[1] : MXD_NO_VALUE;
    if (attr)
        MXD_TRY(mxdi_emit_constant(&pads, g, MXD_S64, attr, n_pads, err));
    const uint8_t q = (uint8_t)mxdi_fuse_clampq(real / spec->s, spec->z, spec->q_min, spec->q_max);
    const mxd_tensor scalar = { .data  = mxdi_arena_memdup(&g->arena, &q, 1, 64),
                                .dtype = spec->dtype,
                                .rank  = 0 };
    if (!scalar.data)
        return mxdi_nomem(err);
    MXD_TRY(mxdi_graph_add_constant(&fill, g, NULL, "pad", &scalar, false, err));
    const uint32_t axes = has_input(&g->node[n], 3) ? g->node[n].in[3] : MXD_NO_VALUE;
    MXD_TRY(mxdi_emit_value(&y, f, g->node[n].out[0], spec, target, err));
    mxd_node *node;
    MXD_TRY(mxdi_emit_node(&node, f, "Pad", "", (uint32_t[]){ x, pads, fill, axes },
                           axes == MXD_NO_VALUE ? 3 : 4, y, n, err));
    node->version = node->version < 13 ? 13 : node->version; /* the form with inputs */
    *out          = y;
    return MXD_OK;
}

static mxd_status emit_concat(uint32_t *out, mxdi_fuser *f, uint32_t n, const mxdi_qspec *spec,
                              uint32_t target, mxd_error *err)
{
    mxdi_graph *const g    = f->g;
    const uint32_t    n_in = g->node[n].n_in;
    uint32_t *const   in   = MXDI_NEW(&g->arena, uint32_t, n_in ? n_in : 1);
    if (!in)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < n_in; k++) {
        MXD_TRY(emit(&in[k], f, g->node[n].in[k], spec, MXD_NO_VALUE, err));
        if (in[k] == MXD_NO_VALUE)
            return MXD_OK;
    }
    uint32_t y;
    MXD_TRY(mxdi_emit_value(&y, f, g->node[n].out[0], spec, target, err));
    mxd_node *node;
    MXD_TRY(mxdi_emit_node(&node, f, "Concat", "", in, n_in, y, n, err));
    MXD_TRY(mxdi_node_copy_attrs(g, node, &g->node[n], err));
    *out = y;
    return MXD_OK;
}

/* ---- Add ---- */

static mxd_status emit_add(uint32_t *out, mxdi_fuser *f, uint32_t n, const mxdi_qspec *spec,
                           uint32_t target, mxd_error *err)
{
    mxdi_graph *const g = f->g;
    mxdi_stored       d[2];
    for (uint32_t k = 0; k < 2; k++)
        MXD_TRY(mxdi_fuse_stored(&d[k], f, g->node[n].in[k], err));
    if (d[0].found && d[1].found) {
        if (!mxdi_stored_is_small(&d[0]) || !mxdi_stored_is_small(&d[1]))
            return MXD_OK;
        uint32_t  y;
        mxd_node *node;
        MXD_TRY(mxdi_emit_value(&y, f, g->node[n].out[0], spec, target, err));
        MXD_TRY(mxdi_emit_node(&node, f, "QAdd", "mixdown", (uint32_t[]){ d[0].value, d[1].value },
                               2, y, n, err));
        MXD_TRY(mxdi_node_set_int(g, node, "a_zero_point", d[0].affine.zero_point[0], err));
        MXD_TRY(mxdi_node_set_int(g, node, "b_zero_point", d[1].affine.zero_point[0], err));
        MXD_TRY(mxdi_node_set_float(g, node, "a_scale_ratio",
                                    mxdi_fuse_ratio(d[0].affine.scale[0], 1.0, spec->s), err));
        MXD_TRY(mxdi_node_set_float(g, node, "b_scale_ratio",
                                    mxdi_fuse_ratio(d[1].affine.scale[0], 1.0, spec->s), err));
        MXD_TRY(mxdi_emit_range(f, node, spec, err));
        *out = y;
        return MXD_OK;
    }
    const uint32_t k = d[0].found ? 1 : 0;
    const uint32_t v = g->node[n].in[k], p = v < f->n_values ? f->links.producer[v] : MXD_NO_VALUE;
    if (!mxdi_stored_is_small(&d[1 - k]) || p == MXD_NO_VALUE)
        return MXD_OK;
    const mxd_node *const  conv = &g->node[p];
    const mxd_value *const r = &g->value[d[1 - k].value], *const y = &g->value[g->node[n].out[0]];
    if ((!mxdi_node_is(conv, "Conv") && !mxdi_node_is(conv, "Gemm") &&
         !mxdi_node_is(conv, "MatMul")) ||
        r->rank != y->rank || g->value[v].rank != y->rank ||
        memcmp(r->dim, y->dim, (size_t)y->rank * sizeof(y->dim[0])) != 0 ||
        memcmp(g->value[v].dim, y->dim, (size_t)y->rank * sizeof(y->dim[0])) != 0)
        return MXD_OK;
    f->path[f->n_path++] = n;
    const mxd_status st  = mxdi_fuse_accumulate(out, f, p, spec, target, &d[1 - k], k == 1, err);
    f->n_path--;
    return st;
}

/* ---- means ---- */

static mxd_status emit_reduce_mean(uint32_t *out, mxdi_fuser *f, uint32_t n, const mxdi_stored *x,
                                   const mxdi_qspec *spec, uint32_t target, mxd_error *err)
{
    mxdi_graph *const      g                     = f->g;
    const mxd_node *const  from                  = &g->node[n];
    const mxd_value *const v                     = &g->value[from->in[0]];
    bool                   reduced[MXD_MAX_RANK] = { false };
    uint32_t               n_axes;
    const int64_t *const   attr  = mxd_node_ints(from, "axes", &n_axes);
    const mxd_value *const input = constant_input(g, from, 1);
    if (mxdi_node_is(from, "GlobalAveragePool")) {
        for (int32_t k = 2; k < v->rank; k++)
            reduced[k] = true;
    } else if (attr || (input && input->bytes)) {
        const uint32_t count = attr ? n_axes : (uint32_t)(input->bytes / sizeof(int64_t));
        for (uint32_t k = 0; k < count; k++) {
            const int64_t axis = attr ? attr[k] : mxdi_load_s64(input->data, input->dtype, k);
            reduced[axis < 0 ? axis + v->rank : axis] = true;
        }
    } else if (has_input(from, 1) || mxd_node_int(from, "noop_with_empty_axes", 0)) {
        return MXD_OK;
    } else {
        for (int32_t k = 0; k < v->rank; k++)
            reduced[k] = true;
    }
    int64_t  axes[MXD_MAX_RANK], count = 1;
    uint32_t n_reduced = 0;
    for (int32_t k = 0; k < v->rank; k++)
        if (reduced[k]) {
            axes[n_reduced++] = k;
            count *= v->dim[k];
        }
    const bool keep = mxdi_node_is(from, "GlobalAveragePool") || mxd_node_int(from, "keepdims", 1);
    if (reduced[0] && v->batch_axis == 0)
        return MXD_OK; /* a mean over the batch is not the same at every batch */
    uint32_t  y;
    mxd_node *node;
    MXD_TRY(mxdi_emit_value(&y, f, from->out[0], spec, target, err));
    MXD_TRY(mxdi_emit_node(&node, f, "QReduceMean", "mixdown", &x->value, 1, y, n, err));
    MXD_TRY(mxdi_node_set_ints(g, node, "axes", axes, n_reduced, err));
    MXD_TRY(mxdi_node_set_int(g, node, "keepdims", keep, err));
    MXD_TRY(mxdi_node_set_int(g, node, "x_zero_point", x->affine.zero_point[0], err));
    MXD_TRY(mxdi_node_set_float(
        g, node, "m", mxdi_fuse_ratio(x->affine.scale[0], 1.0, (double)spec->s * (double)count),
        err));
    MXD_TRY(mxdi_emit_range(f, node, spec, err));
    *out = y;
    return MXD_OK;
}

static mxd_status emit_average_pool(uint32_t *out, mxdi_fuser *f, uint32_t n, const mxdi_stored *x,
                                    const mxdi_qspec *spec, uint32_t target, mxd_error *err)
{
    mxdi_graph *const      g    = f->g;
    const mxd_value *const v    = &g->value[g->node[n].in[0]];
    const int32_t          rank = v->rank - 2;
    mxdi_window            w;
    MXD_TRY(mxdi_window_of(&w, &g->node[n], v->dim + 2, NULL, rank, err));
    int64_t volume = 1, pads[2 * MXDI_MAX_SPATIAL];
    for (int32_t k = 0; k < rank; k++) {
        volume *= w.kernel[k];
        pads[k]        = w.pad_begin[k];
        pads[rank + k] = w.pad_end[k];
    }
    if (volume > 1 << 20)
        return MXD_OK;
    float *const m = MXDI_NEW(&g->arena, float, (size_t)volume + 1);
    if (!m)
        return mxdi_nomem(err);
    for (int64_t k = 1; k <= volume; k++)
        m[k] = mxdi_fuse_ratio(x->affine.scale[0], 1.0, (double)spec->s * (double)k);
    uint32_t  table, y;
    mxd_node *node;
    MXD_TRY(mxdi_emit_constant(&table, g, MXD_F32, m, (uint32_t)volume + 1, err));
    MXD_TRY(mxdi_emit_value(&y, f, g->node[n].out[0], spec, target, err));
    MXD_TRY(mxdi_emit_node(&node, f, "QAveragePool", "mixdown", (uint32_t[]){ x->value, table }, 2,
                           y, n, err));
    const uint32_t r = (uint32_t)rank;
    MXD_TRY(mxdi_node_set_ints(g, node, "kernel_shape", w.kernel, r, err));
    MXD_TRY(mxdi_node_set_ints(g, node, "strides", w.stride, r, err));
    MXD_TRY(mxdi_node_set_ints(g, node, "dilations", w.dilation, r, err));
    MXD_TRY(mxdi_node_set_ints(g, node, "pads", pads, 2 * r, err));
    MXD_TRY(
        mxdi_node_set_int(g, node, "ceil_mode", mxd_node_int(&g->node[n], "ceil_mode", 0), err));
    MXD_TRY(mxdi_node_set_int(g, node, "count_include_pad",
                              mxd_node_int(&g->node[n], "count_include_pad", 0), err));
    MXD_TRY(mxdi_node_set_int(g, node, "x_zero_point", x->affine.zero_point[0], err));
    MXD_TRY(mxdi_emit_range(f, node, spec, err));
    *out = y;
    return MXD_OK;
}

/* ---- the recursion ---- */

static mxd_status emit_from(uint32_t *out, mxdi_fuser *f, uint32_t n, const mxdi_qspec *spec,
                            uint32_t target, mxd_error *err)
{
    mxdi_graph *const     g    = f->g;
    const mxd_node *const node = &g->node[n];
    if (mxdi_node_is(node, "Conv") || mxdi_node_is(node, "Gemm") || mxdi_node_is(node, "MatMul"))
        return mxdi_fuse_accumulate(out, f, n, spec, target, NULL, false, err);
    if (mxdi_node_is(node, "Add")) {
        MXD_TRY(emit_add(out, f, n, spec, target, err));
        if (*out != MXD_NO_VALUE)
            return MXD_OK;
    }
    if (mxdi_node_is(node, "Concat"))
        return emit_concat(out, f, n, spec, target, err);
    if (mxdi_node_is(node, "Pad"))
        return emit_pad(out, f, n, spec, target, err);
    if (is_move(node) ||
        (mxdi_node_is(node, "MaxPool") && (node->n_out == 1 || node->out[1] == MXD_NO_VALUE))) {
        uint32_t x;
        MXD_TRY(emit(&x, f, node->in[0], spec, MXD_NO_VALUE, err));
        return x == MXD_NO_VALUE ? MXD_OK : emit_copy(out, f, n, x, spec, target, err);
    }
    const bool softmax = mxdi_node_is(node, "Softmax"), average = mxdi_node_is(node, "AveragePool");
    const bool mean = mxdi_node_is(node, "GlobalAveragePool") || mxdi_node_is(node, "ReduceMean");
    if (!softmax && !average && !mean)
        return mxdi_fuse_lookup(out, f, node->out[0], spec, target, err);
    mxdi_stored x;
    MXD_TRY(mxdi_fuse_stored(&x, f, node->in[0], err));
    if (!mxdi_stored_is_small(&x))
        return MXD_OK;
    if (softmax)
        return emit_softmax(out, f, n, &x, spec, target, err);
    if (average)
        return emit_average_pool(out, f, n, &x, spec, target, err);
    return emit_reduce_mean(out, f, n, &x, spec, target, err);
}

/* *out: the integers Quantize(value) by `spec`, or MXD_NO_VALUE when a float node without an
 * integer definition is met. */
static mxd_status emit(uint32_t *out, mxdi_fuser *f, uint32_t value, const mxdi_qspec *spec,
                       uint32_t target, mxd_error *err)
{
    mxdi_graph *const g = f->g;
    *out                = MXD_NO_VALUE;
    if (value >= f->n_values || f->links.producer[value] == MXD_NO_VALUE ||
        f->n_path >= MXDI_FUSE_DEPTH)
        return MXD_OK;
    const uint32_t n = f->links.producer[value];
    if (mxdi_node_is(&g->node[n], "DequantizeLinear"))
        return mxdi_fuse_lookup(out, f, value, spec, target, err);
    if (mxdi_node_is(&g->node[n], "Relu") || mxdi_node_is(&g->node[n], "Clip")) {
        f->path[f->n_path++] = n;
        const mxd_status st  = emit_clamped(out, f, n, spec, target, err);
        f->n_path--;
        return st;
    }
    return emit_from(out, f, n, spec, target, err);
}

static mxd_status fuse_quantizer(mxdi_fuser *f, uint32_t n, mxd_error *err)
{
    mxdi_graph *const g = f->g;
    mxdi_affine       a;
    bool              found;
    MXD_TRY(mxdi_fuse_affine(&a, &found, g, &g->node[n], err));
    const uint32_t x = g->node[n].in[0], y = g->node[n].out[0];
    if (!found || a.n != 1 || mxd_dtype_bits(a.dtype) > 8 || g->value[x].dtype != MXD_F32)
        return MXD_OK;
    const mxdi_qspec  spec = { a.scale[0], a.zero_point[0], a.lo, a.hi, a.dtype };
    const mxd_qparams q    = {
           .scale = &spec.s, .zero_point = &spec.z, .n = 1, .q_min = a.lo, .q_max = a.hi
    };
    MXD_TRY(mxdi_value_set_qparams(g, y, &q, err));
    uint32_t out;
    f->n_path            = 0;
    f->path[f->n_path++] = n;
    MXD_TRY(emit(&out, f, x, &spec, y, err));
    if (out == MXD_NO_VALUE)
        return MXD_OK;
    if (out == y) {
        mxdi_node_remove(&g->node[n]);
        return MXD_OK;
    }
    if (mxdi_graph_is_output(g, y)) { /* an output keeps its name */
        mxd_node *copy;
        mxdi_node_remove(&g->node[n]);
        return mxdi_emit_node(&copy, f, "Identity", "", &out, 1, y, MXD_NO_VALUE, err);
    }
    mxdi_node_remove(&g->node[n]);
    mxdi_graph_replace_uses(g, y, out);
    return MXD_OK;
}

static mxd_status begin(mxdi_fuser *f, mxdi_graph *g, mxd_error *err)
{
    *f = (mxdi_fuser){ .g = g, .links = MXDI_LINKS_INIT, .n_values = g->n_values };
    MXD_TRY(mxdi_links_build(&f->links, g, err));
    f->moved = MXDI_NEW(&g->arena, uint32_t, g->n_values ? g->n_values : 1);
    if (!f->moved)
        return mxdi_nomem(err);
    memset(f->moved, 0xFF, g->n_values * sizeof(f->moved[0]));
    return MXD_OK;
}

static mxd_status tidy(mxdi_graph *g, mxd_error *err)
{
    MXD_TRY(mxdi_graph_sort(g, err));
    MXD_TRY(mxdi_graph_remove_dead(g, err));
    return mxdi_graph_compact(g, err);
}

/* What feeds a quantizer first; then matrix products on integers whose result stays float. */
static mxd_status fuse_stage(mxdi_graph *g, bool quantizers, mxd_error *err)
{
    mxdi_fuser     f;
    mxd_status     st      = begin(&f, g, err);
    const uint32_t n_nodes = g->n_nodes;
    for (uint32_t n = 0; n < n_nodes && st == MXD_OK; n++) {
        if (quantizers && mxdi_node_is(&g->node[n], "QuantizeLinear"))
            st = fuse_quantizer(&f, n, err);
        const mxd_node *const node = &g->node[n];
        if (quantizers ||
            (!mxdi_node_is(node, "Conv") && !mxdi_node_is(node, "Gemm") &&
             !mxdi_node_is(node, "MatMul")) ||
            g->value[node->out[0]].dtype != MXD_F32)
            continue;
        const mxdi_qspec real = { .s = 1.0f, .dtype = MXD_F32 };
        uint32_t         y;
        f.n_path = 0;
        st       = mxdi_fuse_accumulate(&y, &f, n, &real, node->out[0], NULL, false, err);
        if (st == MXD_OK && y != MXD_NO_VALUE)
            mxdi_node_remove(&g->node[n]);
    }
    mxdi_links_free(&f.links);
    return st == MXD_OK ? tidy(g, err) : st;
}

mxd_status mxdi_fuse_qdq(mxdi_graph *g, mxd_error *err)
{
    MXD_TRY(fuse_stage(g, true, err));
    return fuse_stage(g, false, err);
}
