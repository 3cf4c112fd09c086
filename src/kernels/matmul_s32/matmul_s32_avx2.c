/* SPDX-License-Identifier: Apache-2.0
 * matmul_s32 for AVX2. */
#include "kernels/simd/vec_avx2.h"

#define VARIANT "avx2"

static inline vi32 add_products(vi32 sum, vi32 a, vi32 b)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

#include "kernels/matmul_s32/matmul_s32_body.h"
