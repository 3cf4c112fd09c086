/* SPDX-License-Identifier: Apache-2.0
 *
 * reduce_f32 for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/reduce_f32/reduce_f32_body.h"
