/* SPDX-License-Identifier: Apache-2.0
 *
 * QuantizeLinear-25, DequantizeLinear-25, DynamicQuantizeLinear-11, and the products on integers of
 * ONNX: QLinearConv-10, QLinearMatMul-21, ConvInteger-10, MatMulInteger-10.
 */
#include "interp/interp_impl.h"

/* Scale and zero point, inputs 1 and 2, laid over tensor t. */
static mxd_status grid_of_inputs(const mxdi_interp_call *c, mxdi_interp_grid *g,
                                 const mxd_tensor *t)
{
    const int64_t n = mxdi_interp_count(&c->in[1]), block = mxd_node_int(c->node, "block_size", 0);
    MXD_TRY(mxdi_interp_grid_of(c, g, t, n, mxd_node_int(c->node, "axis", 1), block));
    return mxdi_interp_given(c, 2) ? mxdi_interp_want_count(c, &c->in[2], "zero point", n) : MXD_OK;
}

/* The binary32 quotient. Where both are of one 16-bit type and nothing else is asked for, the
 * division is of that type (attribute `precision`): 24 bits are enough for rounding twice to give
 * the quotient rounded once. */
mxd_status mxdi_interp_quantize_linear(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0], *const s = &c->in[1];
    mxd_tensor *const  y      = &c->out[0];
    const bool         narrow = x->dtype == s->dtype && mxd_node_int(c->node, "precision", 0) == 0;
    const bool         free   = mxd_node_int(c->node, "saturate", 1) == 0;
    mxdi_interp_qrange q      = { 0, 0, 0 };
    mxdi_interp_grid   g;
    MXD_TRY(grid_of_inputs(c, &g, x));
    MXD_TRY(mxdi_interp_want_shape(c, y, "output", x->dim, x->rank));
    if (y->dtype != MXD_F8E4M3 && !mxdi_dtype_range(y->dtype, &q.lo, &q.hi))
        return mxdi_fail(c->err, MXD_E_UNSUPPORTED, "quantizing to %s", mxd_dtype_name(y->dtype));
    const int64_t n = mxdi_interp_count(x);
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = mxdi_interp_grid_at(&g, i);
        const float   r  = (float)mxdi_interp_get(x, i) / (float)mxdi_interp_get(s, at);
        const float   v  = narrow ? mxdi_interp_rounded(r, s->dtype) : r;
        q.z              = mxdi_interp_given(c, 2) ? mxdi_interp_get_int(&c->in[2], at) : 0;
        if (y->dtype == MXD_F8E4M3)
            mxdi_interp_put(y, i, free ? mxdi_interp_unsaturated((double)v) : (double)v);
        else
            mxdi_interp_put_int(y, i, mxdi_interp_clampq(v, &q));
    }
    return MXD_OK;
}

mxd_status mxdi_interp_dequantize_linear(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0], *const s = &c->in[1];
    mxd_tensor *const y    = &c->out[0];
    const bool        real = mxdi_dtype_is_float(x->dtype), moved = mxdi_interp_given(c, 2);
    mxdi_interp_grid  g;
    MXD_TRY(grid_of_inputs(c, &g, x));
    MXD_TRY(mxdi_interp_want_shape(c, y, "output", x->dim, x->rank));
    const int64_t n = mxdi_interp_count(x);
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = mxdi_interp_grid_at(&g, i),
                      z  = moved && !real ? mxdi_interp_get_int(&c->in[2], at) : 0;
        const float q =
            real ? (float)mxdi_interp_get(x, i) : (float)(mxdi_interp_get_int(x, i) - z);
        mxdi_interp_put(y, i, (double)(q * (float)mxdi_interp_get(s, at)));
    }
    return MXD_OK;
}

/* The range of x, 0 included, on 0..255. Where it is a point, the scale is 1/255, as in ONNX's own
 * reference. */
mxd_status mxdi_interp_dynamic_quantize_linear(const mxdi_interp_call *c)
{
    const mxd_tensor *const x  = &c->in[0];
    const float *const      v  = x->data;
    const int64_t           n  = mxdi_interp_count(x);
    float                   lo = 0.0f, hi = 0.0f;
    mxdi_interp_qrange      q = { 0, 0, 255 };
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "y", MXD_U8));
    MXD_TRY(mxdi_interp_want_shape(c, &c->out[0], "y", x->dim, x->rank));
    for (uint32_t k = 1; k < 3; k++)
        if (mxdi_interp_wanted(c, k))
            MXD_TRY(mxdi_interp_want_count(c, &c->out[k], k == 1 ? "y_scale" : "y_zero_point", 1));
    for (int64_t i = 0; i < n; i++) {
        lo = v[i] < lo ? v[i] : lo;
        hi = v[i] > hi ? v[i] : hi;
    }
    const float s = (lo == hi ? 1.0f : hi - lo) / 255.0f;
    q.z           = mxdi_interp_clampq(0.0f - lo / s, &q);
    for (int64_t i = 0; i < n; i++)
        mxdi_interp_put_int(&c->out[0], i, mxdi_interp_clampq(v[i] / s, &q));
    if (mxdi_interp_wanted(c, 1))
        mxdi_interp_put(&c->out[1], 0, (double)s);
    if (mxdi_interp_wanted(c, 2))
        mxdi_interp_put_int(&c->out[2], 0, q.z);
    return MXD_OK;
}

