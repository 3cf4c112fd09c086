/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of eight sums for AVX2 with FMA; a nibble is sign-extended by one shift. */
#include "base/cpu.h"
#include "kernels/simd/f32_avx2.h"

enum { AHEAD = 16 };

MXD_INLINE vword weights(vi32 *packed, vf32 scale, const int32_t bf16)
{
    const vf32 w = vf32_mul(_mm256_cvtepi32_ps(_mm256_srai_epi32(*packed, 28)), scale);
    *packed      = _mm256_slli_epi32(*packed, 4);
    return bf16 ? vf32_round_bf16(w) : w;
}

#define TILES(X)    X(1, 4) X(2, 4) X(3, 2) X(4, 2) X(5, 1) X(6, 1) X(7, 1) X(8, 1)
#define QUICK_ROWS  2
#define QUICK_BYTES (4 << 20)
#define HIGH_FIRST  1
#define TILE_NAME   "avx2"
#define TILE_NEEDS  MXDI_ISA_AVX2
#include "kernels/matmul_w4/matmul_w4_body.h"
