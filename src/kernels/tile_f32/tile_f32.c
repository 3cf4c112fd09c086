/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of register tiles, and selection from it. */
#include "kernels/tile_f32/tile_f32.h"

#define MXD_TILE_F32(variant, needs_) extern const struct mxdi_tile_f32 mxdi_tile_f32_##variant;
#include "kernels/tile_f32/tile_f32.inc"
#undef MXD_TILE_F32

const struct mxdi_tile_f32 *const mxdi_tile_f32_variants[] = {
#define MXD_TILE_F32(variant, needs_) &mxdi_tile_f32_##variant,
#include "kernels/tile_f32/tile_f32.inc"
#undef MXD_TILE_F32
    NULL /* where there are none */
};
const size_t mxdi_tile_f32_count =
    sizeof(mxdi_tile_f32_variants) / sizeof(mxdi_tile_f32_variants[0]) - 1;

const struct mxdi_tile_f32 *mxdi_tile_f32_select(uint32_t isa, int32_t bf16)
{
    for (size_t i = mxdi_tile_f32_count; i > 0; i--) {
        const struct mxdi_tile_f32 *const t = mxdi_tile_f32_variants[i - 1];
        if (!(t->needs & ~isa) && (bf16 || t->terms == 1))
            return t;
    }
    return NULL;
}
