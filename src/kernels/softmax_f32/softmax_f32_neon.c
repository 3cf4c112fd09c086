/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax_f32 for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/softmax_f32/softmax_f32_body.h"
