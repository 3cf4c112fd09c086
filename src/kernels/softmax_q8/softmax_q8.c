/* SPDX-License-Identifier: Apache-2.0
 *
 * The variants of softmax_q8, and which of them to take. */
#include "kernels/softmax_q8/softmax_q8.h"

const mxdi_softmax_q8 *const mxdi_softmax_q8_variants[MXDI_VEC_COUNT] = {
#define MXD_VEC(variant, needs) &mxdi_softmax_q8_##variant,
#include "kernels/simd/vec.inc"
#undef MXD_VEC
};

const mxdi_softmax_q8 *mxdi_softmax_q8_select(uint32_t isa)
{
    return mxdi_softmax_q8_variants[mxdi_vec_select(isa)];
}
