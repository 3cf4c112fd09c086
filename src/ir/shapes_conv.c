/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of convolutions: Conv and its integer and fused forms, ConvTranspose.
 */
#include "ir/shapes.h"

/* Stands for an unknown spatial dim while the attributes are checked. */
enum { ANY_SIZE = INT32_MAX };

typedef mxd_status (*window_fn)(mxdi_window *out, const mxd_node *node, const int64_t *in,
                                const int64_t *kernel, int32_t rank, mxd_error *err);

/* Spatial dims of the output from those of x and the weight. */
static mxd_status spatial(int64_t *out, window_fn window, const mxd_node *node, const mxd_value *x,
                          const mxd_value *w, mxd_error *err)
{
    const int32_t rank = x->rank - 2;
    int64_t       in[MXD_MAX_RANK];
    bool          known = true;
    mxdi_window   geometry;
    for (int32_t k = 0; k < rank; k++) {
        in[k] = x->dim[2 + k] < 0 ? ANY_SIZE : x->dim[2 + k];
        known = known && w->dim[2 + k] >= 0;
    }
    if (known)
        MXD_TRY(window(&geometry, node, in, w->dim + 2, rank, err));
    for (int32_t k = 0; k < rank; k++)
        out[k] = known && x->dim[2 + k] >= 0 ? geometry.out[k] : -1;
    return MXD_OK;
}

/* Shape of a convolution whose data is input 0 and whose weight (M, C/group, kernel...) is input
 * `wk`; the number of output channels is checked against inputs that hold one number for each. */
static mxd_status conv_dims(int64_t *dim, const mxdi_graph *g, const mxd_node *node, uint32_t wk,
                            mxd_error *err)
{
    const mxd_value *const x        = mxdi_shape_in(g, node, 0);
    const mxd_value *const w        = mxdi_shape_in(g, node, wk);
    const int64_t          group    = mxd_node_int(node, "group", 1);
    int64_t                channels = 0;
    MXD_TRY(mxdi_shape_rank(g, node, 0, 3, 2 + MXDI_MAX_SPATIAL, err));
    MXD_TRY(mxdi_shape_rank(g, node, wk, x->rank, x->rank, err));
    if (group < 1 || !mxdi_shape_mul(&channels, w->dim[1], group) ||
        !mxdi_shape_agree(x->dim[1], channels))
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                 "%lld input channels, the weight wants %lld x group %lld",
                                 (long long)x->dim[1], (long long)w->dim[1], (long long)group);
    if (w->dim[0] >= 0 && w->dim[0] % group != 0)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                 "expected a multiple of group %lld output channels, got %lld",
                                 (long long)group, (long long)w->dim[0]);
    dim[0] = x->dim[0];
    dim[1] = w->dim[0];
    return spatial(dim + 2, mxdi_window_of, node, x, w, err);
}

/* Input k: one number, or one for each of `channels`. */
static mxd_status per_channel(const mxdi_graph *g, const mxd_node *node, uint32_t k,
                              int64_t channels, mxd_error *err)
{
    const mxd_value *const v = mxdi_shape_in(g, node, k);
    if (!v || v->rank == 0 ||
        (v->rank == 1 && (v->dim[0] == 1 || mxdi_shape_agree(v->dim[0], channels))))
        return MXD_OK;
    return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "input '%s': expected (1) or (%lld), got %s",
                             v->name, (long long)channels, mxdi_dims(v->dim, v->rank).text);
}

mxd_status mxdi_shape_of_conv(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_FLOATS, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 0, 1, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 0, 2, err));
    MXD_TRY(conv_dims(dim, g, node, 1, err));
    MXD_TRY(mxdi_shape_want(g, node, 2, dim + 1, 1, err));
    return mxdi_shape_out(g, node, 0, x->dtype, dim, x->rank, err);
}

mxd_status mxdi_shape_of_conv_transpose(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x     = mxdi_shape_in(g, node, 0);
    const mxd_value *const w     = mxdi_shape_in(g, node, 1);
    const int64_t          group = mxd_node_int(node, "group", 1);
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_FLOATS, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 0, 1, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 0, 2, err));
    MXD_TRY(mxdi_shape_rank(g, node, 0, 3, 2 + MXDI_MAX_SPATIAL, err));
    MXD_TRY(mxdi_shape_rank(g, node, 1, x->rank, x->rank, err));
    if (!mxdi_shape_agree(x->dim[1], w->dim[0]) || group < 1 ||
        (w->dim[0] >= 0 && w->dim[0] % group != 0))
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                 "%lld input channels, the weight wants %lld in groups of %lld",
                                 (long long)x->dim[1], (long long)w->dim[0], (long long)group);
    dim[0] = x->dim[0];
    if (!mxdi_shape_mul(&dim[1], w->dim[1], group))
        return mxdi_shape_refuse(err, MXD_E_RANGE, node, "%lld x group %lld output channels",
                                 (long long)w->dim[1], (long long)group);
    MXD_TRY(spatial(dim + 2, mxdi_window_transposed, node, x, w, err));
    MXD_TRY(mxdi_shape_want(g, node, 2, dim + 1, 1, err));
    return mxdi_shape_out(g, node, 0, x->dtype, dim, x->rank, err);
}

