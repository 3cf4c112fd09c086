/* SPDX-License-Identifier: Apache-2.0
 *
 * What integer tiles need beyond the vectors of vec_avx512.h: the same names as q8_ymm.h, which
 * says what each is. */
#ifndef MXDI_KERNELS_SIMD_Q8_ZMM_H
#define MXDI_KERNELS_SIMD_Q8_ZMM_H

#include "kernels/simd/f32_x86.h"
#include "kernels/simd/vec_avx512.h"

/* A byte that adds nothing to a sum of products, and a vector of them. */
enum { Q8_NOTHING = 0 };
static _Alignas(64) const uint8_t q8_nothing[VU8_LANES] = { Q8_NOTHING };

/* Rows of products of 16 bits: 2 accumulators each, 2 vectors of weights, 1 of inputs. */
enum { Q16_ROWS = 14 };
#define Q16_EACH_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)

static inline vi32 q8_load(const int32_t *p)
{
    return _mm512_load_si512(p);
}

static inline void q8_store(int32_t *p, vi32 v)
{
    _mm512_store_si512(p, v);
}

static inline vi32 q8_spread(const uint8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof(four));
    return _mm512_set1_epi32(four);
}

static inline vi32 q8_rint(vf32 v)
{
    return _mm512_cvtps_epi32(v);
}

static inline void q8_zip4(vi32 q[4], vu8 a, vu8 b, vu8 c, vu8 d)
{
    const vu8 ab_lo = _mm512_unpacklo_epi8(a, b), ab_hi = _mm512_unpackhi_epi8(a, b);
    const vu8 cd_lo = _mm512_unpacklo_epi8(c, d), cd_hi = _mm512_unpackhi_epi8(c, d);
    q[0] = _mm512_unpacklo_epi16(ab_lo, cd_lo);
    q[1] = _mm512_unpackhi_epi16(ab_lo, cd_lo);
    q[2] = _mm512_unpacklo_epi16(ab_hi, cd_hi);
    q[3] = _mm512_unpackhi_epi16(ab_hi, cd_hi);
}

static inline vu8 q8_narrow(vi32 a0, vi32 a1, vi32 b0, vi32 b1, vi32 zero_point, vu8 q_min)
{
    const vi32 a = _mm512_add_epi16(_mm512_packs_epi32(a0, a1), zero_point);
    const vi32 b = _mm512_add_epi16(_mm512_packs_epi32(b0, b1), zero_point);
    return _mm512_max_epu8(_mm512_packus_epi16(a, b), q_min);
}

static inline vu8 q8_narrow_any(vi32 a0, vi32 a1, vi32 b0, vi32 b1, vi32 zero_point, vu8 q_min,
                                vu8 q_max)
{
    const vi32 a = _mm512_adds_epi16(_mm512_packs_epi32(a0, a1), zero_point);
    const vi32 b = _mm512_adds_epi16(_mm512_packs_epi32(b0, b1), zero_point);
    return _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(a, b), q_min), q_max);
}

static inline vi32 q8_set1_s16(int32_t v)
{
    return _mm512_set1_epi16((int16_t)v);
}

static inline vu8 q8_rows(vu8 narrow)
{
    const vi32 order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, narrow);
}

static inline void q8_store_rows(uint8_t *a, uint8_t *b, vu8 rows, size_t n)
{
    const __m256i lo = _mm512_castsi512_si256(rows), hi = _mm512_extracti64x4_epi64(rows, 1);
    if (n == 32) {
        _mm256_storeu_si256((__m256i *)(void *)a, lo);
        _mm256_storeu_si256((__m256i *)(void *)b, hi);
    } else {
        const __mmask32 first = (__mmask32)((1u << n) - 1);
        _mm256_mask_storeu_epi8(a, first, lo);
        _mm256_mask_storeu_epi8(b, first, hi);
    }
}
static inline void q8_store_four(uint8_t *y, int64_t step, int32_t count, vu8 rows, size_t n)
{
    const __mmask16 first = avx512_first(n);
    _mm_mask_storeu_epi8(y, first, _mm512_castsi512_si128(rows));
    if (count > 1)
        _mm_mask_storeu_epi8(y + step, first, _mm512_extracti32x4_epi32(rows, 1));
    if (count > 2)
        _mm_mask_storeu_epi8(y + 2 * step, first, _mm512_extracti32x4_epi32(rows, 2));
    if (count > 3)
        _mm_mask_storeu_epi8(y + 3 * step, first, _mm512_extracti32x4_epi32(rows, 3));
}

/* ---- lanes of 16 bits ---- */

static inline vi32 q16_load_u8(const uint8_t *p)
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static inline void q16_store(int16_t *p, vi32 v)
{
    _mm512_store_si512(p, v);
}

static inline vi32 q16_add(vi32 a, vi32 b)
{
    return _mm512_add_epi16(a, b);
}

static inline vi32 q16_sub(vi32 a, vi32 b)
{
    return _mm512_sub_epi16(a, b);
}

#define q16_sll(a, bits) _mm512_slli_epi16(a, bits)

static inline vi32 q8_mul(vi32 a, vi32 b)
{
    return _mm512_mullo_epi32(a, b);
}
#endif
