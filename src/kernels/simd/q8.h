/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of simd/q8.inc, which the families of integer products share: a family F has a table of
 * MXDI_Q8_COUNT kernels in the order of these rows. Row 0 is `ref`, the plain C definition; it
 * needs nothing and shares no code with the others. */
#ifndef MXDI_KERNELS_SIMD_Q8_H
#define MXDI_KERNELS_SIMD_Q8_H

#include "base/cpu.h"

enum {
#define MXD_Q8(variant, needs, weights) MXDI_Q8_##variant,
#include "kernels/simd/q8.inc"
#undef MXD_Q8
    MXDI_Q8_COUNT
};

struct mxdi_q8_row {
    const char *name; /* "avx2" */
    uint32_t    needs;
    bool        s8; /* weights of 8 bits only */
};
extern const struct mxdi_q8_row mxdi_q8_rows[MXDI_Q8_COUNT];

/* The last row that needs nothing outside `isa` (flags of base/cpu.h) and takes weights of lo ..
 * hi. */
size_t mxdi_q8_select(uint32_t isa, int32_t lo, int32_t hi);
#endif
