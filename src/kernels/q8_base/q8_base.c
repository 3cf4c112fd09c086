/* SPDX-License-Identifier: Apache-2.0
 *
 * The common part of integer convolutions: see q8_base.h. */
#include "kernels/q8_base/q8_base.h"

#include "base/error.h"
#include "kernels/simd/q8.h"

static mxd_status check(const char *what, const mxdi_conv_q8_desc *d, mxd_error *err)
{
    MXD_TRY(mxdi_window_check(what, &d->x, &d->y, &d->window, err));
    if (d->groups < 1 || d->x.channels % d->groups || d->y.channels % d->groups)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "%s: expected %d and %d channels in whole groups, got %d groups", what,
                         d->x.channels, d->y.channels, d->groups);
    if (d->x_zero_point < 0 || d->x_zero_point > 255)
        return mxdi_fail(err, MXD_E_RANGE, "%s: expected a zero point of 0..255 for x, got %d",
                         what, d->x_zero_point);
    return MXD_OK;
}

mxd_status mxdi_q8_base_init(mxdi_q8_base *base, const char *what, const mxdi_conv_q8_desc *desc,
                             size_t n_weights, uint32_t isa, const mxd_allocator *alloc,
                             mxd_error *err)
{
    int32_t lo = 0, hi = 0;
    mxdi_arena_init(&base->arena, alloc);
    MXD_TRY(check(what, desc, err));
    MXD_TRY(mxdi_post_q8_init(&base->post, &desc->epilogue, desc->y.channels, err));
    for (size_t i = 0; i < n_weights; i++) {
        lo = desc->w[i] < lo ? desc->w[i] : lo;
        hi = desc->w[i] > hi ? desc->w[i] : hi;
    }
    if (lo < -255 || hi > 255)
        return mxdi_fail(err, MXD_E_RANGE, "%s: expected weights within -255..255, got %d..%d",
                         what, lo, hi);
    base->row          = mxdi_q8_select(isa, lo, hi);
    base->x            = desc->x;
    base->y            = desc->y;
    base->window       = desc->window;
    base->x_zero_point = desc->x_zero_point;
    base->y_size       = desc->epilogue.y_float ? (int32_t)sizeof(float) : 1;
    return MXD_OK;
}

void *mxdi_q8_base_alloc(mxdi_q8_base *base, size_t count, size_t size)
{
    void *p = mxdi_arena_alloc(&base->arena, count, size, 64);
    if (p)
        base->bytes += count * size;
    return p;
}

/* A copy of an optional vector; false when out of memory. */
static bool keep(mxdi_q8_base *base, const void **p, size_t count, size_t size)
{
    if (!*p)
        return true;
    void *copy = mxdi_q8_base_alloc(base, count, size);
    if (copy)
        memcpy(copy, *p, count * size);
    *p = copy;
    return copy != NULL;
}

mxd_status mxdi_q8_base_keep(mxdi_q8_base *base, const int16_t **w, size_t n_weights,
                             mxdi_q8_epilogue *e, mxd_error *err)
{
    const size_t n     = (size_t)base->y.channels;
    const void  *all_w = *w, *bias = e->bias, *bias_float = e->bias_float, *m = e->m;
    const bool   kept = keep(base, &all_w, n_weights, sizeof(int16_t)) &&
                      keep(base, &bias, n, sizeof(int32_t)) &&
                      keep(base, &bias_float, n, sizeof(float)) && keep(base, &m, n, sizeof(float));
    *w            = all_w;
    e->bias       = bias;
    e->bias_float = bias_float;
    e->m          = m;
    return kept ? MXD_OK : mxdi_nomem(err);
}

mxd_status mxdi_q8_base_spans(mxdi_q8_base *base, mxd_error *err)
{
    mxdi_window1d rows, columns;
    size_t        rectangles;
    mxdi_window_axes(&rows, &columns, &base->x, &base->y, &base->window);
    base->n_y     = mxdi_spans(NULL, &rows);
    base->n_x     = mxdi_spans(NULL, &columns);
    base->spans_y = mxdi_q8_base_alloc(base, (size_t)base->n_y, sizeof(mxdi_span));
    base->spans_x = mxdi_q8_base_alloc(base, (size_t)base->n_x, sizeof(mxdi_span));
    if (!base->spans_y || !base->spans_x ||
        !mxdi_mul_size(&rectangles, (size_t)base->n_y, (size_t)base->n_x))
        return mxdi_nomem(err);
    mxdi_spans(base->spans_y, &rows);
    mxdi_spans(base->spans_x, &columns);
    return MXD_OK;
}

static size_t rectangles_of(const mxdi_q8_base *base)
{
    return (size_t)base->n_y * (size_t)base->n_x;
}

size_t mxdi_q8_base_biases(const mxdi_q8_base *base)
{
    return base->x_zero_point == base->nothing ? 1 : rectangles_of(base);
}

size_t mxdi_q8_base_scratch(const mxdi_q8_base *base)
{
    const size_t kh = (size_t)base->window.kh, kw = (size_t)base->window.kw;
    return kh * kw + (kh + 1) * (kw + 1) + rectangles_of(base);
}

void mxdi_q8_base_fold(const mxdi_q8_base *base, int32_t *bias, size_t step, int32_t b,
                       const int16_t *w, int32_t c_in, uint32_t *scratch)
{
    const size_t   kh = (size_t)base->window.kh, kw = (size_t)base->window.kw, taps = kh * kw;
    const size_t   n      = mxdi_q8_base_biases(base);
    const uint32_t zero   = (uint32_t)base->x_zero_point - (uint32_t)base->nothing;
    uint32_t      *prefix = scratch + taps, *sums = prefix + (kh + 1) * (kw + 1);
    for (size_t t = 0; t < taps; t++) {
        int64_t sum = 0;
        for (size_t c = 0; c < (size_t)c_in; c++)
            sum += w[c * taps + t];
        scratch[t] = (uint32_t)sum;
    }
    mxdi_window_sums(sums, prefix, scratch, &base->window, base->spans_y, base->n_y, base->spans_x,
                     base->n_x);
    for (size_t i = 0; i < n; i++)
        bias[i * step] = (int32_t)((uint32_t)b - zero * sums[i]);
}
