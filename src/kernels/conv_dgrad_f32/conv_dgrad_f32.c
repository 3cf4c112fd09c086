/* SPDX-License-Identifier: Apache-2.0
 *
 * Making, asking and running gradients of inputs: which classes of pixels there are, and the
 * convolution of each.
 */
#include "kernels/conv_dgrad_f32/conv_dgrad_f32.h"

#include <math.h>

#include "base/error.h"
#include "kernels/conv_dgrad_f32/conv_dgrad_f32_impl.h"
#include "kernels/window.h"

enum { GROUP_ROWS = 112 }; /* outputs of a class convolved together at least: a few tiles */

static int32_t gcd(int32_t a, int32_t b)
{
    while (b) {
        const int32_t r = a % b;
        a               = b;
        b               = r;
    }
    return a;
}

/* The inputs first, first + stride ... of an axis. */
static mxdi_conv_dgrad_f32_axis axis_of(const mxdi_window1d *w, int32_t first)
{
    const int32_t            g = gcd(w->stride, w->dilation);
    mxdi_conv_dgrad_f32_axis a = { .first    = first,
                                   .size     = (w->in - 1 - first) / w->stride + 1,
                                   .step     = w->stride / g,
                                   .dilation = w->dilation / g };
    for (int32_t k = 0; k < w->kernel && k < a.step && a.taps == 0; k++) {
        const int64_t at = (int64_t)first + w->pad - (int64_t)k * w->dilation; /* of output 0 */
        if (at % w->stride)
            continue;
        a.k0   = k;
        a.taps = (w->kernel - 1 - k) / a.step + 1;
        a.pad  = (int32_t)((a.taps - 1) * (int64_t)a.dilation - at / w->stride);
    }
    return a;
}

/* The class's weights, flipped and transposed, in w. */
static mxdi_weight_view view_of(const mxdi_conv_dgrad_f32_desc  *d,
                                const mxdi_conv_dgrad_f32_class *c)
{
    const int64_t c_in = d->x.channels / d->groups, c_out = d->y.channels / d->groups;
    const int64_t kw = d->window.kw, taps = d->window.kh * kw;
    const int64_t last_y = c->y.k0 + (c->y.taps - 1) * (int64_t)c->y.step;
    const int64_t last_x = c->x.k0 + (c->x.taps - 1) * (int64_t)c->x.step;
    return (mxdi_weight_view){ c_out * c_in * taps, taps,      c_in * taps, last_y * kw + last_x,
                               -c->y.step * kw,     -c->x.step };
}

static mxd_status make_operator(const mxdi_conv_dgrad_f32 *op, mxdi_conv_dgrad_f32_class *c,
                                uint32_t isa, mxd_error *err)
{
    const mxdi_conv_dgrad_f32_desc *d        = &op->desc;
    const mxdi_window2d             window   = { c->y.taps,     c->x.taps,     1,        1,
                                                 c->y.dilation, c->x.dilation, c->y.pad, c->x.pad };
    const int32_t                   residual = !op->strided && d->accumulate;
    const mxdi_weight_view          view     = view_of(d, c);
    if (d->groups > 1 && d->groups == d->x.channels && d->groups == d->y.channels) {
        const mxdi_dwconv_f32_desc dw = { .x        = d->y,
                                          .y        = c->layout,
                                          .window   = window,
                                          .w        = d->w,
                                          .view     = &view,
                                          .residual = residual,
                                          .y_min    = -INFINITY,
                                          .y_max    = INFINITY };
        return mxdi_dwconv_f32_create(&c->dwconv, &dw, isa, op->alloc, err);
    }
    const mxdi_conv_f32_desc conv = { .x         = d->y,
                                      .y         = c->layout,
                                      .window    = window,
                                      .groups    = d->groups,
                                      .w         = d->w,
                                      .view      = &view,
                                      .residual  = residual,
                                      .y_min     = -INFINITY,
                                      .y_max     = INFINITY,
                                      .algorithm = op->strided ? 0 : d->algorithm };
    return mxdi_conv_f32_create(&c->conv, &conv, isa, op->alloc, err);
}

