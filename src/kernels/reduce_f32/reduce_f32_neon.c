/* SPDX-License-Identifier: Apache-2.0
 *
 * reduce_f32 for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/reduce_f32/reduce_f32_body.h"
