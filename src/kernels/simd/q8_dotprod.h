/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of four products u8 x s8 in each 32-bit lane, modulo 2^32, for AArch64 with FEAT_DotProd.
 * SDOT takes signed bytes: inputs are multiplied as x - 128, so a zero point is less by 128, and a
 * byte that is to add nothing is 128. */
#ifndef MXDI_KERNELS_SIMD_Q8_DOTPROD_H
#define MXDI_KERNELS_SIMD_Q8_DOTPROD_H

#include "kernels/simd/q8_vdot.h"

#undef MXD_VARIANT
#undef MXD_VARIANT_NAME
#define MXD_VARIANT(name)        name##_dotprod
#define MXD_VARIANT_NAME(family) family "_dotprod"

enum { Q8_NOTHING = 128 };
static const uint8_t q8_nothing[VU8_LANES] = { 128, 128, 128, 128, 128, 128, 128, 128,
                                               128, 128, 128, 128, 128, 128, 128, 128 };

typedef int8x16_t q8_input;

static inline q8_input q8_input_of(vi32 bytes)
{
    return vreinterpretq_s8_u8(veorq_u8(neon_u8(bytes), vdupq_n_u8(128)));
}

static inline vi32 q8_dot(vi32 acc, q8_input a, q8_weights w)
{
    return vdotq_s32(acc, a, w);
}
#endif
