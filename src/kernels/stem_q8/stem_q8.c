/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of variants. */
#include "kernels/stem_q8/stem_q8.h"

#define MXD_Q8(variant, needs, weights) extern const struct mxdi_stem_q8 mxdi_stem_q8_##variant;
#include "kernels/simd/q8.inc"
#undef MXD_Q8

const struct mxdi_stem_q8 *const mxdi_stem_q8_variants[MXDI_Q8_COUNT] = {
#define MXD_Q8(variant, needs, weights) &mxdi_stem_q8_##variant,
#include "kernels/simd/q8.inc"
#undef MXD_Q8
};

const struct mxdi_stem_q8 mxdi_stem_q8_ref = { 0 };
