/* SPDX-License-Identifier: Apache-2.0
 *
 * channel_sum_f32 over the vectors of simd/vec_<variant>.h: a vector of channels at a time, two
 * where there are as many, since an addition waits for the one before. */
#include "kernels/channel_sum_f32/channel_sum_f32.h"

/* Two vectors of channels from x on, of the second one only the first k if k is not 0. */
static inline void sum_pair(float *sum, const float *x, const mxdi_blocked *l, int64_t blocks,
                            size_t k)
{
    const int64_t rows = (int64_t)l->h * l->w * l->block;
    vf64          s[4];
    for (int i = 0; i < 4; i++)
        s[i] = vf64_set1(0);
    for (int64_t b = 0; b < blocks; b++) {
        const float *at = x + b * l->block_stride;
        for (int64_t i = 0; i < rows; i++, at += l->pitch) {
            const vf32 u = vf32_load(at), v = vf32_load_k(at + VF32_LANES, k);
            s[0] = vf64_add(s[0], vf64_lo_f32(u));
            s[1] = vf64_add(s[1], vf64_hi_f32(u));
            s[2] = vf64_add(s[2], vf64_lo_f32(v));
            s[3] = vf64_add(s[3], vf64_hi_f32(v));
        }
    }
    vf32_store(sum, vf32_from_f64(s[0], s[1]));
    vf32_store_k(sum + VF32_LANES, vf32_from_f64(s[2], s[3]), k);
}

/* One vector, or the first k lanes of one. */
static inline void sum_vector(float *sum, const float *x, const mxdi_blocked *l, int64_t blocks,
                              size_t k)
{
    const int64_t rows = (int64_t)l->h * l->w * l->block;
    vf64          lo = vf64_set1(0), hi = vf64_set1(0);
    for (int64_t b = 0; b < blocks; b++) {
        const float *at = x + b * l->block_stride;
        for (int64_t i = 0; i < rows; i++, at += l->pitch) {
            const vf32 v = vf32_load_k(at, k);
            lo           = vf64_add(lo, vf64_lo_f32(v));
            hi           = vf64_add(hi, vf64_hi_f32(v));
        }
    }
    vf32_store_k(sum, vf32_from_f64(lo, hi), k);
}

static void run(float *sum, const float *x, const mxdi_blocked *layout, int64_t blocks,
                int32_t begin, int32_t end)
{
    int32_t c = begin;
    for (; c + 2 * VF32_LANES <= end; c += 2 * VF32_LANES)
        sum_pair(sum + c, x + c, layout, blocks, 0);
    if (c + VF32_LANES < end) {
        sum_pair(sum + c, x + c, layout, blocks, (size_t)(end - c - VF32_LANES));
    } else if (c < end) {
        sum_vector(sum + c, x + c, layout, blocks, (size_t)(end - c) % VF32_LANES);
    }
}

const mxdi_channel_sum_f32 MXD_VARIANT(mxdi_channel_sum_f32) = {
    MXD_VARIANT_NAME("channel_sum_f32"), run
};
