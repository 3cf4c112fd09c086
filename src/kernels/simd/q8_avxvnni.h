/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of four products u8 x s8 in each 32-bit lane, modulo 2^32, for AVX-VNNI. */
#ifndef MXDI_KERNELS_SIMD_Q8_AVXVNNI_H
#define MXDI_KERNELS_SIMD_Q8_AVXVNNI_H

#include "kernels/simd/q8_ymm.h"

#undef MXD_VARIANT
#undef MXD_VARIANT_NAME
#define MXD_VARIANT(name)        name##_avxvnni
#define MXD_VARIANT_NAME(family) family "_avxvnni"

enum {
    Q8_WEIGHT_BYTES = 1,
    Q8_CHAINS       = 8, /* products that have to be in flight at once */
    Q8_ROWS         = 6, /* 6x2 accumulators, 2 vectors of weights, 1 of inputs */
    Q8_OUTPUTS      = 2  /* of four vectors of sums, side by side */
};
#define Q8_EACH_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)

typedef vi32 q8_input;
typedef vi32 q8_weights;

static inline q8_input q8_input_of(vi32 bytes)
{
    return bytes;
}

static inline q8_weights q8_weights_load(const uint8_t *w)
{
    return _mm256_load_si256((const __m256i *)(const void *)w);
}

static inline vi32 q8_dot(vi32 acc, q8_input a, q8_weights w)
{
    return _mm256_dpbusd_avx_epi32(acc, a, w);
}
/* acc plus two products s16 x s16 in each lane, modulo 2^32. */
static inline vi32 q8_dot_s16(vi32 acc, vi32 a, vi32 w)
{
    return _mm256_dpwssd_avx_epi32(acc, a, w);
}
#endif
