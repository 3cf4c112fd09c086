/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of a convolution's weights in the blocked layout, and of a matrix product's constant
 * side as its 1x1 case:
 *
 *     dw[co, ci, ky, kx] = sum over images, y, x of
 *                          dy[y, x, co] * x[y*sh + ky*dh - ph, x*sw + kx*dw - pw, ci]
 *
 * with taps outside the image left out and ci counted within the group of co. All images of all
 * blocks take part: where the last block is partly used, dy of its other images has to be 0 (x
 * finite). Lanes past the channels are not read into any sum.
 *
 * Two phases, each of independent tasks: `run` sums pieces of the batch into a workspace, `finish`
 * adds the pieces in ascending order and writes dw. All of the first come before any of the second.
 * How the batch is cut depends on shapes and blocks only, so neither threads nor the split into
 * tasks change a bit. Each dw is off the exact sum by at most g(n) sum |dy*x| of docs/numerics.md,
 * n its number of terms; summed in short chains, the usual error is far smaller. Winograd's
 * algorithm, under the conditions and some three times as fast as in conv_f32, has a bound of its
 * own there. `ref` sums in binary64. Immutable operator; runs on disjoint task ranges may go in
 * parallel.
 */
#ifndef MXDI_KERNELS_CONV_WGRAD_F32_H
#define MXDI_KERNELS_CONV_WGRAD_F32_H

#include "base/alloc.h"
#include "kernels/conv_f32/conv_f32.h"

typedef struct mxdi_conv_wgrad_f32_desc {
    mxdi_blocked  x, y; /* of the forward convolution; y is dy's layout */
    mxdi_window2d window;
    int32_t       groups;
    int32_t       algorithm; /* mxdi_conv_f32_algorithm; 0: chosen by shape */
} mxdi_conv_wgrad_f32_desc;

typedef struct mxdi_conv_wgrad_f32 mxdi_conv_wgrad_f32;

/* isa: flags of base/cpu.h; the best variant within them is taken. */
mxd_status  mxdi_conv_wgrad_f32_create(mxdi_conv_wgrad_f32           **out,
                                       const mxdi_conv_wgrad_f32_desc *desc, uint32_t isa,
                                       const mxd_allocator *alloc, mxd_error *err);
void        mxdi_conv_wgrad_f32_destroy(mxdi_conv_wgrad_f32 *op);
const char *mxdi_conv_wgrad_f32_name(const mxdi_conv_wgrad_f32 *op); /* "conv_wgrad_f32_avx512" */
/* Bytes of scratch that each running thread needs in `run`, 64-byte aligned; may be 0. */
size_t mxdi_conv_wgrad_f32_scratch(const mxdi_conv_wgrad_f32 *op);
/* Bytes of the workspace that all tasks of one gradient share, 64-byte aligned. Need not be
 * cleared; free again after `finish`. */
size_t mxdi_conv_wgrad_f32_workspace(const mxdi_conv_wgrad_f32 *op, int64_t blocks);

/* Phase 1: tasks [begin, end) of `tasks` write disjoint parts of the workspace. blocks >= 1. */
size_t mxdi_conv_wgrad_f32_tasks(const mxdi_conv_wgrad_f32 *op, int64_t blocks);
void   mxdi_conv_wgrad_f32_run(const mxdi_conv_wgrad_f32 *op, const float *x, const float *dy,
                               void *workspace, void *scratch, int64_t blocks, size_t begin,
                               size_t end);
/* Phase 2: tasks [begin, end) of `finish_tasks` overwrite disjoint parts of dw (c_out, c_in/groups,
 * kh, kw). The same workspace and blocks. */
size_t mxdi_conv_wgrad_f32_finish_tasks(const mxdi_conv_wgrad_f32 *op);
void   mxdi_conv_wgrad_f32_finish(const mxdi_conv_wgrad_f32 *op, float *dw, const void *workspace,
                                  int64_t blocks, size_t begin, size_t end);
#endif
