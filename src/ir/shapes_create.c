/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of ops that make values from little or nothing: Constant, ConstantOfShape, Range, Shape,
 * Size.
 */
#include "ir/shapes.h"

#include <math.h>

mxd_status mxdi_shape_of_constant(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_attr *const a = node->n_attr == 1 ? &node->attr[0] : NULL;
    if (!a)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "expected one value, got %u",
                                 (unsigned)node->n_attr);
    if (a->kind == MXD_ATTR_TENSOR)
        return mxdi_shape_out(g, node, 0, a->tensor->dtype, a->tensor->dim, a->tensor->rank, err);
    const bool    list  = a->kind == MXD_ATTR_INTS || a->kind == MXD_ATTR_FLOATS;
    const bool    ints  = a->kind == MXD_ATTR_INTS || a->kind == MXD_ATTR_INT;
    const int64_t dim[] = { a->n };
    return mxdi_shape_out(g, node, 0, ints ? MXD_S64 : MXD_F32, dim, list ? 1 : 0, err);
}

mxd_status mxdi_shape_of_constant_of_shape(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_attr *const value = mxd_node_attr(node, "value", MXD_ATTR_TENSOR);
    const mxd_dtype       type  = value ? value->tensor->dtype : MXD_F32;
    int64_t               count = 1;
    mxdi_ints             shape;
    if (value && (!mxdi_shape_count(&count, value->tensor->dim, value->tensor->rank) || count != 1))
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "value: expected one element, got %s",
                                 mxdi_dims(value->tensor->dim, value->tensor->rank).text);
    MXD_TRY(mxdi_shape_ints(&shape, g, node, NULL, 0, err));
    if (shape.source == MXDI_DATA)
        return mxdi_shape_out_open(g, node, 0, type);
    for (uint32_t k = 0; k < shape.n; k++)
        if (shape.v[k] < 0)
            return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "shape: expected 0 or more, got %lld",
                                     (long long)shape.v[k]);
    return mxdi_shape_out(g, node, 0, type, shape.v, (int32_t)shape.n, err);
}

/* ceil((limit - start) / delta), the difference in the inputs' own precision. */
mxd_status mxdi_shape_of_range(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const uint32_t  types = MXDI_FLOATS | MXDI_TYPE(S16) | MXDI_TYPE(S32) | MXDI_TYPE(S64);
    const mxd_dtype type  = mxdi_shape_in(g, node, 0)->dtype;
    double          v[3]  = { 0 };
    MXD_TRY(mxdi_shape_types(g, node, 0, types, err));
    for (uint32_t k = 0; k < 3; k++) {
        MXD_TRY(mxdi_shape_same_type(g, node, 0, k, err));
        MXD_TRY(mxdi_shape_scalar(g, node, k, err));
    }
    for (uint32_t k = 0; k < 3; k++) {
        const mxd_value *const in = mxdi_shape_in(g, node, k);
        if (!in->data)
            return mxdi_shape_out_open(g, node, 0, type);
        v[k] = mxdi_load_f64(in->data, in->dtype, 0);
    }
    const double way = type == MXD_F32 ? (double)((float)v[1] - (float)v[0]) : v[1] - v[0];
    const double n   = ceil(way / v[2]);
    if (v[2] == 0.0 || !(n <= (double)INT32_MAX)) /* infinities and NaN among them */
        return mxdi_shape_refuse(err, MXD_E_RANGE, node, "from %g to %g by %g: expected an end",
                                 v[0], v[1], v[2]);
    const int64_t dim[] = { n > 0.0 ? (int64_t)n : 0 };
    return mxdi_shape_out(g, node, 0, type, dim, 1, err);
}

/* start and end (version 15) count from the back when negative, and are clamped. */
mxd_status mxdi_shape_of_shape(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const int64_t rank  = mxdi_shape_in(g, node, 0)->rank;
    int64_t       start = mxd_node_int(node, "start", 0);
    int64_t       end   = mxd_node_int(node, "end", rank);
    start += start < 0 ? rank : 0;
    end += end < 0 ? rank : 0;
    start               = start < 0 ? 0 : start > rank ? rank : start;
    end                 = end < 0 ? 0 : end > rank ? rank : end;
    const int64_t dim[] = { end > start ? end - start : 0 };
    return mxdi_shape_out(g, node, 0, MXD_S64, dim, 1, err);
}

mxd_status mxdi_shape_of_size(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    return mxdi_shape_out(g, node, 0, MXD_S64, NULL, 0, err);
}
