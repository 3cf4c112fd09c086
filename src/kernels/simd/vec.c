/* SPDX-License-Identifier: Apache-2.0
 *
 * The table behind simd/vec.h. */
#include "kernels/simd/vec.h"

const struct mxdi_vec_row mxdi_vec_rows[MXDI_VEC_COUNT] = {
#define MXD_VEC(variant, needs) { #variant, needs },
#include "kernels/simd/vec.inc"
#undef MXD_VEC
};

size_t mxdi_vec_select(uint32_t isa)
{
    size_t i = MXDI_VEC_COUNT - 1;
    while (mxdi_vec_rows[i].needs & ~isa)
        i--; /* ends at `ref`, which needs nothing */
    return i;
}
