/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 12 rows x 8 lanes for AArch64. */
#include "kernels/simd/f32_neon.h"

#define TILES      TILES_12
#define TILE_NAME  "neon"
#define TILE_NEEDS MXDI_ISA_NEON
#include "kernels/tile_f32/tile_f32_body.h"
