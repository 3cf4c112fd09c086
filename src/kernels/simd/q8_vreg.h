/* SPDX-License-Identifier: Apache-2.0
 *
 * What integer tiles need beyond the vectors of vec_neon.h: the same names as q8_ymm.h, which says
 * what each is. The products themselves are in q8_neon.h, q8_dotprod.h and q8_i8mm.h. With
 * registers of 16 bytes the order of the unpack instructions is that of the channels. */
#ifndef MXDI_KERNELS_SIMD_Q8_VREG_H
#define MXDI_KERNELS_SIMD_Q8_VREG_H

#include "kernels/simd/vec_neon.h"

static inline vi32 q8_load(const int32_t *p)
{
    return vi32_load(p);
}

static inline void q8_store(int32_t *p, vi32 v)
{
    vi32_store(p, v);
}

static inline vi32 q8_spread(const uint8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof(four));
    return vdupq_n_s32(four);
}

static inline vi32 q8_rint(vf32 v)
{
    return vcvtnq_s32_f32(v);
}

static inline void q8_zip4(vi32 q[4], vu8 a, vu8 b, vu8 c, vu8 d)
{
    const uint16x8_t ab_lo = vreinterpretq_u16_s32(q128_zip_lo_u8(a, b)),
                     ab_hi = vreinterpretq_u16_s32(q128_zip_hi_u8(a, b)),
                     cd_lo = vreinterpretq_u16_s32(q128_zip_lo_u8(c, d)),
                     cd_hi = vreinterpretq_u16_s32(q128_zip_hi_u8(c, d));
    q[0]                   = vreinterpretq_s32_u16(vzip1q_u16(ab_lo, cd_lo));
    q[1]                   = vreinterpretq_s32_u16(vzip2q_u16(ab_lo, cd_lo));
    q[2]                   = vreinterpretq_s32_u16(vzip1q_u16(ab_hi, cd_hi));
    q[3]                   = vreinterpretq_s32_u16(vzip2q_u16(ab_hi, cd_hi));
}

static inline vu8 q8_narrow(vi32 a0, vi32 a1, vi32 b0, vi32 b1, vi32 zero_point, vu8 q_min)
{
    const int16x8_t z = vreinterpretq_s16_s32(zero_point);
    const int16x8_t a = vaddq_s16(vqmovn_high_s32(vqmovn_s32(a0), a1), z);
    const int16x8_t b = vaddq_s16(vqmovn_high_s32(vqmovn_s32(b0), b1), z);
    return vu8_max(neon_from_u8(vqmovun_high_s16(vqmovun_s16(a), b)), q_min);
}

static inline vu8 q8_narrow_any(vi32 a0, vi32 a1, vi32 b0, vi32 b1, vi32 zero_point, vu8 q_min,
                                vu8 q_max)
{
    const int16x8_t  z = vreinterpretq_s16_s32(zero_point);
    const int16x8_t  a = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a0), a1), z);
    const int16x8_t  b = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(b0), b1), z);
    const uint8x16_t q = vqmovun_high_s16(vqmovun_s16(a), b);
    return neon_from_u8(vminq_u8(vmaxq_u8(q, neon_u8(q_min)), neon_u8(q_max)));
}

static inline vi32 q8_set1_s16(int32_t v)
{
    return vreinterpretq_s32_s16(vdupq_n_s16((int16_t)v));
}

static inline vu8 q8_rows(vu8 narrow)
{
    return narrow;
}

static inline void q8_store_rows(uint8_t *a, uint8_t *b, vu8 rows, size_t n)
{
    const uint8x8_t lo = vget_low_u8(neon_u8(rows)), hi = vget_high_u8(neon_u8(rows));
    if (n == 8) {
        vst1_u8(a, lo);
        vst1_u8(b, hi);
    } else {
        uint8_t bytes[16];
        q128_store(bytes, rows);
        memcpy(a, bytes, n);
        memcpy(b, bytes + 8, n);
    }
}

static inline void q8_store_four(uint8_t *y, int64_t step, int32_t count, vu8 rows, size_t n)
{
    uint8_t bytes[4][VF32_LANES];
    q128_store(bytes, rows);
    if (n == VF32_LANES)
        for (int32_t i = 0; i < count; i++)
            memcpy(y + i * step, bytes[i], VF32_LANES);
    else
        for (int32_t i = 0; i < count; i++)
            memcpy(y + i * step, bytes[i], n);
}

/* ---- lanes of 16 bits ---- */

static inline vi32 q16_load_u8(const uint8_t *p)
{
    return vreinterpretq_s32_u16(vmovl_u8(vld1_u8(p)));
}

static inline void q16_store(int16_t *p, vi32 v)
{
    vst1q_s16(p, vreinterpretq_s16_s32(v));
}

static inline vi32 q16_add(vi32 a, vi32 b)
{
    return vreinterpretq_s32_s16(vaddq_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b)));
}

static inline vi32 q16_sub(vi32 a, vi32 b)
{
    return vreinterpretq_s32_s16(vsubq_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b)));
}

#define q16_sll(a, bits) vreinterpretq_s32_s16(vshlq_n_s16(vreinterpretq_s16_s32(a), bits))

static inline vi32 q8_mul(vi32 a, vi32 b)
{
    return vmulq_s32(a, b);
}
#endif
