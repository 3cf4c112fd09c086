/* SPDX-License-Identifier: Apache-2.0
 *
 * QSoftmax of docs/graph-ops.md on u8 as the backend stores it, over the axis of a kernels/axis.h
 * view:
 *
 *     e = E[max - q]; y = clampq((float)((double)e / (double)sum e) / y_scale)    sum in uint64
 *
 * 0 <= E[d] <= 2^24, E[0] = 2^24. y may be x itself when their strides agree. Every variant is
 * bit-exact with `ref`. */
#ifndef MXDI_KERNELS_SOFTMAX_Q8_H
#define MXDI_KERNELS_SOFTMAX_Q8_H

#include "kernels/axis.h"
#include "kernels/simd/vec.h"

typedef struct mxdi_softmax_q8_params {
    const int64_t *table; /* E, (256) */
    float          y_scale;
    int32_t        y_zero_point, q_min, q_max;
} mxdi_softmax_q8_params;

typedef struct mxdi_softmax_q8 {
    const char *name;
    void (*softmax)(uint8_t *y, const uint8_t *x, const mxdi_axis *a,
                    const mxdi_softmax_q8_params *p);
} mxdi_softmax_q8;

#define MXD_VEC(variant, needs) extern const mxdi_softmax_q8 mxdi_softmax_q8_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_softmax_q8 *const mxdi_softmax_q8_variants[MXDI_VEC_COUNT];
const mxdi_softmax_q8              *mxdi_softmax_q8_select(uint32_t isa);
#endif
