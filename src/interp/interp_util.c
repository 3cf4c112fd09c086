/* SPDX-License-Identifier: Apache-2.0
 *
 * What every family of the interpreter needs before it computes: checked shapes and types, index
 * inputs, scratch.
 */
#include "base/half.h"
#include "interp/interp_impl.h"

/* Scratch is a list of blocks; a block's first word points to the one before it. */
enum { BLOCK_HEAD = 64 };

void *mxdi_interp_alloc(const mxdi_interp_call *c, int64_t count, size_t size)
{
    size_t bytes;
    if (count < 0 || !mxdi_mul_size(&bytes, (size_t)count, size) ||
        bytes > PTRDIFF_MAX - BLOCK_HEAD)
        return NULL;
    char *const block = mxdi_alloc(c->alloc, bytes + BLOCK_HEAD, 1);
    if (!block)
        return NULL;
    memcpy(block, c->scratch, sizeof(*c->scratch));
    *c->scratch = block;
    return block + BLOCK_HEAD;
}

int64_t mxdi_interp_product(const int64_t *dim, int32_t from, int32_t to)
{
    int64_t product = 1;
    for (int32_t i = from; i < to; i++)
        product *= dim[i]; /* part of a shape whose whole count was checked, or 0 */
    return product;
}

int64_t mxdi_interp_count(const mxd_tensor *t)
{
    int64_t count;
    return mxdi_shape_count(&count, t->dim, t->rank) ? count : 0;
}

void mxdi_interp_strides(int64_t *stride, const int64_t *dim, int32_t rank)
{
    int64_t step = 1;
    for (int32_t i = rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= dim[i];
    }
}

bool mxdi_interp_same_shape(const mxd_tensor *a, const mxd_tensor *b)
{
    if (a->rank != b->rank)
        return false;
    for (int32_t i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

mxd_status mxdi_interp_want_shape(const mxdi_interp_call *c, const mxd_tensor *t, const char *what,
                                  const int64_t *dim, int32_t rank)
{
    if (t->rank != rank)
        return mxdi_fail(c->err, MXD_E_SHAPE, "%s: expected rank %d, got %d", what, (int)rank,
                         (int)t->rank);
    for (int32_t i = 0; i < rank; i++)
        if (t->dim[i] != dim[i])
            return mxdi_fail(c->err, MXD_E_SHAPE, "%s: axis %d: expected %lld, got %lld", what,
                             (int)i, (long long)dim[i], (long long)t->dim[i]);
    return MXD_OK;
}

mxd_status mxdi_interp_want_dtype(const mxdi_interp_call *c, const mxd_tensor *t, const char *what,
                                  mxd_dtype dtype)
{
    if (t->dtype != dtype)
        return mxdi_fail(c->err, MXD_E_DTYPE, "%s: expected %s, got %s", what,
                         mxd_dtype_name(dtype), mxd_dtype_name(t->dtype));
    return MXD_OK;
}

mxd_status mxdi_interp_want_count(const mxdi_interp_call *c, const mxd_tensor *t, const char *what,
                                  int64_t count)
{
    const int64_t got = mxdi_interp_count(t);
    if (got != count)
        return mxdi_fail(c->err, MXD_E_SHAPE, "%s: expected %lld elements, got %lld", what,
                         (long long)count, (long long)got);
    return MXD_OK;
}

mxd_status mxdi_interp_like_input(const mxdi_interp_call *c, uint32_t k)
{
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[k], "output", c->in[0].dtype));
    return mxdi_interp_want_shape(c, &c->out[k], "output", c->in[0].dim, c->in[0].rank);
}

mxd_status mxdi_interp_axis(const mxdi_interp_call *c, int64_t axis, int32_t rank, int32_t *out)
{
    if (axis < -(int64_t)rank || axis >= rank)
        return mxdi_fail(c->err, MXD_E_RANGE, "axis: expected %d..%d, got %lld", -(int)rank,
                         (int)rank - 1, (long long)axis);
    *out = (int32_t)(axis < 0 ? axis + rank : axis);
    return MXD_OK;
}

mxd_status mxdi_interp_ints(const mxdi_interp_call *c, uint32_t k, const char *attr,
                            int64_t out[2 * MXD_MAX_RANK], uint32_t *n, bool *given)
{
    const bool     from_input = mxdi_interp_given(c, k);
    const int64_t *ints       = from_input ? NULL : mxd_node_ints(c->node, attr, n);
    const int64_t  count      = from_input ? mxdi_interp_count(&c->in[k]) : (int64_t)*n;
    *given                    = from_input || ints;
    if (count > 2 * MXD_MAX_RANK)
        return mxdi_fail(c->err, MXD_E_RANGE, "%s: expected at most %d numbers, got %lld", attr,
                         2 * MXD_MAX_RANK, (long long)count);
    *n = (uint32_t)count;
    for (uint32_t i = 0; i < *n; i++)
        out[i] = from_input ? mxdi_interp_get_int(&c->in[k], i) : ints[i];
    return MXD_OK;
}

