/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of dwconv_f32 in plain C: what every variant is compared with, and what runs where
 * there is none.
 */
#include <math.h>

#include "base/half.h"
#include "kernels/dwconv_f32/dwconv_f32_impl.h"

static float to_bf16(float v)
{
    return mxdi_bf16_to_f32(mxdi_f32_to_bf16(v));
}

/* Channel c of the output at row oy, column ox of one image. */
static float output(const mxdi_dwconv_f32 *op, const float *x, int32_t oy, int32_t ox, int32_t c)
{
    const mxdi_dwconv_f32_desc *d   = &op->desc;
    const mxdi_window2d        *win = &d->window;
    float                       acc = op->bias[c];
    for (int32_t ky = 0; ky < win->kh; ky++) {
        const int64_t iy = (int64_t)oy * win->sh - win->ph + (int64_t)ky * win->dh;
        if (iy < 0 || iy >= d->x.h)
            continue;
        for (int32_t kx = 0; kx < win->kw; kx++) {
            const int64_t ix = (int64_t)ox * win->sw - win->pw + (int64_t)kx * win->dw;
            if (ix < 0 || ix >= d->x.w)
                continue;
            const float in = x[iy * mxdi_blocked_row(&d->x) + ix * mxdi_blocked_pixel(&d->x) + c];
            acc            = fmaf(d->bf16 ? to_bf16(in) : in,
                       op->w[((int64_t)c * win->kh + ky) * win->kw + kx], acc);
        }
    }
    return d->round_bf16 ? to_bf16(acc) : acc;
}

void mxdi_dwconv_f32_ref(const mxdi_dwconv_f32 *op, const float *x, const float *r, float *y,
                         int64_t begin, int64_t end)
{
    const mxdi_dwconv_f32_desc *d = &op->desc;
    for (int64_t row = begin; row < end; row++) {
        const int64_t b  = row / d->y.h;
        const int32_t oy = (int32_t)(row % d->y.h);
        for (int64_t i = 0; i < (int64_t)d->y.w * d->y.block; i++) {
            const int32_t ox = (int32_t)(i / d->y.block), image = (int32_t)(i % d->y.block);
            const int64_t at =
                b * d->y.block_stride + oy * mxdi_blocked_row(&d->y) + i * d->y.pitch;
            for (int32_t c = 0; c < d->y.channels; c++) {
                float v = output(op, x + b * d->x.block_stride + image * d->x.pitch, oy, ox, c);
                if (d->residual)
                    v += r[at + c];
                v         = d->y_min > v ? d->y_min : v; /* NaN passes both */
                y[at + c] = d->y_max < v ? d->y_max : v;
            }
        }
    }
}
