/* SPDX-License-Identifier: Apache-2.0
 *
 * The variants of pool_grad_f32, and which of them to take. */
#include "kernels/pool_grad_f32/pool_grad_f32.h"

const mxdi_pool_grad_f32 *const mxdi_pool_grad_f32_variants[MXDI_VEC_COUNT] = {
#define MXD_VEC(variant, needs) &mxdi_pool_grad_f32_##variant,
#include "kernels/simd/vec.inc"
#undef MXD_VEC
};

const mxdi_pool_grad_f32 *mxdi_pool_grad_f32_select(uint32_t isa)
{
    return mxdi_pool_grad_f32_variants[mxdi_vec_select(isa)];
}
