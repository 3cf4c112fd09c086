/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of two f32 operands: element by element, with one operand fixed, and with NumPy
 * broadcasting by strides.
 *
 *     add sub mul div   one IEEE operation
 *     min max           NaN if either operand is; a < b ? a : b and a > b ? a : b otherwise
 *     pow               powf(a, b) of the C library; where b is fixed at 2 or 3, a*a or a*a*a
 *     prelu             a < 0 ? a * b : a
 *
 * Every variant is bit-exact with `ref`. */
#ifndef MXDI_KERNELS_BINARY_F32_H
#define MXDI_KERNELS_BINARY_F32_H

#include "kernels/simd/vec.h"

#define MXDI_BINARY_MAP(X) \
    X(ADD, add)            \
    X(SUB, sub) X(MUL, mul) X(DIV, div) X(MIN, min) X(MAX, max) X(POW, pow) X(PRELU, prelu)
typedef enum mxdi_binary_op {
#define MXD_X(NAME, name) MXDI_BINARY_##NAME,
    MXDI_BINARY_MAP(MXD_X)
#undef MXD_X
        MXDI_BINARY_COUNT
} mxdi_binary_op;

/* Which operand is one number for all of y. */
typedef enum mxdi_binary_fixed { MXDI_FIXED_NONE, MXDI_FIXED_A, MXDI_FIXED_B } mxdi_binary_fixed;

/* y[i] = f(a[i], b[i]), with a[0] or b[0] where that one is fixed. n contiguous elements; y may be
 * an operand that is not fixed. Reads and writes exactly n elements. */
typedef void (*mxdi_binary_fn)(float *y, const float *a, const float *b, size_t n,
                               mxdi_binary_fixed fixed);

typedef struct mxdi_binary_f32 {
    const char    *name;
    mxdi_binary_fn fn[MXDI_BINARY_COUNT];
} mxdi_binary_f32;

#define MXD_VEC(variant, needs) extern const mxdi_binary_f32 mxdi_binary_f32_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_binary_f32 *const mxdi_binary_f32_variants[MXDI_VEC_COUNT];
const mxdi_binary_f32              *mxdi_binary_f32_select(uint32_t isa);

/* Any shape of rank 0..MXD_MAX_RANK; strides in elements, in the order of dim, 0 where an operand
 * is broadcast. y's elements are distinct, and y overlaps an operand only element on element. */
void mxdi_binary_f32_broadcast(const mxdi_binary_f32 *k, mxdi_binary_op op, float *y,
                               const float *a, const float *b, int32_t rank, const int64_t *dim,
                               const int64_t *y_stride, const int64_t *a_stride,
                               const int64_t *b_stride);
#endif
