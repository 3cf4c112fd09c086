/* SPDX-License-Identifier: Apache-2.0
 *
 * What follows the accumulator of an integer convolution (formulas in docs/graph-ops.md), checked
 * and in the form that kernels use. Per-channel vectors are kept by the operators, in the lane
 * order of their kernels.
 */
#ifndef MXDI_KERNELS_POST_Q8_H
#define MXDI_KERNELS_POST_Q8_H

#include "kernels/conv_q8/conv_q8.h"

typedef enum mxdi_post_q8_kind {
    MXDI_POST_Q8_PLAIN,     /* u8, no residual */
    MXDI_POST_Q8_RESIDUAL,  /* u8, residual added to the unrounded value */
    MXDI_POST_Q8_MID,       /* u8, a quantizer before the addition */
    MXDI_POST_Q8_MID_FIRST, /* the same with the residual as the addition's first term */
    MXDI_POST_Q8_FLOAT      /* f32 */
} mxdi_post_q8_kind;

typedef struct mxdi_post_q8 {
    mxdi_post_q8_kind kind;
    int32_t           y_zero_point, q_min, r_zero_point;
    float             lo, hi; /* u8: q_min and q_max as steps from the zero point; f32: the clamp */
    float             mid_lo, mid_hi; /* the middle quantizer's, likewise */
    float             y_ratio, r_ratio;
} mxdi_post_q8;

/* MXD_E_RANGE for a zero point or a range outside 0..255, and for a factor of the `channels` ones
 * that is not finite: so no NaN can arise. MXD_E_INVAL for a residual behind f32. */
mxd_status mxdi_post_q8_init(mxdi_post_q8 *post, const mxdi_q8_epilogue *epilogue, int32_t channels,
                             mxd_error *err);

/* A float bias of -0 is no bias: fmaf(acc, m, -0.0f) is acc*m, its sign included. */
static inline float mxdi_post_q8_bias(const mxdi_q8_epilogue *epilogue, int32_t channel)
{
    return epilogue->bias_float ? epilogue->bias_float[channel] : -0.0f;
}

/* One output as docs/graph-ops.md writes it, u8 or f32 to `y`; r may be NULL where there is no
 * residual. */
void mxdi_post_q8_ref(void *y, int32_t acc, int32_t channel, const uint8_t *r,
                      const mxdi_q8_epilogue *epilogue);
#endif
