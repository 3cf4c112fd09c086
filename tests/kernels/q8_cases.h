/* SPDX-License-Identifier: Apache-2.0
 *
 * Random integer convolutions for test_conv_q8.c and test_dwconv_q8.c: shapes, buffers with guards,
 * epilogues with all their modes, and an own reading of docs/graph-ops.md. */
#ifndef MIXDOWN_TESTS_Q8_CASES_H
#define MIXDOWN_TESTS_Q8_CASES_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "kernels/conv_q8/conv_q8.h"
#include "kernels/simd/q8.h"

enum { MAX_CHANNELS = 300, GUARD = 64, FILL = 0xFF }; /* FILL: NaN as f32 */

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

/* An epilogue for accumulators of about `magnitude`. Some multipliers hit ties, some leave int32
 * and float range. */
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
    e.bias           = chance(80) ? v->bias : NULL;
    e.bias_float     = chance(30) ? v->bias_float : NULL;
    e.y_float        = chance(15);
    e.y_zero_point   = draw_zero_point();
    e.r_zero_point   = draw_zero_point();
    e.mid_zero_point = draw_zero_point();
    draw_range(&e.q_min, &e.q_max);
    draw_range(&e.mid_q_min, &e.mid_q_max);
    e.residual       = e.y_float ? 0 : draw(0, 2);
    e.residual_first = chance(50);
    e.y_scale_ratio  = chance(20) ? 0.5f : draw_f32(0.3f, 2.0f);
    e.r_scale_ratio  = chance(20) ? 0.5f : draw_f32(0.3f, 2.0f);
    if (chance(30)) /* sums near a tie, which depend on what is rounded first */
        e.y_scale_ratio = e.r_scale_ratio = chance(50) ? 0.1f : 0.3f;
    if (e.y_float && chance(50)) {
        e.y_min = draw_f32(-100.0f, 0.0f);
        e.y_max = draw_f32(0.0f, 100.0f);
    }
    return e;
}

static mxdi_blocked draw_layout(int32_t h, int32_t w, int32_t channels, int32_t block)
{
    mxdi_blocked l = { .h = h, .w = w, .channels = channels, .block = block };
    l.pitch = chance(40) ? channels : (channels + 3) / 4 * 4 + (chance(30) ? draw(0, 70) : 0);
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
static int32_t draw_out(int32_t n_in, int32_t kernel, int32_t stride, int32_t dilation,
                        int32_t pad_before)
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
    const float qr  = (float)((int32_t)r - e->r_zero_point);
    float       sum = v;
    if (e->y_float)
        return clamp_to(v, (double)e->y_min, (double)e->y_max);
    if (e->residual == 1)
        sum = fmaf(qr, e->r_scale_ratio, v);
    if (e->residual == 2) {
        const float q1 =
            clamp_to(rintf(v), e->mid_q_min - e->mid_zero_point, e->mid_q_max - e->mid_zero_point);
        if (e->residual_first)
            sum = fmaf(qr, e->r_scale_ratio, q1 * e->y_scale_ratio);
        else
            sum = fmaf(q1, e->y_scale_ratio, qr * e->r_scale_ratio);
    }
    return clamp_to(rintf(sum), e->q_min - e->y_zero_point, e->q_max - e->y_zero_point) +
           (float)e->y_zero_point;
}

/* Element (block, row, column, image, channel). */
static int64_t element(const mxdi_blocked *l, int64_t block, int64_t row, int64_t column,
                       int64_t image, int64_t c)
{
    return block * l->block_stride + ((row * l->w + column) * l->block + image) * l->pitch + c;
}

/* Outside the channels `got` must still hold FILL, or - with `pads` - anything as far as
 * pitch. */
static void assert_guards(const uint8_t *got, const mxdi_blocked *l, int64_t blocks, size_t size,
                          bool pads)
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
        if (!free_[i] && got[i] != FILL)
            fail_msg("byte %zd outside the channels was written", (ssize_t)i - GUARD);
    free(free_);
}

/* Lanes behind the channels of an f32 y are finite, where FILL is not. */
static void assert_finite_pads(const uint8_t *got, const mxdi_blocked *l, int64_t blocks)
{
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t p = 0; p < (int64_t)l->h * l->w * l->block; p++)
            for (int64_t c = l->channels; c < l->pitch; c++) {
                float v;
                memcpy(&v, got + GUARD + 4 * (b * l->block_stride + p * l->pitch + c), sizeof(v));
                assert_true(isfinite(v));
            }
}

