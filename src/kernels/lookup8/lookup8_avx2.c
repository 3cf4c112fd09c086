/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup8 for AVX2: sixteen shuffles in tables of 16.
 *
 * A shuffle by x - 16 j, signed and saturating, gives 0 once that is negative. So for a byte below
 * 128 the shuffles 0 .. x/16 count and the others do not, and if shuffle j holds rows j and j - 1
 * of the table xored, the xor of all that count is row x/16 alone. Bytes from 128 up are negative
 * and stay so: the upper half of the table does the same with the top bit flipped. */
#include "kernels/simd/vec_avx2.h"

struct table {
    __m256i step[16];
};

static inline void table_load(struct table *t, const uint8_t *entry)
{
    for (int j = 0; j < 16; j++) {
        t->step[j] = _mm256_broadcastsi128_si256(q128_load(entry + 16 * j));
        if (j % 8)
            t->step[j] = _mm256_xor_si256(
                t->step[j], _mm256_broadcastsi128_si256(q128_load(entry + 16 * (j - 1))));
    }
}

static inline vu8 lookup_half(vu8 y, vu8 x, const __m256i *step)
{
    const __m256i sixteen = _mm256_set1_epi8(16);
    for (int j = 0; j < 8; j++) {
        y = _mm256_xor_si256(y, _mm256_shuffle_epi8(step[j], x));
        x = _mm256_subs_epi8(x, sixteen);
    }
    return y;
}

static inline vu8 table_at(const struct table *t, vu8 x)
{
    return lookup_half(lookup_half(vu8_zero(), x, t->step),
                       _mm256_xor_si256(x, _mm256_set1_epi8(-128)), t->step + 8);
}

#include "kernels/lookup8/lookup8_body.h"
