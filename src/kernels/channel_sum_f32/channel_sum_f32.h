/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of every channel over all pixels of all images, which is the gradient of a bias:
 *
 *     sum[c] = sum over blocks, pixels, images of x[..., c]          for c in [begin, end)
 *
 * Each sum is accumulated in binary64 in ascending order of memory and rounded once:
 * |error| <= 2^-24 |sum| + n * 2^-53 * sum |x|. All images of all blocks take part. Only channels
 * [begin, end) are read, and sum[begin .. end - 1] written; disjoint ranges may go in parallel,
 * multiples of 16 are fastest. Every variant is bit-exact with `ref`. */
#ifndef MXDI_KERNELS_CHANNEL_SUM_F32_H
#define MXDI_KERNELS_CHANNEL_SUM_F32_H

#include "kernels/layout.h"
#include "kernels/simd/vec.h"

typedef struct mxdi_channel_sum_f32 {
    const char *name;
    void (*run)(float *sum, const float *x, const mxdi_blocked *layout, int64_t blocks,
                int32_t begin, int32_t end);
} mxdi_channel_sum_f32;

#define MXD_VEC(variant, needs) extern const mxdi_channel_sum_f32 mxdi_channel_sum_f32_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_channel_sum_f32 *const mxdi_channel_sum_f32_variants[MXDI_VEC_COUNT];
const mxdi_channel_sum_f32              *mxdi_channel_sum_f32_select(uint32_t isa);
#endif
