/* SPDX-License-Identifier: Apache-2.0
 *
 * unary_f32 for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/unary_f32/unary_f32_body.h"
