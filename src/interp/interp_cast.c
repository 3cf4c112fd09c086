/* SPDX-License-Identifier: Apache-2.0
 *
 * Cast-25, and tensors made from shapes and numbers: Shape-25, Size, ConstantOfShape, Range.
 */
#include "interp/interp_impl.h"

mxd_status mxdi_interp_cast(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    mxd_tensor *const y = &c->out[0];
    const int64_t n = mxdi_interp_count(x);
    const bool whole = !mxdi_dtype_is_float(x->dtype) && !mxdi_dtype_is_float(y->dtype);
    MXD_TRY(mxdi_interp_want_shape(c, y, "output", x->dim, x->rank));
    if (y->dtype == MXD_F8E4M3 && !mxd_node_int(c->node, "saturate", 1))
        return mxdi_fail(c->err, MXD_E_UNSUPPORTED, "saturate: expected 1");
    for (int64_t i = 0; i < n; i++) {
        if (y->dtype == MXD_BOOL)
            mxdi_interp_put_int(y, i, whole ? mxdi_interp_get_int(x, i) != 0 : mxdi_interp_get(x, i) != 0.0);
        else if (x->dtype == y->dtype)
            mxdi_interp_move(y, i, x, i);
        else if (whole)
            mxdi_interp_put_int(y, i, mxdi_interp_get_int(x, i));
        else
            mxdi_interp_put(y, i, mxdi_interp_get(x, i));
    }
    return MXD_OK;
}

mxd_status mxdi_interp_shape(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    int64_t start = mxd_node_int(c->node, "start", 0), end = mxd_node_int(c->node, "end", x->rank);
    start = start < 0 ? start + x->rank : start;
    end = end < 0 ? end + x->rank : end;
    start = start < 0 ? 0 : start > x->rank ? x->rank : start;
    end = end < start ? start : end > x->rank ? x->rank : end;
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", MXD_S64));
    MXD_TRY(mxdi_interp_want_count(c, &c->out[0], "output", end - start));
    for (int64_t i = start; i < end; i++)
        mxdi_interp_put_int(&c->out[0], i - start, x->dim[i]);
    return MXD_OK;
}

mxd_status mxdi_interp_size(const mxdi_interp_call *c)
{
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", MXD_S64));
    mxdi_interp_put_int(&c->out[0], 0, mxdi_interp_count(&c->in[0]));
    return MXD_OK;
}

mxd_status mxdi_interp_constant_of_shape(const mxdi_interp_call *c)
{
    const mxd_attr *const value = mxd_node_attr(c->node, "value", MXD_ATTR_TENSOR);
    mxd_tensor *const y = &c->out[0];
    const int64_t n = mxdi_interp_count(y);
    if (value && (mxdi_interp_count(value->tensor) != 1 || value->tensor->dtype != y->dtype))
        return mxdi_fail(c->err, MXD_E_INVAL, "value: one element of the output's type expected");
    for (int64_t i = 0; i < n; i++) {
        if (value)
            mxdi_interp_move(y, i, value->tensor, 0);
        else
            mxdi_interp_put_int(y, i, 0);
    }
    return MXD_OK;
}

mxd_status mxdi_interp_range(const mxdi_interp_call *c)
{
    mxd_tensor *const y = &c->out[0];
    double start, delta;
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", c->in[0].dtype));
    MXD_TRY(mxdi_interp_scalar(c, 0, 0.0, &start));
    MXD_TRY(mxdi_interp_scalar(c, 2, 1.0, &delta));
    for (int64_t i = 0; i < mxdi_interp_count(y); i++) {
        if (mxdi_dtype_is_float(y->dtype))
            mxdi_interp_put(y, i, start + (double)i * delta);
        else
            mxdi_interp_put_int(y, i, (int64_t)((uint64_t)mxdi_interp_get_int(&c->in[0], 0) + (uint64_t)i * (uint64_t)mxdi_interp_get_int(&c->in[2], 0)));
    }
    return MXD_OK;
}
