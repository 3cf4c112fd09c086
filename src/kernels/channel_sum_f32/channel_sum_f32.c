/* SPDX-License-Identifier: Apache-2.0
 *
 * The variants of channel_sum_f32, and which of them to take. */
#include "kernels/channel_sum_f32/channel_sum_f32.h"

const mxdi_channel_sum_f32 *const mxdi_channel_sum_f32_variants[MXDI_VEC_COUNT] = {
#define MXD_VEC(variant, needs) &mxdi_channel_sum_f32_##variant,
#include "kernels/simd/vec.inc"
#undef MXD_VEC
};

const mxdi_channel_sum_f32 *mxdi_channel_sum_f32_select(uint32_t isa)
{
    return mxdi_channel_sum_f32_variants[mxdi_vec_select(isa)];
}
