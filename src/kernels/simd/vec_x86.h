/* SPDX-License-Identifier: Apache-2.0
 *
 * What vec_avx2.h and vec_avx512.h have in common: 128-bit pieces, in which layouts are transposed,
 * and loads and stores of the first k elements of a piece. */
#ifndef MXDI_KERNELS_SIMD_VEC_X86_H
#define MXDI_KERNELS_SIMD_VEC_X86_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef __m128i q128; /* 16 u8 or 4 f32 */

static inline q128 q128_zero(void)
{
    return _mm_setzero_si128();
}

static inline q128 q128_load(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

/* The first k bytes, zeros behind; 0 <= k < 16. */
static inline q128 q128_load_tail(const void *p, size_t k)
{
    uint8_t bytes[16] = { 0 };
    memcpy(bytes, p, k);
    return q128_load(bytes);
}

static inline void q128_store(void *p, q128 v)
{
    _mm_storeu_si128((__m128i *)p, v);
}

static inline void q128_store_tail(void *p, q128 v, size_t k)
{
    uint8_t bytes[16];
    q128_store(bytes, v);
    memcpy(p, bytes, k);
}

static inline q128 q128_xor(q128 a, q128 b)
{
    return _mm_xor_si128(a, b);
}

static inline q128 q128_set1_u8(uint8_t v)
{
    return _mm_set1_epi8((char)v);
}

/* a0 b0 a1 b1 ...: the low halves of both, then the high halves. */
static inline q128 q128_zip_lo_u8(q128 a, q128 b)
{
    return _mm_unpacklo_epi8(a, b);
}

static inline q128 q128_zip_hi_u8(q128 a, q128 b)
{
    return _mm_unpackhi_epi8(a, b);
}

static inline q128 q128_zip_lo_f32(q128 a, q128 b)
{
    return _mm_unpacklo_epi32(a, b);
}

static inline q128 q128_zip_hi_f32(q128 a, q128 b)
{
    return _mm_unpackhi_epi32(a, b);
}

/* 48 bytes: every third from the first, from the second and from the third on. */
static inline void q128_split3(q128 out[3], const uint8_t *p)
{
    static const int8_t from[3][3][16] = {
        /* [out][piece]: byte 3 k + out, or none */
        { { 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 },
          { -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14, -1, -1, -1, -1, -1 },
          { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 4, 7, 10, 13 } },
        { { 1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 },
          { -1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1 },
          { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14 } },
        { { 2, 5, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 },
          { -1, -1, -1, -1, -1, 1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1 },
          { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15 } },
    };
    for (int k = 0; k < 3; k++) {
        out[k] = q128_zero();
        for (int piece = 0; piece < 3; piece++)
            out[k] = _mm_or_si128(
                out[k], _mm_shuffle_epi8(q128_load(p + 16 * piece), q128_load(from[k][piece])));
    }
}
#endif
