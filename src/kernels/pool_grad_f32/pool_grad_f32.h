/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of MaxPool and AveragePool over the blocked layout of kernels/layout.h, f32.
 *
 *     max       dy of an output goes to the first tap, rows first, whose x equals y: the first
 *               maximum, as y came from pool_blocked's max_f32. To none where no tap is equal
 *               (nothing but NaN) or inside the image
 *     average   dy / (float)n goes to every tap inside the image, n as pool_blocked counts
 *
 * GlobalAveragePool is `average` with a window of the whole image. What an input gets is added in
 * f32 in ascending order of its outputs, rows first, to 0 or with `accumulate` to what dx holds.
 * d: the forward pool's; x and dx have d->x's layout, y and dy d->y's. Reads and writes lanes
 * [0, channels) of every image of a pixel; with channels = pitch in both layouts a pixel is one run
 * of lanes. A call does blocks [begin, end); disjoint ranges may go in parallel. dx overlaps
 * nothing. Every variant is bit-exact with `ref`. */
#ifndef MXDI_KERNELS_POOL_GRAD_F32_H
#define MXDI_KERNELS_POOL_GRAD_F32_H

#include "kernels/pool_blocked/pool_blocked.h"

typedef struct mxdi_pool_grad_f32 {
    const char *name;
    void (*max)(float *dx, const float *dy, const float *x, const float *y, const mxdi_pool_desc *d,
                int accumulate, int64_t begin, int64_t end);
    void (*average)(float *dx, const float *dy, const mxdi_pool_desc *d, int accumulate,
                    int64_t begin, int64_t end);
} mxdi_pool_grad_f32;

#define MXD_VEC(variant, needs) extern const mxdi_pool_grad_f32 mxdi_pool_grad_f32_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_pool_grad_f32 *const mxdi_pool_grad_f32_variants[MXDI_VEC_COUNT];
const mxdi_pool_grad_f32              *mxdi_pool_grad_f32_select(uint32_t isa);
#endif
