/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of pool_blocked in plain C: every tap of every output is visited and asked where
 * it stands. */
#include <math.h>

#include "kernels/pool_blocked/pool_blocked.h"

struct result {
    uint8_t max_u8;
    float   max_f32, sum_f32;
    int32_t sum_u8, count;
};

/* x_u8 or x_f32 may be NULL. (block, oy, ox) is the output, (image, c) the lane. */
static struct result visit(const uint8_t *x_u8, const float *x_f32, const mxdi_pool_desc *d,
                           int64_t block, int32_t oy, int32_t ox, int64_t image, int64_t c)
{
    const mxdi_window2d *k = &d->window;
    struct result        r = { 0, -INFINITY, 0, 0, 0 };
    for (int32_t ky = 0; ky < k->kh; ky++)
        for (int32_t kx = 0; kx < k->kw; kx++) {
            const int32_t iy     = oy * k->sh - k->ph + ky * k->dh;
            const int32_t ix     = ox * k->sw - k->pw + kx * k->dw;
            const int     inside = iy >= 0 && iy < d->x.h && ix >= 0 && ix < d->x.w;
            const int     padded = iy < d->x.h + d->ph_end && ix < d->x.w + d->pw_end;
            r.count += inside || (d->count_include_pad && padded);
            if (!inside)
                continue;
            const int64_t at = block * d->x.block_stride + iy * mxdi_blocked_row(&d->x) +
                               ix * mxdi_blocked_pixel(&d->x) + image * d->x.pitch + c;
            if (x_u8) {
                r.max_u8 = x_u8[at] > r.max_u8 ? x_u8[at] : r.max_u8;
                r.sum_u8 += x_u8[at] - d->x_zero_point;
            } else {
                r.max_f32 = x_f32[at] > r.max_f32 ? x_f32[at] : r.max_f32;
                r.sum_f32 += x_f32[at];
            }
        }
    return r;
}

static uint8_t requantize(float v, const mxdi_pool_desc *d)
{
    const float lo = (float)(d->q_min - d->y_zero_point);
    const float hi = (float)(d->q_max - d->y_zero_point);
    float       r  = rintf(v);
    if (isnan(r))
        return (uint8_t)d->y_zero_point;
    r = r < lo ? lo : r;
    r = r > hi ? hi : r;
    return (uint8_t)((int32_t)r + d->y_zero_point);
}

static void pool(uint8_t *y_u8, float *y_f32, const uint8_t *x_u8, const float *x_f32,
                 const mxdi_pool_desc *d, int average, int64_t begin, int64_t end)
{
    for (int64_t line = begin; line < end; line++)
        for (int32_t ox = 0; ox < d->y.w; ox++)
            for (int64_t lane = 0; lane < (int64_t)d->y.block * d->y.channels; lane++) {
                const int64_t block = line / d->y.h, image = lane / d->y.channels,
                              c        = lane % d->y.channels;
                const int32_t       oy = (int32_t)(line % d->y.h);
                const struct result r  = visit(x_u8, x_f32, d, block, oy, ox, image, c);
                const int64_t       at = block * d->y.block_stride + oy * mxdi_blocked_row(&d->y) +
                                   ox * mxdi_blocked_pixel(&d->y) + image * d->y.pitch + c;
                if (y_u8)
                    y_u8[at] = average ? requantize((float)r.sum_u8 * d->m[r.count], d) : r.max_u8;
                else if (average)
                    y_f32[at] = r.count ? r.sum_f32 / (float)r.count : 0;
                else
                    y_f32[at] = r.max_f32;
            }
}

static void max_u8(uint8_t *y, const uint8_t *x, const mxdi_pool_desc *d, int64_t begin,
                   int64_t end)
{
    pool(y, NULL, x, NULL, d, 0, begin, end);
}

static void max_f32(float *y, const float *x, const mxdi_pool_desc *d, int64_t begin, int64_t end)
{
    pool(NULL, y, NULL, x, d, 0, begin, end);
}

static void average_u8(uint8_t *y, const uint8_t *x, const mxdi_pool_desc *d, int64_t begin,
                       int64_t end)
{
    pool(y, NULL, x, NULL, d, 1, begin, end);
}

static void average_f32(float *y, const float *x, const mxdi_pool_desc *d, int64_t begin,
                        int64_t end)
{
    pool(NULL, y, NULL, x, d, 1, begin, end);
}

const mxdi_pool_blocked mxdi_pool_blocked_ref = { "pool_blocked_ref", max_u8, max_f32, average_u8,
                                                  average_f32 };
