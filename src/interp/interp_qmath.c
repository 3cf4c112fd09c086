/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantized tensors as the other families read them: which scale an element has, integers without
 * their zero point, constants as reals.
 */
#include "interp/interp_impl.h"

mxd_status mxdi_interp_zero_of(const mxdi_interp_call *c, const char *attr, int64_t *out)
{
    *out = mxd_node_int(c->node, attr, 0);
    if (*out < INT16_MIN || *out > UINT16_MAX)
        return mxdi_fail(c->err, MXD_E_RANGE, "%s: expected 16 bits, got %lld", attr,
                         (long long)*out);
    return MXD_OK;
}

mxd_status mxdi_interp_qrange_of(const mxdi_interp_call *c, mxdi_interp_qrange *r, const char *z,
                                 const char *lo, const char *hi)
{
    MXD_TRY(mxdi_interp_zero_of(c, z, &r->z));
    MXD_TRY(mxdi_interp_zero_of(c, lo, &r->lo));
    MXD_TRY(mxdi_interp_zero_of(c, hi, &r->hi));
    if (r->lo > r->hi)
        return mxdi_fail(c->err, MXD_E_RANGE, "%s: expected at most %s, %lld, got %lld", lo, hi,
                         (long long)r->hi, (long long)r->lo);
    return MXD_OK;
}

mxd_status mxdi_interp_grid_of(const mxdi_interp_call *c, mxdi_interp_grid *g, const mxd_tensor *t,
                               int64_t n, int64_t axis, int64_t block)
{
    int32_t at = 0;
    *g         = (mxdi_interp_grid){ .n = n, .inner = 1, .length = 1 };
    if (block < 0 || block > INT32_MAX)
        return mxdi_fail(c->err, MXD_E_RANGE, "block_size: expected 0 or more, got %lld",
                         (long long)block);
    if (n == 1 && block == 0)
        return MXD_OK;
    MXD_TRY(mxdi_interp_axis(c, axis, t->rank, &at));
    g->length = t->dim[at];
    g->inner  = mxdi_interp_product(t->dim, at + 1, t->rank);
    g->block  = block;
    g->blocks = block ? (g->length + block - 1) / block : g->length;
    const int64_t want =
        block ? mxdi_interp_product(t->dim, 0, at) * g->blocks * g->inner : g->length;
    if (n != want)
        return mxdi_fail(c->err, MXD_E_SHAPE, "scale: expected %lld elements, got %lld",
                         (long long)want, (long long)n);
    return MXD_OK;
}

mxd_status mxdi_interp_centered(const mxdi_interp_call *c, const mxd_tensor *t,
                                const mxd_tensor *zero, int32_t axis, const int32_t **out)
{
    mxdi_interp_walk w;
    int32_t *const   q = mxdi_interp_alloc(c, mxdi_interp_count(t), sizeof(*q));
    if (!q)
        return mxdi_nomem(c->err);
    mxdi_interp_walk_init(&w, t->dim, t->rank);
    if (zero)
        MXD_TRY(mxdi_interp_walk_along(c, &w, 0, zero, axis));
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w))
        q[i] =
            (int32_t)(mxdi_interp_get_int(t, i) - (zero ? mxdi_interp_get_int(zero, w.at[0]) : 0));
    *out = q;
    return MXD_OK;
}

mxd_status mxdi_interp_dequantized(const mxdi_interp_call *c, uint32_t k, const float **out)
{
    const mxd_tensor *const  t = &c->in[k];
    const mxd_qparams *const q = c->values[c->node->in[k]].q;
    if (!q)
        return mxdi_fail(c->err, MXD_E_INVAL, "input %u: integers without quantization parameters",
                         k);
    const int64_t    n = mxdi_interp_count(t);
    mxdi_interp_grid g;
    MXD_TRY(mxdi_interp_grid_of(c, &g, t, q->n, q->axis, q->block));
    float *const real = mxdi_interp_alloc(c, n, sizeof(*real));
    if (!real)
        return mxdi_nomem(c->err);
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = mxdi_interp_grid_at(&g, i);
        real[i]          = (float)(mxdi_interp_get_int(t, i) - q->zero_point[at]) * q->scale[at];
    }
    *out = real;
    return MXD_OK;
}
