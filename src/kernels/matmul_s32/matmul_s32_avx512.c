/* SPDX-License-Identifier: Apache-2.0
 * matmul_s32 for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#define VARIANT "avx512"

static inline vi32 add_products(vi32 sum, vi32 a, vi32 b)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
}

#include "kernels/matmul_s32/matmul_s32_body.h"
