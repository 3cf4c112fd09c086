/* SPDX-License-Identifier: Apache-2.0
 *
 * round_half over the vectors of simd/vec_<variant>.h. */
#include "kernels/round_half/round_half.h"

/* Half of the last kept bit less one, plus that bit, carries into it exactly when rounding to even
 * goes up; the carry out of the significand is the next exponent, or infinity. NaN is kept apart:
 * the carry could lose it. */
static inline vf32 round_bf16(vf32 x)
{
    const vi32 bits = vf32_bits(x);
    const vi32 odd  = vi32_and(vi32_srl(bits, 16), vi32_set1(1));
    const vi32 up   = vi32_add(vi32_add(bits, vi32_set1(0x7fff)), odd);
    const vi32 kept = vi32_set1(-0x10000);
    const vi32 nan  = vf32_bits(vf32_add(x, x)); /* quiet */
    return vf32_select(vf32_is_nan(x), vf32_from_bits(vi32_and(nan, kept)),
                       vf32_from_bits(vi32_and(up, kept)));
}

static void bf16(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES)
        vf32_store(y + i, round_bf16(vf32_load(x + i)));
    if (i < n)
        vf32_store_tail(y + i, round_bf16(vf32_load_tail(x + i, n - i)), n - i);
}

static void f16(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES)
        vf32_store(y + i, vf32_round_f16(vf32_load(x + i)));
    if (i < n)
        vf32_store_tail(y + i, vf32_round_f16(vf32_load_tail(x + i, n - i)), n - i);
}

const mxdi_round_half MXD_VARIANT(mxdi_round_half) = { MXD_VARIANT_NAME("round_half"), bf16, f16 };
