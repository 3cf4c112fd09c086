/* SPDX-License-Identifier: Apache-2.0
 *
 * The vectors of the families of simd/vec.inc for AVX2 with FMA and F16C: the same names as
 * vec_avx512.h.
 *
 * vf32, vi32: VF32_LANES lanes. vf64: half as many. vu8: VU8_LANES bytes. vmask: what a comparison
 * of vf32 gives. _tail loads give zeros behind the first k elements, _tail stores write only those;
 * 0 <= k < lanes. */
#ifndef MXDI_KERNELS_SIMD_VEC_AVX2_H
#define MXDI_KERNELS_SIMD_VEC_AVX2_H

#include "kernels/simd/vec_x86.h"

#define MXD_VARIANT(name)        name##_avx2
#define MXD_VARIANT_NAME(family) family "_avx2"

typedef __m256  vf32;
typedef __m256i vi32;
typedef __m256d vf64;
typedef __m256i vu8;
typedef __m256  vmask;
enum { VF32_LANES = 8, VF64_LANES = 4, VU8_LANES = 32 };

/* ---- loads and stores ---- */

/* All ones in the first k lanes. */
static inline vi32 avx2_first(size_t k)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)k), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vf32 vf32_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline vf32 vf32_load_tail(const float *p, size_t k)
{
    return _mm256_maskload_ps(p, avx2_first(k));
}

/* The first k lanes, all of them when k is 0. */
static inline vf32 vf32_load_k(const float *p, size_t k)
{
    return k ? vf32_load_tail(p, k) : vf32_load(p);
}

static inline void vf32_store(float *p, vf32 v)
{
    _mm256_storeu_ps(p, v);
}

