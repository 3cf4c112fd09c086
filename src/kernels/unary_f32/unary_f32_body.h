/* SPDX-License-Identifier: Apache-2.0
 *
 * unary_f32 over the vectors of simd/vec_<variant>.h: one loop, into which each function of a
 * vector is inlined. */
#include <math.h>

#include "kernels/simd/vec_math.h"
#include "kernels/unary_f32/unary_f32.h"

/* The parameters, spread out. */
struct vparams {
    vf32 alpha, beta;
};

static inline vf32 clip_between(vf32 x, vf32 lo, vf32 hi)
{
    return vf32_min(hi, vf32_max(lo, x));
}

static inline vf32 relu_of(vf32 x, const struct vparams *p)
{
    (void)p;
    return vf32_max(vf32_set1(0), x);
}

static inline vf32 clip_of(vf32 x, const struct vparams *p)
{
    return clip_between(x, p->alpha, p->beta);
}

static inline vf32 leaky_relu_of(vf32 x, const struct vparams *p)
{
    return vf32_select(vf32_lt(x, vf32_set1(0)), vf32_mul(p->alpha, x), x);
}

static inline vf32 hard_sigmoid_of(vf32 x, const struct vparams *p)
{
    return clip_between(vf32_add(vf32_mul(p->alpha, x), p->beta), vf32_set1(0), vf32_set1(1));
}

static inline vf32 hard_swish_of(vf32 x, const struct vparams *p)
{
    (void)p;
    const vf32 v = vf32_add(vf32_mul(x, vf32_set1(1.0f / 6.0f)), vf32_set1(0.5f));
    return vf32_mul(x, clip_between(v, vf32_set1(0), vf32_set1(1)));
}

static inline vf32 abs_of(vf32 x, const struct vparams *p)
{
    (void)p;
    return vf32_abs(x);
}

static inline vf32 neg_of(vf32 x, const struct vparams *p)
{
    (void)p;
    return vf32_neg(x);
}

static inline vf32 sign_of(vf32 x, const struct vparams *p)
{
    const vf32 zero = vf32_set1(0);
    (void)p;
    return vf32_select(vf32_lt(zero, x), vf32_set1(1),
                       vf32_select(vf32_lt(x, zero), vf32_set1(-1), x));
}

static inline vf32 reciprocal_of(vf32 x, const struct vparams *p)
{
    (void)p;
    return vf32_div(vf32_set1(1), x);
}

static inline vf32 sqrt_of(vf32 x, const struct vparams *p)
{
    (void)p;
    return vf32_sqrt(x);
}

static inline vf32 floor_of(vf32 x, const struct vparams *p)
{
    (void)p;
    return vf32_floor(x);
}

static inline vf32 ceil_of(vf32 x, const struct vparams *p)
{
    (void)p;
    return vf32_ceil(x);
}

static inline vf32 round_of(vf32 x, const struct vparams *p)
{
    (void)p;
    return vf32_rint(x);
}

static inline vf32 exp_of(vf32 x, const struct vparams *p)
{
    (void)p;
    return vf32_exp(x);
}

static inline vf32 log_of(vf32 x, const struct vparams *p)
{
    (void)p;
    return vf32_log(x);
}

/* With z = exp(-|x|) <= 1: z / (1 + z) below zero, 1 / (1 + z) above; nothing cancels. */
static inline vf32 sigmoid_of(vf32 x, const struct vparams *p)
{
    (void)p;
    const vf32 one = vf32_set1(1);
    const vf32 z   = vf32_exp(vf32_neg(vf32_abs(x)));
    return vf32_div(vf32_select(vf32_lt(x, vf32_set1(0)), z, one), vf32_add(one, z));
}

/* x + x^3 P(x^2) below 0.625, error 2^-32; 1 - 2 / (exp(2|x|) + 1) from there on, where that is at
 * most 0.45. */
static inline vf32 tanh_of(vf32 x, const struct vparams *p)
{
    static const float c[] = { -0x1.555554p-2f, 0x1.11107ap-3f, -0x1.b9f188p-5f,
                               0x1.63a55p-6f,   -0x1.0c5edp-7f, 0x1.1a2816p-9f };
    (void)p;
    const vf32 a = vf32_abs(x), one = vf32_set1(1), square = vf32_mul(x, x);
    const vf32 small = vf32_fma(vf32_mul(vf32_poly(square, c, 6), square), x, x);
    const vf32 large =
        vf32_sub(one, vf32_div(vf32_set1(2), vf32_add(vf32_exp(vf32_add(a, a)), one)));
    return vf32_select(vf32_lt(a, vf32_set1(0.625f)), small, vf32_copysign(large, x));
}

static inline vf32 elu_of(vf32 x, const struct vparams *p)
{
    return vf32_select(vf32_lt(x, vf32_set1(0)), vf32_mul(p->alpha, vf32_expm1_negative(x)), x);
}

