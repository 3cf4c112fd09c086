/* SPDX-License-Identifier: Apache-2.0
 *
 * channel_sum_f32 for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/channel_sum_f32/channel_sum_f32_body.h"
