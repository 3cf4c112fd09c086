/* SPDX-License-Identifier: Apache-2.0
 *
 * How panels are made where a word is one float: f32_avx2.h, f32_avx512.h and f32_neon.h include it
 * behind their vf32_round_bf16. */
#ifndef MXDI_KERNELS_SIMD_F32_WORDS_H
#define MXDI_KERNELS_SIMD_F32_WORDS_H

#include <string.h>

/* Words of n channels, rounded to bf16. Reads n elements, writes n words. */
static inline void word_prepare(float *dst, const float *src, int64_t n)
{
    for (; n >= VF32_LANES; n -= VF32_LANES, src += VF32_LANES, dst += VF32_LANES)
        vf32_store(dst, vf32_round_bf16(vf32_load(src)));
    if (n > 0)
        vf32_store_tail(dst, vf32_round_bf16(vf32_load_tail(src, (size_t)n)), (size_t)n);
}

/* The words of one k step for n lanes: dst (n), src (n). */
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
