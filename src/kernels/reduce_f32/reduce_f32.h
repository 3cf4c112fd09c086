/* SPDX-License-Identifier: Apache-2.0
 *
 * Sum, mean, maximum and minimum in f32 over the axis of a kernels/axis.h view: y(o, i) = f over k
 * of x(o, k, i). Several axes that are not neighbours are reduced one after the other, or moved
 * together first.
 *
 * Sums are accumulated in binary64 and rounded once: |error| <= 2^-24 |y| + axis * 2^-53 * sum |x|
 * (divided by axis for the mean). max, min: NaN if any element is, else exact. y does not overlap
 * x. */
#ifndef MXDI_KERNELS_REDUCE_F32_H
#define MXDI_KERNELS_REDUCE_F32_H

#include "kernels/axis.h"
#include "kernels/simd/vec.h"

typedef struct mxdi_reduce_f32 {
    const char *name;
    void (*sum)(float *y, const float *x, const mxdi_axis *a);
    void (*mean)(float *y, const float *x, const mxdi_axis *a);
    void (*max)(float *y, const float *x, const mxdi_axis *a);
    void (*min)(float *y, const float *x, const mxdi_axis *a);
} mxdi_reduce_f32;

#define MXD_VEC(variant, needs) extern const mxdi_reduce_f32 mxdi_reduce_f32_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_reduce_f32 *const mxdi_reduce_f32_variants[MXDI_VEC_COUNT];
const mxdi_reduce_f32              *mxdi_reduce_f32_select(uint32_t isa);
#endif
