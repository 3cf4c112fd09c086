/* SPDX-License-Identifier: Apache-2.0
 *
 * The variants of round_half, and which of them to take. */
#include "kernels/round_half/round_half.h"

const mxdi_round_half *const mxdi_round_half_variants[MXDI_VEC_COUNT] = {
#define MXD_VEC(variant, needs) &mxdi_round_half_##variant,
#include "kernels/simd/vec.inc"
#undef MXD_VEC
};

const mxdi_round_half *mxdi_round_half_select(uint32_t isa)
{
    return mxdi_round_half_variants[mxdi_vec_select(isa)];
}
