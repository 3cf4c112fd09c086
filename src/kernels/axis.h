/* SPDX-License-Identifier: Apache-2.0
 *
 * A tensor seen from one of its axes: what reductions, softmax and layer normalization walk
 * along. */
#ifndef MXDI_KERNELS_AXIS_H
#define MXDI_KERNELS_AXIS_H

#include <stdint.h>

/* Element (o, k, i) of (outer, axis, inner) stands at o*outer_stride + k*axis_stride + i; strides
 * in elements. Neighbouring axes are merged by the caller; the last axis itself has inner = 1,
 * axis_stride = 1. Reductions have one k in y and ignore y_axis. Threads take ranges of `outer`, or
 * of `inner`, by offset pointers. */
typedef struct mxdi_axis {
    int64_t outer, axis, inner; /* counts, all >= 1 */
    int64_t x_outer, x_axis;    /* strides of the input */
    int64_t y_outer, y_axis;    /* strides of the output */
} mxdi_axis;

/* The dense row-major (outer, axis, inner) -> the same. */
static inline mxdi_axis mxdi_axis_dense(int64_t outer, int64_t axis, int64_t inner)
{
    return (mxdi_axis){ outer, axis, inner, axis * inner, inner, axis * inner, inner };
}
#endif
