/* SPDX-License-Identifier: Apache-2.0
 *
 * The variants of lookup_channels, and which of them to take. */
#include "kernels/lookup_channels/lookup_channels.h"

const mxdi_lookup_channels *const mxdi_lookup_channels_variants[MXDI_VEC_COUNT] = {
#define MXD_VEC(variant, needs) &mxdi_lookup_channels_##variant,
#include "kernels/simd/vec.inc"
#undef MXD_VEC
};

const mxdi_lookup_channels *mxdi_lookup_channels_select(uint32_t isa)
{
    return mxdi_lookup_channels_variants[mxdi_vec_select(isa)];
}
