/* SPDX-License-Identifier: Apache-2.0
 * matmul_s32 for AArch64. */
#include "kernels/simd/vec_neon.h"

#define VARIANT "neon"

static inline vi32 add_products(vi32 sum, vi32 a, vi32 b)
{
    return vi32_add(sum, vi32_pairs_s16(a, b));
}

#include "kernels/matmul_s32/matmul_s32_body.h"
