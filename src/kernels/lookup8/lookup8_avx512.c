/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup8 for AVX-512: a table is 128 words, and a permutation of two vectors looks up bits 1 to 6
 * of a byte in half of it. Bit 7 says in which half, bit 0 which byte of the word. The even and the
 * odd bytes of x go through separately. */
#include "kernels/simd/vec_avx512.h"

struct table {
    __m512i part[4];
};

static inline void table_load(struct table *t, const uint8_t *entry)
{
    for (int k = 0; k < 4; k++)
        t->part[k] = vu8_load(entry + 64 * k);
}

/* The words that `index` says, of the upper half of the table where `upper`. */
static inline __m512i words_at(const struct table *t, __m512i index, __mmask32 upper)
{
    return _mm512_mask_mov_epi16(_mm512_permutex2var_epi16(t->part[0], index, t->part[1]), upper,
                                 _mm512_permutex2var_epi16(t->part[2], index, t->part[3]));
}

static inline vu8 table_at(const struct table *t, vu8 x)
{
    const __m512i even =
        words_at(t, _mm512_srli_epi16(x, 1), _mm512_test_epi16_mask(x, _mm512_set1_epi16(0x0080)));
    const __m512i odd = words_at(t, _mm512_srli_epi16(x, 9), _mm512_movepi16_mask(x));
    /* the low bytes of the words of even ones, the high bytes of the others' */
    const __m512i low =
        _mm512_mask_srli_epi16(even, _mm512_test_epi16_mask(x, _mm512_set1_epi16(0x0001)), even, 8);
    const __m512i high =
        _mm512_mask_slli_epi16(odd, _mm512_testn_epi16_mask(x, _mm512_set1_epi16(0x0100)), odd, 8);
    return _mm512_mask_mov_epi8(low, 0xAAAAAAAAAAAAAAAAu, high);
}

#include "kernels/lookup8/lookup8_body.h"
