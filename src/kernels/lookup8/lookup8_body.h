/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup8 over the vectors of simd/vec_<variant>.h: sixteen shuffles in tables of 16.
 *
 * A shuffle by x - 16 j, signed and saturating, gives 0 once that is negative. So for a byte below
 * 128 the shuffles 0 .. x/16 count and the others do not, and if shuffle j holds rows j and j - 1
 * of the table xored, the xor of all that count is row x/16 alone. Bytes from 128 up are negative
 * and stay so: the upper half of the table does the same with the top bit flipped. */
#include "kernels/lookup8/lookup8.h"

static inline vu8 lookup_half(vu8 y, vu8 x, const vu8 *step)
{
    const vu8 sixteen = vu8_set1(16);
    for (int j = 0; j < 8; j++) {
        y = vu8_xor(y, vu8_shuffle16(step[j], x));
        x = vu8_subs_s8(x, sixteen);
    }
    return y;
}

static inline vu8 lookup_vector(vu8 x, const vu8 *step)
{
    return lookup_half(lookup_half(vu8_zero(), x, step), vu8_xor(x, vu8_set1(0x80)), step + 8);
}

static void lookup(uint8_t *y, const uint8_t *x, size_t n, const uint8_t *table)
{
    size_t i = 0;
    if (n >= VU8_LANES) {
        vu8 step[16];
        for (int j = 0; j < 16; j++) {
            step[j] = vu8_repeat16(table + 16 * j);
            if (j % 8)
                step[j] = vu8_xor(step[j], vu8_repeat16(table + 16 * (j - 1)));
        }
        for (; i + VU8_LANES <= n; i += VU8_LANES)
            vu8_store(y + i, lookup_vector(vu8_load(x + i), step));
    }
    for (; i < n; i++)
        y[i] = table[x[i]];
}

const mxdi_lookup8 MXD_VARIANT(mxdi_lookup8) = { MXD_VARIANT_NAME("lookup8"), lookup };
