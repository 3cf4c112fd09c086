/* SPDX-License-Identifier: Apache-2.0
 *
 * q8_avx2.h for AVX-512 BW. */
#ifndef MXDI_KERNELS_SIMD_Q8_AVX512_H
#define MXDI_KERNELS_SIMD_Q8_AVX512_H

#include "kernels/simd/q8_zmm.h"

enum {
    Q8_WEIGHT_BYTES = 2,
    Q8_CHAINS       = 1,  /* products that have to be in flight at once */
    Q8_ROWS         = 10, /* 10x2 accumulators, 4 vectors of weights, 2 of inputs and a mask */
    Q8_OUTPUTS      = 4   /* of four vectors of sums, side by side */
};
#define Q8_EACH_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10)

typedef struct q8_pairs {
    vi32 even, odd;
} q8_input, q8_weights;

static inline q8_input q8_input_of(vi32 bytes)
{
    const vi32 even = _mm512_and_si512(bytes, _mm512_set1_epi32(0x00FF00FF));
    return (q8_input){ even, _mm512_srli_epi16(bytes, 8) };
}

static inline q8_weights q8_weights_load(const uint8_t *w)
{
    return (q8_weights){ _mm512_load_si512(w), _mm512_load_si512(w + 64) };
}

static inline vi32 q8_dot(vi32 acc, q8_input a, q8_weights w)
{
    acc = _mm512_add_epi32(acc, _mm512_madd_epi16(a.even, w.even));
    return _mm512_add_epi32(acc, _mm512_madd_epi16(a.odd, w.odd));
}
/* acc plus two products s16 x s16 in each lane, modulo 2^32. */
static inline vi32 q8_dot_s16(vi32 acc, vi32 a, vi32 w)
{
    return _mm512_add_epi32(acc, _mm512_madd_epi16(a, w));
}
#endif
