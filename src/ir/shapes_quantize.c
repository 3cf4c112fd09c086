/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of QuantizeLinear, DequantizeLinear (versions 10 to 25) and DynamicQuantizeLinear.
 */
#include "ir/shapes.h"

/* Input 1, the scale: one number; one for each index of `axis` (version 13); or one for each block
 * of block_size elements along it (version 21). */
static mxd_status check_scale(const mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x     = mxdi_shape_in(g, node, 0);
    const mxd_value *const s     = mxdi_shape_in(g, node, 1);
    const int64_t          block = mxd_node_int(node, "block_size", 0);
    int32_t                axis  = 0;
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_TYPE(F32) | MXDI_TYPE(F16) | MXDI_TYPE(BF16), err));
    if (block == 0 && (s->rank == 0 || (s->rank == 1 && s->dim[0] == 1)))
        return mxdi_shape_scalar(g, node, 2, err);
    MXD_TRY(mxdi_shape_want(g, node, 2, s->dim, s->rank, err));
    MXD_TRY(mxdi_shape_axis(&axis, node, mxd_node_int(node, "axis", 1), x->rank, err));
    if (block < 0 || block > INT32_MAX)
        return mxdi_shape_refuse(err, MXD_E_RANGE, node, "block_size: expected 1 or more, got %lld",
                                 (long long)block);
    if (block == 0)
        return mxdi_shape_want(g, node, 1, x->dim + axis, 1, err);
    memcpy(dim, x->dim, sizeof(dim));
    if (dim[axis] >= 0)
        dim[axis] = (dim[axis] + block - 1) / block;
    return mxdi_shape_want(g, node, 1, dim, x->rank, err);
}

/* The type that attribute output_dtype names; `otherwise` when it is absent or 0. */
static mxd_status output_type(mxd_dtype *out, const mxd_node *node, mxd_dtype otherwise,
                              mxd_error *err)
{
    const int64_t code = mxd_node_int(node, "output_dtype", 0);
    *out               = code ? mxdi_dtype_of_onnx(code) : otherwise;
    if (*out == MXD_NONE)
        return mxdi_shape_refuse(err, MXD_E_UNSUPPORTED, node,
                                 "output_dtype: ONNX element type %lld is not supported",
                                 (long long)code);
    return MXD_OK;
}

mxd_status mxdi_shape_of_quantize_linear(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x         = mxdi_shape_in(g, node, 0);
    const mxd_value *const zero      = mxdi_shape_in(g, node, 2);
    const int64_t          precision = mxd_node_int(node, "precision", 0);
    mxd_dtype              type      = MXD_NONE;
    const uint32_t         quants    = MXDI_QUANTS | MXDI_TYPE(F8E4M3);
    MXD_TRY(mxdi_shape_types(
        g, node, 0, MXDI_TYPE(F32) | MXDI_TYPE(F16) | MXDI_TYPE(BF16) | MXDI_TYPE(S32), err));
    MXD_TRY(mxdi_shape_types(g, node, 2, quants, err));
    MXD_TRY(check_scale(g, node, err));
    MXD_TRY(output_type(&type, node, zero ? zero->dtype : MXD_U8, err));
    if (!(quants & (1u << type)) || (zero && zero->dtype != type))
        return mxdi_shape_refuse(err, MXD_E_DTYPE, node,
                                 "output_dtype: got %s, the zero point is %s", mxd_dtype_name(type),
                                 mxd_dtype_name(zero ? zero->dtype : MXD_NONE));
    if (precision != 0 && mxdi_dtype_of_onnx(precision) != MXD_F32)
        return mxdi_shape_refuse(err, MXD_E_UNSUPPORTED, node,
                                 "precision: expected 1 (binary32), got %lld",
                                 (long long)precision);
    return mxdi_shape_out(g, node, 0, type, x->dim, x->rank, err);
}

mxd_status mxdi_shape_of_dequantize_linear(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x    = mxdi_shape_in(g, node, 0);
    mxd_dtype              type = MXD_NONE;
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_QUANTS | MXDI_TYPE(S32) | MXDI_TYPE(F8E4M3), err));
    MXD_TRY(mxdi_shape_same_type(g, node, 0, 2, err));
    MXD_TRY(check_scale(g, node, err));
    MXD_TRY(output_type(&type, node, mxdi_shape_in(g, node, 1)->dtype, err));
    if (!(MXDI_FLOATS & (1u << type)))
        return mxdi_shape_refuse(err, MXD_E_DTYPE, node,
                                 "output_dtype: expected a float type, got %s",
                                 mxd_dtype_name(type));
    return mxdi_shape_out(g, node, 0, type, x->dim, x->rank, err);
}

mxd_status mxdi_shape_of_dynamic_quantize(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_TYPE(F32), err));
    MXD_TRY(mxdi_shape_out(g, node, 1, MXD_F32, NULL, 0, err));
    MXD_TRY(mxdi_shape_out(g, node, 2, MXD_U8, NULL, 0, err));
    return mxdi_shape_out(g, node, 0, MXD_U8, x->dim, x->rank, err);
}
