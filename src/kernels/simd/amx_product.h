/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a tile on the registers of amx_shape.h. The including file has included amx.h, and
 * defined AMX_DOT as one of its products. */
#ifndef MXDI_KERNELS_SIMD_AMX_PRODUCT_H
#define MXDI_KERNELS_SIMD_AMX_PRODUCT_H

#include <stdbool.h>

#include "kernels/simd/amx_shape.h"
#include "kernels/simd/f32_x86.h"

enum { AMX_VECTOR = 4 * AMX_LANES }; /* bytes */

/* Sums from `top` and `bottom`, `row` bytes between rows: 0 for one row that all start with. */
MXD_INLINE void amx_start(const bool two, const int vectors, const uint8_t *top,
                          const uint8_t *bottom, int64_t row)
{
    amx_load(0, top, row);
    if (vectors == 2)
        amx_load(1, top + AMX_VECTOR, row);
    if (two) {
        amx_load(2, bottom, row);
        if (vectors == 2)
            amx_load(3, bottom + AMX_VECTOR, row);
    }
}

/* n steps over `words` words of each row at top and bottom, and the weights behind each other. */
MXD_INLINE void amx_multiply(const bool two, const int vectors, int64_t n, int32_t words,
                             const uint8_t *top, const uint8_t *bottom, int64_t row,
                             const uint8_t *w)
{
    const int64_t bytes = 4 * (int64_t)words;
    for (; n > 0; n--) {
        amx_load(6, w, vectors * AMX_VECTOR);
        amx_load(4, top, row);
        AMX_DOT(0, 4, 6);
        if (vectors == 2) {
            amx_load(7, w + AMX_VECTOR, vectors * AMX_VECTOR);
            AMX_DOT(1, 4, 7);
        }
        if (two) {
            amx_load(5, bottom, row);
            AMX_DOT(2, 5, 6);
            if (vectors == 2)
                AMX_DOT(3, 5, 7);
        }
        top += bytes;
        bottom += bytes;
        w += (int64_t)words * vectors * AMX_VECTOR;
    }
}

/* Sums to `top` and `bottom`. */
MXD_INLINE void amx_finish(const bool two, const int vectors, uint8_t *top, uint8_t *bottom,
                           int64_t row)
{
    amx_store(0, top, row);
    if (vectors == 2)
        amx_store(1, top + AMX_VECTOR, row);
    if (two) {
        amx_store(2, bottom, row);
        if (vectors == 2)
            amx_store(3, bottom + AMX_VECTOR, row);
    }
}
#endif
