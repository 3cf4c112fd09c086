/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of pool_grad_f32 in plain C: every tap of every output is visited and asked where
 * it stands. */
#include <stdbool.h>

#include "kernels/pool_grad_f32/pool_grad_f32.h"

/* Where tap (ky, kx) of output (oy, ox) is in a block, -1 outside the image; *counts for averages.
 */
static int64_t tap_at(const mxdi_pool_desc *d, int32_t oy, int32_t ox, int32_t ky, int32_t kx,
                      bool *counts)
{
    const mxdi_window2d *k      = &d->window;
    const int32_t        iy     = oy * k->sh - k->ph + ky * k->dh;
    const int32_t        ix     = ox * k->sw - k->pw + kx * k->dw;
    const bool           inside = iy >= 0 && iy < d->x.h && ix >= 0 && ix < d->x.w;
    *counts =
        inside || (d->count_include_pad && iy < d->x.h + d->ph_end && ix < d->x.w + d->pw_end);
    return inside ? iy * mxdi_blocked_row(&d->x) + ix * mxdi_blocked_pixel(&d->x) : -1;
}

/* One lane of one output: dx and x are its lane of the block's first pixel. */
static void max_output(float *dx, float dy, const float *x, float y, const mxdi_pool_desc *d,
                       int32_t oy, int32_t ox)
{
    bool counts;
    for (int32_t ky = 0; ky < d->window.kh; ky++)
        for (int32_t kx = 0; kx < d->window.kw; kx++) {
            const int64_t at = tap_at(d, oy, ox, ky, kx, &counts);
            if (at >= 0 && x[at] == y) {
                dx[at] += dy;
                return;
            }
        }
}

static void average_output(float *dx, float dy, const mxdi_pool_desc *d, int32_t oy, int32_t ox)
{
    int32_t n = 0;
    bool    counts;
    for (int32_t ky = 0; ky < d->window.kh; ky++)
        for (int32_t kx = 0; kx < d->window.kw; kx++) {
            (void)tap_at(d, oy, ox, ky, kx, &counts);
            n += counts;
        }
    for (int32_t ky = 0; ky < d->window.kh; ky++)
        for (int32_t kx = 0; kx < d->window.kw; kx++) {
            const int64_t at = tap_at(d, oy, ox, ky, kx, &counts);
            if (at >= 0)
                dx[at] += dy / (float)n;
        }
}

/* x and y are NULL for averages. */
static void grad(float *dx, const float *dy, const float *x, const float *y,
                 const mxdi_pool_desc *d, int accumulate, int64_t block)
{
    const mxdi_blocked *lx = &d->x, *ly = &d->y;
    for (int64_t lane = 0; lane < (int64_t)lx->block * lx->channels; lane++) {
        const int64_t image = lane / lx->channels, c = lane % lx->channels;
        const int64_t in  = block * lx->block_stride + image * lx->pitch + c;
        const int64_t out = block * ly->block_stride + image * ly->pitch + c;
        for (int64_t i = 0; i < (int64_t)lx->h * lx->w && !accumulate; i++)
            dx[in + i * mxdi_blocked_pixel(lx)] = 0;
        for (int32_t oy = 0; oy < ly->h; oy++)
            for (int32_t ox = 0; ox < ly->w; ox++) {
                const int64_t at = out + oy * mxdi_blocked_row(ly) + ox * mxdi_blocked_pixel(ly);
                if (x)
                    max_output(dx + in, dy[at], x + in, y[at], d, oy, ox);
                else
                    average_output(dx + in, dy[at], d, oy, ox);
            }
    }
}

static void max(float *dx, const float *dy, const float *x, const float *y, const mxdi_pool_desc *d,
                int accumulate, int64_t begin, int64_t end)
{
    for (int64_t b = begin; b < end; b++)
        grad(dx, dy, x, y, d, accumulate, b);
}

static void average(float *dx, const float *dy, const mxdi_pool_desc *d, int accumulate,
                    int64_t begin, int64_t end)
{
    for (int64_t b = begin; b < end; b++)
        grad(dx, dy, NULL, NULL, d, accumulate, b);
}

const mxdi_pool_grad_f32 mxdi_pool_grad_f32_ref = { "pool_grad_f32_ref", max, average };
