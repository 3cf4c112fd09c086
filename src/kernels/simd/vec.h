/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of simd/vec.inc, which all families of element-wise, layout and reduction kernels share:
 * family F has the table mxdi_F_variants[MXDI_VEC_COUNT] in the order of these rows, and
 * mxdi_F_select(isa) gives its best entry. Row 0 is `ref`, the plain C definition; it needs nothing
 * and shares no code with the others. */
#ifndef MXDI_KERNELS_SIMD_VEC_H
#define MXDI_KERNELS_SIMD_VEC_H

#include "base/cpu.h"

enum {
#define MXD_VEC(variant, needs) MXDI_VEC_##variant,
#include "kernels/simd/vec.inc"
#undef MXD_VEC
    MXDI_VEC_COUNT
};

struct mxdi_vec_row {
    const char *name; /* "avx2" */
    uint32_t    needs;
};
extern const struct mxdi_vec_row mxdi_vec_rows[MXDI_VEC_COUNT];

/* The last row that needs nothing outside `isa` (flags of base/cpu.h). */
size_t mxdi_vec_select(uint32_t isa);
#endif