mxd_status mxdi_shape_of_conv_integer(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    int64_t dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_BYTES, err));
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_BYTES, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 0, 2, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 1, 3, err));
    MXD_TRY(conv_dims(dim, g, node, 1, err));
    MXD_TRY(mxdi_shape_scalar(g, node, 2, err));
    MXD_TRY(per_channel(g, node, 3, dim[1], err));
    return mxdi_shape_out(g, node, 0, MXD_S32, dim, mxdi_shape_in(g, node, 0)->rank, err);
}

/* x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B */
mxd_status mxdi_shape_of_q_linear_conv(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    static const uint8_t scalars[] = { 1, 2, 6, 7 }, scales[] = { 1, 4, 6 };
    int64_t              dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_BYTES, err));
    MXD_TRY(mxdi_shape_types(g, node, 3, MXDI_BYTES, err));
    MXD_TRY(mxdi_shape_types(g, node, 7, MXDI_BYTES, err));
    MXD_TRY(mxdi_shape_types(g, node, 8, MXDI_TYPE(S32), err));
    MXD_TRY(mxdi_shape_same_type(g, node, 0, 2, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 3, 5, err));
    for (size_t k = 0; k < sizeof(scales); k++)
        MXD_TRY(mxdi_shape_types(g, node, scales[k], MXDI_TYPE(F32), err));
    for (size_t k = 0; k < sizeof(scalars); k++)
        MXD_TRY(mxdi_shape_scalar(g, node, scalars[k], err));
    MXD_TRY(conv_dims(dim, g, node, 3, err));
    MXD_TRY(per_channel(g, node, 4, dim[1], err));
    MXD_TRY(per_channel(g, node, 5, dim[1], err));
    MXD_TRY(mxdi_shape_want(g, node, 8, dim + 1, 1, err));
    return mxdi_shape_out(g, node, 0, mxdi_shape_in(g, node, 7)->dtype, dim,
                          mxdi_shape_in(g, node, 0)->rank, err);
}

/* ---- domain "mixdown" ---- */

/* x, w, b, bf, m, r, zw */
mxd_status mxdi_shape_of_q_conv(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x    = mxdi_shape_in(g, node, 0);
    mxd_dtype              type = MXD_NONE;
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_types(g, node, 2, MXDI_TYPE(S32), err));
    MXD_TRY(mxdi_shape_types(g, node, 3, MXDI_TYPE(F32), err));
    MXD_TRY(mxdi_shape_types(g, node, 4, MXDI_TYPE(F32), err));
    MXD_TRY(mxdi_shape_types(g, node, 5, MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_types(g, node, 6, MXDI_TYPE(S32), err));
    if (!mxdi_shape_in(g, node, 4))
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "input 4, the factors, is missing");
    MXD_TRY(mxdi_shape_given_type(&type, g, node, MXDI_QUANTS | MXDI_TYPE(F32), err));
    MXD_TRY(conv_dims(dim, g, node, 1, err));
    MXD_TRY(mxdi_shape_want(g, node, 2, dim + 1, 1, err));
    MXD_TRY(mxdi_shape_want(g, node, 3, dim + 1, 1, err));
    MXD_TRY(per_channel(g, node, 4, dim[1], err));
    MXD_TRY(mxdi_shape_want(g, node, 5, dim, x->rank, err));
    MXD_TRY(per_channel(g, node, 6, dim[1], err));
    return mxdi_shape_out(g, node, 0, type, dim, x->rank, err);
}

/* x, w, bias, r */
mxd_status mxdi_shape_of_fused_conv(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_TYPE(F32), err));
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_FLOATS | MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_types(g, node, 2, MXDI_TYPE(F32), err));
    MXD_TRY(mxdi_shape_types(g, node, 3, MXDI_TYPE(F32), err));
    MXD_TRY(conv_dims(dim, g, node, 1, err));
    MXD_TRY(mxdi_shape_want(g, node, 2, dim + 1, 1, err));
    MXD_TRY(mxdi_shape_want(g, node, 3, dim, x->rank, err));
    return mxdi_shape_out(g, node, 0, MXD_F32, dim, x->rank, err);
}
