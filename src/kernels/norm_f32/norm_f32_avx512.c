/* SPDX-License-Identifier: Apache-2.0
 *
 * norm_f32 for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/norm_f32/norm_f32_body.h"
