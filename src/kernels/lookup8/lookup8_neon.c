/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup8 for AArch64, whose table instructions take 64 bytes at a time: TBL gives 0 for an index
 * past them, and TBX leaves what is there. */
#include "kernels/lookup8/lookup8.h"
#include "kernels/simd/vec_neon.h"

static void lookup(uint8_t *y, const uint8_t *x, size_t n, const uint8_t *table)
{
    const uint8x16_t   piece = vdupq_n_u8(64);
    const uint8x16x4_t t0 = vld1q_u8_x4(table), t1 = vld1q_u8_x4(table + 64),
                       t2 = vld1q_u8_x4(table + 128), t3 = vld1q_u8_x4(table + 192);
    size_t i = 0;
    for (; i + VU8_LANES <= n; i += VU8_LANES) {
        uint8x16_t at = vld1q_u8(x + i), v = vqtbl4q_u8(t0, at);
        at = vsubq_u8(at, piece);
        v  = vqtbx4q_u8(v, t1, at);
        at = vsubq_u8(at, piece);
        v  = vqtbx4q_u8(v, t2, at);
        at = vsubq_u8(at, piece);
        vst1q_u8(y + i, vqtbx4q_u8(v, t3, at));
    }
    for (; i < n; i++)
        y[i] = table[x[i]];
}

const mxdi_lookup8 MXD_VARIANT(mxdi_lookup8) = { MXD_VARIANT_NAME("lookup8"), lookup };
