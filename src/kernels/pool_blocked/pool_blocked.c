/* SPDX-License-Identifier: Apache-2.0
 *
 * The variants of pool_blocked, and which of them to take. */
#include "kernels/pool_blocked/pool_blocked.h"

const mxdi_pool_blocked *const mxdi_pool_blocked_variants[MXDI_VEC_COUNT] = {
#define MXD_VEC(variant, needs) &mxdi_pool_blocked_##variant,
#include "kernels/simd/vec.inc"
#undef MXD_VEC
};

const mxdi_pool_blocked *mxdi_pool_blocked_select(uint32_t isa)
{
    return mxdi_pool_blocked_variants[mxdi_vec_select(isa)];
}
