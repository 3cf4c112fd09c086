/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of lookup8 in plain C. */
#include "kernels/lookup8/lookup8.h"

static void lookup(uint8_t *y, const uint8_t *x, size_t n, const uint8_t *table)
{
    for (size_t i = 0; i < n; i++)
        y[i] = table[x[i]];
}

static void lookup_rows(uint8_t *y, const uint8_t *x, int64_t rows, int64_t channels, int64_t pitch,
                        const uint8_t *table)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < channels; c++)
            y[r * pitch + c] = table[c * 256 + x[r * pitch + c]];
}

const mxdi_lookup8 mxdi_lookup8_ref = { "lookup8_ref", lookup, lookup_rows };
