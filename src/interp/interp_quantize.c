/* SPDX-License-Identifier: Apache-2.0
 *
 * QuantizeLinear-25, DequantizeLinear-25, DynamicQuantizeLinear-11, and the products on integers of ONNX: QLinearConv-10,
 * QLinearMatMul-21, ConvInteger-10, MatMulInteger-10.
 */
#include "interp/interp_impl.h"

/* Scale and zero point inputs `s` and `s + 1` laid over tensor t. */
static mxd_status grid_of_inputs(const mxdi_interp_call *c, mxdi_interp_grid *g, const mxd_tensor *t)
{
    const int64_t n = mxdi_interp_count(&c->in[1]);
    MXD_TRY(mxdi_interp_grid_of(c, g, t, n, mxd_node_int(c->node, "axis", 1), mxd_node_int(c->node, "block_size", 0)));
    return mxdi_interp_given(c, 2) ? mxdi_interp_want_count(c, &c->in[2], "zero point", n) : MXD_OK;
}

/* x / scale in the wider of both types' arithmetic: binary32 unless one is f64. */
mxd_status mxdi_interp_quantize_linear(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0], *const s = &c->in[1];
    mxd_tensor *const y = &c->out[0];
    int64_t lo, hi;
    mxdi_interp_grid g;
    MXD_TRY(grid_of_inputs(c, &g, x));
    MXD_TRY(mxdi_interp_want_shape(c, y, "output", x->dim, x->rank));
    const int64_t n = mxdi_interp_count(x);
    if (y->dtype == MXD_F8E4M3) {
        for (int64_t i = 0; i < n; i++)
            mxdi_interp_put(y, i, (double)((float)mxdi_interp_get(x, i) / (float)mxdi_interp_get(s, mxdi_interp_grid_at(&g, i))));
        return MXD_OK;
    }
    if (!mxdi_dtype_range(y->dtype, &lo, &hi))
        return mxdi_fail(c->err, MXD_E_UNSUPPORTED, "quantizing to %s", mxd_dtype_name(y->dtype));
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = mxdi_interp_grid_at(&g, i), z = mxdi_interp_given(c, 2) ? mxdi_interp_get_int(&c->in[2], at) : 0;
        const float r = (float)mxdi_interp_get(x, i) / (float)mxdi_interp_get(s, at);
        mxdi_interp_put_int(y, i, mxdi_interp_clampq(r, z, lo, hi));
    }
    return MXD_OK;
}

mxd_status mxdi_interp_dequantize_linear(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0], *const s = &c->in[1];
    mxd_tensor *const y = &c->out[0];
    const bool real = x->dtype == MXD_F8E4M3;
    mxdi_interp_grid g;
    MXD_TRY(grid_of_inputs(c, &g, x));
    MXD_TRY(mxdi_interp_want_shape(c, y, "output", x->dim, x->rank));
    const int64_t n = mxdi_interp_count(x);
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = mxdi_interp_grid_at(&g, i);
        const float q = real ? (float)mxdi_interp_get(x, i)
                             : (float)(mxdi_interp_get_int(x, i) - (mxdi_interp_given(c, 2) ? mxdi_interp_get_int(&c->in[2], at) : 0));
        mxdi_interp_put(y, i, (double)(q * (float)mxdi_interp_get(s, at)));
    }
    return MXD_OK;
}

mxd_status mxdi_interp_dynamic_quantize_linear(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    const int64_t n = mxdi_interp_count(x);
    float lo = 0.0f, hi = 0.0f;
    for (int64_t i = 0; i < n; i++) {
        const float v = ((const float *)x->data)[i];
        lo = v < lo ? v : lo;
        hi = v > hi ? v : hi;
    }
    const float s = (hi - lo) / 255.0f;
    const int64_t z = s > 0.0f ? mxdi_interp_clampq(0.0f - lo / s, 0, 0, 255) : 0;
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", MXD_U8));
    MXD_TRY(mxdi_interp_want_shape(c, &c->out[0], "output", x->dim, x->rank));
    for (int64_t i = 0; i < n; i++)
        mxdi_interp_put_int(&c->out[0], i, s > 0.0f ? mxdi_interp_clampq(((const float *)x->data)[i] / s, z, 0, 255) : z);
    if (mxdi_interp_wanted(c, 1))
        mxdi_interp_put(&c->out[1], 0, (double)s);
    if (mxdi_interp_wanted(c, 2))
        mxdi_interp_put_int(&c->out[2], 0, z);
    return MXD_OK;
}

/* ---- products ---- */

static mxd_status integer_conv(const mxdi_interp_call *c, uint32_t x, uint32_t xz, uint32_t w, uint32_t wz, int32_t *acc)
{
    mxdi_interp_conv_shape s = { .group = 1 };
    const int32_t *qx, *qw;
    MXD_TRY(mxdi_interp_conv_shape_of(c, &s, &c->in[x], &c->in[w], &c->out[0]));
    MXD_TRY(mxdi_interp_centered(c, &c->in[x], mxdi_interp_given(c, xz) ? &c->in[xz] : NULL, 0, &qx));
    MXD_TRY(mxdi_interp_centered(c, &c->in[w], mxdi_interp_given(c, wz) ? &c->in[wz] : NULL, 0, &qw));
    mxdi_interp_convolve(acc, &s, qx, qw, mxdi_interp_row_s32);
    return MXD_OK;
}

