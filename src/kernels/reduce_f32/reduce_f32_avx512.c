/* SPDX-License-Identifier: Apache-2.0
 *
 * reduce_f32 for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/reduce_f32/reduce_f32_body.h"
