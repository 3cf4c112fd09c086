/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of binary_f32 in plain C. */
#include <math.h>

#include "kernels/binary_f32/binary_f32.h"

static float one(mxdi_binary_op op, float a, float b)
{
    switch (op) {
    case MXDI_BINARY_ADD:
        return a + b;
    case MXDI_BINARY_SUB:
        return a - b;
    case MXDI_BINARY_MUL:
        return a * b;
    case MXDI_BINARY_DIV:
        return a / b;
    case MXDI_BINARY_MIN:
        return isnan(a) || a < b ? a : b;
    case MXDI_BINARY_MAX:
        return isnan(a) || a > b ? a : b;
    case MXDI_BINARY_POW:
        return powf(a, b);
    case MXDI_BINARY_PRELU:
        return a < 0 ? a * b : a;
    case MXDI_BINARY_COUNT:
        break;
    }
    return 0;
}

static void apply(mxdi_binary_op op, float *y, const float *a, const float *b, size_t n,
                  mxdi_binary_fixed fixed)
{
    for (size_t i = 0; i < n; i++) {
        const float ai = a[fixed == MXDI_FIXED_A ? 0 : i];
        const float bi = b[fixed == MXDI_FIXED_B ? 0 : i];
        if (op == MXDI_BINARY_POW && fixed == MXDI_FIXED_B && (bi == 2 || bi == 3))
            y[i] = bi == 2 ? ai * ai : ai * ai * ai;
        else
            y[i] = one(op, ai, bi);
    }
}

#define MXD_X(NAME, name)                                                      \
    static void name##_ref(float *y, const float *a, const float *b, size_t n, \
                           mxdi_binary_fixed fixed)                            \
    {                                                                          \
        apply(MXDI_BINARY_##NAME, y, a, b, n, fixed);                          \
    }
MXDI_BINARY_MAP(MXD_X)
#undef MXD_X

const mxdi_binary_f32 mxdi_binary_f32_ref = { "binary_f32_ref",
                                              {
#define MXD_X(NAME, name) name##_ref,
                                                  MXDI_BINARY_MAP(MXD_X)
#undef MXD_X
                                              } };
