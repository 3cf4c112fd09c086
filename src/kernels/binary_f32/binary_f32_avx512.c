/* SPDX-License-Identifier: Apache-2.0
 *
 * binary_f32 for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/binary_f32/binary_f32_body.h"
