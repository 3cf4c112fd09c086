/* SPDX-License-Identifier: Apache-2.0
 *
 * MaxPool, AveragePool and QAveragePool over the blocked layout of kernels/layout.h.
 *
 *     max_u8, max_f32   the largest tap inside the image; 0 or -inf where there is none. An f32
 *                       tap replaces the maximum when it is greater, so NaN never does
 *     average_u8        clampq((float)(sum (q - x_zero_point)) * m[n]), int32 sum of those taps
 *     average_f32       sum / (float)n, the sum in f32 by rows of the window, 0 where n = 0
 *
 * n counts as ONNX AveragePool does: the taps inside the image; with count_include_pad the taps
 * inside the image padded by ph, pw before and ph_end, pw_end after (what ceil_mode adds behind the
 * padding never counts). Output sizes are y.h, y.w; x and y have the same block and channels, their
 * pitches may differ. Writes lanes [0, channels) of every image of a pixel. Callers whose lanes up
 * to the pitch are free set channels = pitch in both layouts, which makes a pixel one run of block
 * * pitch lanes. A call does output lines [begin, end) of blocks * y.h (line = block * y.h + row);
 * disjoint ranges may go in parallel. x and y do not overlap. Every variant is bit-exact with
 * `ref`. */
#ifndef MXDI_KERNELS_POOL_BLOCKED_H
#define MXDI_KERNELS_POOL_BLOCKED_H

#include "kernels/layout.h"
#include "kernels/simd/vec.h"

typedef struct mxdi_pool_desc {
    mxdi_blocked  x, y;
    mxdi_window2d window;
    int32_t       ph_end, pw_end, count_include_pad; /* average only */
    /* average_u8: m is (kh*kw + 1), m[n] = s_x / (s_y * n); the others are of u8 as stored */
    const float *m;
    int32_t      x_zero_point, y_zero_point, q_min, q_max;
} mxdi_pool_desc;

typedef struct mxdi_pool_blocked {
    const char *name;
    void (*max_u8)(uint8_t *y, const uint8_t *x, const mxdi_pool_desc *d, int64_t begin,
                   int64_t end);
    void (*max_f32)(float *y, const float *x, const mxdi_pool_desc *d, int64_t begin, int64_t end);
    void (*average_u8)(uint8_t *y, const uint8_t *x, const mxdi_pool_desc *d, int64_t begin,
                       int64_t end);
    void (*average_f32)(float *y, const float *x, const mxdi_pool_desc *d, int64_t begin,
                        int64_t end);
} mxdi_pool_blocked;

#define MXD_VEC(variant, needs) extern const mxdi_pool_blocked mxdi_pool_blocked_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_pool_blocked *const mxdi_pool_blocked_variants[MXDI_VEC_COUNT];
const mxdi_pool_blocked              *mxdi_pool_blocked_select(uint32_t isa);
#endif
