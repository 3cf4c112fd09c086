/* SPDX-License-Identifier: Apache-2.0
 *
 * binary_f32 for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/binary_f32/binary_f32_body.h"
