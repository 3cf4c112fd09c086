/* SPDX-License-Identifier: Apache-2.0
 *
 * The vectors of the families of simd/vec.inc for AArch64: the same names as vec_avx2.h, which says
 * what each is. All integer vectors have one type, as there.
 *
 * vf32_max and vf32_min select, since FMAX and FMIN give NaN where either operand is one. */
#ifndef MXDI_KERNELS_SIMD_VEC_NEON_H
#define MXDI_KERNELS_SIMD_VEC_NEON_H

#include <arm_neon.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kernels/simd/inline.h"

/* As in f32_x86.h. */
#define MXD_OPAQUE(v) __asm__("" : "+w"(v))

#define MXD_VARIANT(name)        name##_neon
#define MXD_VARIANT_NAME(family) family "_neon"

typedef float32x4_t vf32;
typedef int32x4_t   vi32;
typedef float64x2_t vf64;
typedef int32x4_t   vu8;
typedef uint32x4_t  vmask;
typedef int32x4_t   q128; /* 16 u8 or 4 f32 */
enum { VF32_LANES = 4, VF64_LANES = 2, VU8_LANES = 16 };

static inline uint8x16_t neon_u8(vu8 v)
{
    return vreinterpretq_u8_s32(v);
}

static inline vu8 neon_from_u8(uint8x16_t v)
{
    return vreinterpretq_s32_u8(v);
}

/* ---- pieces of 128 bits ---- */

static inline q128 q128_zero(void)
{
    return vdupq_n_s32(0);
}

static inline q128 q128_load(const void *p)
{
    return neon_from_u8(vld1q_u8(p));
}

static inline q128 q128_load_tail(const void *p, size_t k)
{
    uint8_t bytes[16] = { 0 };
    memcpy(bytes, p, k);
    return q128_load(bytes);
}

static inline void q128_store(void *p, q128 v)
{
    vst1q_u8(p, neon_u8(v));
}

static inline void q128_store_tail(void *p, q128 v, size_t k)
{
    uint8_t bytes[16];
    q128_store(bytes, v);
    memcpy(p, bytes, k);
}

static inline q128 q128_xor(q128 a, q128 b)
{
    return veorq_s32(a, b);
}

static inline q128 q128_set1_u8(uint8_t v)
{
    return neon_from_u8(vdupq_n_u8(v));
}

static inline q128 q128_zip_lo_u8(q128 a, q128 b)
{
    return neon_from_u8(vzip1q_u8(neon_u8(a), neon_u8(b)));
}

static inline q128 q128_zip_hi_u8(q128 a, q128 b)
{
    return neon_from_u8(vzip2q_u8(neon_u8(a), neon_u8(b)));
}

static inline q128 q128_zip_lo_f32(q128 a, q128 b)
{
    return vzip1q_s32(a, b);
}

static inline q128 q128_zip_hi_f32(q128 a, q128 b)
{
    return vzip2q_s32(a, b);
}

static inline void q128_split3(q128 out[3], const uint8_t *p)
{
    const uint8x16x3_t v = vld3q_u8(p);
    for (int k = 0; k < 3; k++)
        out[k] = neon_from_u8(v.val[k]);
}

/* ---- loads and stores ---- */

static inline vf32 vf32_load(const float *p)
{
    return vld1q_f32(p);
}

static inline vf32 vf32_load_tail(const float *p, size_t k)
{
    float lanes[VF32_LANES] = { 0 };
    memcpy(lanes, p, k * sizeof(*p));
    return vf32_load(lanes);
}

static inline vf32 vf32_load_k(const float *p, size_t k)
{
    return k ? vf32_load_tail(p, k) : vf32_load(p);
}

static inline void vf32_store(float *p, vf32 v)
{
    vst1q_f32(p, v);
}

static inline void vf32_store_tail(float *p, vf32 v, size_t k)
{
    float lanes[VF32_LANES];
    vf32_store(lanes, v);
    memcpy(p, lanes, k * sizeof(*p));
}

static inline void vf32_store_k(float *p, vf32 v, size_t k)
{
    if (k)
        vf32_store_tail(p, v, k);
    else
        vf32_store(p, v);
}

static inline vu8 vu8_load(const uint8_t *p)
{
    return q128_load(p);
}

static inline vu8 vu8_load_tail(const uint8_t *p, size_t k)
{
    return q128_load_tail(p, k);
}

static inline void vu8_store(uint8_t *p, vu8 v)
{
    q128_store(p, v);
}

static inline void vu8_store_tail(uint8_t *p, vu8 v, size_t k)
{
    q128_store_tail(p, v, k);
}

static inline vi32 vi32_load(const int32_t *p)
{
    return vld1q_s32(p);
}

static inline void vi32_store(int32_t *p, vi32 v)
{
    vst1q_s32(p, v);
}

static inline vi32 neon_widen(uint8x8_t bytes) /* the first four */
{
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))));
}

static inline vi32 vi32_load_u8_tail(const uint8_t *p, size_t k)
{
    uint32_t bytes = 0;
    memcpy(&bytes, p, k);
    return neon_widen(vcreate_u8(bytes));
}

