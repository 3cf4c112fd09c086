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

#include "kernels/simd/f32_words.h"
#endif
#endif
