/* SPDX-License-Identifier: Apache-2.0
 *
 * pool_grad_f32 for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/pool_grad_f32/pool_grad_f32_body.h"
