/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps that move elements: boxes with strides, of plain and of blocked tensors alike. */
#ifndef MXDI_BACKENDS_CPU_MOVE_H
#define MXDI_BACKENDS_CPU_MOVE_H

#include "backends/cpu/cpu_plan.h"
#include "kernels/move_box/move_box.h"

/* A box of y, filled from a box of x or with one value. Strides and first elements `*_at` in
 * elements. */
typedef struct mxdi_cpu_box {
    uint32_t y, x; /* tensors; x MXD_NO_VALUE: filled with `value` */
    int32_t  rank;
    bool     grows; /* dim[0] grows with the batch */
    int64_t  dim[MXDI_BOX_RANK], y_stride[MXDI_BOX_RANK], x_stride[MXDI_BOX_RANK];
    int64_t  y_at, x_at;
    int64_t  y_block, x_block, y_block_stride,
        x_block_stride; /* dim[0] in blocks of so many, this far apart; 0: no blocks */
    uint64_t value;     /* an element's bytes, first in memory */
} mxdi_cpu_box;

/* One step of n boxes; those of one y are disjoint. All y are the same root. */
mxd_status mxdi_cpu_emit_move(mxdi_cpu_plan *p, const mxdi_cpu_box *box, uint32_t n,
                              const char *kernel, mxd_error *err);

/* A tensor as the graph's axes see it. */
typedef struct mxdi_cpu_view {
    uint32_t tensor;
    int32_t  rank;
    bool     grows;
    int64_t  dim[MXDI_BOX_RANK], stride[MXDI_BOX_RANK], at;
    int64_t  block, block_stride; /* of axis 0; block 0: no blocks */
} mxdi_cpu_view;

mxdi_cpu_view mxdi_cpu_view_of(const mxdi_cpu_plan *p, uint32_t tensor, const mxd_value *v);
/* y := x, of y's dims; x's strides may be 0. */
mxdi_cpu_box mxdi_cpu_box_of(const mxdi_cpu_view *y, const mxdi_cpu_view *x);
/* Cut an axis: first element, elements, step. */
void mxdi_cpu_view_cut(mxdi_cpu_view *v, int32_t axis, int64_t first, int64_t n, int64_t step);
#endif
