/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 14 rows x 32 lanes for AVX-512. */
#include "kernels/simd/f32_avx512.h"

#define TILES      TILES_14
#define TILE_NAME  "avx512"
#define TILE_NEEDS MXDI_ISA_AVX512
#include "kernels/tile_f32/tile_f32_body.h"
