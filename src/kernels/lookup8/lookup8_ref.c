/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of lookup8 in plain C. */
#include "kernels/lookup8/lookup8.h"

static void lookup(uint8_t *y, const uint8_t *x, size_t n, const uint8_t *table)
{
    for (size_t i = 0; i < n; i++)
        y[i] = table[x[i]];
}

const mxdi_lookup8 mxdi_lookup8_ref = { "lookup8_ref", lookup };
