/* SPDX-License-Identifier: Apache-2.0
 *
 * FusedConv and FusedMatMul of docs/graph-ops.md: float products with everything that was fused
 * behind them, in f32, with operands rounded to 16 bits, or with integer weights that are made real
 * first.
 */
#include "interp/interp_impl.h"

static mxd_status compute_of(const mxdi_interp_call *c, mxd_dtype *out)
{
    const char *const compute = mxd_node_string(c->node, "compute", "f32");
    *out                      = mxdi_dtype_parse(compute);
    if (*out != MXD_F32 && *out != MXD_BF16 && *out != MXD_F16)
        return mxdi_fail(c->err, MXD_E_INVAL, "compute: expected f32, bf16 or f16, got '%s'",
                         compute);
    return MXD_OK;
}

/* Input k as the products see it. */
static mxd_status operand(const mxdi_interp_call *c, uint32_t k, mxd_dtype compute,
                          const float **out)
{
    const mxd_tensor *const t = &c->in[k];
    const float            *real;
    if (mxdi_dtype_is_float(t->dtype))
        MXD_TRY(mxdi_interp_as_f32(c, t, &real));
    else
        MXD_TRY(mxdi_interp_dequantized(c, k, &real));
    *out = real;
    if (compute == MXD_F32)
        return MXD_OK;
    const int64_t n    = mxdi_interp_count(t);
    float *const  copy = mxdi_interp_alloc(c, n, sizeof(*copy));
    if (!copy)
        return mxdi_nomem(c->err);
    for (int64_t i = 0; i < n; i++)
        copy[i] = mxdi_interp_rounded(real[i], compute);
    *out = copy;
    return MXD_OK;
}

/* Where the chains start: the bias of the channel that output i belongs to. */
static mxd_status start(const mxdi_interp_call *c, float **acc, int64_t inner, int64_t channels)
{
    const int64_t n    = mxdi_interp_count(&c->out[0]);
    const float  *bias = NULL;
    if (mxdi_interp_given(c, 2)) {
        MXD_TRY(mxdi_interp_want_count(c, &c->in[2], "bias", channels));
        MXD_TRY(mxdi_interp_as_f32(c, &c->in[2], &bias));
    }
    *acc = mxdi_interp_alloc(c, n, sizeof(**acc));
    if (!*acc)
        return mxdi_nomem(c->err);
    for (int64_t i = 0; bias && i < n; i++)
        (*acc)[i] = bias[i / inner % channels];
    return MXD_OK;
}

/* y = min(max(round(acc) + r, min), max). */
static mxd_status finish(const mxdi_interp_call *c, const float *acc, mxd_dtype compute)
{
    mxd_tensor *const y    = &c->out[0];
    const bool        cut  = mxd_node_int(c->node, "round_output", 0) != 0;
    const float       low  = mxd_node_float(c->node, "min", -INFINITY);
    const float       high = mxd_node_float(c->node, "max", INFINITY);
    const int64_t     n    = mxdi_interp_count(y);
    const float      *r    = NULL;
    if (mxdi_interp_given(c, 3)) {
        MXD_TRY(mxdi_interp_want_shape(c, &c->in[3], "residual", y->dim, y->rank));
        MXD_TRY(mxdi_interp_as_f32(c, &c->in[3], &r));
    }
    for (int64_t i = 0; i < n; i++) {
        float v = cut ? mxdi_interp_rounded(acc[i], compute) : acc[i];
        if (r)
            v += r[i];
        v = v < low ? low : v;
        mxdi_interp_put(y, i, (double)(v > high ? high : v));
    }
    return MXD_OK;
}

mxd_status mxdi_interp_fused_conv(const mxdi_interp_call *c)
{
    const mxd_tensor *const y = &c->out[0];
    mxdi_interp_conv_shape  s = { .group = 1 };
    mxd_dtype               compute;
    const float            *x, *w;
    float                  *acc;
    MXD_TRY(compute_of(c, &compute));
    MXD_TRY(mxdi_interp_conv_shape_of(c, &s, &c->in[0], &c->in[1], y));
    MXD_TRY(operand(c, 0, compute, &x));
    MXD_TRY(operand(c, 1, compute, &w));
    MXD_TRY(start(c, &acc, mxdi_interp_product(y->dim, 2, y->rank), s.filters));
    mxdi_interp_convolve(acc, &s, x, w, mxdi_interp_row_f32);
    return finish(c, acc, compute);
}

mxd_status mxdi_interp_fused_matmul(const mxdi_interp_call *c)
{
    mxdi_interp_matmul_shape s;
    mxd_dtype                compute;
    const float             *a, *b;
    float                   *acc;
    MXD_TRY(compute_of(c, &compute));
    MXD_TRY(mxdi_interp_matmul_shape_of(c, &s, &c->in[0], &c->in[1],
                                        mxd_node_int(c->node, "transB", 0) != 0, &c->out[0]));
    MXD_TRY(operand(c, 0, compute, &a));
    MXD_TRY(operand(c, 1, compute, &b));
    MXD_TRY(start(c, &acc, 1, s.columns));
    mxdi_interp_multiply(acc, &s, a, b, mxdi_interp_row_f32);
    return finish(c, acc, compute);
}
