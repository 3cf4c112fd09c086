/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of inputs with strides: one class of pixels of a few blocks is convolved into scratch,
 * and put where it belongs.
 */
#include <string.h>

#include "kernels/conv_dgrad_f32/conv_dgrad_f32_impl.h"

static void convolve(const mxdi_conv_dgrad_f32_class *c, const float *dy, float *pixels,
                     void *scratch, int64_t blocks)
{
    if (c->conv)
        mxdi_conv_f32_run(c->conv, dy, NULL, pixels, scratch, blocks, 0,
                          mxdi_conv_f32_tasks(c->conv, blocks));
    else
        mxdi_dwconv_f32_run(c->dwconv, dy, NULL, pixels, blocks, 0,
                            mxdi_dwconv_f32_tasks(c->dwconv, blocks));
}

/* n channels; src is NULL where no tap is. */
static void put(float *restrict dst, const float *restrict src, int64_t n, bool accumulate)
{
    if (!src) {
        if (!accumulate)
            memset(dst, 0, (size_t)n * sizeof(*dst));
    } else if (!accumulate) {
        memcpy(dst, src, (size_t)n * sizeof(*dst));
    } else {
        for (int64_t i = 0; i < n; i++)
            dst[i] += src[i];
    }
}

/* The pixels of one block. */
static void put_block(const mxdi_conv_dgrad_f32 *op, const mxdi_conv_dgrad_f32_class *c,
                      const float *pixels, float *dx)
{
    const mxdi_blocked *from = &c->layout, *to = &op->desc.x;
    const bool          whole = from->pitch == to->pitch && to->pitch == to->channels;
    const int64_t runs = whole ? 1 : to->block, n = whole ? mxdi_blocked_pixel(to) : to->channels;
    for (int32_t y = 0; y < from->h; y++) {
        float *row = dx + (int64_t)(c->y.first + y * op->desc.window.sh) * mxdi_blocked_row(to);
        for (int32_t x = 0; x < from->w; x++) {
            const int64_t at = y * mxdi_blocked_row(from) + x * mxdi_blocked_pixel(from);
            float        *pixel =
                row + (int64_t)(c->x.first + x * op->desc.window.sw) * mxdi_blocked_pixel(to);
            for (int64_t r = 0; r < runs; r++)
                put(pixel + r * to->pitch, pixels ? pixels + at + r * from->pitch : NULL, n,
                    op->desc.accumulate);
        }
    }
}

void mxdi_conv_dgrad_f32_run_strided(const mxdi_conv_dgrad_f32 *op, const float *dy, float *dx,
                                     void *scratch, int64_t blocks, size_t begin, size_t end)
{
    const int64_t groups = (blocks + op->group - 1) / op->group;
    for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
        const mxdi_conv_dgrad_f32_class *c = &op->classes[i / groups];
        const int64_t from = i % groups * blocks / groups, to = (i % groups + 1) * blocks / groups;
        float *const  pixels = c->conv || c->dwconv ? scratch : NULL;
        if (pixels)
            convolve(c, dy + from * op->desc.y.block_stride, pixels,
                     (char *)scratch + op->pixel_bytes, to - from);
        for (int64_t b = from; b < to; b++)
            put_block(op, c, pixels ? pixels + (b - from) * c->layout.block_stride : NULL,
                      dx + b * op->desc.x.block_stride);
    }
}