static inline vi32 vi32_load_u8(const uint8_t *p)
{
    return vi32_load_u8_tail(p, sizeof(uint32_t));
}

/* The lowest byte of every lane. */
static inline uint32_t neon_narrow_u8(vi32 v)
{
    const uint8x16_t bytes = neon_u8(v), words = vuzp1q_u8(bytes, bytes);
    return vgetq_lane_u32(vreinterpretq_u32_u8(vuzp1q_u8(words, words)), 0);
}

static inline q128 q128_narrow(const vi32 *v)
{
    const uint8x16_t lo = vuzp1q_u8(neon_u8(v[0]), neon_u8(v[1]));
    const uint8x16_t hi = vuzp1q_u8(neon_u8(v[2]), neon_u8(v[3]));
    return neon_from_u8(vuzp1q_u8(lo, hi));
}

static inline vi32 vi32_widen(q128 v, int part)
{
    const uint64_t half = vgetq_lane_u64(vreinterpretq_u64_s32(v), 0),
                   rest = vgetq_lane_u64(vreinterpretq_u64_s32(v), 1);
    return neon_widen(vcreate_u8((part < 2 ? half : rest) >> part % 2 * 32));
}

static inline void vi32_store_u8_tail(uint8_t *p, vi32 v, size_t k)
{
    const uint32_t bytes = neon_narrow_u8(v);
    memcpy(p, &bytes, k);
}

static inline void vi32_store_u8(uint8_t *p, vi32 v)
{
    vi32_store_u8_tail(p, v, sizeof(uint32_t));
}

/* ---- f32 ---- */

static inline vf32 vf32_set1(float v)
{
    return vdupq_n_f32(v);
}

static inline vf32 vf32_add(vf32 a, vf32 b)
{
    return vaddq_f32(a, b);
}

static inline vf32 vf32_sub(vf32 a, vf32 b)
{
    return vsubq_f32(a, b);
}

static inline vf32 vf32_mul(vf32 a, vf32 b)
{
    return vmulq_f32(a, b);
}

static inline vf32 vf32_div(vf32 a, vf32 b)
{
    return vdivq_f32(a, b);
}

static inline vf32 vf32_fma(vf32 a, vf32 b, vf32 c)
{
    return vfmaq_f32(c, a, b);
}

static inline vf32 vf32_fnma(vf32 a, vf32 b, vf32 c)
{
    return vfmsq_f32(c, a, b);
}

static inline vf32 vf32_fms(vf32 a, vf32 b, vf32 c)
{
    return vfmaq_f32(vnegq_f32(c), a, b);
}

