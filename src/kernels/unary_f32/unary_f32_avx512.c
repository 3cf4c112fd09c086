/* SPDX-License-Identifier: Apache-2.0
 *
 * unary_f32 for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/unary_f32/unary_f32_body.h"
