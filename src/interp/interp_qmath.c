/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantized tensors as the other families read them: which scale an element has, integers without their zero point,
 * constants as reals.
 */
#include "interp/interp_impl.h"

mxd_status mxdi_interp_grid_of(const mxdi_interp_call *c, mxdi_interp_grid *g, const mxd_tensor *t, int64_t n, int64_t axis, int64_t block)
{
    int32_t at = 0;
    *g = (mxdi_interp_grid){ .n = n, .inner = 1, .length = 1 };
    if (n == 1 && block == 0)
        return MXD_OK;
    MXD_TRY(mxdi_interp_axis(c, axis, t->rank, &at));
    g->length = t->dim[at];
    g->inner = mxdi_interp_product(t->dim, at + 1, t->rank);
    g->block = block;
    if (block < 0)
        return mxdi_fail(c->err, MXD_E_RANGE, "block_size: expected 0 or more, got %lld", (long long)block);
    g->blocks = block ? (g->length + block - 1) / block : g->length;
    const int64_t want = block ? mxdi_interp_product(t->dim, 0, at) * g->blocks * g->inner : g->length;
    if (n != want && n != 1)
        return mxdi_fail(c->err, MXD_E_SHAPE, "scale: expected %lld elements, got %lld", (long long)want, (long long)n);
    return MXD_OK;
}

mxd_status mxdi_interp_centered(const mxdi_interp_call *c, const mxd_tensor *t, const mxd_tensor *zero, int32_t axis, const int32_t **out)
{
    const int64_t n = mxdi_interp_count(t), zeros = zero ? mxdi_interp_count(zero) : 1;
    mxdi_interp_grid g;
    MXD_TRY(mxdi_interp_grid_of(c, &g, t, zeros, axis, 0));
    int32_t *const q = mxdi_interp_alloc(c, n, sizeof(*q));
    if (!q)
        return mxdi_nomem(c->err);
    for (int64_t i = 0; i < n; i++) {
        const int64_t z = zero ? mxdi_interp_get_int(zero, mxdi_interp_grid_at(&g, i)) : 0;
        q[i] = (int32_t)(mxdi_interp_get_int(t, i) - z);
    }
    *out = q;
    return MXD_OK;
}

mxd_status mxdi_interp_dequantized(const mxdi_interp_call *c, uint32_t k, const float **out)
{
    const mxd_tensor *const t = &c->in[k];
    const mxd_qparams *const q = c->values[c->node->in[k]].q;
    if (!q)
        return mxdi_fail(c->err, MXD_E_INVAL, "input %u: integers without quantization parameters", k);
    const int64_t n = mxdi_interp_count(t);
    mxdi_interp_grid g;
    MXD_TRY(mxdi_interp_grid_of(c, &g, t, q->n, q->axis, q->block));
    float *const real = mxdi_interp_alloc(c, n, sizeof(*real));
    if (!real)
        return mxdi_nomem(c->err);
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = mxdi_interp_grid_at(&g, i);
        real[i] = (float)(mxdi_interp_get_int(t, i) - q->zero_point[at]) * q->scale[at];
    }
    *out = real;
    return MXD_OK;
}