static mxd_status make_class(const mxdi_conv_dgrad_f32 *op, mxdi_conv_dgrad_f32_class *c,
                             uint32_t isa, mxd_error *err)
{
    const mxdi_conv_dgrad_f32_desc *d = &op->desc;
    c->layout                         = d->x;
    if (op->strided) {
        c->layout.h            = c->y.size;
        c->layout.w            = c->x.size;
        c->layout.block_stride = c->y.size * mxdi_blocked_row(&c->layout);
    }
    if (c->y.taps == 0 || c->x.taps == 0)
        return MXD_OK;
    return make_operator(op, c, isa, err);
}

/* Scratch: the pixels of a group of blocks of the largest class, then what its convolution needs.
 */
static void measure(mxdi_conv_dgrad_f32 *op)
{
    const mxdi_blocked *largest = &op->classes[0].layout; /* its rows and columns begin first */
    const int64_t       rows    = (int64_t)largest->h * largest->w * largest->block;
    op->group                   = rows < GROUP_ROWS ? (GROUP_ROWS + rows - 1) / rows : 1;
    if (op->strided)
        op->pixel_bytes =
            ((size_t)(op->group * largest->block_stride) * sizeof(float) + 63) / 64 * 64;
    size_t most = 0;
    for (int32_t i = 0; i < op->n_classes; i++) {
        const mxdi_conv_f32 *conv  = op->classes[i].conv;
        const size_t         bytes = conv ? mxdi_conv_f32_scratch(conv) : 0;
        most                       = bytes > most ? bytes : most;
    }
    op->scratch_bytes = op->pixel_bytes + most;
}

static mxd_status init(mxdi_conv_dgrad_f32 *op, uint32_t isa, mxd_error *err)
{
    const mxdi_conv_dgrad_f32_desc *d   = &op->desc;
    const int32_t                   n_y = d->window.sh < d->x.h ? d->window.sh : d->x.h;
    const int32_t                   n_x = d->window.sw < d->x.w ? d->window.sw : d->x.w;
    mxdi_window1d                   rows, cols;
    mxdi_window_axes(&rows, &cols, &d->x, &d->y, &d->window);
    size_t n, words;
    if (!mxdi_mul_size(&words, (size_t)d->window.kh, (size_t)d->window.kw) ||
        !mxdi_mul_size(&words, words, (size_t)d->x.channels) ||
        !mxdi_mul_size(&words, words, (size_t)d->y.channels) || words > SIZE_MAX / 256)
        return mxdi_fail(
            err, MXD_E_RANGE, "conv_dgrad_f32: weights of %d and %d channels, %dx%d, are too large",
            (int)d->y.channels, (int)d->x.channels, (int)d->window.kh, (int)d->window.kw);
    if (!mxdi_mul_size(&n, (size_t)n_y, (size_t)n_x) || n > INT32_MAX)
        return mxdi_fail(err, MXD_E_RANGE, "conv_dgrad_f32: strides %dx%d are too large",
                         (int)d->window.sh, (int)d->window.sw);
    op->strided = d->window.sh > 1 || d->window.sw > 1;
    op->classes = MXDI_ALLOC(op->alloc, mxdi_conv_dgrad_f32_class, n);
    if (!op->classes)
        return mxdi_nomem(err);
    op->n_classes = (int32_t)n;
    for (int32_t i = 0; i < op->n_classes; i++) {
        op->classes[i].y = axis_of(&rows, i / n_x);
        op->classes[i].x = axis_of(&cols, i % n_x);
        MXD_TRY(make_class(op, &op->classes[i], isa, err));
    }
    measure(op);
    return MXD_OK;
}

