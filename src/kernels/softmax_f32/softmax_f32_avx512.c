/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax_f32 for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/softmax_f32/softmax_f32_body.h"
