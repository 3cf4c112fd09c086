/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementary functions of f32 vectors. Include after a simd/vec_<variant>.h. NaN goes through all
 * of them.
 *
 * Polynomials: minimax in the relative error of the function they make up, coefficients rounded to
 * binary32 from the lowest up, each refitted to those before it; the error left is given with each,
 * 1 ulp being 2^-24 to 2^-23. The bounds of whole functions stand in unary_f32.inc. */
#ifndef MXDI_KERNELS_SIMD_VEC_MATH_H
#define MXDI_KERNELS_SIMD_VEC_MATH_H

/* c[0] + c[1] x + ... + c[n-1] x^(n-1); n and c are constants where this is inlined. */
static inline vf32 vf32_poly(vf32 x, const float *c, int n)
{
    vf32 y = vf32_set1(c[n - 1]);
    for (int i = n - 2; i >= 0; i--)
        y = vf32_fma(y, x, vf32_set1(c[i]));
    return y;
}

/* exp in two pieces: (1 + e) * 2^n, n an integer, |e| < 0.42. */
struct vexp {
    vf32 e, n;
};

/* exp(x + lo), |lo| a few ulp of x. n = rint(x / ln 2); ln 2 is split in two (Cody and Waite 1980,
 * section 6): n times the first 16 bits is exact and so is its difference to x. x is clamped to
 * where the result is 0 or infinity anyway. 1 + e = exp(r), |r| <= ln(2)/2: e = r + r^2 P(r), error
 * 2^-31 relative to e. */
static inline struct vexp vf32_exp_parts(vf32 x, vf32 lo)
{
    static const float c[] = { 0x1p-1f,        0x1.555554p-3f,  0x1.5554f8p-5f,
                               0x1.1112d8p-7f, 0x1.6d3a4ap-10f, 0x1.9e7388p-13f };
    const vf32         y   = vf32_min(vf32_set1(89.0f), vf32_max(vf32_set1(-120.0f), x));
    const vf32         n   = vf32_rint(vf32_mul(y, vf32_set1(0x1.715476p+0f)));
    vf32               r   = vf32_fnma(n, vf32_set1(0x1.62e4p-1f), y);
    r                      = vf32_add(vf32_fnma(n, vf32_set1(0x1.7f7d1cp-20f), r), lo);
    return (struct vexp){ vf32_fma(vf32_poly(r, c, 6), vf32_mul(r, r), r), n };
}

/* exp(x); 1 ulp or so, subnormal results rounded once. */
static inline vf32 vf32_exp(vf32 x)
{
    const struct vexp p = vf32_exp_parts(x, vf32_set1(0));
    return vf32_scale2(vf32_add(vf32_set1(1), p.e), p.n);
}

/* exp(x) - 1 for x <= 0: 2^n e + (2^n - 1). */
static inline vf32 vf32_expm1_negative(vf32 x)
{
    const struct vexp p = vf32_exp_parts(x, vf32_set1(0));
    const vf32        s = vf32_scale2(vf32_set1(1), p.n);
    return vf32_fma(s, p.e, vf32_sub(s, vf32_set1(1)));
}

/* log(1 + f) + k * ln 2 for f in [sqrt(1/2) - 1, sqrt(2) - 1], k an integer: f - f^2/2 + f^3 Q(f),
 * error 2^-30. */
static inline vf32 vf32_log1p_scaled(vf32 f, vf32 k)
{
    static const float c[]    = { 0x1.555548p-2f,  -0x1.000006p-2f, 0x1.99a476p-3f,
                                  -0x1.555c44p-3f, 0x1.233ba2p-3f,  -0x1.fc28ccp-4f,
                                  0x1.e6c01p-4f,   -0x1.de01cap-4f, 0x1.14730ap-4f };
    const vf32         square = vf32_mul(f, f);
    vf32               y      = vf32_mul(vf32_mul(vf32_poly(f, c, 9), f), square);
    y                         = vf32_fma(k, vf32_set1(0x1.7f7d1cp-20f), y);
    y                         = vf32_fnma(square, vf32_set1(0.5f), y);
    return vf32_fma(k, vf32_set1(0x1.62e4p-1f), vf32_add(f, y));
}

/* log(x): x = 2^k (1 + f). */
static inline vf32 vf32_log(vf32 x)
{
    const vmask tiny = vf32_lt(x, vf32_set1(0x1p-126f)); /* subnormal, 0 or negative */
    const vf32  y    = vf32_select(tiny, vf32_mul(x, vf32_set1(0x1p24f)), x);
    const vi32  root = vi32_set1(0x3f3504f3); /* sqrt(1/2) */
    const vi32  bits = vf32_bits(y);
    const vi32  k    = vi32_sra(vi32_sub(bits, root), 23);
    const vf32  f    = vf32_sub(vf32_from_bits(vi32_sub(bits, vi32_sll(k, 23))), vf32_set1(1));
    const vf32  back = vf32_select(tiny, vf32_set1(-24), vf32_set1(0));
    vf32        r    = vf32_log1p_scaled(f, vf32_add(vf32_from_i32(k), back));
    r                = vf32_select(vf32_lt(x, vf32_set1(INFINITY)), r, x); /* infinity and NaN */
    r                = vf32_select(vf32_lt(x, vf32_set1(0x1p-149f)), vf32_set1(-INFINITY), r);
    return vf32_select(vf32_lt(x, vf32_set1(0)), vf32_set1(NAN), r);
}

/* log(1 + z), 0 <= z <= 1: from z = sqrt(2) - 1 on as log((1 + z)/2) + log(2). */
static inline vf32 vf32_log1p_unit(vf32 z)
{
    const vmask small = vf32_lt(z, vf32_set1(0.41421f));
    const vf32  half  = vf32_mul(vf32_sub(z, vf32_set1(1)), vf32_set1(0.5f));
    return vf32_log1p_scaled(vf32_select(small, z, half),
                             vf32_select(small, vf32_set1(0), vf32_set1(1)));
}

/* a * P(Z < -a) for a standard normal Z, a in [0, 20]: the Mills ratio times the density. In t = (a
 * - 4)/(a + 4), exp(a^2/2) P(Z < -a) (a + 4) is a polynomial, error 2^-25.7. a^2 is kept in two
 * pieces, as its ulp is large against an exponent; `times_a` false leaves out the factor a. */
static inline vf32 vf32_normal_tail(vf32 a, int times_a)
{
    static const float c[]  = { 0x1.82b4bcp-1f,  -0x1.373e3ap-1f,  0x1.8c6d7ep-2f,  -0x1.7dff46p-3f,
                                0x1.eedc18p-5f,  -0x1.edfd62p-8f,  -0x1.cdeb9p-9f,  0x1.a6f3e4p-10f,
                                0x1.af91aap-13f, -0x1.8a5df4p-13f, -0x1.5f574ap-15f };
    const vf32         four = vf32_set1(4), half = vf32_set1(-0.5f);
    const vf32         below = vf32_add(a, four);
    const vf32        mills = vf32_div(vf32_poly(vf32_div(vf32_sub(a, four), below), c, 11), below);
    const vf32        high = vf32_mul(a, a), low = vf32_fms(a, a, high);
    const struct vexp p = vf32_exp_parts(vf32_mul(high, half), vf32_mul(low, half));
    const vf32        m = times_a ? vf32_mul(a, mills) : mills;
    return vf32_scale2(vf32_fma(m, p.e, m), p.n);
}
#endif
