/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 32 rows x 32 lanes for AMX: words of two bf16. */
#include "kernels/simd/amx.h"

#define AMX_VARIANT(name) name##_amx
#define AMX_TILE_NAME     "amx"
#include "kernels/tile_f32/tile_f32_amx_body.h"
