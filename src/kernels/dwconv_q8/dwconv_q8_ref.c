/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of dwconv_q8: QConv of docs/graph-ops.md with a group for each channel, one output
 * after the other. */
#include "kernels/dwconv_q8/dwconv_q8_op.h"

/* The accumulator of output (row, column), channel c of image `image` of the block at x. */
static int32_t accumulate(const mxdi_dwconv_q8_desc *d, const uint8_t *x, int32_t row,
                          int32_t column, int32_t image, int32_t c)
{
    const mxdi_window2d *win = &d->window;
    const int16_t       *w   = d->w + (size_t)c * (size_t)win->kh * (size_t)win->kw;
    uint32_t acc = d->epilogue.bias ? (uint32_t)d->epilogue.bias[c] : 0; /* modulo 2^32 */
    for (int32_t ky = 0; ky < win->kh; ky++)
        for (int32_t kx = 0; kx < win->kw; kx++, w++) {
            const int64_t iy = (int64_t)row * win->sh - win->ph + (int64_t)ky * win->dh;
            const int64_t ix = (int64_t)column * win->sw - win->pw + (int64_t)kx * win->dw;
            if (iy < 0 || iy >= d->x.h || ix < 0 || ix >= d->x.w)
                continue;
            const int64_t pixel = (iy * d->x.w + ix) * d->x.block + image;
            acc += (uint32_t)((x[pixel * d->x.pitch + c] - d->x_zero_point) * *w);
        }
    return (int32_t)acc;
}

void mxdi_dwconv_q8_run_ref(const mxdi_dwconv_q8_desc *d, const uint8_t *x, const uint8_t *r,
                            void *y, int64_t block, int32_t row)
{
    const size_t size = d->epilogue.y_float ? sizeof(float) : 1;
    x += block * d->x.block_stride;
    for (int32_t column = 0; column < d->y.w; column++)
        for (int32_t image = 0; image < d->y.block; image++) {
            const int64_t pixel = ((int64_t)row * d->y.w + column) * d->y.block + image;
            const int64_t at    = block * d->y.block_stride + pixel * d->y.pitch;
            for (int32_t c = 0; c < d->y.channels; c++)
                mxdi_post_q8_ref((uint8_t *)y + (size_t)(at + c) * size,
                                 accumulate(d, x, row, column, image, c), c, r ? r + at + c : NULL,
                                 &d->epilogue);
        }
}

const struct mxdi_dwconv_q8_kernel mxdi_dwconv_q8_ref = { .name = "dwconv_q8_ref" };
