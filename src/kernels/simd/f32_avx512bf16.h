/* SPDX-License-Identifier: Apache-2.0
 *
 * f32_avx512.h with words of two bf16: one step adds two products to every f32 lane. VDPBF16PS
 * takes subnormal bf16 as zero and rounds each of the two additions. */
#ifndef MXDI_KERNELS_SIMD_F32_AVX512BF16_H
#define MXDI_KERNELS_SIMD_F32_AVX512BF16_H

#define MXD_WORDS_BF16
#include "kernels/simd/f32_avx512.h"

#undef MXD_VARIANT
#undef MXD_VARIANT_NAME
#define MXD_VARIANT(name)        name##_avx512bf16
#define MXD_VARIANT_NAME(family) family "_avx512bf16"

typedef __m512i vword;
enum { WORD_TERMS = 2 };

static inline vword word_broadcast(const float *a)
{
    return _mm512_castps_si512(_mm512_set1_ps(*a));
}

static inline vword word_load(const float *b)
{
    return _mm512_load_si512(b);
}

static inline vf32 word_step(vword a, vword b, vf32 acc)
{
    return _mm512_dpbf16_ps(acc, (__m512bh)a, (__m512bh)b);
}

/* Words of n channels: pairs of bf16, an odd last one paired with 0. Reads n elements, writes (n +
 * 1) / 2 words. */
static inline void word_prepare(float *dst, const float *src, int64_t n)
{
    for (; n >= 16; n -= 16, src += 16, dst += 8)
        _mm256_storeu_si256((__m256i *)(void *)dst, (__m256i)_mm512_cvtneps_pbh(vf32_load(src)));
    if (n > 0) {
        const __m256i v = (__m256i)_mm512_cvtneps_pbh(vf32_load_tail(src, (size_t)n));
        _mm256_mask_storeu_epi32(dst, (__mmask8)((1u << ((n + 1) / 2)) - 1), v);
    }
}

/* The words of one k step for n lanes: pairs of src (n) and the row below it, which counts as 0
 * with one k left. */
static inline void word_pack(float *dst, const float *src, int64_t row, int64_t k_left, int64_t n,
                             int32_t bf16)
{
    (void)bf16;
    for (; n > 0; n -= VF32_LANES, src += VF32_LANES, dst += VF32_LANES) {
        const __mmask16 m   = avx512_first(n < VF32_LANES ? (size_t)n : VF32_LANES);
        const vf32      low = vf32_round_bf16(_mm512_maskz_loadu_ps(m, src));
        const vf32      high =
            k_left > 1 ? vf32_round_bf16(_mm512_maskz_loadu_ps(m, src + row)) : vf32_zero();
        const vi32 pair = _mm512_or_si512(_mm512_srli_epi32(vf32_bits(low), 16), vf32_bits(high));
        _mm512_mask_storeu_epi32(dst, m, pair);
    }
}
#endif
