/* SPDX-License-Identifier: Apache-2.0
 *
 * What integer tiles need beyond the vectors of vec_avx2.h: the same names as q8_zmm.h. The
 * products themselves are in q8_avx2.h and q8_avxvnni.h. */
#ifndef MXDI_KERNELS_SIMD_Q8_YMM_H
#define MXDI_KERNELS_SIMD_Q8_YMM_H

#include "kernels/simd/f32_x86.h"
#include "kernels/simd/vec_avx2.h"

/* A byte that adds nothing to a sum of products, and a vector of them. */
enum { Q8_NOTHING = 0 };
static _Alignas(64) const uint8_t q8_nothing[VU8_LANES] = { Q8_NOTHING };

/* Rows of products of 16 bits: 2 accumulators each, 2 vectors of weights, 1 of inputs. */
enum { Q16_ROWS = 6 };
#define Q16_EACH_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)

static inline vi32 q8_load(const int32_t *p) /* aligned */
{
    return _mm256_load_si256((const __m256i *)p);
}

static inline void q8_store(int32_t *p, vi32 v) /* aligned */
{
    _mm256_store_si256((__m256i *)p, v);
}

/* Four bytes in every lane. */
static inline vi32 q8_spread(const uint8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof(four));
    return _mm256_set1_epi32(four);
}

/* Half to even; below -2^31 gives the lowest integer, above 2^31 must not occur. */
static inline vi32 q8_rint(vf32 v)
{
    return _mm256_cvtps_epi32(v);
}

/* Byte j of each lane from vector j. Lanes come in the order of the unpack instructions, which
 * q8_join undoes. */
static inline void q8_zip4(vi32 q[4], vu8 a, vu8 b, vu8 c, vu8 d)
{
    const vu8 ab_lo = _mm256_unpacklo_epi8(a, b), ab_hi = _mm256_unpackhi_epi8(a, b);
    const vu8 cd_lo = _mm256_unpacklo_epi8(c, d), cd_hi = _mm256_unpackhi_epi8(c, d);
    q[0] = _mm256_unpacklo_epi16(ab_lo, cd_lo);
    q[1] = _mm256_unpackhi_epi16(ab_lo, cd_lo);
    q[2] = _mm256_unpacklo_epi16(ab_hi, cd_hi);
    q[3] = _mm256_unpackhi_epi16(ab_hi, cd_hi);
}

/* What lanes of steps from the zero point become as u8: + zero_point (lanes of 16 bits), saturated,
 * at least q_min. */
static inline vu8 q8_narrow(vi32 a0, vi32 a1, vi32 b0, vi32 b1, vi32 zero_point, vu8 q_min)
{
    const vi32 a = _mm256_add_epi16(_mm256_packs_epi32(a0, a1), zero_point);
    const vi32 b = _mm256_add_epi16(_mm256_packs_epi32(b0, b1), zero_point);
    return _mm256_max_epu8(_mm256_packus_epi16(a, b), q_min);
}

/* The same of lanes of any size, at most q_max too. */
static inline vu8 q8_narrow_any(vi32 a0, vi32 a1, vi32 b0, vi32 b1, vi32 zero_point, vu8 q_min,
                                vu8 q_max)
{
    const vi32 a = _mm256_adds_epi16(_mm256_packs_epi32(a0, a1), zero_point);
    const vi32 b = _mm256_adds_epi16(_mm256_packs_epi32(b0, b1), zero_point);
    return _mm256_min_epu8(_mm256_max_epu8(_mm256_packus_epi16(a, b), q_min), q_max);
}

static inline vi32 q8_set1_s16(int32_t v)
{
    return _mm256_set1_epi16((int16_t)v);
}

/* From q8_narrow of two rows (a0 a1) and (b0 b1): row a in the lower half, row b in the upper. */
static inline vu8 q8_rows(vu8 narrow)
{
    return _mm256_permutevar8x32_epi32(narrow, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* The first n bytes of each half, 1 <= n <= half a vector. */
static inline void q8_store_rows(uint8_t *a, uint8_t *b, vu8 rows, size_t n)
{
    const __m128i lo = _mm256_castsi256_si128(rows), hi = _mm256_extracti128_si256(rows, 1);
    if (n == 16) {
        q128_store(a, lo);
        q128_store(b, hi);
    } else if (n == 8) {
        _mm_storel_epi64((__m128i *)(void *)a, lo);
        _mm_storel_epi64((__m128i *)(void *)b, hi);
    } else {
        q128_store_tail(a, lo, n);
        q128_store_tail(b, hi, n);
    }
}
/* The four vectors of q8_rows(q8_narrow(..)), the first n bytes of each of the first `count`, to
 * y, y + step ... */
static inline void q8_store_four(uint8_t *y, int64_t step, int32_t count, vu8 rows, size_t n)
{
    const __m128i lo = _mm256_castsi256_si128(rows), hi = _mm256_extracti128_si256(rows, 1);
    if (n == VF32_LANES && count == 4) {
        _mm_storel_epi64((__m128i *)(void *)y, lo);
        _mm_storel_epi64((__m128i *)(void *)(y + step), _mm_unpackhi_epi64(lo, lo));
        _mm_storel_epi64((__m128i *)(void *)(y + 2 * step), hi);
        _mm_storel_epi64((__m128i *)(void *)(y + 3 * step), _mm_unpackhi_epi64(hi, hi));
        return;
    }
    uint8_t bytes[4][VF32_LANES];
    q128_store(bytes[0], lo);
    q128_store(bytes[2], hi);
    for (int32_t i = 0; i < count; i++)
        memcpy(y + i * step, bytes[i], n);
}

/* ---- lanes of 16 bits, twice as many as of 32 ---- */

static inline vi32 q16_load_u8(const uint8_t *p) /* widened */
{
    return _mm256_cvtepu8_epi16(q128_load(p));
}

static inline void q16_store(int16_t *p, vi32 v) /* aligned */
{
    _mm256_store_si256((__m256i *)(void *)p, v);
}

static inline vi32 q16_add(vi32 a, vi32 b) /* modulo 2^16, as all of these */
{
    return _mm256_add_epi16(a, b);
}

static inline vi32 q16_sub(vi32 a, vi32 b)
{
    return _mm256_sub_epi16(a, b);
}

#define q16_sll(a, bits) _mm256_slli_epi16(a, bits)

static inline vi32 q8_mul(vi32 a, vi32 b) /* of 32 bits, modulo 2^32 */
{
    return _mm256_mullo_epi32(a, b);
}
#endif
