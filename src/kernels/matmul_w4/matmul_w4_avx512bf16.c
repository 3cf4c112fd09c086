/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of sixteen sums for AVX-512 with BF16: two weights of a column become a pair of bf16. */
#include "base/cpu.h"
#include "kernels/simd/f32_avx512bf16.h"

enum { AHEAD = 16 };

MXD_INLINE vf32 weight(vi32 *packed, vf32 scale)
{
    const vf32 table = _mm512_set_ps(-1, -2, -3, -4, -5, -6, -7, -8, 7, 6, 5, 4, 3, 2, 1, 0);
    const vf32 w     = vf32_mul(_mm512_permutexvar_ps(*packed, table), scale);
    *packed          = _mm512_srli_epi32(*packed, 4);
    return w;
}

/* Weights are 0 or normal, so VCVTNE2PS2BF16 rounds them as the software does. */
MXD_INLINE vword weights(vi32 *packed, vf32 scale, const int32_t bf16)
{
    const vi32 pairs = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                        8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const vf32 first = weight(packed, scale), second = weight(packed, scale);
    (void)bf16;
    return _mm512_permutexvar_epi16(pairs, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

#define TILES(X)    X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 2) X(6, 2) X(7, 2) X(8, 2)
#define QUICK_ROWS  0
#define QUICK_BYTES 0
#define HIGH_FIRST  0
#define TILE_NAME   "avx512bf16"
#define TILE_NEEDS  (MXDI_ISA_AVX512 | MXDI_ISA_AVX512BF16)
#include "kernels/matmul_w4/matmul_w4_body.h"
