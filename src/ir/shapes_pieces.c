/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of ops that take values apart and put them together: Concat, Split, Slice, Gather, Pad,
 * Tile, Trilu.
 */
#include "ir/shapes.h"

mxd_status mxdi_shape_of_concat(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const first = mxdi_shape_in(g, node, 0);
    const mxd_attr *const  attr  = mxd_node_attr(node, "axis", MXD_ATTR_INT);
    int32_t                axis  = 0;
    int64_t                dim[MXD_MAX_RANK], total = 0;
    if (!attr)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "attribute 'axis' is missing");
    MXD_TRY(mxdi_shape_axis(&axis, node, attr->i, first->rank, err));
    memcpy(dim, first->dim, sizeof(dim));
    dim[axis] = -1; /* any size agrees */
    for (uint32_t k = 0; k < node->n_in; k++) {
        const mxd_value *const v = mxdi_shape_in(g, node, k);
        if (!v)
            return mxdi_shape_refuse(err, MXD_E_INVAL, node, "input %u is missing", (unsigned)k);
        MXD_TRY(mxdi_shape_same_type(g, node, 0, k, err));
        MXD_TRY(mxdi_shape_want(g, node, k, dim, first->rank, err));
        for (int32_t d = 0; d < first->rank; d++)
            if (d != axis && dim[d] < 0)
                dim[d] = v->dim[d];
        if (total < 0 || v->dim[axis] < 0)
            total = -1;
        else if (__builtin_add_overflow(total, v->dim[axis], &total))
            return mxdi_shape_refuse(err, MXD_E_RANGE, node, "the sum of its sizes overflows");
    }
    dim[axis] = total;
    return mxdi_shape_out(g, node, 0, first->dtype, dim, first->rank, err);
}

/* Sizes of the pieces when none are given: equal; the last may be smaller since version 18. */
static mxd_status split_evenly(mxdi_ints *sizes, const mxd_node *node, int64_t length,
                               mxd_error *err)
{
    const int64_t n     = node->n_out;
    const int64_t piece = length < 0 ? -1 : (length + n - 1) / n;
    const int64_t last  = length < 0 ? -1 : length - piece * (n - 1);
    if (mxd_node_int(node, "num_outputs", n) != n)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "num_outputs: expected %lld, got %lld",
                                 (long long)n, (long long)mxd_node_int(node, "num_outputs", n));
    if (length >= 0 && (last < 0 || (node->version < 18 && last != piece)))
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "%lld does not split into %lld pieces",
                                 (long long)length, (long long)n);
    for (int64_t k = 0; k < n && k < MXDI_INTS_MAX; k++)
        sizes->v[k] = piece;
    sizes->n = (uint32_t)n;
    if (n <= MXDI_INTS_MAX)
        sizes->v[n - 1] = last;
    return MXD_OK;
}

mxd_status mxdi_shape_of_split(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x     = mxdi_shape_in(g, node, 0);
    int32_t                axis  = 0;
    int64_t                total = 0, dim[MXD_MAX_RANK];
    mxdi_ints              sizes;
    MXD_TRY(mxdi_shape_axis(&axis, node, mxd_node_int(node, "axis", 0), x->rank, err));
    if (node->n_out > MXDI_INTS_MAX)
        return mxdi_shape_refuse(err, MXD_E_UNSUPPORTED, node,
                                 "expected at most %d outputs, got %u", (int)MXDI_INTS_MAX,
                                 (unsigned)node->n_out);
    MXD_TRY(mxdi_shape_ints(&sizes, g, node, "split", 1, err));
    if (sizes.source == MXDI_ABSENT)
        MXD_TRY(split_evenly(&sizes, node, x->dim[axis], err));
    if (sizes.source != MXDI_DATA && sizes.n != node->n_out)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "split: expected %u sizes, got %u",
                                 (unsigned)node->n_out, (unsigned)sizes.n);
    memcpy(dim, x->dim, sizeof(dim));
    for (uint32_t k = 0; k < node->n_out; k++) {
        if (sizes.source == MXDI_DATA) {
            MXD_TRY(mxdi_shape_out_open(g, node, k, x->dtype));
            continue;
        }
        if (sizes.source == MXDI_KNOWN &&
            (sizes.v[k] < 0 || __builtin_add_overflow(total, sizes.v[k], &total)))
            return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                     "split: expected sizes of 0 or more, got %lld",
                                     (long long)sizes.v[k]);
        dim[axis] = sizes.v[k];
        MXD_TRY(mxdi_shape_out(g, node, k, x->dtype, dim, x->rank, err));
    }
    if (sizes.source == MXDI_KNOWN && !mxdi_shape_agree(total, x->dim[axis]))
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "split: expected a sum of %lld, got %lld",
                                 (long long)x->dim[axis], (long long)total);
    return MXD_OK;
}

