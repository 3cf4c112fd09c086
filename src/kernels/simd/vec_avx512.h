/* SPDX-License-Identifier: Apache-2.0
 *
 * The vectors of the families of simd/vec.inc for AVX-512 F, BW, VL, DQ: the same names as
 * vec_avx2.h, which says what each is. */
#ifndef MXDI_KERNELS_SIMD_VEC_AVX512_H
#define MXDI_KERNELS_SIMD_VEC_AVX512_H

#include "kernels/simd/vec_x86.h"

#define MXD_VARIANT(name)        name##_avx512
#define MXD_VARIANT_NAME(family) family "_avx512"

typedef __m512    vf32;
typedef __m512i   vi32;
typedef __m512d   vf64;
typedef __m512i   vu8;
typedef __mmask16 vmask;
enum { VF32_LANES = 16, VF64_LANES = 8, VU8_LANES = 64 };

/* ---- loads and stores ---- */

/* Ones in the first k bits. */
static inline __mmask16 avx512_first(size_t k)
{
    return (__mmask16)((1u << k) - 1);
}

static inline __mmask64 avx512_first_byte(size_t k)
{
    return ((uint64_t)1 << k) - 1;
}

static inline vf32 vf32_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline vf32 vf32_load_tail(const float *p, size_t k)
{
    return _mm512_maskz_loadu_ps(avx512_first(k), p);
}

static inline vf32 vf32_load_k(const float *p, size_t k)
{
    return k ? vf32_load_tail(p, k) : vf32_load(p);
}

static inline void vf32_store(float *p, vf32 v)
{
    _mm512_storeu_ps(p, v);
}

static inline void vf32_store_tail(float *p, vf32 v, size_t k)
{
    _mm512_mask_storeu_ps(p, avx512_first(k), v);
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
    return _mm512_loadu_si512(p);
}

static inline vu8 vu8_load_tail(const uint8_t *p, size_t k)
{
    return _mm512_maskz_loadu_epi8(avx512_first_byte(k), p);
}

static inline void vu8_store(uint8_t *p, vu8 v)
{
    _mm512_storeu_si512(p, v);
}

static inline void vu8_store_tail(uint8_t *p, vu8 v, size_t k)
{
    _mm512_mask_storeu_epi8(p, avx512_first_byte(k), v);
}

static inline vi32 vi32_load(const int32_t *p)
{
    return _mm512_loadu_si512(p);
}

static inline void vi32_store(int32_t *p, vi32 v)
{
    _mm512_storeu_si512(p, v);
}

static inline vi32 vi32_load_u8(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(q128_load(p));
}

static inline vi32 vi32_load_u8_tail(const uint8_t *p, size_t k)
{
    return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(avx512_first(k), p));
}

static inline q128 q128_narrow(const vi32 *v)
{
    return _mm512_cvtepi32_epi8(v[0]);
}

static inline vi32 vi32_widen(q128 v, int part)
{
    (void)part; /* the only one */
    return _mm512_cvtepu8_epi32(v);
}

static inline void vi32_store_u8(uint8_t *p, vi32 v)
{
    q128_store(p, _mm512_cvtepi32_epi8(v));
}

static inline void vi32_store_u8_tail(uint8_t *p, vi32 v, size_t k)
{
    _mm_mask_storeu_epi8(p, avx512_first(k), _mm512_cvtepi32_epi8(v));
}

/* ---- f32 ---- */

static inline vf32 vf32_set1(float v)
{
    return _mm512_set1_ps(v);
}

static inline vf32 vf32_add(vf32 a, vf32 b)
{
    return _mm512_add_ps(a, b);
}

static inline vf32 vf32_sub(vf32 a, vf32 b)
{
    return _mm512_sub_ps(a, b);
}

static inline vf32 vf32_mul(vf32 a, vf32 b)
{
    return _mm512_mul_ps(a, b);
}

static inline vf32 vf32_div(vf32 a, vf32 b)
{
    return _mm512_div_ps(a, b);
}

static inline vf32 vf32_fma(vf32 a, vf32 b, vf32 c) /* a*b + c */
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vf32 vf32_fnma(vf32 a, vf32 b, vf32 c) /* c - a*b */
{
    return _mm512_fnmadd_ps(a, b, c);
}

static inline vf32 vf32_fms(vf32 a, vf32 b, vf32 c) /* a*b - c */
{
    return _mm512_fmsub_ps(a, b, c);
}

static inline vf32 vf32_max(vf32 a, vf32 b) /* a > b ? a : b */
{
    return _mm512_max_ps(a, b);
}

static inline vf32 vf32_min(vf32 a, vf32 b) /* a < b ? a : b */
{
    return _mm512_min_ps(a, b);
}

static inline vf32 vf32_sqrt(vf32 a)
{
    return _mm512_sqrt_ps(a);
}