mxd_status mxdi_conv_dgrad_f32_create(mxdi_conv_dgrad_f32           **out,
                                      const mxdi_conv_dgrad_f32_desc *desc, uint32_t isa,
                                      const mxd_allocator *alloc, mxd_error *err)
{
    *out = NULL;
    MXD_TRY(mxdi_window_check("conv_dgrad_f32", &desc->x, &desc->y, &desc->window, err));
    if (desc->groups < 1 || desc->x.channels % desc->groups || desc->y.channels % desc->groups)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "conv_dgrad_f32: expected groups that divide %d and %d channels, got %d",
                         (int)desc->x.channels, (int)desc->y.channels, (int)desc->groups);
    mxdi_conv_dgrad_f32 *const op = MXDI_ALLOC(alloc, mxdi_conv_dgrad_f32, 1);
    if (!op)
        return mxdi_nomem(err);
    op->alloc           = alloc;
    op->desc            = *desc;
    const mxd_status st = init(op, isa, err);
    op->desc.w          = NULL;
    if (st != MXD_OK) {
        mxdi_conv_dgrad_f32_destroy(op);
        return st;
    }
    *out = op;
    return MXD_OK;
}

void mxdi_conv_dgrad_f32_destroy(mxdi_conv_dgrad_f32 *op)
{
    if (!op)
        return;
    for (int32_t i = 0; i < op->n_classes; i++) {
        mxdi_conv_f32_destroy(op->classes[i].conv);
        mxdi_dwconv_f32_destroy(op->classes[i].dwconv);
    }
    mxdi_free(op->alloc, op->classes);
    mxdi_free(op->alloc, op);
}

void mxdi_conv_dgrad_f32_set_weights(mxdi_conv_dgrad_f32 *op, const float *w)
{
    for (int32_t i = 0; i < op->n_classes; i++) {
        if (op->classes[i].conv)
            mxdi_conv_f32_set_weights(op->classes[i].conv, w, NULL);
        if (op->classes[i].dwconv)
            mxdi_dwconv_f32_set_weights(op->classes[i].dwconv, w, NULL);
    }
}

const char *mxdi_conv_dgrad_f32_name(const mxdi_conv_dgrad_f32 *op)
{
    for (int32_t i = 0; i < op->n_classes; i++) {
        if (op->classes[i].conv)
            return mxdi_conv_f32_name(op->classes[i].conv);
        if (op->classes[i].dwconv)
            return mxdi_dwconv_f32_name(op->classes[i].dwconv);
    }
    return "none"; /* no output sees any input */
}

size_t mxdi_conv_dgrad_f32_bytes(const mxdi_conv_dgrad_f32 *op)
{
    size_t bytes = sizeof(*op) + (size_t)op->n_classes * sizeof(*op->classes);
    for (int32_t i = 0; i < op->n_classes; i++) {
        if (op->classes[i].conv)
            bytes += mxdi_conv_f32_bytes(op->classes[i].conv);
        if (op->classes[i].dwconv)
            bytes += mxdi_dwconv_f32_bytes(op->classes[i].dwconv);
    }
    return bytes;
}

size_t mxdi_conv_dgrad_f32_scratch(const mxdi_conv_dgrad_f32 *op)
{
    return op->scratch_bytes;
}

size_t mxdi_conv_dgrad_f32_tasks(const mxdi_conv_dgrad_f32 *op, int64_t blocks)
{
    if (op->strided)
        return (size_t)(op->n_classes * ((blocks + op->group - 1) / op->group));
    return op->classes->conv ? mxdi_conv_f32_tasks(op->classes->conv, blocks)
                             : mxdi_dwconv_f32_tasks(op->classes->dwconv, blocks);
}

void mxdi_conv_dgrad_f32_run(const mxdi_conv_dgrad_f32 *op, const float *dy, float *dx,
                             void *scratch, int64_t blocks, size_t begin, size_t end)
{
    const float *const r = op->desc.accumulate ? dx : NULL;
    if (op->strided)
        mxdi_conv_dgrad_f32_run_strided(op, dy, dx, scratch, blocks, begin, end);
    else if (op->classes->conv)
        mxdi_conv_f32_run(op->classes->conv, dy, r, dx, scratch, blocks, begin, end);
    else
        mxdi_dwconv_f32_run(op->classes->dwconv, dy, r, dx, blocks, begin, end);
}