static inline void vf32_store_tail(float *p, vf32 v, size_t k)
{
    _mm256_maskstore_ps(p, avx2_first(k), v);
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
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline vu8 vu8_load_tail(const uint8_t *p, size_t k)
{
    uint8_t bytes[VU8_LANES] = { 0 };
    memcpy(bytes, p, k);
    return vu8_load(bytes);
}

static inline void vu8_store(uint8_t *p, vu8 v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

static inline void vu8_store_tail(uint8_t *p, vu8 v, size_t k)
{
    uint8_t bytes[VU8_LANES];
    vu8_store(bytes, v);
    memcpy(p, bytes, k);
}

static inline vi32 vi32_load(const int32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline void vi32_store(int32_t *p, vi32 v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

/* VF32_LANES bytes, widened. */
static inline vi32 vi32_load_u8(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}

static inline vi32 vi32_load_u8_tail(const uint8_t *p, size_t k)
{
    uint64_t bytes = 0;
    memcpy(&bytes, p, k);
    return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)bytes));
}

/* Lanes of 0..255, narrowed. */
static inline uint64_t avx2_narrow_u8(vi32 v)
{
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    return (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(words, words));
}

/* 16 lanes of 0..255, in 16 / VF32_LANES vectors, narrowed to a piece; and piece `part` of one,
 * widened. */
static inline q128 q128_narrow(const vi32 *v)
{
    const __m128i lo =
        _mm_packus_epi32(_mm256_castsi256_si128(v[0]), _mm256_extracti128_si256(v[0], 1));
    const __m128i hi =
        _mm_packus_epi32(_mm256_castsi256_si128(v[1]), _mm256_extracti128_si256(v[1], 1));
    return _mm_packus_epi16(lo, hi);
}

static inline vi32 vi32_widen(q128 v, int part)
{
    return _mm256_cvtepu8_epi32(part ? _mm_srli_si128(v, 8) : v);
}

static inline void vi32_store_u8(uint8_t *p, vi32 v)
{
    const uint64_t bytes = avx2_narrow_u8(v);
    memcpy(p, &bytes, sizeof(bytes));
}

static inline void vi32_store_u8_tail(uint8_t *p, vi32 v, size_t k)
{
    const uint64_t bytes = avx2_narrow_u8(v);
    memcpy(p, &bytes, k);
}

/* ---- f32 ---- */

static inline vf32 vf32_set1(float v)
{
    return _mm256_set1_ps(v);
}

static inline vf32 vf32_add(vf32 a, vf32 b)
{
    return _mm256_add_ps(a, b);
}

static inline vf32 vf32_sub(vf32 a, vf32 b)
{
    return _mm256_sub_ps(a, b);
}

static inline vf32 vf32_mul(vf32 a, vf32 b)
{
    return _mm256_mul_ps(a, b);
}

static inline vf32 vf32_div(vf32 a, vf32 b)
{
    return _mm256_div_ps(a, b);
}

static inline vf32 vf32_fma(vf32 a, vf32 b, vf32 c) /* a*b + c */
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vf32 vf32_fnma(vf32 a, vf32 b, vf32 c) /* c - a*b */
{
    return _mm256_fnmadd_ps(a, b, c);
}

static inline vf32 vf32_fms(vf32 a, vf32 b, vf32 c) /* a*b - c */
{
    return _mm256_fmsub_ps(a, b, c);
}

static inline vf32 vf32_max(vf32 a, vf32 b) /* a > b ? a : b */
{
    return _mm256_max_ps(a, b);
}

static inline vf32 vf32_min(vf32 a, vf32 b) /* a < b ? a : b */
{
    return _mm256_min_ps(a, b);
}

static inline vf32 vf32_sqrt(vf32 a)
{
    return _mm256_sqrt_ps(a);
}

static inline vf32 vf32_rint(vf32 a) /* half to even */
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline vf32 vf32_floor(vf32 a)
{
    return _mm256_floor_ps(a);
}

static inline vf32 vf32_ceil(vf32 a)
{
    return _mm256_ceil_ps(a);
}

static inline vf32 vf32_abs(vf32 a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

static inline vf32 vf32_neg(vf32 a)
{
    return _mm256_xor_ps(_mm256_set1_ps(-0.0f), a);
}

static inline vf32 vf32_copysign(vf32 a, vf32 sign) /* a >= 0 with the sign of `sign` */
{
    return _mm256_or_ps(a, _mm256_and_ps(_mm256_set1_ps(-0.0f), sign));
}

static inline vmask vf32_lt(vf32 a, vf32 b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

static inline vmask vf32_eq(vf32 a, vf32 b)
{
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}

static inline vmask vf32_is_nan(vf32 a)
{
    return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}

static inline vmask vmask_none(void)
{
    return _mm256_setzero_ps();
}

static inline vmask vmask_first(size_t k) /* the first k lanes */
{
    return _mm256_castsi256_ps(avx2_first(k));
}

static inline bool vmask_any(vmask m)
{
    return _mm256_movemask_ps(m) != 0;
}

static inline vmask vmask_or(vmask a, vmask b)
{
    return _mm256_or_ps(a, b);
}

static inline vmask vmask_andnot(vmask a, vmask b) /* a, but not b */
{
    return _mm256_andnot_ps(b, a);
}

static inline vf32 vf32_select(vmask m, vf32 a, vf32 b) /* m ? a : b */
{
    return _mm256_blendv_ps(b, a, m);
}

/* p * 2^n, n an integer in [-252, 254]; rounded once, as p * 2^(n/2) is exact for the |p| > 2^-50
 * that occur. */
static inline vf32 vf32_scale2(vf32 p, vf32 n)
{
    const vi32 i    = _mm256_cvtps_epi32(n);
    const vi32 half = _mm256_srai_epi32(i, 1);
    const vi32 bias = _mm256_set1_epi32(127);
    const vi32 lo   = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    const vi32 hi   = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(i, half), bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(lo)), _mm256_castsi256_ps(hi));
}

/* ---- i32 ---- */

static inline vi32 vi32_set1(int32_t v)
{
    return _mm256_set1_epi32(v);
}

static inline vi32 vi32_add(vi32 a, vi32 b)
{
    return _mm256_add_epi32(a, b);
}

static inline vi32 vi32_sub(vi32 a, vi32 b)
{
    return _mm256_sub_epi32(a, b);
}

static inline vi32 vi32_and(vi32 a, vi32 b)
{
    return _mm256_and_si256(a, b);
}

static inline vi32 vi32_xor(vi32 a, vi32 b)
{
    return _mm256_xor_si256(a, b);
}

#define vi32_srl(a, bits) _mm256_srli_epi32(a, bits)
#define vi32_sra(a, bits) _mm256_srai_epi32(a, bits)
#define vi32_sll(a, bits) _mm256_slli_epi32(a, bits)

static inline vf32 vf32_from_i32(vi32 a)
{
    return _mm256_cvtepi32_ps(a);
}

/* Nearest integer, half to even; NaN gives 0. |a| < 2^31. */
static inline vi32 vi32_rint_f32(vf32 a)
{
    return _mm256_cvtps_epi32(_mm256_and_ps(a, _mm256_cmp_ps(a, a, _CMP_ORD_Q)));
}

static inline vf32 vf32_from_bits(vi32 a)
{
    return _mm256_castsi256_ps(a);
}

static inline vi32 vf32_bits(vf32 a)
{
    return _mm256_castps_si256(a);
}

/* table[index] for each lane. */
static inline vi32 vi32_gather(const int32_t *table, vi32 index)
{
    return _mm256_i32gather_epi32(table, index, 4);
}

static inline vf32 vf32_round_f16(vf32 a)
{
    return _mm256_cvtph_ps(_mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}

/* ---- f64 ---- */

static inline vf64 vf64_set1(double v)
{
    return _mm256_set1_pd(v);
}

static inline vf64 vf64_lo_f32(vf32 a) /* the first half of the lanes, widened */
{
    return _mm256_cvtps_pd(_mm256_castps256_ps128(a));
}

static inline vf64 vf64_hi_f32(vf32 a)
{
    return _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
}

static inline vf64 vf64_lo_i32(vi32 a)
{
    return _mm256_cvtepi32_pd(_mm256_castsi256_si128(a));
}

static inline vf64 vf64_hi_i32(vi32 a)
{
    return _mm256_cvtepi32_pd(_mm256_extracti128_si256(a, 1));
}

static inline vf32 vf32_from_f64(vf64 lo, vf64 hi) /* rounded, and joined */
{
    return _mm256_set_m128(_mm256_cvtpd_ps(hi), _mm256_cvtpd_ps(lo));
}

static inline vf64 vf64_add(vf64 a, vf64 b)
{
    return _mm256_add_pd(a, b);
}

static inline vf64 vf64_sub(vf64 a, vf64 b)
{
    return _mm256_sub_pd(a, b);
}

static inline vf64 vf64_mul(vf64 a, vf64 b)
{
    return _mm256_mul_pd(a, b);
}

static inline vf64 vf64_div(vf64 a, vf64 b)
{
    return _mm256_div_pd(a, b);
}

static inline vf64 vf64_fma(vf64 a, vf64 b, vf64 c) /* a*b + c */
{
    return _mm256_fmadd_pd(a, b, c);
}

static inline vf64 vf64_sqrt(vf64 a)
{
    return _mm256_sqrt_pd(a);
}

static inline vf64 vf64_max(vf64 a, vf64 b) /* a > b ? a : b */
{
    return _mm256_max_pd(a, b);
}

static inline double vf64_sum(vf64 v)
{
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

/* ---- u8 ---- */

static inline vu8 vu8_zero(void)
{
    return _mm256_setzero_si256();
}

static inline vu8 vu8_set1(uint8_t v)
{
    return _mm256_set1_epi8((char)v);
}

static inline vu8 vu8_max(vu8 a, vu8 b)
{
    return _mm256_max_epu8(a, b);
}

/* Piece i (16 bytes) of v[j] and piece j of v[i] change places; as many vectors as pieces. */
static inline void vu8_swap_pieces(vu8 v[2])
{
    const vu8 a = v[0], b = v[1];
    v[0] = _mm256_permute2x128_si256(a, b, 0x20);
    v[1] = _mm256_permute2x128_si256(a, b, 0x31);
}

/* a0 b0 a1 b1 ... in each piece: of its low half, then of its high half. */
static inline vu8 vu8_zip_lo(vu8 a, vu8 b)
{
    return _mm256_unpacklo_epi8(a, b);
}

static inline vu8 vu8_zip_hi(vu8 a, vu8 b)
{
    return _mm256_unpackhi_epi8(a, b);
}

/* Sums of eight neighbouring bytes, as 64-bit lanes to be added up by vu8_total. */
static inline vu8 vu8_add_sums(vu8 sums, vu8 a)
{
    return _mm256_add_epi64(sums, _mm256_sad_epu8(a, _mm256_setzero_si256()));
}

static inline uint64_t vu8_total(vu8 sums)
{
    const __m128i two =
        _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    return (uint64_t)_mm_cvtsi128_si64(_mm_add_epi64(two, _mm_unpackhi_epi64(two, two)));
}
#endif
