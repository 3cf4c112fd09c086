/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights as integers: symmetric, zero point 0, per output channel, per tensor or per block
 * (docs/numerics.md).
 */
#ifndef MXDI_QUANT_WEIGHTS_H
#define MXDI_QUANT_WEIGHTS_H

#include "base/arena.h"
#include "base/error.h"

/* w viewed as (outer, channels, inner): element (o, c, i) at (o*channels + c)*inner + i; `channels`
 * is the quantized axis. */
typedef struct mxdi_weights_view {
    const float *w;
    int64_t      outer, channels, inner;
} mxdi_weights_view;

typedef struct mxdi_weights_q {
    int8_t *q;     /* (outer, channels, inner), on the arena */
    float  *scale; /* (channels), or (1) per tensor */
    int64_t n_scales;
    int8_t *zero_point; /* (n_scales) as stored, up to 4 bits two to a byte; NULL: zeros */
} mxdi_weights_q;

/* |q| <= 2^(bits-1) - 1. 8 bits take the largest magnitude as range; fewer bits the one of the
 * least error in the 2.4 norm. Channels of zeros get scale 1. MXD_E_RANGE for NaN and infinity. */
mxd_status mxdi_weights_quantize(mxdi_weights_q *out, mxdi_arena *arena, const mxdi_weights_view *w,
                                 uint32_t bits, bool per_tensor, mxd_error *err);
/* The scales made at least so large that neither the bias (int32 at s_x*s_w, within 2^30 steps) nor
 * any accumulator can wrap with inputs of magnitude x_max; q follows. */
void mxdi_weights_guard(mxdi_weights_q *q, const mxdi_weights_view *w, const float *bias,
                        double s_x, int64_t x_max, uint32_t bits);
/* Blocks of `block` elements along the inner-most input axis: w is (channels, k), scale (channels,
 * ceil(k/block)). */
mxd_status mxdi_weights_blocks(mxdi_weights_q *out, mxdi_arena *arena, const float *w,
                               int64_t channels, int64_t k, int64_t inner, int32_t block,
                               uint32_t bits, mxd_error *err);
#endif
