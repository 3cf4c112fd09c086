/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of four products u8 x s16 in each 32-bit lane, modulo 2^32, for AVX2. Weights lie in two
 * vectors for one of activations: the even terms of every lane, then the odd ones. */
#ifndef MXDI_KERNELS_SIMD_Q8_AVX2_H
#define MXDI_KERNELS_SIMD_Q8_AVX2_H

#include "kernels/simd/q8_ymm.h"

enum {
    Q8_WEIGHT_BYTES = 2,
    Q8_CHAINS       = 1, /* products that have to be in flight at once */
    Q8_ROWS         = 4, /* 4x2 accumulators, 4 vectors of weights, 2 of inputs and a mask */
    Q8_OUTPUTS      = 2  /* of four vectors of sums, side by side */
};
#define Q8_EACH_ROWS(X) X(1) X(2) X(3) X(4)

typedef struct q8_pairs {
    vi32 even, odd;
} q8_input, q8_weights;

/* Bytes to words: terms 0 and 2, and terms 1 and 3. */
static inline q8_input q8_input_of(vi32 bytes)
{
    const vi32 even = _mm256_and_si256(bytes, _mm256_set1_epi32(0x00FF00FF));
    return (q8_input){ even, _mm256_srli_epi16(bytes, 8) };
}

static inline q8_weights q8_weights_load(const uint8_t *w)
{
    const __m256i *p = (const __m256i *)(const void *)w;
    return (q8_weights){ _mm256_load_si256(p), _mm256_load_si256(p + 1) };
}

static inline vi32 q8_dot(vi32 acc, q8_input a, q8_weights w)
{
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(a.even, w.even));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(a.odd, w.odd));
}
/* acc plus two products s16 x s16 in each lane, modulo 2^32. */
static inline vi32 q8_dot_s16(vi32 acc, vi32 a, vi32 w)
{
    return _mm256_add_epi32(acc, _mm256_madd_epi16(a, w));
}
#endif
