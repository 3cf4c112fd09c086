/* SPDX-License-Identifier: Apache-2.0
 *
 * f32 rounded to what a 16-bit float can hold, and kept as f32: the pair of Casts that marks a bf16
 * or f16 tensor. Round to nearest even, subnormals kept, overflow to infinity, NaN to NaN. y may be
 * x itself; exactly n elements. Every variant is bit-exact with `ref` (NaN: some quiet NaN). */
#ifndef MXDI_KERNELS_ROUND_HALF_H
#define MXDI_KERNELS_ROUND_HALF_H

#include "kernels/simd/vec.h"

typedef struct mxdi_round_half {
    const char *name;
    void (*bf16)(float *y, const float *x, size_t n);
    void (*f16)(float *y, const float *x, size_t n);
} mxdi_round_half;

#define MXD_VEC(variant, needs) extern const mxdi_round_half mxdi_round_half_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_round_half *const mxdi_round_half_variants[MXDI_VEC_COUNT];
const mxdi_round_half              *mxdi_round_half_select(uint32_t isa);
#endif
