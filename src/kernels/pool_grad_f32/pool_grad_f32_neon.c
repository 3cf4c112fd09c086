/* SPDX-License-Identifier: Apache-2.0
 *
 * pool_grad_f32 for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/pool_grad_f32/pool_grad_f32_body.h"
