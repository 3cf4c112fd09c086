/* SPDX-License-Identifier: Apache-2.0
 *
 * norm_f32 for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/norm_f32/norm_f32_body.h"
