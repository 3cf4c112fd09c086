/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory layout of activations inside the CPU backend, shared by all kernel families.
 *
 * blocked: x[n / B][h][w][n % B][pitch], B images side by side as the rows of a tile. B = 1 is
 * plain NHWC; with B = 8 padding taps can be left out exactly, because all rows of a tile stand at
 * the same pixel. `pitch` >= channels is the distance of two pixels in elements; lanes past the
 * channels hold anything finite. A matrix (rows, k) is h = 1, w = rows, B = 1 - and also [rows / 8]
 * blocks of 1x1 images, which are the same bytes. The last block may be partly used: its unused
 * images hold anything, and are computed along. Integer activations are u8: s8 values are stored +
 * 128 (q ^ 0x80) with their zero point moved alike.
 */
#ifndef MXDI_KERNELS_LAYOUT_H
#define MXDI_KERNELS_LAYOUT_H

#include "mixdown/base.h"

typedef struct mxdi_blocked {
    int32_t h, w, channels;
    int32_t block;        /* B: 1 or 8 */
    int64_t pitch;        /* elements between two images of a pixel, >= channels */
    int64_t block_stride; /* elements between two blocks, >= h*w*block*pitch; skewed off multiples
                             of 4096 bytes */
} mxdi_blocked;

/* Elements between two pixels of a row, and between two rows. */
static inline int64_t mxdi_blocked_pixel(const mxdi_blocked *l)
{
    return l->block * l->pitch;
}
static inline int64_t mxdi_blocked_row(const mxdi_blocked *l)
{
    return l->w * mxdi_blocked_pixel(l);
}

/* Window geometry in two dimensions (one-dimensional ones have h = kh = 1). */
typedef struct mxdi_window2d {
    int32_t kh, kw, sh, sw, dh, dw; /* kernel, stride, dilation */
    int32_t ph, pw;                 /* padding before; after is whatever the output size needs */
} mxdi_window2d;

/* Weights that stand in an array of another order, in elements: that of output channel co and input
 * channel ci of group g at tap (ky, kx) is w[g*group + co*out + ci*in + first + ky*y + kx*x]. The
 * taps of one pair of channels are within a contiguous piece whose first element is 0 here: 0 <=
 * first + ky*y + kx*x. */
typedef struct mxdi_weight_view {
    int64_t group, out, in, first, y, x;
} mxdi_weight_view;
#endif