/* Zero points of A may be one per row, of B one per column. */
static mxd_status integer_matmul(const mxdi_interp_call *c, uint32_t a, uint32_t az, uint32_t b, uint32_t bz, int32_t *acc)
{
    mxdi_interp_matmul_shape s;
    const int32_t *qa, *qb;
    const mxd_tensor *const za = mxdi_interp_given(c, az) ? &c->in[az] : NULL, *const zb = mxdi_interp_given(c, bz) ? &c->in[bz] : NULL;
    MXD_TRY(mxdi_interp_matmul_shape_of(c, &s, &c->in[a], &c->in[b], false, &c->out[0]));
    MXD_TRY(mxdi_interp_centered(c, &c->in[a], za, c->in[a].rank >= 2 ? c->in[a].rank - 2 : 0, &qa));
    MXD_TRY(mxdi_interp_centered(c, &c->in[b], zb, c->in[b].rank - 1, &qb));
    mxdi_interp_multiply(acc, &s, qa, qb, mxdi_interp_row_s32);
    return MXD_OK;
}

mxd_status mxdi_interp_conv_integer(const mxdi_interp_call *c)
{
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", MXD_S32));
    memset(c->out[0].data, 0, (size_t)mxdi_interp_count(&c->out[0]) * sizeof(int32_t));
    return integer_conv(c, 0, 2, 1, 3, c->out[0].data);
}

mxd_status mxdi_interp_matmul_integer(const mxdi_interp_call *c)
{
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", MXD_S32));
    memset(c->out[0].data, 0, (size_t)mxdi_interp_count(&c->out[0]) * sizeof(int32_t));
    return integer_matmul(c, 0, 2, 1, 3, c->out[0].data);
}

/* y = clamp(rint(acc * s_a*s_b/s_y)); the scale of b may have one element per output channel. */
static mxd_status requantize(const mxdi_interp_call *c, const int32_t *acc, uint32_t sa, uint32_t sb, int64_t inner, int64_t channels)
{
    mxd_tensor *const y = &c->out[0];
    const int64_t n = mxdi_interp_count(y), scales = mxdi_interp_count(&c->in[sb]);
    const double s_y = mxdi_interp_get(&c->in[6], 0), s_a = mxdi_interp_get(&c->in[sa], 0);
    const int64_t z = mxdi_interp_get_int(&c->in[7], 0);
    int64_t lo, hi;
    if (!mxdi_dtype_range(y->dtype, &lo, &hi) || (scales != 1 && scales != channels) || mxdi_interp_count(&c->in[sa]) != 1 || mxdi_interp_count(&c->in[6]) != 1)
        return mxdi_fail(c->err, MXD_E_UNSUPPORTED, "scales: one each, or one per output channel of the weights, expected");
    for (int64_t i = 0; i < n; i++) {
        const double s_b = mxdi_interp_get(&c->in[sb], scales == 1 ? 0 : i / inner % channels);
        const float m = (float)(s_a * s_b / s_y);
        mxdi_interp_put_int(y, i, mxdi_interp_clampq((float)acc[i] * m, z, lo, hi));
    }
    return MXD_OK;
}

mxd_status mxdi_interp_qlinear_conv(const mxdi_interp_call *c)
{
    mxd_tensor *const y = &c->out[0];
    const int64_t n = mxdi_interp_count(y), inner = mxdi_interp_product(y->dim, 2, y->rank), channels = y->rank > 1 ? y->dim[1] : 1;
    int32_t *const acc = mxdi_interp_alloc(c, n, sizeof(*acc));
    if (!acc)
        return mxdi_nomem(c->err);
    if (mxdi_interp_given(c, 8)) {
        MXD_TRY(mxdi_interp_want_count(c, &c->in[8], "bias", channels));
        for (int64_t i = 0; i < n; i++)
            acc[i] = (int32_t)mxdi_interp_get_int(&c->in[8], i / inner % channels);
    }
    MXD_TRY(integer_conv(c, 0, 2, 3, 5, acc));
    return requantize(c, acc, 1, 4, inner, channels);
}

mxd_status mxdi_interp_qlinear_matmul(const mxdi_interp_call *c)
{
    mxd_tensor *const y = &c->out[0];
    int32_t *const acc = mxdi_interp_alloc(c, mxdi_interp_count(y), sizeof(*acc));
    if (!acc)
        return mxdi_nomem(c->err);
    MXD_TRY(integer_matmul(c, 0, 2, 3, 5, acc));
    return requantize(c, acc, 1, 4, 1, y->rank ? y->dim[y->rank - 1] : 1);
}