/* ---- Slice ---- */

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* Elements of start:end:step of an axis (Slice-13: a start before the first one is the first one,
 * whatever the direction); step is not 0. */
static int64_t slice_length(int64_t length, int64_t start, int64_t end, int64_t step)
{
    start += start < 0 ? length : 0;
    end += end < 0 ? length : 0;
    if (step > 0) {
        const int64_t room = clamp(end, 0, length) - clamp(start, 0, length);
        return room <= 0 ? 0 : (room - 1) / step + 1;
    }
    const int64_t room = clamp(start, 0, length - 1) - clamp(end, -1, length - 1);
    return room <= 0 || length == 0 ? 0 : (room - 1) / -(step < -INT64_MAX ? -INT64_MAX : step) + 1;
}

mxd_status mxdi_shape_of_slice(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    mxdi_ints              starts, ends, axes, steps;
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_ints(&starts, g, node, "starts", 1, err));
    MXD_TRY(mxdi_shape_ints(&ends, g, node, "ends", 2, err));
    MXD_TRY(mxdi_shape_axes(&axes, g, node, "axes", 3, x->rank, err));
    MXD_TRY(mxdi_shape_ints(&steps, g, node, NULL, 4, err));
    if (starts.source == MXDI_ABSENT || ends.source == MXDI_ABSENT)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "starts or ends are missing");
    if (starts.source == MXDI_DATA || ends.source == MXDI_DATA || axes.source == MXDI_DATA ||
        steps.source == MXDI_DATA)
        return mxdi_shape_out_open(g, node, 0, x->dtype);
    if (ends.n != starts.n || (axes.source == MXDI_KNOWN && axes.n != starts.n) ||
        (steps.source == MXDI_KNOWN && steps.n != starts.n) || starts.n > (uint32_t)x->rank)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                 "%u starts, %u ends, %u axes and %u steps of a value of rank %d",
                                 (unsigned)starts.n, (unsigned)ends.n, (unsigned)axes.n,
                                 (unsigned)steps.n, (int)x->rank);
    memcpy(dim, x->dim, sizeof(dim));
    for (uint32_t k = 0; k < starts.n; k++) {
        const int64_t axis = axes.source == MXDI_KNOWN ? axes.v[k] : (int64_t)k;
        const int64_t step = steps.source == MXDI_KNOWN ? steps.v[k] : 1;
        if (step == 0)
            return mxdi_shape_refuse(err, MXD_E_RANGE, node,
                                     "steps: expected a number other than 0");
        if (dim[axis] >= 0)
            dim[axis] = slice_length(dim[axis], starts.v[k], ends.v[k], step);
    }
    return mxdi_shape_out(g, node, 0, x->dtype, dim, x->rank, err);
}

/* ---- Gather ---- */

mxd_status mxdi_shape_of_gather(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x     = mxdi_shape_in(g, node, 0);
    const mxd_value *const index = mxdi_shape_in(g, node, 1);
    int32_t                axis = 0, rank               = 0;
    int64_t                dim[2 * MXD_MAX_RANK], count = 0;
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_INDEX, err));
    MXD_TRY(mxdi_shape_axis(&axis, node, mxd_node_int(node, "axis", 0), x->rank, err));
    const int64_t length = x->dim[axis];
    if (index->data && length >= 0 && mxdi_shape_count(&count, index->dim, index->rank))
        for (int64_t i = 0; i < count; i++) {
            const int64_t at = mxdi_load_s64(index->data, index->dtype, i);
            if (at < -length || at >= length)
                return mxdi_shape_refuse(err, MXD_E_RANGE, node,
                                         "input '%s': expected indices in [%lld, %lld), got %lld",
                                         index->name, (long long)-length, (long long)length,
                                         (long long)at);
        }
    for (int32_t k = 0; k < axis; k++)
        dim[rank++] = x->dim[k];
    for (int32_t k = 0; k < index->rank; k++)
        dim[rank++] = index->dim[k];
    for (int32_t k = axis + 1; k < x->rank; k++)
        dim[rank++] = x->dim[k];
    return mxdi_shape_out(g, node, 0, x->dtype, dim, rank, err);
}

