/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of pools, global ones included, and of what normalizes over channels.
 */
#include "ir/shapes.h"

enum { ANY_SIZE = INT32_MAX };

static mxd_status pool_dims(int64_t *dim, const mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    mxdi_window            w;
    int64_t                in[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_rank(g, node, 0, 3, 2 + MXDI_MAX_SPATIAL, err));
    for (int32_t k = 0; k < x->rank - 2; k++)
        in[k] = x->dim[2 + k] < 0 ? ANY_SIZE : x->dim[2 + k];
    MXD_TRY(mxdi_window_of(&w, node, in, NULL, x->rank - 2, err));
    for (int32_t k = 0; k < x->rank; k++)
        dim[k] = k < 2 || x->dim[k] < 0 ? x->dim[k] : w.out[k - 2];
    return MXD_OK;
}

/* The second output: where each maximum was, as an index into the flat input. */
mxd_status mxdi_shape_of_max_pool(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_FLOATS | MXDI_QUANTS, err));
    MXD_TRY(pool_dims(dim, g, node, err));
    MXD_TRY(mxdi_shape_out(g, node, 1, MXD_S64, dim, x->rank, err));
    return mxdi_shape_out(g, node, 0, x->dtype, dim, x->rank, err);
}

mxd_status mxdi_shape_of_average_pool(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_FLOATS, err));
    MXD_TRY(pool_dims(dim, g, node, err));
    return mxdi_shape_out(g, node, 0, x->dtype, dim, x->rank, err);
}

/* x, m: a factor for each number of elements that a window may hold */
mxd_status mxdi_shape_of_q_average_pool(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x    = mxdi_shape_in(g, node, 0);
    mxd_dtype              type = MXD_NONE;
    int64_t                dim[MXD_MAX_RANK], volume = 1;
    uint32_t               n = 0;
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_TYPE(F32), err));
    MXD_TRY(mxdi_shape_given_type(&type, g, node, MXDI_QUANTS, err));
    MXD_TRY(pool_dims(dim, g, node, err));
    const int64_t *const kernel = mxd_node_ints(node, "kernel_shape", &n);
    for (uint32_t k = 0; k < n; k++)
        if (!mxdi_shape_mul(&volume, volume, kernel[k]) || volume > INT32_MAX)
            return mxdi_shape_refuse(err, MXD_E_RANGE, node, "kernel_shape: too large, %s",
                                     mxdi_dims(kernel, (int32_t)n).text);
    const int64_t factors[] = { volume + 1 };
    MXD_TRY(mxdi_shape_want(g, node, 1, factors, 1, err));
    return mxdi_shape_out(g, node, 0, type, dim, x->rank, err);
}

/* GlobalAveragePool, GlobalMaxPool: spatial axes become 1. */
mxd_status mxdi_shape_of_global_pool(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_FLOATS, err));
    MXD_TRY(mxdi_shape_rank(g, node, 0, 2, MXD_MAX_RANK, err));
    for (int32_t k = 0; k < x->rank; k++) {
        if (x->dim[k] == 0)
            return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                     "input '%s': expected elements, got %s", x->name,
                                     mxdi_dims(x->dim, x->rank).text);
        dim[k] = k < 2 ? x->dim[k] : 1;
    }
    return mxdi_shape_out(g, node, 0, x->dtype, dim, x->rank, err);
}

/* ---- normalization ---- */

/* x, scale, B, mean, var; with training_mode also the running mean and variance. */
mxd_status mxdi_shape_of_batch_norm(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x        = mxdi_shape_in(g, node, 0);
    const bool             training = mxd_node_int(node, "training_mode", 0) != 0;
    MXD_TRY(mxdi_shape_rank(g, node, 0, 1, MXD_MAX_RANK, err));
    if (mxd_node_int(node, "spatial", 1) == 0)
        return mxdi_shape_refuse(err, MXD_E_UNSUPPORTED, node,
                                 "spatial: statistics for each position are not supported");
    if (node->n_out > 1 && !training)
        return mxdi_shape_refuse(err, MXD_E_UNSUPPORTED, node,
                                 "expected one output outside of training, got %u",
                                 (unsigned)node->n_out);
    const int64_t channels[] = { x->rank > 1 ? x->dim[1] : 1 };
    for (uint32_t k = 0; k < 5; k++) {
        MXD_TRY(mxdi_shape_types(g, node, k, MXDI_FLOATS, err));
        if (k > 0)
            MXD_TRY(mxdi_shape_want(g, node, k, channels, 1, err));
    }
    for (uint32_t k = 1; k < 3; k++)
        MXD_TRY(mxdi_shape_out(g, node, k, mxdi_shape_in(g, node, 3)->dtype, channels, 1, err));
    return mxdi_shape_out_like(g, node, 0, x, err);
}

mxd_status mxdi_shape_of_instance_norm(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_FLOATS, err));
    MXD_TRY(mxdi_shape_rank(g, node, 0, 3, MXD_MAX_RANK, err));
    for (uint32_t k = 1; k < 3; k++) {
        MXD_TRY(mxdi_shape_same_type(g, node, 0, k, err));
        MXD_TRY(mxdi_shape_want(g, node, k, x->dim + 1, 1, err));
    }
    return mxdi_shape_out_like(g, node, 0, x, err);
}

/* Mean and InvStdDev have 1 from `axis` on. */
mxd_status mxdi_shape_of_layer_norm(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x     = mxdi_shape_in(g, node, 0);
    const mxd_dtype        stash = mxdi_dtype_of_onnx(mxd_node_int(node, "stash_type", 1));
    int64_t                dim[MXD_MAX_RANK];
    int32_t                axis = 0, rank = 0;
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_FLOATS, err));
    MXD_TRY(mxdi_shape_axis(&axis, node, mxd_node_int(node, "axis", -1), x->rank, err));
    if (!(MXDI_FLOATS & (1u << stash)))
        return mxdi_shape_refuse(err, MXD_E_DTYPE, node, "stash_type: expected a float type");
    for (uint32_t k = 1; k < 3; k++) {
        const mxd_value *const v = mxdi_shape_in(g, node, k);
        MXD_TRY(mxdi_shape_same_type(g, node, 0, k, err));
        bool ok = !v || (v->rank <= x->rank &&
                         mxdi_broadcast(dim, &rank, x->dim, x->rank, v->dim, v->rank));
        for (int32_t d = 0; v && ok && d < rank; d++)
            ok = mxdi_shape_agree(dim[d], x->dim[d]);
        if (!ok)
            return mxdi_shape_refuse(
                err, MXD_E_SHAPE, node, "input '%s': %s does not broadcast to %s", v->name,
                mxdi_dims(v->dim, v->rank).text, mxdi_dims(x->dim, x->rank).text);
    }
    for (int32_t d = 0; d < x->rank; d++)
        dim[d] = d < axis ? x->dim[d] : 1;
    for (uint32_t k = 1; k < 3; k++)
        MXD_TRY(mxdi_shape_out(g, node, k, stash, dim, x->rank, err));
    return mxdi_shape_out_like(g, node, 0, x, err);
}

mxd_status mxdi_shape_of_lrn(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_FLOATS, err));
    MXD_TRY(mxdi_shape_rank(g, node, 0, 2, MXD_MAX_RANK, err));
    if (mxd_node_int(node, "size", 0) < 1)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "size: expected 1 or more, got %lld",
                                 (long long)mxd_node_int(node, "size", 0));
    return mxdi_shape_out_like(g, node, 0, mxdi_shape_in(g, node, 0), err);
}
