/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax_f32 for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/softmax_f32/softmax_f32_body.h"
