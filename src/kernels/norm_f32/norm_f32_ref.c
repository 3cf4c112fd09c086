/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of norm_f32 in plain C: mean, then variance, in binary64. */
#include <math.h>

#include "kernels/norm_f32/norm_f32.h"

struct moments {
    double mean, inverse; /* 1 / sqrt(variance + epsilon) */
};

static struct moments moments_of(const float *x, int64_t n, int64_t stride, float epsilon)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i * stride];
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += ((double)x[i * stride] - mean) * ((double)x[i * stride] - mean);
    return (struct moments){ mean, 1 / sqrt(squares / (double)n + (double)epsilon) };
}

static float normal(float x, const struct moments *m, float scale, float shift)
{
    return (float)(((double)x - m->mean) * m->inverse) * scale + shift;
}

static void layer(float *y, const float *x, const float *scale, const float *shift, int64_t rows,
                  int64_t n, int64_t x_stride, int64_t y_stride, float epsilon)
{
    for (int64_t r = 0; r < rows; r++) {
        const struct moments m = moments_of(x + r * x_stride, n, 1, epsilon);
        for (int64_t i = 0; i < n; i++)
            y[r * y_stride + i] = normal(x[r * x_stride + i], &m, scale[i], shift ? shift[i] : 0);
    }
}

static void instance(float *y, const float *x, const float *scale, const float *shift,
                     const mxdi_blocked *ly, const mxdi_blocked *lx, int64_t blocks, float epsilon)
{
    const int64_t n = (int64_t)lx->h * lx->w, step_x = mxdi_blocked_pixel(lx),
                  step_y = mxdi_blocked_pixel(ly);
    for (int64_t image = 0; image < blocks * lx->block; image++)
        for (int64_t c = 0; c < lx->channels; c++) {
            const int64_t        block = image / lx->block, b = image % lx->block;
            const float         *from = x + block * lx->block_stride + b * lx->pitch + c;
            float               *to   = y + block * ly->block_stride + b * ly->pitch + c;
            const struct moments m    = moments_of(from, n, step_x, epsilon);
            for (int64_t i = 0; i < n; i++)
                to[i * step_y] = normal(from[i * step_x], &m, scale[c], shift ? shift[c] : 0);
        }
}

static void affine(float *y, const float *x, const float *scale, const float *shift,
                   const mxdi_blocked *ly, const mxdi_blocked *lx, int64_t blocks)
{
    const int64_t lanes = lx->block * lx->channels, pixels = (int64_t)lx->h * lx->w;
    for (int64_t i = 0; i < blocks * pixels * lanes; i++) {
        const int64_t lane = i % lanes, pixel = i / lanes % pixels, block = i / lanes / pixels;
        const int64_t c = lane % lx->channels, b = lane / lx->channels;
        const int64_t at_x =
            block * lx->block_stride + pixel * mxdi_blocked_pixel(lx) + b * lx->pitch + c;
        const int64_t at_y =
            block * ly->block_stride + pixel * mxdi_blocked_pixel(ly) + b * ly->pitch + c;
        y[at_y] = x[at_x] * scale[c] + (shift ? shift[c] : 0);
    }
}

const mxdi_norm_f32 mxdi_norm_f32_ref = { "norm_f32_ref", layer, instance, affine };