/* ---- Pad, Tile, Trilu ---- */

/* One axis: `begin` and `end` elements are added, or cut where negative. */
static mxd_status pad_axis(int64_t *length, const mxd_node *node, int64_t begin, int64_t end,
                           bool reflect, bool constant, mxd_error *err)
{
    const int64_t most = MXDI_VALUE_BYTES_MAX * 2; /* 4-bit elements of the largest value */
    if (begin < -most || begin > most || end < -most || end > most)
        return mxdi_shape_refuse(
            err, MXD_E_RANGE, node,
            "pads: expected less than the largest value has, got %lld and %lld", (long long)begin,
            (long long)end);
    if (*length < 0)
        return MXD_OK;
    if (*length + begin + end < 0 || *length + (begin < 0 ? begin : 0) + (end < 0 ? end : 0) < 0)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                 "pads: %lld and %lld cut off more than the %lld there are",
                                 (long long)begin, (long long)end, (long long)*length);
    if ((reflect && (begin >= *length || end >= *length) && (begin > 0 || end > 0)) ||
        (!constant && *length == 0 && begin + end > 0))
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                 "pads: expected less than the %lld there are, got %lld and %lld",
                                 (long long)*length, (long long)begin, (long long)end);
    *length += begin + end;
    return MXD_OK;
}

mxd_status mxdi_shape_of_pad(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    static const char *const words[] = { "constant", "reflect", "edge", "wrap" };
    const mxd_value *const   x       = mxdi_shape_in(g, node, 0);
    uint32_t                 mode    = 0;
    mxdi_ints                pads, axes;
    int64_t                  dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_word(&mode, node, "mode", words, 4, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 0, 2, err));
    MXD_TRY(mxdi_shape_scalar(g, node, 2, err));
    MXD_TRY(mxdi_shape_ints(&pads, g, node, "pads", 1, err));
    MXD_TRY(mxdi_shape_axes(&axes, g, node, NULL, 3, x->rank, err));
    if (pads.source == MXDI_ABSENT)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "pads are missing");
    if (pads.source == MXDI_DATA || axes.source == MXDI_DATA)
        return mxdi_shape_out_open(g, node, 0, x->dtype);
    const uint32_t n = axes.source == MXDI_KNOWN ? axes.n : (uint32_t)x->rank;
    if (pads.n != 2 * n)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "pads: expected %u numbers, got %u",
                                 (unsigned)(2 * n), (unsigned)pads.n);
    memcpy(dim, x->dim, sizeof(dim));
    for (uint32_t k = 0; k < n; k++)
        MXD_TRY(pad_axis(&dim[axes.source == MXDI_KNOWN ? axes.v[k] : (int64_t)k], node, pads.v[k],
                         pads.v[n + k], mode == 1, mode == 0, err));
    return mxdi_shape_out(g, node, 0, x->dtype, dim, x->rank, err);
}

mxd_status mxdi_shape_of_tile(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    mxdi_ints              repeats;
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_ints(&repeats, g, node, NULL, 1, err));
    if (repeats.source == MXDI_DATA)
        return mxdi_shape_out_open(g, node, 0, x->dtype);
    if (repeats.n != (uint32_t)x->rank)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "repeats: expected %d numbers, got %u",
                                 (int)x->rank, (unsigned)repeats.n);
    for (int32_t k = 0; k < x->rank; k++)
        if (repeats.v[k] < 0 || !mxdi_shape_mul(&dim[k], x->dim[k], repeats.v[k]))
            return mxdi_shape_refuse(err, MXD_E_RANGE, node,
                                     "repeats: expected 0 or more and no overflow, got %lld",
                                     (long long)repeats.v[k]);
    return mxdi_shape_out(g, node, 0, x->dtype, dim, x->rank, err);
}

mxd_status mxdi_shape_of_trilu(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_TYPE(S64), err));
    MXD_TRY(mxdi_shape_scalar(g, node, 1, err));
    MXD_TRY(mxdi_shape_rank(g, node, 0, 2, MXD_MAX_RANK, err));
    return mxdi_shape_out_like(g, node, 0, mxdi_shape_in(g, node, 0), err);
}
