/* SPDX-License-Identifier: Apache-2.0
 *
 * unary_f32 for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/unary_f32/unary_f32_body.h"
