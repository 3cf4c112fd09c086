/* SPDX-License-Identifier: Apache-2.0
 *
 * Normalizations in f32: layer (over the last axes), instance (over the pixels of a channel), and
 * the per-channel scale and shift that an inference-time batch normalization is.
 *
 *     layer     y(r, k) = (x(r, k) - mean_r) / sqrt(var_r + epsilon) * scale[k] + shift[k]
 *     instance  the same over the h*w pixels of one image and channel, scale[c], shift[c]
 *     affine    y = x * scale[c] + shift[c], two roundings; every variant is bit-exact with `ref`
 *
 * shift may be NULL (zeros). y may be x itself when the layouts agree. Variance is the biased one,
 * as in ONNX.
 *
 * Errors of layer and instance, v the normalised value, y = v * scale + shift, n elements in a
 * mean, u = 2^-24:
 *     2 u |v scale| + u |y| + 2^-51 (n + 2)^2 (|v| + 1) |scale|
 * The first two are the roundings of v, of the product and of the sum. The last is for sums of d =
 * x - x_0 and d^2 in binary64 in one pass: x_0 being one of the elements, (mean - x_0)^2 <= n var,
 * so sum d^2 <= n (n + 1) var; adding n terms is off by at most n 2^-53 of that, and the variance
 * by (n + 2)^2 2^-52 of itself, its root by half as much; the mean of d is off by n 2^-53 sqrt(n +
 * 1) standard deviations. A larger epsilon only makes them smaller.
 *
 * instance, affine: x and y have the same h, w, channels and block; lanes [0, channels) of each
 * image are written. */
#ifndef MXDI_KERNELS_NORM_F32_H
#define MXDI_KERNELS_NORM_F32_H

#include "kernels/layout.h"
#include "kernels/simd/vec.h"

typedef struct mxdi_norm_f32 {
    const char *name;
    /* rows of n elements, x_stride and y_stride elements apart; scale, shift: (n) */
    void (*layer)(float *y, const float *x, const float *scale, const float *shift, int64_t rows,
                  int64_t n, int64_t x_stride, int64_t y_stride, float epsilon);
    /* scale, shift: (channels) */
    void (*instance)(float *y, const float *x, const float *scale, const float *shift,
                     const mxdi_blocked *ly, const mxdi_blocked *lx, int64_t blocks, float epsilon);
    void (*affine)(float *y, const float *x, const float *scale, const float *shift,
                   const mxdi_blocked *ly, const mxdi_blocked *lx, int64_t blocks);
} mxdi_norm_f32;

#define MXD_VEC(variant, needs) extern const mxdi_norm_f32 mxdi_norm_f32_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_norm_f32 *const mxdi_norm_f32_variants[MXDI_VEC_COUNT];
const mxdi_norm_f32              *mxdi_norm_f32_select(uint32_t isa);
#endif
