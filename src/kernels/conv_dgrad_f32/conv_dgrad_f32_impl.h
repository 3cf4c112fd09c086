/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator behind conv_dgrad_f32.h, for the files of this folder.
 *
 * Along an axis, input i gets tap k of output o where o*stride = i + pad - k*dilation. For the
 * inputs i = first + q*stride these are the taps k = k0 + j*step, step = stride/gcd(stride,
 * dilation), at the outputs o = base + q - j*dilation/gcd: with the taps in reverse a convolution
 * of stride 1 over q.
 */
#ifndef MXDI_KERNELS_CONV_DGRAD_F32_IMPL_H
#define MXDI_KERNELS_CONV_DGRAD_F32_IMPL_H

#include <stdbool.h>

#include "kernels/conv_dgrad_f32/conv_dgrad_f32.h"
#include "kernels/conv_f32/conv_f32.h"
#include "kernels/dwconv_f32/dwconv_f32.h"

/* One class of inputs of an axis, as a convolution. */
typedef struct mxdi_conv_dgrad_f32_axis {
    int32_t first, size;    /* its inputs: first + q*stride, q < size */
    int32_t taps, k0, step; /* k = k0 + j*step, j < taps, which may be 0 */
    int32_t dilation, pad;  /* of the convolution; pad may be negative */
} mxdi_conv_dgrad_f32_axis;

/* A class: at most one of conv and dwconv; none where no tap is. */
typedef struct mxdi_conv_dgrad_f32_class {
    mxdi_conv_dgrad_f32_axis y, x;
    mxdi_blocked             layout; /* of its pixels: dx itself with stride 1, else in scratch */
    mxdi_conv_f32           *conv;
    mxdi_dwconv_f32         *dwconv;
} mxdi_conv_dgrad_f32_class;

struct mxdi_conv_dgrad_f32 {
    const mxd_allocator       *alloc;
    mxdi_conv_dgrad_f32_desc   desc; /* w is not kept */
    mxdi_conv_dgrad_f32_class *classes;
    int32_t                    n_classes;
    bool                       strided; /* classes go through scratch, `group` blocks at a time */
    int64_t                    group;
    size_t                     pixel_bytes, scratch_bytes; /* of a group's pixels; of all */
};

/* conv_dgrad_f32_run.c: with strides, tasks are groups of blocks of each class. */
void mxdi_conv_dgrad_f32_run_strided(const mxdi_conv_dgrad_f32 *op, const float *dy, float *dx,
                                     void *scratch, int64_t blocks, size_t begin, size_t end);
#endif
