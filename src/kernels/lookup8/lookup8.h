/* SPDX-License-Identifier: Apache-2.0
 *
 * Lookup8 of docs/graph-ops.md, through one table or through one for each channel. x as stored by
 * the backend (s8 + 128) is q minus the lowest value of its type, so the graph's table fits as it
 * is; its entries must be as y is stored. All variants are equal. */
#ifndef MXDI_KERNELS_LOOKUP8_H
#define MXDI_KERNELS_LOOKUP8_H

#include "kernels/simd/vec.h"

typedef struct mxdi_lookup8 {
    const char *name;
    /* y[i] = table[x[i]], n contiguous bytes. y may be x itself. Reads and writes exactly n bytes.
     */
    void (*lookup)(uint8_t *y, const uint8_t *x, size_t n, const uint8_t *table /* (256) */);
    /* y[r * pitch + c] = table[c][x[r * pitch + c]] for rows of `channels` bytes, `pitch` apart. y
     * may be x itself. Reads and writes exactly the bytes of the rows. */
    void (*lookup_rows)(uint8_t *y, const uint8_t *x, int64_t rows, int64_t channels, int64_t pitch,
                        const uint8_t *table /* (channels, 256) */);
} mxdi_lookup8;

#define MXD_VEC(variant, needs) extern const mxdi_lookup8 mxdi_lookup8_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_lookup8 *const mxdi_lookup8_variants[MXDI_VEC_COUNT];
const mxdi_lookup8              *mxdi_lookup8_select(uint32_t isa);
#endif
