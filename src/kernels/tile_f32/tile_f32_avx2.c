/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 6 rows x 16 lanes for AVX2 with FMA. */
#include "kernels/simd/f32_avx2.h"

#define TILES      TILES_6
#define TILE_NAME  "avx2"
#define TILE_NEEDS MXDI_ISA_AVX2
#include "kernels/tile_f32/tile_f32_body.h"
