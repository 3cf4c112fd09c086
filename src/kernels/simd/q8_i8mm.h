/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of four products u8 x s8 in each 32-bit lane, modulo 2^32, for AArch64 with FEAT_I8MM, whose
 * USDOT takes them as they are. */
#ifndef MXDI_KERNELS_SIMD_Q8_I8MM_H
#define MXDI_KERNELS_SIMD_Q8_I8MM_H

#include "kernels/simd/q8_vdot.h"

#undef MXD_VARIANT
#undef MXD_VARIANT_NAME
#define MXD_VARIANT(name)        name##_i8mm
#define MXD_VARIANT_NAME(family) family "_i8mm"

enum { Q8_NOTHING = 0 };
static const uint8_t q8_nothing[VU8_LANES] = { Q8_NOTHING };

typedef uint8x16_t q8_input;

static inline q8_input q8_input_of(vi32 bytes)
{
    return neon_u8(bytes);
}

static inline vi32 q8_dot(vi32 acc, q8_input a, q8_weights w)
{
    return vusdotq_s32(acc, a, w);
}
#endif
