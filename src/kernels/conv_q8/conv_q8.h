/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer convolution on u8 activations in the blocked layout, and matrix multiplication as its 1x1
 * case: QConv and QMatMul of docs/graph-ops.md with everything fused behind the accumulator. A
 * `mxdi_conv_q8` is a packed, immutable operator made once; runs on disjoint task ranges may go in
 * parallel. All variants give the same integers.
 */
#ifndef MXDI_KERNELS_CONV_Q8_H
#define MXDI_KERNELS_CONV_Q8_H

#include <stdbool.h>

#include "base/alloc.h"
#include "kernels/layout.h"

/* What follows the accumulator; formulas in docs/graph-ops.md. Vectors have c_out entries and are
 * copied by create. */
typedef struct mxdi_q8_epilogue {
    const int32_t *bias;                       /* NULL: 0 */
    const float   *bias_float;                 /* NULL: none */
    const float   *m;                          /* multiplier per output channel */
    int32_t        y_zero_point, q_min, q_max; /* of the u8 output as stored */
    int32_t        residual; /* 0 none, 1 without and 2 with a quantizer in between */
    int32_t        residual_first, r_zero_point;
    int32_t        mid_zero_point, mid_q_min, mid_q_max; /* residual 2 */
    float          y_scale_ratio, r_scale_ratio;
    int32_t y_float; /* y is f32: m, bias_float are real; y_min, y_max clamp (may be +-inf) */
    float   y_min, y_max;
} mxdi_q8_epilogue;

/* All give the same integers. WINOGRAD (F(4x4, 3x3): 3x3 kernels, stride and dilation 1, one
 * group) takes fewer products where tiles of 4x4 outputs fit, and more memory; panels of output
 * channels whose sums might leave its range stay direct. STEM is for one or two input channels and
 * a column stride of 1: outputs side by side instead of channels. */
typedef enum mxdi_conv_q8_algorithm {
    MXDI_CONV_Q8_AUTO,
    MXDI_CONV_Q8_DIRECT,
    MXDI_CONV_Q8_WINOGRAD, /* MXD_E_UNSUPPORTED where it cannot be */
    MXDI_CONV_Q8_STEM      /* likewise */
} mxdi_conv_q8_algorithm;

typedef struct mxdi_conv_q8_desc {
    mxdi_blocked  x, y; /* y.channels = c_out; residual has y's layout */
    mxdi_window2d window;
    int32_t       groups; /* x.channels and y.channels are multiples */
    const int16_t
        *w; /* (c_out, c_in/groups, kh, kw), qw - zw: within -255..255; read during create only */
    int32_t          x_zero_point; /* of the u8 input as stored */
    mxdi_q8_epilogue epilogue;
    int32_t          algorithm; /* mxdi_conv_q8_algorithm; 0: chosen by shape and `blocks` */
    int64_t          blocks;    /* that a run usually has; 0: one */
    bool             pooled;    /* y: the largest of each 2x2 outputs. Only STEM can, and AUTO
                                   where that pays; MXD_E_UNSUPPORTED otherwise */
} mxdi_conv_q8_desc;

typedef struct mxdi_conv_q8 mxdi_conv_q8;

/* isa: flags of base/cpu.h; the best variant within them is taken. Weights outside s8 take the
 * int16 variants. */
mxd_status  mxdi_conv_q8_create(mxdi_conv_q8 **out, const mxdi_conv_q8_desc *desc, uint32_t isa,
                                const mxd_allocator *alloc, mxd_error *err);
void        mxdi_conv_q8_destroy(mxdi_conv_q8 *op);
const char *mxdi_conv_q8_name(const mxdi_conv_q8 *op);  /* "conv_q8_avx512vnni" */
size_t      mxdi_conv_q8_bytes(const mxdi_conv_q8 *op); /* packed panels and tables */
/* Bytes that each running thread needs, 64-byte aligned; may be 0. */
size_t mxdi_conv_q8_scratch(const mxdi_conv_q8 *op);
/* Independent pieces of work for `blocks` blocks of images; tasks [begin, end) write disjoint parts
 * of y. Long ranges are fastest: neighbouring tasks share what they prepare. */
size_t mxdi_conv_q8_tasks(const mxdi_conv_q8 *op, int64_t blocks);
/* x, r: u8; y: u8 or f32. Reads at most 64 bytes past the last channel of the last pixel of x and
 * r: buffers are padded so. Writes the channels of y; of an f32 y possibly lanes up to pitch too. y
 * may be r. */
void mxdi_conv_q8_run(const mxdi_conv_q8 *op, const uint8_t *x, const uint8_t *r, void *y,
                      void *scratch, int64_t blocks, size_t begin, size_t end);
#endif
