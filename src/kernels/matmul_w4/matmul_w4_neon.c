/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of four sums for AArch64; a nibble is sign-extended by one shift. */
#include "base/cpu.h"
#include "kernels/simd/f32_neon.h"

enum { AHEAD = 16 };

MXD_INLINE vword weights(vi32 *packed, vf32 scale, const int32_t bf16)
{
    const vf32 w = vf32_mul(vf32_from_i32(vi32_sra(*packed, 28)), scale);
    *packed      = vi32_sll(*packed, 4);
    return bf16 ? vf32_round_bf16(w) : w;
}

#define TILES(X)    X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 2) X(6, 2) X(7, 2) X(8, 2)
#define QUICK_ROWS  2
#define QUICK_BYTES (4 << 20)
#define HIGH_FIRST  1
#define TILE_NAME   "neon"
#define TILE_NEEDS  MXDI_ISA_NEON
#include "kernels/matmul_w4/matmul_w4_body.h"
