/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of ops along axes: reductions, ArgMax, TopK, Softmax.
 */
#include "ir/shapes.h"

/* dim[] with `axes` reduced: to 1 with keepdims, else dropped. */
static int32_t reduce_dims(int64_t *dim, const mxd_value *x, const mxdi_ints *axes, bool keep)
{
    bool    reduced[MXD_MAX_RANK] = { false };
    int32_t rank                  = 0;
    for (uint32_t k = 0; k < axes->n; k++)
        reduced[axes->v[k]] = true;
    for (int32_t k = 0; k < x->rank; k++)
        if (!reduced[k])
            dim[rank++] = x->dim[k];
        else if (keep)
            dim[rank++] = 1;
    return rank;
}

/* No axes: all of them, unless noop_with_empty_axes. */
static mxd_status reduce(mxdi_graph *g, const mxd_node *node, uint32_t types, mxd_error *err)
{
    const mxd_value *const x    = mxdi_shape_in(g, node, 0);
    const bool             keep = mxd_node_int(node, "keepdims", 1) != 0;
    mxdi_ints              axes;
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 0, types, err));
    MXD_TRY(mxdi_shape_axes(&axes, g, node, "axes", 1, x->rank, err));
    if (axes.source == MXDI_DATA)
        return mxdi_shape_out_open(g, node, 0, x->dtype);
    if (axes.n == 0 && mxd_node_int(node, "noop_with_empty_axes", 0) == 0) {
        axes.n = (uint32_t)x->rank;
        for (int32_t k = 0; k < x->rank; k++)
            axes.v[k] = k;
    }
    const int32_t rank = reduce_dims(dim, x, &axes, keep);
    return mxdi_shape_out(g, node, 0, x->dtype, dim, rank, err);
}

mxd_status mxdi_shape_of_reduce(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    return reduce(g, node, MXDI_NUMBERS, err);
}

mxd_status mxdi_shape_of_reduce_bool(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    return reduce(g, node, MXDI_NUMBERS | MXDI_BOOLS, err);
}

mxd_status mxdi_shape_of_q_reduce_mean(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x    = mxdi_shape_in(g, node, 0);
    mxd_dtype              type = MXD_NONE;
    mxdi_ints              axes;
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_given_type(&type, g, node, MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_axes(&axes, g, node, "axes", MXD_NO_VALUE, x->rank, err));
    if (axes.n == 0)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "axes are missing");
    const int32_t rank = reduce_dims(dim, x, &axes, mxd_node_int(node, "keepdims", 1) != 0);
    return mxdi_shape_out(g, node, 0, type, dim, rank, err);
}

/* ArgMax, ArgMin */
mxd_status mxdi_shape_of_arg(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x    = mxdi_shape_in(g, node, 0);
    mxdi_ints              axes = { MXDI_KNOWN, 1, { 0 } };
    int32_t                axis = 0;
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_NUMBERS, err));
    MXD_TRY(mxdi_shape_axis(&axis, node, mxd_node_int(node, "axis", 0), x->rank, err));
    if (x->dim[axis] == 0)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "axis %d: expected elements, got %s",
                                 (int)axis, mxdi_dims(x->dim, x->rank).text);
    axes.v[0]          = axis;
    const int32_t rank = reduce_dims(dim, x, &axes, mxd_node_int(node, "keepdims", 1) != 0);
    return mxdi_shape_out(g, node, 0, MXD_S64, dim, rank, err);
}

/* Values and indices of the k largest; k is an attribute before version 10. */
mxd_status mxdi_shape_of_top_k(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x    = mxdi_shape_in(g, node, 0);
    const mxd_attr *const  attr = mxd_node_attr(node, "k", MXD_ATTR_INT);
    mxdi_ints              k;
    int32_t                axis = 0;
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_NUMBERS, err));
    MXD_TRY(mxdi_shape_axis(&axis, node, mxd_node_int(node, "axis", -1), x->rank, err));
    MXD_TRY(mxdi_shape_ints(&k, g, node, NULL, 1, err));
    if (k.source == MXDI_DATA) {
        MXD_TRY(mxdi_shape_out_open(g, node, 1, MXD_S64));
        return mxdi_shape_out_open(g, node, 0, x->dtype);
    }
    if (k.source == MXDI_ABSENT && attr)
        k = (mxdi_ints){ MXDI_KNOWN, 1, { attr->i } };
    if (k.n != 1 || k.v[0] < 0 || (x->dim[axis] >= 0 && k.v[0] > x->dim[axis]))
        return mxdi_shape_refuse(err, MXD_E_RANGE, node,
                                 "k: expected one number in [0, %lld], got %s",
                                 (long long)x->dim[axis], mxdi_dims(k.v, (int32_t)k.n).text);
    memcpy(dim, x->dim, sizeof(dim));
    dim[axis] = k.v[0];
    MXD_TRY(mxdi_shape_out(g, node, 1, MXD_S64, dim, x->rank, err));
    return mxdi_shape_out(g, node, 0, x->dtype, dim, x->rank, err);
}

/* Softmax, LogSoftmax: the default axis is 1 before version 13, where all axes from it on are one.
 */
mxd_status mxdi_shape_of_softmax(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x         = mxdi_shape_in(g, node, 0);
    const int64_t          otherwise = node->version < 13 ? 1 : -1;
    int32_t                axis      = 0;
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_FLOATS, err));
    MXD_TRY(mxdi_shape_axis(&axis, node, mxd_node_int(node, "axis", otherwise), x->rank, err));
    return mxdi_shape_out_like(g, node, 0, x, err);
}

mxd_status mxdi_shape_of_q_softmax(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    static const int64_t   entries[] = { 256 };
    const mxd_value *const x         = mxdi_shape_in(g, node, 0);
    mxd_dtype              type      = MXD_NONE;
    int32_t                axis      = 0;
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_BYTES | MXDI_TYPE(S4) | MXDI_TYPE(U4), err));
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_TYPE(S64), err));
    MXD_TRY(mxdi_shape_given_type(&type, g, node, MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_want(g, node, 1, entries, 1, err));
    MXD_TRY(mxdi_shape_axis(&axis, node, mxd_node_int(node, "axis", -1), x->rank, err));
    return mxdi_shape_out(g, node, 0, type, x->dim, x->rank, err);
}