static inline vf32 vf32_max(vf32 a, vf32 b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline vf32 vf32_min(vf32 a, vf32 b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline vf32 vf32_sqrt(vf32 a)
{
    return vsqrtq_f32(a);
}

static inline vf32 vf32_rint(vf32 a)
{
    return vrndnq_f32(a);
}

static inline vf32 vf32_floor(vf32 a)
{
    return vrndmq_f32(a);
}

static inline vf32 vf32_ceil(vf32 a)
{
    return vrndpq_f32(a);
}

static inline vf32 vf32_abs(vf32 a)
{
    return vabsq_f32(a);
}

static inline vf32 vf32_neg(vf32 a)
{
    return vnegq_f32(a);
}

static inline vf32 vf32_copysign(vf32 a, vf32 sign)
{
    return vbslq_f32(vdupq_n_u32(0x80000000u), sign, a);
}

static inline vmask vf32_lt(vf32 a, vf32 b)
{
    return vcltq_f32(a, b);
}

static inline vmask vf32_eq(vf32 a, vf32 b)
{
    return vceqq_f32(a, b);
}

static inline vmask vf32_is_nan(vf32 a)
{
    return vmvnq_u32(vceqq_f32(a, a));
}

static inline vmask vmask_none(void)
{
    return vdupq_n_u32(0);
}

static inline vmask vmask_first(size_t k)
{
    static const uint32_t lane[VF32_LANES] = { 0, 1, 2, 3 };
    return vcltq_u32(vld1q_u32(lane), vdupq_n_u32((uint32_t)k));
}

static inline bool vmask_any(vmask m)
{
    return vmaxvq_u32(m) != 0;
}

static inline vmask vmask_or(vmask a, vmask b)
{
    return vorrq_u32(a, b);
}

static inline vmask vmask_andnot(vmask a, vmask b)
{
    return vbicq_u32(a, b);
}

static inline vf32 vf32_select(vmask m, vf32 a, vf32 b)
{
    return vbslq_f32(m, a, b);
}

static inline vf32 vf32_scale2(vf32 p, vf32 n)
{
    const int32x4_t i    = vcvtnq_s32_f32(n);
    const int32x4_t half = vshrq_n_s32(i, 1);
    const int32x4_t bias = vdupq_n_s32(127);
    const int32x4_t lo   = vshlq_n_s32(vaddq_s32(half, bias), 23);
    const int32x4_t hi   = vshlq_n_s32(vaddq_s32(vsubq_s32(i, half), bias), 23);
    return vmulq_f32(vmulq_f32(p, vreinterpretq_f32_s32(lo)), vreinterpretq_f32_s32(hi));
}

/* ---- i32 ---- */

static inline vi32 vi32_set1(int32_t v)
{
    return vdupq_n_s32(v);
}

static inline vi32 vi32_add(vi32 a, vi32 b)
{
    return vaddq_s32(a, b);
}

static inline vi32 vi32_sub(vi32 a, vi32 b)
{
    return vsubq_s32(a, b);
}

static inline vi32 vi32_and(vi32 a, vi32 b)
{
    return vandq_s32(a, b);
}

static inline vi32 vi32_xor(vi32 a, vi32 b)
{
    return veorq_s32(a, b);
}

#define vi32_srl(a, bits) vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), bits))
#define vi32_sra(a, bits) vshrq_n_s32(a, bits)
#define vi32_sll(a, bits) vshlq_n_s32(a, bits)

static inline vf32 vf32_from_i32(vi32 a)
{
    return vcvtq_f32_s32(a);
}

static inline vi32 vi32_rint_f32(vf32 a)
{
    return vcvtnq_s32_f32(a);
}

static inline vf32 vf32_from_bits(vi32 a)
{
    return vreinterpretq_f32_s32(a);
}

static inline vi32 vf32_bits(vf32 a)
{
    return vreinterpretq_s32_f32(a);
}

static inline vi32 vi32_gather(const int32_t *table, vi32 index)
{
    int32_t lanes[VF32_LANES];
    vi32_store(lanes, index);
    for (int i = 0; i < VF32_LANES; i++)
        lanes[i] = table[lanes[i]];
    return vi32_load(lanes);
}

/* Sums of two products s16 x s16 in each lane. */
static inline vi32 vi32_pairs_s16(vi32 a, vi32 b)
{
    const int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
    return vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
}

static inline vf32 vf32_round_f16(vf32 a)
{
    return vcvt_f32_f16(vcvt_f16_f32(a));
}

/* ---- f64 ---- */

static inline vf64 vf64_set1(double v)
{
    return vdupq_n_f64(v);
}

static inline vf64 vf64_lo_f32(vf32 a)
{
    return vcvt_f64_f32(vget_low_f32(a));
}

static inline vf64 vf64_hi_f32(vf32 a)
{
    return vcvt_high_f64_f32(a);
}

static inline vf64 vf64_lo_i32(vi32 a)
{
    return vcvtq_f64_s64(vmovl_s32(vget_low_s32(a)));
}

static inline vf64 vf64_hi_i32(vi32 a)
{
    return vcvtq_f64_s64(vmovl_high_s32(a));
}

static inline vf32 vf32_from_f64(vf64 lo, vf64 hi)
{
    return vcvt_high_f32_f64(vcvt_f32_f64(lo), hi);
}

static inline vf64 vf64_add(vf64 a, vf64 b)
{
    return vaddq_f64(a, b);
}

static inline vf64 vf64_sub(vf64 a, vf64 b)
{
    return vsubq_f64(a, b);
}

static inline vf64 vf64_mul(vf64 a, vf64 b)
{
    return vmulq_f64(a, b);
}

static inline vf64 vf64_div(vf64 a, vf64 b)
{
    return vdivq_f64(a, b);
}

static inline vf64 vf64_fma(vf64 a, vf64 b, vf64 c)
{
    return vfmaq_f64(c, a, b);
}

static inline vf64 vf64_sqrt(vf64 a)
{
    return vsqrtq_f64(a);
}

static inline vf64 vf64_max(vf64 a, vf64 b)
{
    return vbslq_f64(vcgtq_f64(a, b), a, b);
}

static inline double vf64_sum(vf64 v)
{
    return vaddvq_f64(v);
}

/* ---- u8 ---- */

static inline vu8 vu8_zero(void)
{
    return vdupq_n_s32(0);
}

static inline vu8 vu8_set1(uint8_t v)
{
    return q128_set1_u8(v);
}

static inline vu8 vu8_max(vu8 a, vu8 b)
{
    return neon_from_u8(vmaxq_u8(neon_u8(a), neon_u8(b)));
}

static inline void vu8_swap_pieces(vu8 v[1])
{
    (void)v; /* the only one */
}

static inline vu8 vu8_zip_lo(vu8 a, vu8 b)
{
    return q128_zip_lo_u8(a, b);
}

static inline vu8 vu8_zip_hi(vu8 a, vu8 b)
{
    return q128_zip_hi_u8(a, b);
}

static inline vu8 vu8_add_sums(vu8 sums, vu8 a)
{
    const uint32x4_t fours = vpaddlq_u16(vpaddlq_u8(neon_u8(a)));
    return vreinterpretq_s32_u64(vpadalq_u32(vreinterpretq_u64_s32(sums), fours));
}

static inline uint64_t vu8_total(vu8 sums)
{
    return vaddvq_u64(vreinterpretq_u64_s32(sums));
}
#endif
