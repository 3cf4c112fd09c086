/* SPDX-License-Identifier: Apache-2.0
 *
 * Lookup8 of docs/graph-ops.md: y[i] = table[x[i]], n contiguous bytes. x as stored by the backend
 * (s8 + 128) is q minus the lowest value of its type, so the graph's table fits as it is; its
 * entries must be as y is stored. y may be x itself. Reads and writes exactly n bytes. All variants
 * are equal. */
#ifndef MXDI_KERNELS_LOOKUP8_H
#define MXDI_KERNELS_LOOKUP8_H

#include "kernels/simd/vec.h"

typedef struct mxdi_lookup8 {
    const char *name;
    void (*lookup)(uint8_t *y, const uint8_t *x, size_t n, const uint8_t *table /* (256) */);
} mxdi_lookup8;

#define MXD_VEC(variant, needs) extern const mxdi_lookup8 mxdi_lookup8_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_lookup8 *const mxdi_lookup8_variants[MXDI_VEC_COUNT];
const mxdi_lookup8              *mxdi_lookup8_select(uint32_t isa);
#endif
