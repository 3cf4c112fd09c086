/* SPDX-License-Identifier: Apache-2.0
 *
 * pool_grad_f32 for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/pool_grad_f32/pool_grad_f32_body.h"
