/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of ops that give the same elements another shape or order.
 */
#include "ir/shapes.h"

/* Product of dims [from, to): -1 when one is unknown. Cannot overflow: the value fits in memory. */
static int64_t product(const int64_t *dim, int32_t from, int32_t to)
{
    int64_t p = 1;
    for (int32_t k = from; k < to; k++)
        if (!mxdi_shape_mul(&p, p, dim[k]))
            return -1;
    return p;
}

/* dim[] after 0 (copy) is resolved; *open: where -1 stands, or -1. */
static mxd_status read_target(int64_t *dim, int32_t *open, const mxd_value *x,
                              const mxdi_ints *shape, const mxd_node *node, mxd_error *err)
{
    const bool allow_zero = mxd_node_int(node, "allowzero", 0) != 0;
    bool       zero       = false;
    *open                 = -1;
    for (uint32_t k = 0; k < shape->n; k++) {
        dim[k] = shape->v[k];
        if (dim[k] < -1 || (dim[k] == -1 && *open >= 0))
            return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                     "shape: expected sizes and at most one -1, got %s with %lld",
                                     mxdi_dims(shape->v, (int32_t)shape->n).text,
                                     (long long)dim[k]);
        if (dim[k] == -1)
            *open = (int32_t)k;
        if (dim[k] == 0 && !allow_zero) {
            if ((int32_t)k >= x->rank)
                return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                         "shape: 0 copies dimension %u, which %s has not",
                                         (unsigned)k, mxdi_dims(x->dim, x->rank).text);
            dim[k] = x->dim[k];
        }
        zero = zero || (allow_zero && dim[k] == 0);
    }
    if (zero && *open >= 0)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "shape: 0 and -1 with allowzero");
    return MXD_OK;
}

mxd_status mxdi_shape_of_reshape(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    mxdi_ints              shape;
    int64_t                dim[MXDI_INTS_MAX], rest = 1;
    int32_t                open = -1;
    MXD_TRY(mxdi_shape_ints(&shape, g, node, NULL, 1, err));
    if (shape.source == MXDI_DATA)
        return mxdi_shape_out_open(g, node, 0, x->dtype);
    MXD_TRY(read_target(dim, &open, x, &shape, node, err));
    const int64_t count = product(x->dim, 0, x->rank);
    for (int32_t k = 0; k < (int32_t)shape.n; k++)
        if (k != open && !mxdi_shape_mul(&rest, rest, dim[k]))
            rest = INT64_MAX; /* more than any value has */
    const bool known = count >= 0 && rest >= 0;
    if (known && (open < 0 ? rest != count : rest == 0 || count % rest != 0))
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "%s does not reshape to %s",
                                 mxdi_dims(x->dim, x->rank).text,
                                 mxdi_dims(dim, (int32_t)shape.n).text);
    if (open >= 0 && known)
        dim[open] = count / rest;
    return mxdi_shape_out(g, node, 0, x->dtype, dim, (int32_t)shape.n, err);
}

mxd_status mxdi_shape_of_flatten(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x    = mxdi_shape_in(g, node, 0);
    int64_t                axis = mxd_node_int(node, "axis", 1);
    if (axis < -x->rank || axis > x->rank)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "axis: expected one in [%d, %d], got %lld",
                                 (int)-x->rank, (int)x->rank, (long long)axis);
    axis += axis < 0 ? x->rank : 0;
    const int64_t dim[] = { product(x->dim, 0, (int32_t)axis),
                            product(x->dim, (int32_t)axis, x->rank) };
    return mxdi_shape_out(g, node, 0, x->dtype, dim, 2, err);
}

mxd_status mxdi_shape_of_squeeze(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    mxdi_ints              axes;
    bool                   drop[MXD_MAX_RANK] = { false };
    int64_t                dim[MXD_MAX_RANK];
    int32_t                rank = 0;
    MXD_TRY(mxdi_shape_axes(&axes, g, node, "axes", 1, x->rank, err));
    if (axes.source == MXDI_DATA)
        return mxdi_shape_out_open(g, node, 0, x->dtype);
    for (uint32_t k = 0; k < axes.n; k++) {
        drop[axes.v[k]] = true;
        if (!mxdi_shape_agree(x->dim[axes.v[k]], 1))
            return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "axis %lld: expected 1, got %s",
                                     (long long)axes.v[k], mxdi_dims(x->dim, x->rank).text);
    }
    for (int32_t k = 0; k < x->rank; k++) {
        if (axes.source == MXDI_ABSENT && x->dim[k] < 0)
            return mxdi_shape_out_open(g, node, 0, x->dtype);
        if (axes.source == MXDI_ABSENT ? x->dim[k] != 1 : !drop[k])
            dim[rank++] = x->dim[k];
    }
    return mxdi_shape_out(g, node, 0, x->dtype, dim, rank, err);
}