/* max(x, 0) + log(1 + exp(-|x|)): both terms are positive. */
static inline vf32 softplus_of(vf32 x, const struct vparams *p)
{
    (void)p;
    const vf32 z = vf32_exp(vf32_neg(vf32_abs(x)));
    return vf32_add(vf32_max(vf32_set1(0), x), vf32_log1p_unit(z));
}

/* x + x P(x^2) below 1, error 2^-29; 1 - 2 P(Z < -sqrt(2) |x|) from there on, where that is at most
 * 0.16. */
static inline vf32 erf_of(vf32 x, const struct vparams *p)
{
    static const float c[] = { 0x1.06eba8p-3f, -0x1.81273ep-2f,  0x1.ce2ce6p-4f, -0x1.b7f71ap-6f,
                               0x1.53f224p-8f, -0x1.a3515ep-11f, 0x1.4771fep-14f };
    (void)p;
    const vf32 a     = vf32_abs(x);
    const vf32 small = vf32_fma(vf32_poly(vf32_mul(x, x), c, 7), x, x);
    const vf32 tail =
        vf32_normal_tail(vf32_min(vf32_set1(20), vf32_mul(a, vf32_set1(0x1.6a09e6p+0f))), 0);
    const vf32 large = vf32_fnma(vf32_set1(2), tail, vf32_set1(1));
    return vf32_select(vf32_lt(a, vf32_set1(1)), small, vf32_copysign(large, x));
}

/* x P(Z < x) = max(x, 0) - |x| P(Z < -|x|); below 0.75, where the tail is half or so, x (1/2 + x
 * R(x^2)) is more accurate, error 2^-28. */
static inline vf32 gelu_of(vf32 x, const struct vparams *p)
{
    static const float c[] = { 0x1.988452p-2f, -0x1.1057b6p-4f, 0x1.46b13p-7f, -0x1.342138p-10f,
                               0x1.9c6cdap-14f };
    (void)p;
    const vf32 a     = vf32_min(vf32_set1(20), vf32_abs(x));
    const vf32 small = vf32_mul(vf32_fma(vf32_poly(vf32_mul(x, x), c, 5), x, vf32_set1(0.5f)), x);
    const vf32 large = vf32_sub(vf32_max(vf32_set1(0), x), vf32_normal_tail(a, 1));
    return vf32_select(vf32_lt(a, vf32_set1(0.75f)), small, large);
}

/* 2 sqrt(2/pi) (a + 0.044715 a^3) for half a vector, negated. */
static inline vf64 gelu_tanh_exponent(vf64 a)
{
    const vf64 square = vf64_mul(a, a);
    return vf64_mul(
        a, vf64_fma(square, vf64_set1(-0.071354816272600255), vf64_set1(-1.5957691216057307)));
}

/* (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)), so max(x, 0) - |x| z / (1 + z) with z = exp(-2u(|x|)); as
 * an error of the exponent is one of the result, it is made in binary64 and kept in two pieces. */
static inline vf32 gelu_tanh_of(vf32 x, const struct vparams *p)
{
    (void)p;
    const vf32 a = vf32_min(vf32_set1(20), vf32_abs(x)), one = vf32_set1(1);
    const vf64 w0 = gelu_tanh_exponent(vf64_lo_f32(a)), w1 = gelu_tanh_exponent(vf64_hi_f32(a));
    const vf32 high = vf32_from_f64(w0, w1);
    const vf32 low =
        vf32_from_f64(vf64_sub(w0, vf64_lo_f32(high)), vf64_sub(w1, vf64_hi_f32(high)));
    const struct vexp z     = vf32_exp_parts(high, low);
    const vf32        e     = vf32_add(one, z.e);
    const vf32        below = vf32_add(one, vf32_scale2(e, z.n));
    const vf32        tail  = vf32_scale2(vf32_div(vf32_mul(a, e), below), z.n);
    return vf32_sub(vf32_max(vf32_set1(0), x), tail);
}

typedef vf32 (*vunary)(vf32 x, const struct vparams *p);

static inline void each(vunary f, float *y, const float *x, size_t n, const mxdi_unary_params *p)
{
    const struct vparams v = { vf32_set1(p->alpha), vf32_set1(p->beta) };
    size_t               i = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES)
        vf32_store(y + i, f(vf32_load(x + i), &v));
    if (i < n)
        vf32_store_tail(y + i, f(vf32_load_tail(x + i, n - i), &v), n - i);
}

#define MXD_UNARY(NAME, name, ulp)                                                          \
    static void name##_each(float *y, const float *x, size_t n, const mxdi_unary_params *p) \
    {                                                                                       \
        each(name##_of, y, x, n, p);                                                        \
    }
#include "kernels/unary_f32/unary_f32.inc"
#undef MXD_UNARY

const mxdi_unary_f32 MXD_VARIANT(mxdi_unary_f32) = {
    MXD_VARIANT_NAME("unary_f32"),
    {
#define MXD_UNARY(NAME, name, ulp) name##_each,
#include "kernels/unary_f32/unary_f32.inc"
#undef MXD_UNARY
    },
};
