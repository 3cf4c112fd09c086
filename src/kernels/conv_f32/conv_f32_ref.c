/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of conv_f32 in plain C: what every variant is compared with, and what runs where
 * no tile does.
 */
#include <math.h>

#include "base/half.h"
#include "kernels/conv_f32/conv_f32_impl.h"

static float to_bf16(float v)
{
    return mxdi_bf16_to_f32(mxdi_f32_to_bf16(v));
}

/* Output channel c at row oy, column ox of one image: x is its first element. */
static float output(const mxdi_conv_f32 *op, const float *x, int32_t oy, int32_t ox, int32_t c)
{
    const mxdi_conv_f32_desc *d   = &op->desc;
    const mxdi_window2d      *win = &d->window;
    const float              *w   = op->weights + (int64_t)c * op->c_in * win->kh * win->kw;
    float                     acc = op->bias[c];
    x += c / op->c_out * op->c_in;
    for (int32_t ky = 0; ky < win->kh; ky++) {
        const int64_t iy = (int64_t)oy * win->sh - win->ph + (int64_t)ky * win->dh;
        if (iy < 0 || iy >= d->x.h)
            continue;
        for (int32_t kx = 0; kx < win->kw; kx++) {
            const int64_t ix = (int64_t)ox * win->sw - win->pw + (int64_t)kx * win->dw;
            if (ix < 0 || ix >= d->x.w)
                continue;
            const float *in = x + iy * mxdi_blocked_row(&d->x) + ix * mxdi_blocked_pixel(&d->x);
            for (int32_t i = 0; i < op->c_in; i++) {
                const float v = d->bf16 ? to_bf16(in[i]) : in[i];
                acc           = fmaf(v, w[((int64_t)i * win->kh + ky) * win->kw + kx], acc);
            }
        }
    }
    return d->round_bf16 ? to_bf16(acc) : acc;
}

void mxdi_conv_f32_ref(const mxdi_conv_f32 *op, const mxdi_conv_f32_io *io, int64_t begin,
                       int64_t end)
{
    const mxdi_conv_f32_desc *d = &op->desc;
    for (int64_t task = begin; task < end; task++) {
        const int64_t b  = task / d->y.h;
        const int32_t oy = (int32_t)(task % d->y.h);
        for (int32_t ox = 0; ox < d->y.w; ox++) {
            for (int32_t image = 0; image < d->x.block; image++) {
                const int64_t at = b * d->y.block_stride + oy * mxdi_blocked_row(&d->y) +
                                   ox * mxdi_blocked_pixel(&d->y) + image * d->y.pitch;
                const float *x = io->x + b * d->x.block_stride + image * d->x.pitch;
                for (int32_t c = 0; c < d->y.channels; c++) {
                    float v = output(op, x, oy, ox, c);
                    if (d->residual)
                        v += io->r[at + c];
                    v             = d->y_min > v ? d->y_min : v; /* NaN passes both */
                    io->y[at + c] = d->y_max < v ? d->y_max : v;
                }
            }
        }
    }
}
