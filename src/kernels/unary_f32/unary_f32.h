/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of one f32 variable over n contiguous elements. y may be x itself. Reads and writes
 * exactly n elements. NaN in gives NaN out. unary_f32.inc lists the functions, their formulas and
 * their error bounds. */
#ifndef MXDI_KERNELS_UNARY_F32_H
#define MXDI_KERNELS_UNARY_F32_H

#include "kernels/simd/vec.h"

typedef enum mxdi_unary_op {
#define MXD_UNARY(NAME, name, ulp) MXDI_UNARY_##NAME,
#include "kernels/unary_f32/unary_f32.inc"
#undef MXD_UNARY
    MXDI_UNARY_COUNT
} mxdi_unary_op;

typedef struct mxdi_unary_params {
    float alpha, beta; /* meaning by function: unary_f32.inc; 0 where it has none */
} mxdi_unary_params;

typedef void (*mxdi_unary_fn)(float *y, const float *x, size_t n, const mxdi_unary_params *p);

typedef struct mxdi_unary_f32 {
    const char   *name;
    mxdi_unary_fn fn[MXDI_UNARY_COUNT];
} mxdi_unary_f32;

#define MXD_VEC(variant, needs) extern const mxdi_unary_f32 mxdi_unary_f32_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_unary_f32 *const mxdi_unary_f32_variants[MXDI_VEC_COUNT];
const mxdi_unary_f32              *mxdi_unary_f32_select(uint32_t isa);
#endif
