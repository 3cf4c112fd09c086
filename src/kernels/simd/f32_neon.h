/* SPDX-License-Identifier: Apache-2.0
 *
 * What register-tiled float kernels need beyond the vectors of vec_neon.h: the same names as
 * f32_avx2.h, which says what each is. */
#ifndef MXDI_KERNELS_SIMD_F32_NEON_H
#define MXDI_KERNELS_SIMD_F32_NEON_H

#include "kernels/simd/vec_neon.h"

typedef vf32 vword;
enum {
    WORD_TERMS = 1,
    TILE_ROWS  = 12
}; /* 12x2 accumulators, 2 panel vectors; with 14x2 gcc 12 keeps some in memory */

static inline vf32 vf32_zero(void)
{
    return vdupq_n_f32(0);
}

static inline vf32 vf32_round_bf16(vf32 v)
{
    const uint32x4_t bits  = vreinterpretq_u32_f32(v);
    const uint32x4_t odd   = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t up    = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7FFF)));
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    const uint32x4_t whole = vbslq_u32(vf32_is_nan(v), quiet, up);
    return vreinterpretq_f32_u32(vandq_u32(whole, vdupq_n_u32(0xFFFF0000u)));
}

static inline vword word_broadcast(const float *a)
{
    return vld1q_dup_f32(a);
}

static inline vword word_load(const float *b)
{
    return vf32_load(b);
}

static inline vf32 word_step(vword a, vword b, vf32 acc)
{
    return vf32_fma(a, b, acc);
}

#include "kernels/simd/f32_words.h"

MXD_INLINE void transpose_8x8(float *dst, int64_t dst_row, const float *src, int64_t src_row)
{
    for (int q = 0; q < 4; q++) { /* quarters of 4x4 */
        const float *from = src + q / 2 * 4 * src_row + q % 2 * 4;
        float       *to   = dst + q % 2 * 4 * dst_row + q / 2 * 4;
        const q128   r0 = q128_load(from), r1 = q128_load(from + src_row),
                   r2 = q128_load(from + 2 * src_row), r3 = q128_load(from + 3 * src_row);
        const q128 a = q128_zip_lo_f32(r0, r2), b = q128_zip_hi_f32(r0, r2),
                   c = q128_zip_lo_f32(r1, r3), d = q128_zip_hi_f32(r1, r3);
        q128_store(to, q128_zip_lo_f32(a, c));
        q128_store(to + dst_row, q128_zip_hi_f32(a, c));
        q128_store(to + 2 * dst_row, q128_zip_lo_f32(b, d));
        q128_store(to + 3 * dst_row, q128_zip_hi_f32(b, d));
    }
}
#endif
