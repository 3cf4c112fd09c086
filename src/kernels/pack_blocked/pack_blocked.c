/* SPDX-License-Identifier: Apache-2.0
 *
 * The variants of pack_blocked, and which of them to take. */
#include "kernels/pack_blocked/pack_blocked.h"

const mxdi_pack_blocked *const mxdi_pack_blocked_variants[MXDI_VEC_COUNT] = {
#define MXD_VEC(variant, needs) &mxdi_pack_blocked_##variant,
#include "kernels/simd/vec.inc"
#undef MXD_VEC
};

const mxdi_pack_blocked *mxdi_pack_blocked_select(uint32_t isa)
{
    return mxdi_pack_blocked_variants[mxdi_vec_select(isa)];
}
