/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of a convolution's input in the blocked layout, and of a matrix product with
 * constant weights as its 1x1 case:
 *
 *     dx[iy, ix, ci] = sum over co of the group, ky, kx of w[co, ci, ky, kx] * dy[oy, ox, co],
 *                      where iy = oy*sh + ky*dh - ph, ix = ox*sw + kx*dw - pw    (+ dx)
 *
 * It is conv_f32 (dwconv_f32 where every channel is a group) of dy with the weights flipped and
 * transposed. With strides, the pixels of dx that see the same taps - a class for each (iy mod sh,
 * ix mod sw) - are a convolution of stride 1 each; it is run into scratch, and its pixels are put
 * where they belong. Errors are as of conv_f32 (docs/numerics.md), Winograd's where it takes that.
 * Results do not depend on the split into tasks. Packed operator; runs on disjoint task ranges may
 * go in parallel.
 */
#ifndef MXDI_KERNELS_CONV_DGRAD_F32_H
#define MXDI_KERNELS_CONV_DGRAD_F32_H

#include "base/alloc.h"
#include "kernels/layout.h"

typedef struct mxdi_conv_dgrad_f32_desc {
    mxdi_blocked  x, y; /* of the forward convolution: dx has x's layout, dy has y's */
    mxdi_window2d window;
    int32_t       groups;
    const float  *w;          /* (c_out, c_in/groups, kh, kw); read during create only */
    int32_t       accumulate; /* adds to dx instead of overwriting it */
    int32_t       algorithm;  /* mxdi_conv_f32_algorithm, for stride 1; 0: chosen by shape */
} mxdi_conv_dgrad_f32_desc;

typedef struct mxdi_conv_dgrad_f32 mxdi_conv_dgrad_f32;

mxd_status mxdi_conv_dgrad_f32_create(mxdi_conv_dgrad_f32           **out,
                                      const mxdi_conv_dgrad_f32_desc *desc, uint32_t isa,
                                      const mxd_allocator *alloc, mxd_error *err);
void       mxdi_conv_dgrad_f32_destroy(mxdi_conv_dgrad_f32 *op);
/* Other weights in place of those of create. No run may go on meanwhile. */
void        mxdi_conv_dgrad_f32_set_weights(mxdi_conv_dgrad_f32 *op, const float *w);
const char *mxdi_conv_dgrad_f32_name(const mxdi_conv_dgrad_f32 *op); /* of what does the work */
size_t      mxdi_conv_dgrad_f32_bytes(const mxdi_conv_dgrad_f32 *op);
/* Bytes of scratch that each running thread needs, 64-byte aligned; may be 0. */
size_t mxdi_conv_dgrad_f32_scratch(const mxdi_conv_dgrad_f32 *op);
/* Tasks [begin, end) write disjoint parts of dx. Reads channels of dy only; lanes of dx past the
 * channels may be written, inside the pixel's pitch. */
size_t mxdi_conv_dgrad_f32_tasks(const mxdi_conv_dgrad_f32 *op, int64_t blocks);
void   mxdi_conv_dgrad_f32_run(const mxdi_conv_dgrad_f32 *op, const float *dy, float *dx,
                               void *scratch, int64_t blocks, size_t begin, size_t end);
#endif
