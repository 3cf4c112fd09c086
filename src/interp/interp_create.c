/* SPDX-License-Identifier: Apache-2.0
 *
 * Ops that make tensors from attributes, shapes or a few numbers: Constant, ConstantOfShape, Range,
 * Shape, Size.
 */
#include "interp/interp_impl.h"

mxd_status mxdi_interp_constant(const mxdi_interp_call *c)
{
    mxd_tensor *const     y      = &c->out[0];
    const mxd_attr *const value  = mxd_node_attr(c->node, "value", MXD_ATTR_TENSOR);
    const mxd_attr *const one_f  = mxd_node_attr(c->node, "value_float", MXD_ATTR_FLOAT);
    const mxd_attr *const one_i  = mxd_node_attr(c->node, "value_int", MXD_ATTR_INT);
    const mxd_attr *const some_f = mxd_node_attr(c->node, "value_floats", MXD_ATTR_FLOATS);
    const mxd_attr *const some_i = mxd_node_attr(c->node, "value_ints", MXD_ATTR_INTS);
    size_t                bytes  = 0;
    if (value) {
        MXD_TRY(mxdi_interp_want_dtype(c, y, "output", value->tensor->dtype));
        MXD_TRY(mxdi_interp_want_shape(c, y, "output", value->tensor->dim, value->tensor->rank));
        if (mxdi_tensor_bytes(&bytes, y) && bytes)
            memcpy(y->data, value->tensor->data, bytes);
        return MXD_OK;
    }
    if (!one_f && !one_i && !some_f && !some_i)
        return mxdi_fail(c->err, MXD_E_UNSUPPORTED,
                         "expected value, value_float(s) or value_int(s)");
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", one_f || some_f ? MXD_F32 : MXD_S64));
    const int64_t n = some_f ? (int64_t)some_f->n : some_i ? (int64_t)some_i->n : 1;
    MXD_TRY(mxdi_interp_want_count(c, y, "output", n));
    for (int64_t i = 0; i < n; i++) {
        if (one_f || some_f)
            mxdi_interp_put(y, i, (double)(one_f ? one_f->f : some_f->floats[i]));
        else
            mxdi_interp_put_int(y, i, one_i ? one_i->i : some_i->ints[i]);
    }
    return MXD_OK;
}

mxd_status mxdi_interp_constant_of_shape(const mxdi_interp_call *c)
{
    mxd_tensor *const     y     = &c->out[0];
    const mxd_attr *const value = mxd_node_attr(c->node, "value", MXD_ATTR_TENSOR);
    const int64_t         n     = mxdi_interp_count(y);
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", value ? value->tensor->dtype : MXD_F32));
    if (value)
        MXD_TRY(mxdi_interp_want_count(c, value->tensor, "value", 1));
    for (int64_t i = 0; i < n; i++) {
        if (value)
            mxdi_interp_move(y, i, value->tensor, 0);
        else
            mxdi_interp_put(y, i, 0.0);
    }
    return MXD_OK;
}

/* start + i * delta, each rounded once; integers modulo 2^64. */
mxd_status mxdi_interp_range(const mxdi_interp_call *c)
{
    mxd_tensor *const y = &c->out[0];
    const int64_t     n = mxdi_interp_count(y);
    for (uint32_t k = 0; k < 3; k++)
        MXD_TRY(mxdi_interp_want_count(c, &c->in[k], "input", 1));
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", c->in[0].dtype));
    for (int64_t i = 0; i < n; i++) {
        if (mxdi_dtype_is_float(y->dtype))
            mxdi_interp_put(
                y, i, mxdi_interp_get(&c->in[0], 0) + (double)i * mxdi_interp_get(&c->in[2], 0));
        else
            mxdi_interp_put_int(
                y, i,
                (int64_t)((uint64_t)mxdi_interp_get_int(&c->in[0], 0) +
                          (uint64_t)i * (uint64_t)mxdi_interp_get_int(&c->in[2], 0)));
    }
    return MXD_OK;
}

mxd_status mxdi_interp_shape(const mxdi_interp_call *c)
{
    const mxd_tensor *const x    = &c->in[0];
    const int64_t           rank = x->rank;
    int64_t start = mxd_node_int(c->node, "start", 0), end = mxd_node_int(c->node, "end", rank);
    start = start < 0 ? start + rank : start;
    end   = end < 0 ? end + rank : end;
    start = start < 0 ? 0 : start > rank ? rank : start;
    end   = end < start ? start : end > rank ? rank : end;
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", MXD_S64));
    MXD_TRY(mxdi_interp_want_count(c, &c->out[0], "output", end - start));
    for (int64_t i = start; i < end; i++)
        mxdi_interp_put_int(&c->out[0], i - start, x->dim[i]);
    return MXD_OK;
}

mxd_status mxdi_interp_size(const mxdi_interp_call *c)
{
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", MXD_S64));
    MXD_TRY(mxdi_interp_want_count(c, &c->out[0], "output", 1));
    mxdi_interp_put_int(&c->out[0], 0, mxdi_interp_count(&c->in[0]));
    return MXD_OK;
}
