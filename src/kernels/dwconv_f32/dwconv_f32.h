/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise float convolution (one input channel per output channel) in the blocked layout:
 * FusedConv of docs/graph-ops.md with group = channels and multiplier 1. Every variant is bit-equal
 * to `ref`: one fmaf chain per output, bias first, then the taps inside the image, (ky, kx)
 * ascending; + r; clamp. NaN passes the clamp. Packed, immutable operator; runs on disjoint task
 * ranges may go in parallel.
 */
#ifndef MXDI_KERNELS_DWCONV_F32_H
#define MXDI_KERNELS_DWCONV_F32_H

#include "base/alloc.h"
#include "kernels/layout.h"

typedef struct mxdi_dwconv_f32_desc {
    mxdi_blocked  x, y; /* equal channels and block */
    mxdi_window2d window;
    const float  *w; /* (channels, 1, kh, kw), or as `view` says; read during create only */
    const mxdi_weight_view *view;         /* channels are groups; copied; NULL: as above */
    const float            *bias;         /* (channels) or NULL; copied */
    int32_t                 residual;     /* r of y's layout is added */
    float                   y_min, y_max; /* clamp, may be +-inf */
    int32_t                 bf16;         /* x and w are rounded to bf16 first */
    int32_t                 round_bf16;   /* round conv + bias to bf16 */
} mxdi_dwconv_f32_desc;

typedef struct mxdi_dwconv_f32 mxdi_dwconv_f32;

/* isa: flags of base/cpu.h; the best variant within them is taken. */
mxd_status mxdi_dwconv_f32_create(mxdi_dwconv_f32 **out, const mxdi_dwconv_f32_desc *desc,
                                  uint32_t isa, const mxd_allocator *alloc, mxd_error *err);
void       mxdi_dwconv_f32_destroy(mxdi_dwconv_f32 *op);
/* Other weights in place of those of create; bias NULL is 0. No run may go on meanwhile. */
void        mxdi_dwconv_f32_set_weights(mxdi_dwconv_f32 *op, const float *w, const float *bias);
const char *mxdi_dwconv_f32_name(const mxdi_dwconv_f32 *op);  /* "dwconv_f32_avx512" */
size_t      mxdi_dwconv_f32_bytes(const mxdi_dwconv_f32 *op); /* packed weights and tables */
/* Independent pieces of work for `blocks` blocks of images; tasks [begin, end) write disjoint parts
 * of y. */
size_t mxdi_dwconv_f32_tasks(const mxdi_dwconv_f32 *op, int64_t blocks);
/* Reads channels of x and r only; y's lanes past the channels may be written, inside the pixel's
 * pitch. */
void mxdi_dwconv_f32_run(const mxdi_dwconv_f32 *op, const float *x, const float *r, float *y,
                         int64_t blocks, size_t begin, size_t end);
#endif
