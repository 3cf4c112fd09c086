/* SPDX-License-Identifier: Apache-2.0
 *
 * QReduceMean of docs/graph-ops.md on u8 as the backend stores it, over the axis of a
 * kernels/axis.h view:
 *
 *     y(o, i) = clampq((float)(sum over k of (x(o, k, i) - x_zero_point)) * m)         int32 sum
 *
 * Global average pooling of a blocked layout is { blocks, h*w, block*pitch, block_stride,
 * block*pitch, y's block_stride, 0 }. y does not overlap x. Every variant is bit-exact with `ref`.
 * axis <= 2^23. */
#ifndef MXDI_KERNELS_MEAN_Q8_H
#define MXDI_KERNELS_MEAN_Q8_H

#include "kernels/axis.h"
#include "kernels/simd/vec.h"

typedef struct mxdi_mean_q8_params {
    float   m; /* s_x / (s_y * n) */
    int32_t x_zero_point, y_zero_point, q_min, q_max;
} mxdi_mean_q8_params;

typedef struct mxdi_mean_q8 {
    const char *name;
    void (*mean)(uint8_t *y, const uint8_t *x, const mxdi_axis *a, const mxdi_mean_q8_params *p);
} mxdi_mean_q8;

#define MXD_VEC(variant, needs) extern const mxdi_mean_q8 mxdi_mean_q8_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_mean_q8 *const mxdi_mean_q8_variants[MXDI_VEC_COUNT];
const mxdi_mean_q8              *mxdi_mean_q8_select(uint32_t isa);
#endif
