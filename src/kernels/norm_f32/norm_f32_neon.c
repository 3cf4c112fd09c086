/* SPDX-License-Identifier: Apache-2.0
 *
 * norm_f32 for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/norm_f32/norm_f32_body.h"
