/* SPDX-License-Identifier: Apache-2.0
 *
 * The variants of lookup8, and which of them to take. */
#include "kernels/lookup8/lookup8.h"

const mxdi_lookup8 *const mxdi_lookup8_variants[MXDI_VEC_COUNT] = {
#define MXD_VEC(variant, needs) &mxdi_lookup8_##variant,
#include "kernels/simd/vec.inc"
#undef MXD_VEC
};

const mxdi_lookup8 *mxdi_lookup8_select(uint32_t isa)
{
    return mxdi_lookup8_variants[mxdi_vec_select(isa)];
}
