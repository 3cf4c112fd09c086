/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of conv_wgrad_f32 in plain C: what every variant is compared with, and what runs
 * where there is none.
 */
#include "kernels/conv_wgrad_f32/conv_wgrad_f32_impl.h"

/* One tap over one row of outputs of one block: x and dy are the channel's place in the block. */
static double row_sum(const mxdi_conv_wgrad_f32_desc *d, const float *x, const float *dy,
                      int32_t oy, int32_t ky, int32_t kx)
{
    const mxdi_window2d *win = &d->window;
    const int64_t        iy  = (int64_t)oy * win->sh + (int64_t)ky * win->dh - win->ph;
    double               sum = 0;
    if (iy < 0 || iy >= d->x.h)
        return 0;
    for (int32_t ox = 0; ox < d->y.w; ox++) {
        const int64_t ix = (int64_t)ox * win->sw + (int64_t)kx * win->dw - win->pw;
        if (ix < 0 || ix >= d->x.w)
            continue;
        const float *a = x + iy * mxdi_blocked_row(&d->x) + ix * mxdi_blocked_pixel(&d->x);
        const float *b = dy + oy * mxdi_blocked_row(&d->y) + ox * mxdi_blocked_pixel(&d->y);
        for (int32_t image = 0; image < d->x.block; image++)
            sum += (double)a[image * d->x.pitch] * (double)b[image * d->y.pitch];
    }
    return sum;
}

void mxdi_conv_wgrad_f32_ref(const mxdi_conv_wgrad_f32 *op, const float *x, const float *dy,
                             float *dw, int64_t blocks, int64_t begin, int64_t end)
{
    const mxdi_conv_wgrad_f32_desc *d     = &op->desc;
    const int32_t                   c_in  = d->x.channels / d->groups;
    const int32_t                   c_out = d->y.channels / d->groups;
    for (int64_t i = begin * c_in * op->taps; i < end * c_in * op->taps; i++) {
        const int32_t kx  = (int32_t)(i % d->window.kw);
        const int32_t ky  = (int32_t)(i / d->window.kw % d->window.kh);
        const int64_t co  = i / op->taps / c_in;
        const int64_t ci  = co / c_out * c_in + i / op->taps % c_in;
        double        sum = 0;
        for (int64_t b = 0; b < blocks; b++) {
            for (int32_t oy = 0; oy < d->y.h; oy++)
                sum += row_sum(d, x + b * d->x.block_stride + ci, dy + b * d->y.block_stride + co,
                               oy, ky, kx);
        }
        dw[i] = (float)sum;
    }
}
