/* SPDX-License-Identifier: Apache-2.0
 *
 * binary_f32 over the vectors of simd/vec_<variant>.h: one loop, into which each function of
 * vectors is inlined. */
#include <math.h>

#include "kernels/binary_f32/binary_f32.h"

typedef vf32 (*vbinary)(vf32 a, vf32 b);

static inline vf32 min_of(vf32 a, vf32 b)
{
    return vf32_select(vf32_is_nan(a), a, vf32_min(a, b));
}

static inline vf32 max_of(vf32 a, vf32 b)
{
    return vf32_select(vf32_is_nan(a), a, vf32_max(a, b));
}

static inline vf32 prelu_of(vf32 a, vf32 b)
{
    return vf32_select(vf32_lt(a, vf32_set1(0)), vf32_mul(a, b), a);
}

static inline vf32 square_of(vf32 a, vf32 b)
{
    (void)b;
    return vf32_mul(a, a);
}

static inline vf32 cube_of(vf32 a, vf32 b)
{
    (void)b;
    return vf32_mul(vf32_mul(a, a), a);
}

/* step_a, step_b: 1, or 0 for an operand that is fixed. */
static inline void each(vbinary f, float *y, const float *a, const float *b, size_t n,
                        size_t step_a, size_t step_b)
{
    const vf32 fixed_a = vf32_set1(a[0]), fixed_b = vf32_set1(b[0]);
    size_t     i = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES) {
        const vf32 va = step_a ? vf32_load(a + i) : fixed_a;
        const vf32 vb = step_b ? vf32_load(b + i) : fixed_b;
        vf32_store(y + i, f(va, vb));
    }
    if (i < n) {
        const vf32 va = step_a ? vf32_load_tail(a + i, n - i) : fixed_a;
        const vf32 vb = step_b ? vf32_load_tail(b + i, n - i) : fixed_b;
        vf32_store_tail(y + i, f(va, vb), n - i);
    }
}

static inline void apply(vbinary f, float *y, const float *a, const float *b, size_t n,
                         mxdi_binary_fixed fixed)
{
    if (n == 0)
        return;
    if (fixed == MXDI_FIXED_NONE)
        each(f, y, a, b, n, 1, 1);
    else if (fixed == MXDI_FIXED_A)
        each(f, y, a, b, n, 0, 1);
    else
        each(f, y, a, b, n, 1, 0);
}

static void add(float *y, const float *a, const float *b, size_t n, mxdi_binary_fixed fixed)
{
    apply(vf32_add, y, a, b, n, fixed);
}

static void sub(float *y, const float *a, const float *b, size_t n, mxdi_binary_fixed fixed)
{
    apply(vf32_sub, y, a, b, n, fixed);
}

static void mul(float *y, const float *a, const float *b, size_t n, mxdi_binary_fixed fixed)
{
    apply(vf32_mul, y, a, b, n, fixed);
}

static void div_(float *y, const float *a, const float *b, size_t n, mxdi_binary_fixed fixed)
{
    apply(vf32_div, y, a, b, n, fixed);
}

static void min(float *y, const float *a, const float *b, size_t n, mxdi_binary_fixed fixed)
{
    apply(min_of, y, a, b, n, fixed);
}

static void max(float *y, const float *a, const float *b, size_t n, mxdi_binary_fixed fixed)
{
    apply(max_of, y, a, b, n, fixed);
}

static void power(float *y, const float *a, const float *b, size_t n, mxdi_binary_fixed fixed)
{
    const float exponent = fixed == MXDI_FIXED_B && n ? b[0] : 0;
    if (exponent == 2)
        apply(square_of, y, a, b, n, fixed);
    else if (exponent == 3)
        apply(cube_of, y, a, b, n, fixed);
    else
        for (size_t i = 0; i < n; i++)
            y[i] = powf(a[fixed == MXDI_FIXED_A ? 0 : i], b[fixed == MXDI_FIXED_B ? 0 : i]);
}

static void prelu(float *y, const float *a, const float *b, size_t n, mxdi_binary_fixed fixed)
{
    apply(prelu_of, y, a, b, n, fixed);
}

const mxdi_binary_f32 MXD_VARIANT(mxdi_binary_f32) = {
    MXD_VARIANT_NAME("binary_f32"),
    { [MXDI_BINARY_ADD]   = add,
      [MXDI_BINARY_SUB]   = sub,
      [MXDI_BINARY_MUL]   = mul,
      [MXDI_BINARY_DIV]   = div_,
      [MXDI_BINARY_MIN]   = min,
      [MXDI_BINARY_MAX]   = max,
      [MXDI_BINARY_POW]   = power,
      [MXDI_BINARY_PRELU] = prelu },
};
