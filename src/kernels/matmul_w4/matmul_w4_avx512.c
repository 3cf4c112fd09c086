/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of sixteen sums for AVX-512; a nibble is a place in a vector of sixteen floats. */
#include "base/cpu.h"
#include "kernels/simd/f32_avx512.h"

enum { AHEAD = 16 };

MXD_INLINE vword weights(vi32 *packed, vf32 scale, const int32_t bf16)
{
    const vf32 table = _mm512_set_ps(-1, -2, -3, -4, -5, -6, -7, -8, 7, 6, 5, 4, 3, 2, 1, 0);
    const vf32 w     = vf32_mul(_mm512_permutexvar_ps(*packed, table), scale);
    *packed          = _mm512_srli_epi32(*packed, 4);
    return bf16 ? vf32_round_bf16(w) : w;
}

#define TILES(X)    X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 2) X(6, 2) X(7, 2) X(8, 2)
#define QUICK_ROWS  4
#define QUICK_BYTES 0
#define HIGH_FIRST  0
#define TILE_NAME   "avx512"
#define TILE_NEEDS  MXDI_ISA_AVX512
#include "kernels/matmul_w4/matmul_w4_body.h"
