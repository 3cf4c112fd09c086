/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 14 rows x 32 lanes for AVX-512 with BF16: two products a step. */
#include "kernels/simd/f32_avx512bf16.h"

#define TILES      TILES_14
#define TILE_NAME  "avx512bf16"
#define TILE_NEEDS (MXDI_ISA_AVX512 | MXDI_ISA_AVX512BF16)
#include "kernels/tile_f32/tile_f32_body.h"
