/* SPDX-License-Identifier: Apache-2.0
 *
 * QAdd of docs/graph-ops.md on u8 as the backend stores it (s8 + 128, zero points and ranges moved
 * alike):
 *
 *     y = clampq(fmaf((float)(qa - za), a_scale_ratio, (float)(qb - zb) * b_scale_ratio))
 *
 * `add` takes n contiguous elements of each; y may be a or b. Reads and writes exactly n elements.
 * mxdi_add_q8_broadcast takes any strides, 0 where an operand is broadcast. Every variant is
 * bit-exact with `ref`. */
#ifndef MXDI_KERNELS_ADD_Q8_H
#define MXDI_KERNELS_ADD_Q8_H

#include "kernels/simd/vec.h"

typedef struct mxdi_add_q8_params {
    float   a_scale_ratio, b_scale_ratio;
    int32_t a_zero_point, b_zero_point;
    int32_t y_zero_point, q_min, q_max;
} mxdi_add_q8_params;

typedef struct mxdi_add_q8 {
    const char *name;
    void (*add)(uint8_t *y, const uint8_t *a, const uint8_t *b, size_t n,
                const mxdi_add_q8_params *p);
} mxdi_add_q8;

#define MXD_VEC(variant, needs) extern const mxdi_add_q8 mxdi_add_q8_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_add_q8 *const mxdi_add_q8_variants[MXDI_VEC_COUNT];
const mxdi_add_q8              *mxdi_add_q8_select(uint32_t isa);

/* rank 0..MXD_MAX_RANK; strides in elements, in the order of dim. y does not overlap a broadcast
 * operand. */
void mxdi_add_q8_broadcast(const mxdi_add_q8 *k, uint8_t *y, const uint8_t *a, const uint8_t *b,
                           int32_t rank, const int64_t *dim, const int64_t *y_stride,
                           const int64_t *a_stride, const int64_t *b_stride,
                           const mxdi_add_q8_params *p);
#endif
