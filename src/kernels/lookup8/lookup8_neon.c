/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup8 for AArch64, whose table instructions take 64 bytes at a time: TBL gives 0 for an index
 * past them, and TBX leaves what is there. */
#include "kernels/simd/vec_neon.h"

struct table {
    uint8x16x4_t part[4];
};

static inline void table_load(struct table *t, const uint8_t *entry)
{
    for (int k = 0; k < 4; k++)
        t->part[k] = vld1q_u8_x4(entry + 64 * k);
}

static inline vu8 table_at(const struct table *t, vu8 x)
{
    uint8x16_t at = neon_u8(x), y = vqtbl4q_u8(t->part[0], at);
    for (int k = 1; k < 4; k++) {
        at = vsubq_u8(at, vdupq_n_u8(64));
        y  = vqtbx4q_u8(y, t->part[k], at);
    }
    return neon_from_u8(y);
}

#include "kernels/lookup8/lookup8_body.h"
