/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of four products u8 x s16 in each 32-bit lane, modulo 2^32, for AArch64 without dot
 * products. Weights lie as in q8_avx2.h. */
#ifndef MXDI_KERNELS_SIMD_Q8_NEON_H
#define MXDI_KERNELS_SIMD_Q8_NEON_H

#include "kernels/simd/q8_vreg.h"

enum {
    Q8_WEIGHT_BYTES = 2,
    Q8_CHAINS       = 1,
    Q8_ROWS         = 4, /* 4x2 accumulators; with 6x2 gcc 12 keeps inputs in memory */
    Q8_OUTPUTS      = 2
};
#define Q8_EACH_ROWS(X) X(1) X(2) X(3) X(4)

enum { Q8_NOTHING = 0 };
static const uint8_t q8_nothing[VU8_LANES] = { Q8_NOTHING };

/* Rows of products of 16 bits. */
enum { Q16_ROWS = 4 };
#define Q16_EACH_ROWS(X) X(1) X(2) X(3) X(4)

typedef struct q8_pairs {
    int16x8_t even, odd;
} q8_input, q8_weights;

static inline q8_input q8_input_of(vi32 bytes)
{
    const uint16x8_t words = vreinterpretq_u16_s32(bytes);
    return (q8_input){ vreinterpretq_s16_u16(vandq_u16(words, vdupq_n_u16(0xFF))),
                       vreinterpretq_s16_u16(vshrq_n_u16(words, 8)) };
}

static inline q8_weights q8_weights_load(const uint8_t *w)
{
    return (q8_weights){ vreinterpretq_s16_u8(vld1q_u8(w)),
                         vreinterpretq_s16_u8(vld1q_u8(w + 16)) };
}

static inline vi32 q8_dot(vi32 acc, q8_input a, q8_weights w)
{
    const int32x4_t lo = vmull_s16(vget_low_s16(a.even), vget_low_s16(w.even));
    const int32x4_t hi = vmull_high_s16(a.even, w.even);
    return vaddq_s32(acc, vpaddq_s32(vmlal_s16(lo, vget_low_s16(a.odd), vget_low_s16(w.odd)),
                                     vmlal_high_s16(hi, a.odd, w.odd)));
}

static inline vi32 q8_dot_s16(vi32 acc, vi32 a, vi32 w)
{
    return vaddq_s32(acc, vi32_pairs_s16(a, w));
}
#endif
