/* SPDX-License-Identifier: Apache-2.0
 *
 * Random integer convolutions for test_conv_q8.c and test_dwconv_q8.c: shapes, buffers with guards, epilogues with all
 * their modes, and an own reading of docs/graph-ops.md. */
#ifndef MIXDOWN_TESTS_Q8_CASES_H
#define MIXDOWN_TESTS_Q8_CASES_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "kernels/conv_q8/conv_q8.h"

enum { MAX_CHANNELS = 160, GUARD = 64 };

static mxdi_rng rng;

static int32_t draw(int32_t lo, int32_t hi) /* lo .. hi */
{
    return lo + (int32_t)mxdi_rng_below(&rng, (uint64_t)(hi - lo + 1));
}

static bool chance(int32_t percent)
{
    return draw(1, 100) <= percent;
}

static float draw_f32(float lo, float hi)
{
    return lo + (hi - lo) * mxdi_rng_f32(&rng);
}

struct vectors {
    int32_t bias[MAX_CHANNELS];
    float   bias_float[MAX_CHANNELS], m[MAX_CHANNELS];
};

static int32_t draw_zero_point(void)
{
    static const int32_t often[] = { 0, 128, 255 };
    return chance(60) ? often[draw(0, 2)] : draw(0, 255);
}

static void draw_range(int32_t *lo, int32_t *hi)
{
    const int32_t a = draw(0, 255), b = draw(0, 255);
    *lo = chance(50) ? 0 : a < b ? a : b;
    *hi = chance(50) ? 255 : a < b ? b : a;
}

/* An epilogue for accumulators of about `magnitude`. Some multipliers hit ties, some leave int32 and float range. */
static mxdi_q8_epilogue draw_epilogue(struct vectors *v, int32_t channels, float magnitude)
{
    mxdi_q8_epilogue e = { .m = v->m, .y_min = -INFINITY, .y_max = INFINITY };
    for (int32_t c = 0; c < channels; c++) {
        v->bias[c]       = chance(5) ? (chance(50) ? INT32_MAX : INT32_MIN) : draw(-3000, 3000);
        v->bias_float[c] = draw_f32(-40.0f, 40.0f);
        v->m[c]          = draw_f32(0.2f, 1.0f) * 200.0f / magnitude;
        if (chance(10))
            v->m[c] = chance(50) ? 0.5f : 0.0078125f;
        if (chance(3))
            v->m[c] = chance(50) ? 1e30f : -1e30f;
    }
    e.bias       = chance(80) ? v->bias : NULL;
    e.bias_float = chance(30) ? v->bias_float : NULL;
    e.y_float    = chance(15);
    e.y_zero_point   = draw_zero_point();
    e.r_zero_point   = draw_zero_point();
    e.mid_zero_point = draw_zero_point();
    draw_range(&e.q_min, &e.q_max);
    draw_range(&e.mid_q_min, &e.mid_q_max);
    e.residual       = e.y_float ? 0 : draw(0, 2);
    e.residual_first = chance(50);
    e.y_scale_ratio  = chance(20) ? 0.5f : draw_f32(0.3f, 2.0f);
    e.r_scale_ratio  = chance(20) ? 0.5f : draw_f32(0.3f, 2.0f);
    if (e.y_float && chance(50)) {
        e.y_min = draw_f32(-100.0f, 0.0f);
        e.y_max = draw_f32(0.0f, 100.0f);
    }
    return e;
}

static mxdi_blocked draw_layout(int32_t h, int32_t w, int32_t channels, int32_t block)
{
    mxdi_blocked l = { .h = h, .w = w, .channels = channels, .block = block };
    l.pitch        = chance(40) ? channels : (channels + 3) / 4 * 4 + (chance(30) ? draw(0, 70) : 0);
    l.block_stride = (int64_t)h * w * block * l.pitch + draw(0, 1) * 64;
    return l;
}

/* What a buffer holds at least; readers may go 64 bytes past it. */
static size_t layout_size(const mxdi_blocked *l, int64_t blocks)
{
    return (size_t)(blocks * l->block_stride);
}