static inline vf32 vf32_rint(vf32 a) /* half to even */
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline vf32 vf32_floor(vf32 a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

static inline vf32 vf32_ceil(vf32 a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}

static inline vf32 vf32_abs(vf32 a)
{
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
}

static inline vf32 vf32_neg(vf32 a)
{
    return _mm512_xor_ps(_mm512_set1_ps(-0.0f), a);
}

static inline vf32 vf32_copysign(vf32 a, vf32 sign) /* a >= 0 with the sign of `sign` */
{
    return _mm512_or_ps(a, _mm512_and_ps(_mm512_set1_ps(-0.0f), sign));
}

static inline vmask vf32_lt(vf32 a, vf32 b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

static inline vmask vf32_eq(vf32 a, vf32 b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

static inline vmask vf32_is_nan(vf32 a)
{
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}

static inline vmask vmask_none(void)
{
    return 0;
}

static inline vmask vmask_first(size_t k) /* the first k lanes */
{
    return avx512_first(k);
}

static inline bool vmask_any(vmask m)
{
    return m != 0;
}

static inline vmask vmask_or(vmask a, vmask b)
{
    return _kor_mask16(a, b);
}

static inline vmask vmask_andnot(vmask a, vmask b) /* a, but not b */
{
    return _kandn_mask16(b, a);
}

static inline vf32 vf32_select(vmask m, vf32 a, vf32 b) /* m ? a : b */
{
    return _mm512_mask_blend_ps(m, b, a);
}

static inline vf32 vf32_scale2(vf32 p, vf32 n) /* p * 2^n, rounded once */
{
    return _mm512_scalef_ps(p, n);
}

/* ---- i32 ---- */

static inline vi32 vi32_set1(int32_t v)
{
    return _mm512_set1_epi32(v);
}

static inline vi32 vi32_add(vi32 a, vi32 b)
{
    return _mm512_add_epi32(a, b);
}

static inline vi32 vi32_sub(vi32 a, vi32 b)
{
    return _mm512_sub_epi32(a, b);
}

static inline vi32 vi32_and(vi32 a, vi32 b)
{
    return _mm512_and_si512(a, b);
}

static inline vi32 vi32_xor(vi32 a, vi32 b)
{
    return _mm512_xor_si512(a, b);
}

#define vi32_srl(a, bits) _mm512_srli_epi32(a, bits)
#define vi32_sra(a, bits) _mm512_srai_epi32(a, bits)
#define vi32_sll(a, bits) _mm512_slli_epi32(a, bits)

static inline vf32 vf32_from_i32(vi32 a)
{
    return _mm512_cvtepi32_ps(a);
}

static inline vi32 vi32_rint_f32(vf32 a) /* NaN gives 0 */
{
    return _mm512_maskz_cvtps_epi32(_mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a);
}

static inline vf32 vf32_from_bits(vi32 a)
{
    return _mm512_castsi512_ps(a);
}

static inline vi32 vf32_bits(vf32 a)
{
    return _mm512_castps_si512(a);
}

static inline vi32 vi32_gather(const int32_t *table, vi32 index)
{
    return _mm512_i32gather_epi32(index, table, 4);
}

static inline vf32 vf32_round_f16(vf32 a)
{
    return _mm512_cvtph_ps(_mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}

/* ---- f64 ---- */

static inline vf64 vf64_set1(double v)
{
    return _mm512_set1_pd(v);
}

static inline vf64 vf64_lo_f32(vf32 a)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(a));
}

static inline vf64 vf64_hi_f32(vf32 a)
{
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
}

static inline vf64 vf64_lo_i32(vi32 a)
{
    return _mm512_cvtepi32_pd(_mm512_castsi512_si256(a));
}

static inline vf64 vf64_hi_i32(vi32 a)
{
    return _mm512_cvtepi32_pd(_mm512_extracti32x8_epi32(a, 1));
}

static inline vf32 vf32_from_f64(vf64 lo, vf64 hi)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(lo)), _mm512_cvtpd_ps(hi), 1);
}

static inline vf64 vf64_add(vf64 a, vf64 b)
{
    return _mm512_add_pd(a, b);
}

static inline vf64 vf64_sub(vf64 a, vf64 b)
{
    return _mm512_sub_pd(a, b);
}

static inline vf64 vf64_mul(vf64 a, vf64 b)
{
    return _mm512_mul_pd(a, b);
}

static inline vf64 vf64_div(vf64 a, vf64 b)
{
    return _mm512_div_pd(a, b);
}

static inline vf64 vf64_fma(vf64 a, vf64 b, vf64 c) /* a*b + c */
{
    return _mm512_fmadd_pd(a, b, c);
}

static inline vf64 vf64_sqrt(vf64 a)
{
    return _mm512_sqrt_pd(a);
}

static inline vf64 vf64_max(vf64 a, vf64 b) /* a > b ? a : b */
{
    return _mm512_max_pd(a, b);
}

static inline double vf64_sum(vf64 v)
{
    return _mm512_reduce_add_pd(v);
}

/* ---- u8 ---- */

static inline vu8 vu8_zero(void)
{
    return _mm512_setzero_si512();
}

static inline vu8 vu8_set1(uint8_t v)
{
    return _mm512_set1_epi8((char)v);
}

static inline vu8 vu8_max(vu8 a, vu8 b)
{
    return _mm512_max_epu8(a, b);
}

static inline void vu8_swap_pieces(vu8 v[4])
{
    const vu8 a = _mm512_shuffle_i32x4(v[0], v[1], 0x44),
              b = _mm512_shuffle_i32x4(v[2], v[3], 0x44),
              c = _mm512_shuffle_i32x4(v[0], v[1], 0xEE),
              d = _mm512_shuffle_i32x4(v[2], v[3], 0xEE);
    v[0]        = _mm512_shuffle_i32x4(a, b, 0x88);
    v[1]        = _mm512_shuffle_i32x4(a, b, 0xDD);
    v[2]        = _mm512_shuffle_i32x4(c, d, 0x88);
    v[3]        = _mm512_shuffle_i32x4(c, d, 0xDD);
}

static inline vu8 vu8_zip_lo(vu8 a, vu8 b)
{
    return _mm512_unpacklo_epi8(a, b);
}

static inline vu8 vu8_zip_hi(vu8 a, vu8 b)
{
    return _mm512_unpackhi_epi8(a, b);
}

static inline vu8 vu8_add_sums(vu8 sums, vu8 a)
{
    return _mm512_add_epi64(sums, _mm512_sad_epu8(a, _mm512_setzero_si512()));
}

static inline uint64_t vu8_total(vu8 sums)
{
    return (uint64_t)_mm512_reduce_add_epi64(sums);
}
#endif
