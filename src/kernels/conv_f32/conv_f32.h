/* SPDX-License-Identifier: Apache-2.0
 *
 * Float convolution in the blocked layout, and matrix multiplication with constant weights as its
 * 1x1 case: FusedConv and FusedMatMul of docs/graph-ops.md. compute bf16: inputs and weights
 * rounded to bf16, products summed in f32. y = clamp(conv + bias + r); NaN passes the clamp. Reads
 * channels of x only; y's lanes past the channels may be written, inside the pixel's pitch. Packed,
 * immutable operator; runs on disjoint task ranges may go in parallel.
 */
#ifndef MXDI_KERNELS_CONV_F32_H
#define MXDI_KERNELS_CONV_F32_H

#include "base/alloc.h"
#include "kernels/layout.h"

/* DIRECT is the `exact` order always. WINOGRAD (F(4x4, 3x3): 3x3 kernels, stride and dilation 1,
 * one group, f32, not `exact`) is some three times faster where tiles of 4x4 outputs fit, within
 * the bound of docs/numerics.md; an infinity or NaN in x makes NaN of whole tiles. */
typedef enum mxdi_conv_f32_algorithm {
    MXDI_CONV_F32_AUTO,
    MXDI_CONV_F32_DIRECT,
    MXDI_CONV_F32_WINOGRAD /* MXD_E_UNSUPPORTED where it cannot be */
} mxdi_conv_f32_algorithm;

typedef struct mxdi_conv_f32_desc {
    mxdi_blocked  x, y;
    mxdi_window2d window;
    int32_t       groups;
    const float  *w; /* (c_out, c_in/groups, kh, kw), or as `view` says; read during create only */
    const mxdi_weight_view *view;         /* copied; NULL: as above */
    const float            *bias;         /* (c_out) or NULL; copied */
    int32_t                 residual;     /* r of y's layout is added */
    float                   y_min, y_max; /* clamp, may be +-inf */
    int32_t                 bf16;         /* compute in bf16 */
    int32_t                 round_bf16;   /* round conv + bias to bf16 */
    /* one fmaf chain per output: bias first, then taps (ky, kx, channel) ascending, padding skipped
     */
    int32_t exact;
    int32_t algorithm; /* mxdi_conv_f32_algorithm; 0: chosen by shape */
} mxdi_conv_f32_desc;

typedef struct mxdi_conv_f32 mxdi_conv_f32;

mxd_status mxdi_conv_f32_create(mxdi_conv_f32 **out, const mxdi_conv_f32_desc *desc, uint32_t isa,
                                const mxd_allocator *alloc, mxd_error *err);
void       mxdi_conv_f32_destroy(mxdi_conv_f32 *op);
/* Other weights in place of those of create; bias is NULL if it was. No run may go on meanwhile. */
void        mxdi_conv_f32_set_weights(mxdi_conv_f32 *op, const float *w, const float *bias);
const char *mxdi_conv_f32_name(const mxdi_conv_f32 *op);
size_t      mxdi_conv_f32_bytes(const mxdi_conv_f32 *op);
/* Bytes that each running thread needs, 64-byte aligned; may be 0. */
size_t mxdi_conv_f32_scratch(const mxdi_conv_f32 *op);
/* Independent pieces of work for `blocks` blocks of images; tasks [begin, end) write disjoint parts
 * of y. Long ranges are fastest: neighbouring tasks share what they prepare. */
size_t mxdi_conv_f32_tasks(const mxdi_conv_f32 *op, int64_t blocks);
void   mxdi_conv_f32_run(const mxdi_conv_f32 *op, const float *x, const float *r, float *y,
                         void *scratch, int64_t blocks, size_t begin, size_t end);
#endif