static uint8_t *draw_bytes(size_t n)
{
    uint8_t      *p    = malloc(n + 64);
    const int32_t mode = draw(0, 3);
    assert_non_null(p);
    for (size_t i = 0; i < n + 64; i++)
        p[i] = (uint8_t)(mode == 0 ? 255 : mode == 1 && chance(50) ? 0 : draw(0, 255));
    return p;
}

/* Output positions of a window that see at least something, and some that do not. */
static int32_t draw_out(int32_t n_in, int32_t kernel, int32_t stride, int32_t dilation, int32_t pad_before)
{
    const int32_t after = draw(0, kernel);
    const int32_t n     = (n_in + pad_before + after - (kernel - 1) * dilation - 1) / stride + 1;
    return n < 1 ? 1 : n;
}

static float clamp_to(float v, double lo, double hi)
{
    return (double)v < lo ? (float)lo : (double)v > hi ? (float)hi : v;
}

/* docs/graph-ops.md once more; the accumulator is exact. */
static float expected(int64_t exact, int32_t c, uint8_t r, const mxdi_q8_epilogue *e)
{
    const float acc = (float)(int32_t)(uint32_t)(uint64_t)exact;
    const float v   = e->bias_float ? fmaf(acc, e->m[c], e->bias_float[c]) : acc * e->m[c];
    const float qr = (float)((int32_t)r - e->r_zero_point);
    float       sum = v;
    if (e->y_float)
        return clamp_to(v, (double)e->y_min, (double)e->y_max);
    if (e->residual == 1)
        sum = fmaf(qr, e->r_scale_ratio, v);
    if (e->residual == 2) {
        const float q1 = clamp_to(rintf(v), e->mid_q_min - e->mid_zero_point, e->mid_q_max - e->mid_zero_point);
        if (e->residual_first)
            sum = fmaf(qr, e->r_scale_ratio, q1 * e->y_scale_ratio);
        else
            sum = fmaf(q1, e->y_scale_ratio, qr * e->r_scale_ratio);
    }
    return clamp_to(rintf(sum), e->q_min - e->y_zero_point, e->q_max - e->y_zero_point) + (float)e->y_zero_point;
}

/* Element (block, row, column, image, channel). */
static int64_t element(const mxdi_blocked *l, int64_t block, int64_t row, int64_t column, int64_t image, int64_t c)
{
    return block * l->block_stride + ((row * l->w + column) * l->block + image) * l->pitch + c;
}

/* Outside the channels `got` must still hold the guard 0x55, or - with `pads` - anything as far as pitch. */
static void assert_guards(const uint8_t *got, const mxdi_blocked *l, int64_t blocks, size_t size, bool pads)
{
    const size_t bytes = layout_size(l, blocks) * size + 2 * GUARD;
    uint8_t     *free_ = calloc(bytes, 1);
    assert_non_null(free_);
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t p = 0; p < (int64_t)l->h * l->w * l->block; p++) {
            const size_t at = (size_t)(b * l->block_stride + p * l->pitch) * size + GUARD;
            memset(free_ + at, 1, (size_t)(pads ? l->pitch : l->channels) * size);
        }
    for (size_t i = 0; i < bytes; i++)
        if (!free_[i] && got[i] != 0x55)
            fail_msg("byte %zd outside the channels was written", (ssize_t)i - GUARD);
    free(free_);
}

/* Channels of two outputs are equal. */
static void assert_same(const uint8_t *got, const uint8_t *want, const mxdi_blocked *l, int64_t blocks, size_t size,
                        const char *name, int32_t number)
{
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t p = 0; p < (int64_t)l->h * l->w * l->block; p++)
            for (int64_t c = 0; c < l->channels; c++) {
                const size_t at = (size_t)(b * l->block_stride + p * l->pitch + c) * size + GUARD;
                if (memcmp(got + at, want + at, size) != 0)
                    fail_msg("%s, case %d: block %d, pixel %d, image %d, channel %d: %d, ref says %d", name, number,
                             (int)b, (int)(p / l->block), (int)(p % l->block), (int)c, got[at], want[at]);
            }
}
#endif
