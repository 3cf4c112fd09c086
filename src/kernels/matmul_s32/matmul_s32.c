/* SPDX-License-Identifier: Apache-2.0
 * The table of variants, and selection from it. */
#include "kernels/matmul_s32/matmul_s32.h"

const mxdi_matmul_s32 *const mxdi_matmul_s32_variants[MXDI_VEC_COUNT] = {
#define MXD_VEC(variant, needs) &mxdi_matmul_s32_##variant,
#include "kernels/simd/vec.inc"
#undef MXD_VEC
};

const mxdi_matmul_s32 *mxdi_matmul_s32_select(uint32_t isa)
{
    return mxdi_matmul_s32_variants[mxdi_vec_select(isa)];
}
