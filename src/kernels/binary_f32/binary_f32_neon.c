/* SPDX-License-Identifier: Apache-2.0
 *
 * binary_f32 for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/binary_f32/binary_f32_body.h"