/* Channels of two outputs are equal. */
static void assert_same(const uint8_t *got, const uint8_t *want, const mxdi_blocked *l,
                        int64_t blocks, size_t size, const char *name, int32_t number)
{
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t p = 0; p < (int64_t)l->h * l->w * l->block; p++)
            for (int64_t c = 0; c < l->channels; c++) {
                const size_t at = (size_t)(b * l->block_stride + p * l->pitch + c) * size + GUARD;
                if (memcmp(got + at, want + at, size) != 0)
                    fail_msg(
                        "%s, case %d: block %d, pixel %d, image %d, channel %d: %d, ref says %d",
                        name, number, (int)b, (int)(p / l->block), (int)(p % l->block), (int)c,
                        got[at], want[at]);
            }
}
struct problem {
    mxdi_conv_q8_desc desc;
    struct vectors    vectors;
    int16_t          *w;
    uint8_t          *x, *r;
    int64_t           blocks;
    size_t            size;     /* of an output element */
    bool              s8;       /* all weights are */
    bool              in_place; /* the residual lies where y goes */
};

static size_t n_weights(const mxdi_conv_q8_desc *d)
{
    return (size_t)d->y.channels * (size_t)(d->x.channels / d->groups) * (size_t)d->window.kh *
           (size_t)d->window.kw;
}

static int16_t *draw_weights(size_t n, bool s8)
{
    int16_t      *w    = malloc((n + 1) * sizeof(int16_t));
    const int32_t mode = draw(0, 3), lo = s8 ? -128 : -255, hi = s8 ? 127 : 255;
    assert_non_null(w);
    for (size_t i = 0; i < n; i++)
        w[i] = (int16_t)(mode == 0 ? lo : mode == 1 && chance(30) ? hi : draw(lo, hi));
    if (!s8)
        w[0] = 200;
    return w;
}

static inline mxdi_window2d draw_window(int32_t most)
{
    const int32_t k = draw(1, most);
    mxdi_window2d w = {
        .kh = k, .kw = chance(70) ? k : draw(1, most), .sh = 1, .sw = 1, .dh = 1, .dw = 1
    };
    if (chance(40))
        w.sh = w.sw = draw(1, 3);
    if (chance(15))
        w.sw = draw(1, 2);
    if (chance(20))
        w.dh = draw(1, 3), w.dw = draw(1, 3);
    w.ph = draw(0, (w.kh - 1) * w.dh);
    w.pw = chance(60) ? w.ph : draw(0, (w.kw - 1) * w.dw + 1);
    return w;
}

/* x, y, groups and window of a case; everything else follows. */
static void finish_problem(struct problem *p, bool s8)
{
    mxdi_conv_q8_desc *d     = &p->desc;
    const float        terms = (float)(d->x.channels / d->groups * d->window.kh * d->window.kw);
    p->s8                    = s8;
    p->w                     = draw_weights(n_weights(d), s8);
    d->w                     = p->w;
    d->x_zero_point          = draw_zero_point();
    d->epilogue              = draw_epilogue(&p->vectors, d->y.channels, 8000.0f * sqrtf(terms));
    p->size                  = d->epilogue.y_float ? sizeof(float) : 1;
    p->x                     = draw_bytes(layout_size(&d->x, p->blocks));
    p->r                     = draw_bytes(layout_size(&d->y, p->blocks));
}

static void free_problem(struct problem *p)
{
    free(p->w);
    free(p->x);
    free(p->r);
}

/* y with guards around it, new and the caller's; *r is the residual that belongs to it, or NULL. */
static uint8_t *output(const struct problem *p, const uint8_t **r)
{
    const size_t bytes = layout_size(&p->desc.y, p->blocks) * p->size;
    uint8_t     *y     = malloc(bytes + 2 * GUARD);
    assert_non_null(y);
    memset(y, FILL, bytes + 2 * GUARD);
    *r = p->desc.epilogue.residual ? p->r : NULL;
    if (p->in_place) {
        memcpy(y + GUARD, p->r, bytes);
        *r = y + GUARD;
    }
    return y;
}

