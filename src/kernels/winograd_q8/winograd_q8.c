/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of variants, and the weights' transform, which happens once.
 */
#include "kernels/winograd_q8/winograd_q8.h"

#define MXD_Q8(variant, needs, weights) \
    extern const struct mxdi_winograd_q8 mxdi_winograd_q8_##variant;
#include "kernels/simd/q8.inc"
#undef MXD_Q8

const struct mxdi_winograd_q8 *const mxdi_winograd_q8_variants[MXDI_Q8_COUNT] = {
#define MXD_Q8(variant, needs, weights) &mxdi_winograd_q8_##variant,
#include "kernels/simd/q8.inc"
#undef MXD_Q8
};

const struct mxdi_winograd_q8 mxdi_winograd_q8_ref = { 0 };

void mxdi_winograd_q8_weights(int16_t *u, const int16_t *w)
{
    static const int32_t g[6][3] = { { 6, 0, 0 }, { -4, -4, -4 }, { -4, 4, -4 },
                                     { 1, 2, 4 }, { 1, -2, 4 },   { 0, 0, 6 } };
    int32_t              half[6][3];
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 3; j++)
            half[i][j] = g[i][0] * w[j] + g[i][1] * w[3 + j] + g[i][2] * w[6 + j];
    }
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 6; j++)
            u[i * 6 + j] =
                (int16_t)(half[i][0] * g[j][0] + half[i][1] * g[j][1] + half[i][2] * g[j][2]);
    }
}