mxd_status mxdi_shape_of_unsqueeze(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    mxdi_ints              axes;
    bool                   added[MXDI_INTS_MAX + MXD_MAX_RANK] = { false };
    int64_t                dim[MXDI_INTS_MAX + MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_ints(&axes, g, node, "axes", 1, err));
    if (axes.source == MXDI_DATA)
        return mxdi_shape_out_open(g, node, 0, x->dtype);
    if (axes.source == MXDI_ABSENT)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "axes are missing");
    const int32_t rank = x->rank + (int32_t)axes.n;
    MXD_TRY(mxdi_shape_axes(&axes, g, node, "axes", 1, rank, err));
    for (uint32_t k = 0; k < axes.n; k++)
        added[axes.v[k]] = true;
    for (int32_t k = 0, from = 0; k < rank; k++)
        dim[k] = added[k] ? 1 : x->dim[from++];
    return mxdi_shape_out(g, node, 0, x->dtype, dim, rank, err);
}

mxd_status mxdi_shape_of_transpose(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    mxdi_ints              perm;
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_axes(&perm, g, node, "perm", MXD_NO_VALUE, x->rank, err));
    if (perm.source == MXDI_KNOWN && perm.n != (uint32_t)x->rank)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "perm: expected %d axes, got %u",
                                 (int)x->rank, (unsigned)perm.n);
    for (int32_t k = 0; k < x->rank; k++)
        dim[k] = x->dim[perm.source == MXDI_KNOWN ? perm.v[k] : x->rank - 1 - k];
    return mxdi_shape_out(g, node, 0, x->dtype, dim, x->rank, err);
}

/* ---- blocks of pixels and channels ---- */

static mxd_status block_size(int64_t *out, const mxdi_graph *g, const mxd_node *node,
                             mxd_error *err)
{
    static const char *const words[] = { "DCR", "CRD" };
    uint32_t                 which   = 0;
    MXD_TRY(mxdi_shape_rank(g, node, 0, 4, 4, err));
    MXD_TRY(mxdi_shape_word(&which, node, "mode", words, 2, err));
    *out = mxd_node_int(node, "blocksize", 0);
    if (*out < 1 || *out > INT16_MAX)
        return mxdi_shape_refuse(err, MXD_E_RANGE, node, "blocksize: expected 1 to %d, got %lld",
                                 INT16_MAX, (long long)*out);
    return MXD_OK;
}

mxd_status mxdi_shape_of_depth_to_space(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    int64_t                b = 0;
    MXD_TRY(block_size(&b, g, node, err));
    if (x->dim[1] >= 0 && x->dim[1] % (b * b) != 0)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                 "expected a multiple of %lld channels, got %s", (long long)(b * b),
                                 mxdi_dims(x->dim, x->rank).text);
    const int64_t dim[] = { x->dim[0], x->dim[1] < 0 ? -1 : x->dim[1] / (b * b),
                            x->dim[2] < 0 ? -1 : x->dim[2] * b,
                            x->dim[3] < 0 ? -1 : x->dim[3] * b };
    return mxdi_shape_out(g, node, 0, x->dtype, dim, 4, err);
}

mxd_status mxdi_shape_of_space_to_depth(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    int64_t                b = 0;
    MXD_TRY(block_size(&b, g, node, err));
    for (int32_t k = 2; k < 4; k++)
        if (x->dim[k] >= 0 && x->dim[k] % b != 0)
            return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                     "expected height and width in multiples of %lld, got %s",
                                     (long long)b, mxdi_dims(x->dim, x->rank).text);
    const int64_t dim[] = { x->dim[0], x->dim[1] < 0 ? -1 : x->dim[1] * b * b,
                            x->dim[2] < 0 ? -1 : x->dim[2] / b,
                            x->dim[3] < 0 ? -1 : x->dim[3] / b };
    return mxdi_shape_out(g, node, 0, x->dtype, dim, 4, err);
}
