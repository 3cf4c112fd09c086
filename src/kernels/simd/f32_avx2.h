/* SPDX-License-Identifier: Apache-2.0
 *
 * What register-tiled float kernels need beyond the vectors of vec_avx2.h: the same names as
 * f32_avx512.h.
 *
 * word_broadcast, word_load, word_step: a word is what one step of the k loop multiplies, here one
 * f32. */
#ifndef MXDI_KERNELS_SIMD_F32_AVX2_H
#define MXDI_KERNELS_SIMD_F32_AVX2_H

#include "kernels/simd/f32_x86.h"
#include "kernels/simd/vec_avx2.h"

typedef vf32 vword;
enum {
    WORD_TERMS = 1,
    TILE_ROWS  = 6
}; /* 6x2 accumulators, 2 panel vectors, 1 broadcast: 15 of 16 registers */

static inline vf32 vf32_zero(void)
{
    return _mm256_setzero_ps();
}

/* To bf16 and back, ties to even; NaN stays NaN. */
static inline vf32 vf32_round_bf16(vf32 v)
{
    const vi32 bits  = vf32_bits(v);
    const vi32 odd   = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const vi32 up    = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    const vi32 quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const vf32 nan   = _mm256_cmp_ps(v, v, _CMP_UNORD_Q);
    const vf32 whole = _mm256_blendv_ps(vf32_from_bits(up), vf32_from_bits(quiet), nan);
    return _mm256_and_ps(whole, vf32_from_bits(_mm256_set1_epi32((int)0xFFFF0000u)));
}

static inline vword word_broadcast(const float *a)
{
    return _mm256_broadcast_ss(a);
}

static inline vword word_load(const float *b)
{
    return _mm256_load_ps(b);
}

static inline vf32 word_step(vword a, vword b, vf32 acc)
{
    return _mm256_fmadd_ps(a, b, acc);
}

#include "kernels/simd/f32_words.h"
#endif
