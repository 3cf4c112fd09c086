/* SPDX-License-Identifier: Apache-2.0
 *
 * What register-tiled float kernels need beyond the vectors of vec_avx512.h: the same names as
 * f32_avx2.h, which says what each is. f32_avx512bf16.h replaces the words. */
#ifndef MXDI_KERNELS_SIMD_F32_AVX512_H
#define MXDI_KERNELS_SIMD_F32_AVX512_H

#include "kernels/simd/f32_x86.h"
#include "kernels/simd/vec_avx512.h"

enum { TILE_ROWS = 14 }; /* 14x2 accumulators, 2 panel vectors, 1 broadcast: 31 of 32 registers */

static inline vf32 vf32_zero(void)
{
    return _mm512_setzero_ps();
}

static inline vf32 vf32_round_bf16(vf32 v)
{
    const vi32  bits  = vf32_bits(v);
    const vi32  odd   = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const vi32  up    = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    const vmask nan   = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const vi32  whole = _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
    return vf32_from_bits(_mm512_and_si512(whole, _mm512_set1_epi32((int)0xFFFF0000u)));
}

#ifndef MXD_WORDS_BF16
typedef vf32 vword;
enum { WORD_TERMS = 1 };

static inline vword word_broadcast(const float *a)
{
    return _mm512_set1_ps(*a);
}

static inline vword word_load(const float *b)
{
    return _mm512_load_ps(b);
}

static inline vf32 word_step(vword a, vword b, vf32 acc)
{
    return _mm512_fmadd_ps(a, b, acc);
}

static inline void word_prepare(float *dst, const float *src, int64_t n)
{
    for (; n >= VF32_LANES; n -= VF32_LANES, src += VF32_LANES, dst += VF32_LANES)
        vf32_store(dst, vf32_round_bf16(vf32_load(src)));
    if (n > 0)
        vf32_store_tail(dst, vf32_round_bf16(vf32_load_tail(src, (size_t)n)), (size_t)n);
}

static inline void word_pack(float *dst, const float *src, int64_t row, int64_t k_left, int64_t n,
                             int32_t bf16)
{
    (void)row;
    (void)k_left;
    if (bf16)
        word_prepare(dst, src, n);
    else
        memcpy(dst, src, (size_t)n * sizeof(*dst));
}
#endif
#endif
