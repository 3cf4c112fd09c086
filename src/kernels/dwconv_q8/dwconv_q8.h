/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer depthwise convolution on u8 activations in the blocked layout: QConv of docs/graph-ops.md
 * with group == c_in == c_out, one input channel for each output channel, and the same epilogue as
 * conv_q8. (More than one output per channel is conv_q8 with groups.) A `mxdi_dwconv_q8` is a
 * packed, immutable operator made once; runs on disjoint task ranges may go in parallel. All
 * variants give the same integers.
 */
#ifndef MXDI_KERNELS_DWCONV_Q8_H
#define MXDI_KERNELS_DWCONV_Q8_H

#include "kernels/conv_q8/conv_q8.h" /* mxdi_q8_epilogue */

typedef struct mxdi_dwconv_q8_desc {
    mxdi_blocked   x, y; /* x.channels == y.channels, x.block == y.block; residual has y's layout */
    mxdi_window2d  window;
    const int16_t *w; /* (channels, kh, kw), qw - zw: within -255..255; read during create only */
    int32_t        x_zero_point; /* of the u8 input as stored */
    mxdi_q8_epilogue epilogue;
} mxdi_dwconv_q8_desc;

typedef struct mxdi_dwconv_q8 mxdi_dwconv_q8;

/* isa: flags of base/cpu.h; the best variant within them is taken. Weights outside s8 take the
 * int16 variants. */
mxd_status  mxdi_dwconv_q8_create(mxdi_dwconv_q8 **out, const mxdi_dwconv_q8_desc *desc,
                                  uint32_t isa, const mxd_allocator *alloc, mxd_error *err);
void        mxdi_dwconv_q8_destroy(mxdi_dwconv_q8 *op);
const char *mxdi_dwconv_q8_name(const mxdi_dwconv_q8 *op);  /* "dwconv_q8_avx512vnni" */
size_t      mxdi_dwconv_q8_bytes(const mxdi_dwconv_q8 *op); /* packed weights and tables */
/* Independent pieces of work for `blocks` blocks of images; tasks [begin, end) write disjoint parts
 * of y. */
size_t mxdi_dwconv_q8_tasks(const mxdi_dwconv_q8 *op, int64_t blocks);
/* x, r: u8; y: u8 or f32. Reads at most 64 bytes past the last channel of the last pixel of x and
 * r: buffers are padded so. Writes the channels of y and possibly the lanes up to pitch. y may be
 * r. */
void mxdi_dwconv_q8_run(const mxdi_dwconv_q8 *op, const uint8_t *x, const uint8_t *r, void *y,
                        int64_t blocks, size_t begin, size_t end);
#endif
