/* SPDX-License-Identifier: Apache-2.0
 *
 * channel_sum_f32 for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/channel_sum_f32/channel_sum_f32_body.h"
