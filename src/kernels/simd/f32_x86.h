/* SPDX-License-Identifier: Apache-2.0
 *
 * What f32_avx2.h, f32_avx512.h and f32_avx512bf16.h have in common: the compiler's help, and the
 * 8x8 transpose. */
#ifndef MXDI_KERNELS_SIMD_F32_X86_H
#define MXDI_KERNELS_SIMD_F32_X86_H

#include <immintrin.h>
#include <stdint.h>

#include "kernels/simd/inline.h"

/* Hides how v came about. Right behind a k loop it keeps gcc from mixing the loop's accumulators
 * with what follows, which costs copies inside the loop. */
#define MXD_OPAQUE(v) __asm__("" : "+v"(v))

/* dst[j*dst_row + i] = src[i*src_row + j], i and j below 8; reads and writes exactly those. */
MXD_INLINE void transpose_8x8(float *dst, int64_t dst_row, const float *src, int64_t src_row)
{
    __m256 r[8], t[8];
    MXD_UNROLL
    for (int i = 0; i < 4; i++) { /* 4x4 quarters side by side: rows i and i + 4 in one register */
        r[i]     = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(src + i * src_row)),
                                        _mm_loadu_ps(src + (i + 4) * src_row), 1);
        r[i + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(src + i * src_row + 4)),
                                        _mm_loadu_ps(src + (i + 4) * src_row + 4), 1);
    }
    MXD_UNROLL
    for (int h = 0; h < 8; h += 4) {
        const __m256 a = _mm256_unpacklo_ps(r[h], r[h + 1]), b = _mm256_unpackhi_ps(r[h], r[h + 1]);
        const __m256 c = _mm256_unpacklo_ps(r[h + 2], r[h + 3]),
                     d = _mm256_unpackhi_ps(r[h + 2], r[h + 3]);
        t[h]           = _mm256_shuffle_ps(a, c, 0x44);
        t[h + 1]       = _mm256_shuffle_ps(a, c, 0xEE);
        t[h + 2]       = _mm256_shuffle_ps(b, d, 0x44);
        t[h + 3]       = _mm256_shuffle_ps(b, d, 0xEE);
    }
    MXD_UNROLL
    for (int j = 0; j < 8; j++)
        _mm256_storeu_ps(dst + j * dst_row, t[j]);
}
#endif
