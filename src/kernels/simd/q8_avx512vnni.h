/* SPDX-License-Identifier: Apache-2.0
 *
 * q8_avxvnni.h for AVX-512 VNNI. */
#ifndef MXDI_KERNELS_SIMD_Q8_AVX512VNNI_H
#define MXDI_KERNELS_SIMD_Q8_AVX512VNNI_H

#include "kernels/simd/q8_zmm.h"

#undef MXD_VARIANT
#undef MXD_VARIANT_NAME
#define MXD_VARIANT(name)        name##_avx512vnni
#define MXD_VARIANT_NAME(family) family "_avx512vnni"

enum {
    Q8_WEIGHT_BYTES = 1,
    Q8_CHAINS       = 8,  /* products that have to be in flight at once */
    Q8_ROWS         = 12, /* 12x2 accumulators, 2 vectors of weights, 1 of inputs; 14x2 is slower */
    Q8_OUTPUTS      = 4   /* of four vectors of sums, side by side */
};
#define Q8_EACH_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)

typedef vi32 q8_input;
typedef vi32 q8_weights;

static inline q8_input q8_input_of(vi32 bytes)
{
    return bytes;
}

static inline q8_weights q8_weights_load(const uint8_t *w)
{
    return _mm512_load_si512(w);
}

static inline vi32 q8_dot(vi32 acc, q8_input a, q8_weights w)
{
    return _mm512_dpbusd_epi32(acc, a, w);
}
/* acc plus two products s16 x s16 in each lane, modulo 2^32. */
static inline vi32 q8_dot_s16(vi32 acc, vi32 a, vi32 w)
{
    return _mm512_dpwssd_epi32(acc, a, w);
}
#endif
