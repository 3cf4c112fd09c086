/* SPDX-License-Identifier: Apache-2.0
 *
 * What q8_dotprod.h and q8_i8mm.h have in common: weights as signed bytes, and the tiles. */
#ifndef MXDI_KERNELS_SIMD_Q8_VDOT_H
#define MXDI_KERNELS_SIMD_Q8_VDOT_H

#include "kernels/simd/q8_vreg.h"

enum {
    Q8_WEIGHT_BYTES = 1,
    Q8_CHAINS       = 8,
    Q8_ROWS         = 8, /* 8x2 accumulators; with 12x2 gcc 12 keeps some in memory */
    Q8_OUTPUTS      = 4
};
#define Q8_EACH_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)

typedef int8x16_t q8_weights;

static inline q8_weights q8_weights_load(const uint8_t *w)
{
    return vreinterpretq_s8_u8(vld1q_u8(w));
}
#endif
