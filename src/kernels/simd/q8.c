/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of simd/q8.inc, and the choice of a row. */
#include "kernels/simd/q8.h"

enum { weights_s8 = 1, weights_s16 = 0 };

const struct mxdi_q8_row mxdi_q8_rows[MXDI_Q8_COUNT] = {
#define MXD_Q8(variant, needs, weights) { #variant, needs, weights_##weights },
#include "kernels/simd/q8.inc"
#undef MXD_Q8
};

size_t mxdi_q8_select(uint32_t isa, int32_t lo, int32_t hi)
{
    const bool s8 = lo >= INT8_MIN && hi <= INT8_MAX;
    size_t     i  = MXDI_Q8_COUNT - 1;
    while ((mxdi_q8_rows[i].needs & ~isa) || (mxdi_q8_rows[i].s8 && !s8))
        i--; /* ends at `ref`, which needs nothing and takes all */
    return i;
}