/* A family of kernels. run: all tasks of an operator made for `isa`, into a new y with guards. */
struct family {
    const char *name;
    uint8_t *(*run)(const struct problem *p, uint32_t isa, const char **name);
    bool pads; /* lanes behind the channels may be written */
};

/* Every variant this CPU can run gives what the plain definition gives. */
static inline void check_variants(const struct problem *p, const struct family *family,
                                  int32_t number)
{
    const char *name = NULL;
    uint8_t    *want = family->run(p, 0, &name);
    for (size_t v = 1; v < MXDI_Q8_COUNT; v++) {
        char full[64];
        if (mxdi_q8_rows[v].needs & ~mxdi_cpu_isa())
            continue;
        uint8_t *got = family->run(p, mxdi_q8_rows[v].needs, &name);
        snprintf(full, sizeof(full), "%s_%s", family->name, mxdi_q8_rows[v].name);
        if (p->s8 || !mxdi_q8_rows[v].s8)
            assert_string_equal(name, full);
        else
            assert_string_not_equal(name, full);
        assert_same(got, want, &p->desc.y, p->blocks, p->size, name, number);
        if (p->size > 1 && (!family->pads || p->desc.x.pitch == p->desc.y.pitch))
            assert_finite_pads(got, &p->desc.y, p->blocks);
        if (!p->in_place)
            assert_guards(got, &p->desc.y, p->blocks, p->size, p->size > 1 || family->pads);
        free(got);
    }
    free(want);
}

/* The accumulator over an explicitly padded image: padding is x_zero_point, and so adds 0. */
static int64_t exact_sum(const struct problem *p, int64_t block, int64_t row, int64_t column,
                         int64_t image, int32_t c)
{
    const mxdi_conv_q8_desc *d   = &p->desc;
    const mxdi_window2d     *win = &d->window;
    const int32_t in = d->x.channels / d->groups, out = d->y.channels / d->groups, group = c / out;
    int64_t       sum = d->epilogue.bias ? d->epilogue.bias[c] : 0;
    for (int32_t ky = 0; ky < win->kh; ky++)
        for (int32_t kx = 0; kx < win->kw; kx++)
            for (int32_t i = 0; i < in; i++) {
                const int64_t y      = row * win->sh + (int64_t)ky * win->dh - win->ph;
                const int64_t x      = column * win->sw + (int64_t)kx * win->dw - win->pw;
                const bool    inside = y >= 0 && y < d->x.h && x >= 0 && x < d->x.w;
                const int64_t q = inside ? p->x[element(&d->x, block, y, x, image, group * in + i)]
                                         : d->x_zero_point;
                sum += (q - d->x_zero_point) * p->w[((c * in + i) * win->kh + ky) * win->kw + kx];
            }
    return sum;
}

/* The plain definition is the formula. */
static inline void check_formula(const struct problem *p, const struct family *family,
                                 int32_t number)
{
    const char         *name = NULL;
    uint8_t            *got  = family->run(p, 0, &name);
    const mxdi_blocked *l    = &p->desc.y;
    for (int64_t i = 0; i < p->blocks * l->h * l->w * l->block * l->channels; i++) {
        const int64_t c = i % l->channels, image = i / l->channels % l->block,
                      pixel  = i / l->channels / l->block;
        const int64_t column = pixel % l->w, row = pixel / l->w % l->h, block = pixel / l->w / l->h;
        const int64_t at = element(l, block, row, column, image, c);
        const float want = expected(exact_sum(p, block, row, column, image, (int32_t)c), (int32_t)c,
                                    p->r[at], &p->desc.epilogue);
        float       y    = got[GUARD + at];
        if (p->size > 1)
            memcpy(&y, got + GUARD + at * 4, sizeof(y));
        if (!(y == want))
            fail_msg("case %d, element %d: %g, expected %g", number, (int)i, (double)y,
                     (double)want);
    }
    assert_guards(got, l, p->blocks, p->size, false);
    free(got);
}

/* An allocator that refuses after `left` allocations, and counts what is not freed. */
struct failing {
    int32_t left, live;
};

static void *failing_alloc(void *user, size_t bytes)
{
    struct failing *f = user;
    if (f->left-- <= 0)
        return NULL;
    f->live++;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void failing_free(void *user, void *p)
{
    struct failing *f = user;
    f->live -= p != NULL;
    free(p);
}
#endif
