/* SPDX-License-Identifier: Apache-2.0
 *
 * quantize_u8 for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/quantize_u8/quantize_u8_body.h"