/* ---- products ---- */

static const mxd_tensor *optional(const mxdi_interp_call *c, uint32_t k)
{
    return mxdi_interp_given(c, k) ? &c->in[k] : NULL;
}

/* acc += the convolution of inputs x and w, less their zero points. */
static mxd_status integer_conv(const mxdi_interp_call *c, uint32_t x, uint32_t xz, uint32_t w,
                               uint32_t wz, int32_t *acc)
{
    mxdi_interp_conv_shape s;
    const int32_t         *qx, *qw;
    MXD_TRY(mxdi_interp_conv_shape_of(c, &s, &c->in[x], &c->in[w], &c->out[0]));
    if (mxdi_interp_given(c, xz))
        MXD_TRY(mxdi_interp_want_count(c, &c->in[xz], "x_zero_point", 1));
    MXD_TRY(mxdi_interp_centered(c, &c->in[x], optional(c, xz), 0, &qx));
    MXD_TRY(mxdi_interp_centered(c, &c->in[w], optional(c, wz), 0, &qw));
    mxdi_interp_convolve(acc, &s, qx, qw, mxdi_interp_row_s32);
    return MXD_OK;
}

/* The same for a matrix product. A vector of zero points is one for each row of a, one for each
 * column of b. */
static mxd_status integer_matmul(const mxdi_interp_call *c, uint32_t a, uint32_t az, uint32_t b,
                                 uint32_t bz, int32_t *acc)
{
    const int32_t rows = c->in[a].rank - 2, columns = c->in[b].rank > 1 ? c->in[b].rank - 1 : -1;
    mxdi_interp_matmul_shape s;
    const int32_t           *qa, *qb;
    MXD_TRY(mxdi_interp_matmul_shape_of(c, &s, &c->in[a], &c->in[b], false, &c->out[0]));
    MXD_TRY(mxdi_interp_centered(c, &c->in[a], optional(c, az), rows, &qa));
    MXD_TRY(mxdi_interp_centered(c, &c->in[b], optional(c, bz), columns, &qb));
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

/* y = clampq((float)acc * M), M = s_a * s_b / s_y of inputs 1, 4, 6. Vectors of scales lie along
 * these axes of y. */
static mxd_status requantize(const mxdi_interp_call *c, const int32_t *acc, int32_t a_axis,
                             int32_t b_axis)
{
    mxd_tensor *const  y = &c->out[0];
    mxdi_interp_qrange q = { 0, 0, 0 };
    mxdi_interp_walk   w;
    if (!mxdi_dtype_range(y->dtype, &q.lo, &q.hi))
        return mxdi_fail(c->err, MXD_E_DTYPE, "output: expected integers, got %s",
                         mxd_dtype_name(y->dtype));
    MXD_TRY(mxdi_interp_want_count(c, &c->in[6], "y_scale", 1));
    MXD_TRY(mxdi_interp_want_count(c, &c->in[7], "y_zero_point", 1));
    mxdi_interp_walk_init(&w, y->dim, y->rank);
    MXD_TRY(mxdi_interp_walk_along(c, &w, 0, &c->in[1], a_axis));
    MXD_TRY(mxdi_interp_walk_along(c, &w, 1, &c->in[4], b_axis));
    q.z = mxdi_interp_get_int(&c->in[7], 0);
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w)) {
        const double scale =
            mxdi_interp_get(&c->in[1], w.at[0]) * mxdi_interp_get(&c->in[4], w.at[1]);
        const float m = (float)(scale / mxdi_interp_get(&c->in[6], 0));
        mxdi_interp_put_int(y, i, mxdi_interp_clampq((float)acc[i] * m, &q));
    }
    return MXD_OK;
}

mxd_status mxdi_interp_qlinear_conv(const mxdi_interp_call *c)
{
    const mxd_tensor *const y   = &c->out[0];
    const int64_t           n   = mxdi_interp_count(y);
    int32_t *const          acc = mxdi_interp_alloc(c, n, sizeof(*acc));
    if (!acc)
        return mxdi_nomem(c->err);
    if (mxdi_interp_given(c, 8)) {
        const int64_t channels = y->rank > 1 ? y->dim[1] : 1,
                      inner    = mxdi_interp_product(y->dim, 2, y->rank);
        MXD_TRY(mxdi_interp_want_count(c, &c->in[8], "bias", channels));
        for (int64_t i = 0; i < n; i++)
            acc[i] = (int32_t)mxdi_interp_get_int(&c->in[8], i / inner % channels);
    }
    MXD_TRY(integer_conv(c, 0, 2, 3, 5, acc));
    return requantize(c, acc, -1, 1);
}

mxd_status mxdi_interp_qlinear_matmul(const mxdi_interp_call *c)
{
    const mxd_tensor *const y       = &c->out[0];
    const bool              columns = c->in[3].rank > 1; /* a vector b leaves none in y */
    int32_t *const          acc     = mxdi_interp_alloc(c, mxdi_interp_count(y), sizeof(*acc));
    if (!acc)
        return mxdi_nomem(c->err);
    MXD_TRY(integer_matmul(c, 0, 2, 3, 5, acc));
    return requantize(c, acc, columns ? y->rank - 2 : y->rank - 1, columns ? y->rank - 1 : -1);
}
