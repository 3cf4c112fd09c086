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

/* o = G w of n columns; rows are o_row and w_row apart. */
static void weights_6(int16_t *restrict o, int64_t o_row, const int16_t *restrict w, int64_t w_row,
                      int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        const int w0 = w[k], w1 = w[w_row + k], w2 = w[2 * w_row + k];
        o[k]             = (int16_t)(6 * w0);
        o[o_row + k]     = (int16_t)(-4 * (w0 + w1 + w2));
        o[2 * o_row + k] = (int16_t)(-4 * (w0 - w1 + w2));
        o[3 * o_row + k] = (int16_t)(w0 + 2 * w1 + 4 * w2);
        o[4 * o_row + k] = (int16_t)(w0 - 2 * w1 + 4 * w2);
        o[5 * o_row + k] = (int16_t)(6 * w2);
    }
}

void mxdi_winograd_q8_weights(int16_t *u, int64_t plane, const int16_t *w, int64_t n)
{
    int16_t half[6 * 3 * MXDI_WINOGRAD_Q8_MAX_KERNELS];
    weights_6(half, 3 * n, w, 3 * n, 3 * n); /* the rows of w, three columns of n */
    for (int64_t i = 0; i < 6; i++)
        weights_6(u + 6 * i * plane, plane, half + 3 * i * n, n, n);
}