mxd_status mxdi_interp_axes(const mxdi_interp_call *c, uint32_t k, const char *attr, int32_t rank,
                            int32_t axis[MXD_MAX_RANK], uint32_t *n, bool *given)
{
    int64_t  list[2 * MXD_MAX_RANK];
    uint32_t seen = 0;
    MXD_TRY(mxdi_interp_ints(c, k, attr, list, n, given));
    if (!*given) {
        *n = (uint32_t)rank;
        for (int32_t i = 0; i < rank; i++)
            axis[i] = i;
        return MXD_OK;
    }
    if (*n > (uint32_t)rank)
        return mxdi_fail(c->err, MXD_E_RANGE, "%s: expected at most %d axes, got %u", attr,
                         (int)rank, *n);
    for (uint32_t i = 0; i < *n; i++) {
        MXD_TRY(mxdi_interp_axis(c, list[i], rank, &axis[i]));
        if (seen & 1u << axis[i])
            return mxdi_fail(c->err, MXD_E_RANGE, "%s: axis %d is named twice", attr, (int)axis[i]);
        seen |= 1u << axis[i];
    }
    return MXD_OK;
}

mxd_status mxdi_interp_attr_ints(const mxdi_interp_call *c, const char *attr, int64_t *out,
                                 int32_t n, int64_t otherwise, int64_t lo, int64_t hi)
{
    uint32_t             count;
    const int64_t *const ints = mxd_node_ints(c->node, attr, &count);
    if (ints && count != (uint32_t)n)
        return mxdi_fail(c->err, MXD_E_INVAL, "%s: expected %d numbers, got %u", attr, (int)n,
                         count);
    for (int32_t i = 0; i < n; i++) {
        out[i] = ints ? ints[i] : otherwise;
        if (out[i] < lo || out[i] > hi)
            return mxdi_fail(c->err, MXD_E_RANGE, "%s: expected %lld..%lld, got %lld", attr,
                             (long long)lo, (long long)hi, (long long)out[i]);
    }
    return MXD_OK;
}

mxd_status mxdi_interp_scalar(const mxdi_interp_call *c, uint32_t k, double otherwise, double *out)
{
    *out = otherwise;
    if (!mxdi_interp_given(c, k))
        return MXD_OK;
    if (mxdi_interp_count(&c->in[k]) != 1)
        return mxdi_fail(c->err, MXD_E_SHAPE, "input %u: expected one element, got %lld", k,
                         (long long)mxdi_interp_count(&c->in[k]));
    *out = mxdi_interp_get(&c->in[k], 0);
    return MXD_OK;
}

mxd_status mxdi_interp_as_f32(const mxdi_interp_call *c, const mxd_tensor *t, const float **out)
{
    if (t->dtype == MXD_F32) {
        *out = t->data;
        return MXD_OK;
    }
    if (t->dtype != MXD_F16 && t->dtype != MXD_BF16)
        return mxdi_fail(c->err, MXD_E_UNSUPPORTED, "expected f32, f16 or bf16, got %s",
                         mxd_dtype_name(t->dtype));
    const int64_t n    = mxdi_interp_count(t);
    float *const  copy = mxdi_interp_alloc(c, n, sizeof(*copy));
    if (!copy)
        return mxdi_nomem(c->err);
    for (int64_t i = 0; i < n; i++)
        copy[i] = (float)mxdi_load_f64(t->data, t->dtype, i);
    *out = copy;
    return MXD_OK;
}

float mxdi_interp_rounded(float v, mxd_dtype dtype)
{
    if (dtype == MXD_BF16)
        return mxdi_bf16_to_f32(mxdi_f32_to_bf16(v));
    return dtype == MXD_F16 ? mxdi_f16_to_f32(mxdi_f32_to_f16(v)) : v;
}

void mxdi_interp_walk_init(mxdi_interp_walk *w, const int64_t *dim, int32_t rank)
{
    memset(w, 0, sizeof(*w));
    w->rank = rank;
    memcpy(w->dim, dim, (size_t)rank * sizeof(*dim));
    w->left = mxdi_interp_product(dim, 0, rank);
}

mxd_status mxdi_interp_walk_broadcast(const mxdi_interp_call *c, mxdi_interp_walk *w, int k,
                                      const mxd_tensor *t)
{
    int64_t       stride[MXD_MAX_RANK];
    const int32_t lead = w->rank - t->rank;
    if (lead < 0)
        return mxdi_fail(c->err, MXD_E_SHAPE, "broadcasting rank %d to rank %d", (int)t->rank,
                         (int)w->rank);
    mxdi_interp_strides(stride, t->dim, t->rank);
    for (int32_t i = 0; i < t->rank; i++) {
        if (t->dim[i] != 1 && t->dim[i] != w->dim[lead + i])
            return mxdi_fail(c->err, MXD_E_SHAPE, "broadcasting: axis %d: %lld does not fit %lld",
                             (int)(lead + i), (long long)t->dim[i], (long long)w->dim[lead + i]);
        w->stride[k][lead + i] = t->dim[i] == 1 ? 0 : stride[i];
    }
    return MXD_OK;
}

mxd_status mxdi_interp_walk_along(const mxdi_interp_call *c, mxdi_interp_walk *w, int k,
                                  const mxd_tensor *t, int32_t axis)
{
    if (mxdi_interp_count(t) == 1)
        return MXD_OK; /* strides are 0 */
    if (t->rank != 1)
        return mxdi_interp_walk_broadcast(c, w, k, t);
    if (axis < 0 || axis >= w->rank || t->dim[0] != w->dim[axis])
        return mxdi_fail(c->err, MXD_E_SHAPE, "expected one number, or one along axis %d, got %lld",
                         (int)axis, (long long)t->dim[0]);
    w->stride[k][axis] = 1;
    return MXD_OK;
}
