/* SPDX-License-Identifier: Apache-2.0
 *
 * Selection of the transforms, and the weights' transform, which happens once.
 */
#include "kernels/winograd_f32/winograd_f32.h"

#define MXD_WINOGRAD_F32(variant) extern const struct mxdi_winograd_f32 mxdi_winograd_f32_##variant;
#include "kernels/winograd_f32/winograd_f32.inc"
#undef MXD_WINOGRAD_F32

static const struct mxdi_winograd_f32 *const variants[] = {
    NULL,
#define MXD_WINOGRAD_F32(variant) &mxdi_winograd_f32_##variant,
#include "kernels/winograd_f32/winograd_f32.inc"
#undef MXD_WINOGRAD_F32
};

const struct mxdi_winograd_f32 *mxdi_winograd_f32_select(uint32_t isa)
{
    size_t i = sizeof(variants) / sizeof(variants[0]) - 1;
    while (variants[i] && (variants[i]->needs & ~isa))
        i--;
    return variants[i];
}

const double mxdi_winograd_f32_g[6][3] = { { 1.0 / 4, 0, 0 },
                                           { -1.0 / 6, -1.0 / 6, -1.0 / 6 },
                                           { -1.0 / 6, 1.0 / 6, -1.0 / 6 },
                                           { 1.0 / 24, 1.0 / 12, 1.0 / 6 },
                                           { 1.0 / 24, -1.0 / 12, 1.0 / 6 },
                                           { 0, 0, 1 } };

void mxdi_winograd_f32_weights(double *u, const float *w)
{
    const double(*const g)[3] = mxdi_winograd_f32_g;
    double half[6][3];
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 3; j++)
            half[i][j] =
                g[i][0] * (double)w[j] + g[i][1] * (double)w[3 + j] + g[i][2] * (double)w[6 + j];
    }
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 6; j++)
            u[i * 6 + j] = half[i][0] * g[j][0] + half[i][1] * g[j][1] + half[i][2] * g[j][2];
    }
}
