/* SPDX-License-Identifier: Apache-2.0
 *
 * Which taps of a pool's window are inside the image: a rectangle, found once per output pixel, for
 * the vector variants of pool_blocked and pool_grad_f32. */
#ifndef MXDI_KERNELS_POOL_TAPS_H
#define MXDI_KERNELS_POOL_TAPS_H

#include "kernels/pool_blocked/pool_blocked.h"

/* The taps inside the image of one output pixel. */
struct mxdi_pool_taps {
    int64_t first;      /* elements from the block's start to the first of them */
    int32_t rows, cols; /* 0 where there is none */
    int64_t dy, dx;     /* elements between two of them */
    int32_t count;      /* taps that count for the average */
};

/* One dimension: taps at at + k*step, k < n. */
struct mxdi_pool_span {
    int32_t first, inside, count;
};

static inline struct mxdi_pool_span mxdi_pool_span_make(int32_t at, int32_t step, int32_t n,
                                                        int32_t size, int32_t after,
                                                        int32_t include_pad)
{
    const int32_t first = at < 0 ? (-at + step - 1) / step : 0;
    /* Taps before the end of the image, and of the padding behind it. */
    const int32_t         below = at < size ? (size - 1 - at) / step + 1 : 0;
    const int32_t         all   = at < size + after ? (size + after - 1 - at) / step + 1 : 0;
    const int32_t         last  = below < n ? below : n;
    struct mxdi_pool_span s     = { first, last > first ? last - first : 0, 0 };
    s.count                     = include_pad ? (all < n ? all : n) : s.inside;
    return s;
}

static inline struct mxdi_pool_taps mxdi_pool_taps_make(const mxdi_pool_desc *d, int32_t oy,
                                                        int32_t ox)
{
    const mxdi_window2d        *k   = &d->window;
    const int32_t               pad = d->count_include_pad;
    const int32_t               iy = oy * k->sh - k->ph, ix = ox * k->sw - k->pw;
    const struct mxdi_pool_span v   = mxdi_pool_span_make(iy, k->dh, k->kh, d->x.h, d->ph_end, pad);
    const struct mxdi_pool_span h   = mxdi_pool_span_make(ix, k->dw, k->kw, d->x.w, d->pw_end, pad);
    const int64_t               row = mxdi_blocked_row(&d->x), pixel = mxdi_blocked_pixel(&d->x);
    struct mxdi_pool_taps       t = {
              0, v.inside, h.inside, k->dh * row, k->dw * pixel, v.count * h.count
    };
    t.first = (iy + v.first * k->dh) * row + (ix + h.first * k->dw) * pixel;
    if (t.rows == 0 || t.cols == 0)
        t.rows = t.cols = 0;
    if (t.rows == 0)
        t.first = 0; /* points nowhere, and is not read */
    return t;
}
#endif
