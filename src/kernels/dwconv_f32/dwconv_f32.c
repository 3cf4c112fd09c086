/* SPDX-License-Identifier: Apache-2.0
 *
 * Making and running depthwise float convolutions: spans of equal taps, walked in runs of up to
 * eight outputs.
 */
#include "kernels/dwconv_f32/dwconv_f32.h"

#include <string.h>

#include "base/error.h"
#include "base/half.h"
#include "kernels/dwconv_f32/dwconv_f32_impl.h"

enum {
    MAX_TASKS  = 64,
    TASK_FLOPS = 250000 /* some microseconds at half the speed of a convolution */
};

#define MXD_DWCONV_F32(variant) \
    extern const struct mxdi_dwconv_f32_variant mxdi_dwconv_f32_##variant;
#include "kernels/dwconv_f32/dwconv_f32.inc"
#undef MXD_DWCONV_F32

const struct mxdi_dwconv_f32_variant *const mxdi_dwconv_f32_variants[] = {
#define MXD_DWCONV_F32(variant) &mxdi_dwconv_f32_##variant,
#include "kernels/dwconv_f32/dwconv_f32.inc"
#undef MXD_DWCONV_F32
    NULL
};

static const struct mxdi_dwconv_f32_variant *select_variant(uint32_t isa)
{
    const struct mxdi_dwconv_f32_variant *best = NULL;
    for (size_t i = 0; mxdi_dwconv_f32_variants[i]; i++) {
        if (!(mxdi_dwconv_f32_variants[i]->needs & ~isa))
            best = mxdi_dwconv_f32_variants[i];
    }
    return best;
}

void mxdi_dwconv_f32_set_weights(mxdi_dwconv_f32 *op, const float *w, const float *bias)
{
    const mxdi_dwconv_f32_desc *d     = &op->desc;
    const int32_t               kw    = d->window.kw;
    const int64_t               taps  = (int64_t)d->window.kh * kw;
    const int64_t               lanes = op->variant ? op->variant->lanes : 1;
    for (int64_t c = 0; c < d->x.channels; c++) {
        const float *from = w + c * op->view.group + op->view.first;
        for (int64_t t = 0; t < taps; t++) {
            const float v = from[t / kw * op->view.y + t % kw * op->view.x];
            op->w[(c / lanes * taps + t) * lanes + c % lanes] =
                d->bf16 ? mxdi_bf16_to_f32(mxdi_f32_to_bf16(v)) : v;
        }
        op->bias[c] = bias ? bias[c] : 0.0f;
    }
}

/* ref: (channels, taps); else [channels / lanes][tap][lanes]. */
static mxd_status pack(mxdi_dwconv_f32 *op, mxd_error *err)
{
    const mxdi_dwconv_f32_desc *d     = &op->desc;
    const int64_t               taps  = (int64_t)d->window.kh * d->window.kw;
    const int64_t               lanes = op->variant ? op->variant->lanes : 1;
    const int64_t               count = (d->x.channels + lanes - 1) / lanes * lanes;
    size_t                      words;
    if (!mxdi_mul_size(&words, (size_t)taps, (size_t)count) || words > SIZE_MAX / 16)
        return mxdi_fail(err, MXD_E_RANGE, "dwconv_f32: weights (%d, 1, %d, %d) are too large",
                         (int)d->x.channels, (int)d->window.kh, (int)d->window.kw);
    op->w    = MXDI_ALLOC(op->alloc, float, words);
    op->bias = MXDI_ALLOC(op->alloc, float, (size_t)count);
    if (!op->w || !op->bias)
        return mxdi_nomem(err);
    op->view  = d->view ? *d->view : (mxdi_weight_view){ taps, 0, 0, 0, d->window.kw, 1 };
    op->bytes = sizeof(*op) + (words + (size_t)count) * sizeof(float);
    mxdi_dwconv_f32_set_weights(op, d->w, d->bias);
    return MXD_OK;
}

static mxd_status init(mxdi_dwconv_f32 *op, mxd_error *err)
{
    mxdi_window1d rows, cols;
    MXD_TRY(pack(op, err));
    mxdi_window_axes(&rows, &cols, &op->desc.x, &op->desc.y, &op->desc.window);
    op->n_rows = mxdi_spans(NULL, &rows);
    op->n_cols = mxdi_spans(NULL, &cols);
    op->rows   = MXDI_ALLOC(op->alloc, mxdi_span, (size_t)op->n_rows);
    op->cols   = MXDI_ALLOC(op->alloc, mxdi_span, (size_t)op->n_cols);
    if (!op->rows || !op->cols)
        return mxdi_nomem(err);
    (void)mxdi_spans(op->rows, &rows);
    (void)mxdi_spans(op->cols, &cols);
    op->bytes += ((size_t)op->n_rows + (size_t)op->n_cols) * sizeof(mxdi_span);
    return MXD_OK;
}

mxd_status mxdi_dwconv_f32_create(mxdi_dwconv_f32 **out, const mxdi_dwconv_f32_desc *desc,
                                  uint32_t isa, const mxd_allocator *alloc, mxd_error *err)
{
    *out = NULL;
    MXD_TRY(mxdi_window_check("dwconv_f32", &desc->x, &desc->y, &desc->window, err));
    if (desc->x.channels != desc->y.channels)
        return mxdi_fail(err, MXD_E_SHAPE, "dwconv_f32: expected %d output channels like x, got %d",
                         (int)desc->x.channels, (int)desc->y.channels);
    mxdi_dwconv_f32 *const op = MXDI_ALLOC(alloc, mxdi_dwconv_f32, 1);
    if (!op)
        return mxdi_nomem(err);
    op->alloc           = alloc;
    op->desc            = *desc;
    op->variant         = select_variant(isa);
    const mxd_status st = init(op, err);
    op->desc.w = op->desc.bias = NULL;
    op->desc.view              = NULL;
    if (st != MXD_OK) {
        mxdi_dwconv_f32_destroy(op);
        return st;
    }
    *out = op;
    return MXD_OK;
}

void mxdi_dwconv_f32_destroy(mxdi_dwconv_f32 *op)
{
    if (!op)
        return;
    mxdi_free(op->alloc, op->w);
    mxdi_free(op->alloc, op->bias);
    mxdi_free(op->alloc, op->rows);
    mxdi_free(op->alloc, op->cols);
    mxdi_free(op->alloc, op);
}

const char *mxdi_dwconv_f32_name(const mxdi_dwconv_f32 *op)
{
    return op->variant ? op->variant->name : "dwconv_f32_ref";
}

size_t mxdi_dwconv_f32_bytes(const mxdi_dwconv_f32 *op)
{
    return op->bytes;
}

/* Tasks are ranges of output rows. */
size_t mxdi_dwconv_f32_tasks(const mxdi_dwconv_f32 *op, int64_t blocks)
{
    const mxdi_dwconv_f32_desc *d    = &op->desc;
    const int64_t               rows = blocks * d->y.h;
    const double                flops =
        2.0 * (double)rows * d->y.w * d->y.block * d->y.channels * d->window.kh * d->window.kw;
    const int64_t tasks =
        flops >= (double)TASK_FLOPS * MAX_TASKS ? MAX_TASKS : 1 + (int64_t)flops / TASK_FLOPS;
    return (size_t)(tasks < rows ? tasks : rows);
}

/* Every run of a walk in pieces of nearly equal length. */
static void run_walk(const mxdi_dwconv_f32 *op, const mxdi_dwconv_f32_args *start,
                     const mxdi_walk *walk)
{
    const mxdi_dwconv_f32_fn *fn = op->desc.bf16 ? op->variant->bf16 : op->variant->f32;
    const int64_t             n  = walk->n[0],
                  pieces         = (n + MXDI_DWCONV_F32_MAX_ROWS - 1) / MXDI_DWCONV_F32_MAX_ROWS;
    const int64_t n1 = walk->rank > 1 ? walk->n[1] : 1, n2 = walk->rank > 2 ? walk->n[2] : 1;
    for (int64_t i = 0; i < n1 * n2; i++) {
        const int64_t x = i % n1 * walk->x[1] + i / n1 * walk->x[2];
        const int64_t y = i % n1 * walk->y[1] + i / n1 * walk->y[2];
        for (int64_t piece = 0; piece < pieces; piece++) {
            const int64_t        from = piece * n / pieces, m = (piece + 1) * n / pieces - from;
            mxdi_dwconv_f32_args args = *start;
            args.x += x + from * walk->x[0];
            args.y += y + from * walk->y[0];
            if (args.r)
                args.r += y + from * walk->y[0];
            fn[m](&args);
        }
    }
}

/* Rows [y0, y1) of one block, all of one span, at one span of columns. */
static void run_region(const mxdi_dwconv_f32 *op, const float *x, const float *r, float *y,
                       int32_t y0, int32_t y1, const mxdi_span *rows, const mxdi_span *cols)
{
    const mxdi_dwconv_f32_desc *d   = &op->desc;
    const mxdi_window2d        *win = &d->window;
    const int64_t x_pixel = mxdi_blocked_pixel(&d->x), x_row = mxdi_blocked_row(&d->x);
    const int64_t y_pixel = mxdi_blocked_pixel(&d->y), y_row = mxdi_blocked_row(&d->y);
    const int32_t n_ky = rows->k_end - rows->k_begin, n_kx = cols->k_end - cols->k_begin,
                  lanes = op->variant->lanes;
    const int64_t iy    = (int64_t)y0 * win->sh - win->ph + (int64_t)rows->k_begin * win->dh;
    const int64_t ix = (int64_t)cols->begin * win->sw - win->pw + (int64_t)cols->k_begin * win->dw;
    const int64_t at = y0 * y_row + cols->begin * y_pixel;
    mxdi_walk     walk = { 3,
                           { d->y.block, cols->end - cols->begin, y1 - y0, 1 },
                           { d->x.pitch, win->sw * x_pixel, win->sh * x_row, 0 },
                           { d->y.pitch, y_pixel, y_row, 0 } };
    mxdi_walk_simplify(&walk, MXDI_DWCONV_F32_MAX_ROWS);
    const mxdi_dwconv_f32_args args = {
        .x        = n_ky > 0 && n_kx > 0 ? x + iy * x_row + ix * x_pixel : x,
        .x_row    = walk.x[0],
        .x_kx     = win->dw * x_pixel,
        .x_ky     = win->dh * x_row,
        .n_kx     = n_kx,
        .n_ky     = n_ky,
        .w        = op->w + ((int64_t)rows->k_begin * win->kw + cols->k_begin) * lanes,
        .w_vector = (int64_t)win->kh * win->kw * lanes,
        .w_ky     = (int64_t)(win->kw - n_kx) * lanes,
        .bias     = op->bias,
        .y        = y + at,
        .y_row    = walk.y[0],
        .r        = d->residual ? r + at : NULL,
        .lo       = d->y_min,
        .hi       = d->y_max,
        .channels = d->y.channels,
        .stored = d->y.pitch < d->y.channels + lanes ? (int32_t)d->y.pitch : d->y.channels + lanes,
        .round_bf16 = d->round_bf16,
    };
    run_walk(op, &args, &walk);
}

/* Output rows [y0, y1) of one block. */
static void run_rows(const mxdi_dwconv_f32 *op, const float *x, const float *r, float *y,
                     int32_t y0, int32_t y1)
{
    for (int32_t i = 0; i < op->n_rows; i++) {
        const mxdi_span *rows = &op->rows[i];
        const int32_t    from = y0 > rows->begin ? y0 : rows->begin,
                      to      = y1 < rows->end ? y1 : rows->end;
        for (int32_t j = 0; j < op->n_cols && from < to; j++)
            run_region(op, x, r, y, from, to, rows, &op->cols[j]);
    }
}

void mxdi_dwconv_f32_run(const mxdi_dwconv_f32 *op, const float *x, const float *r, float *y,
                         int64_t blocks, size_t begin, size_t end)
{
    const mxdi_dwconv_f32_desc *d = &op->desc;
    const int64_t rows = blocks * d->y.h, tasks = (int64_t)mxdi_dwconv_f32_tasks(op, blocks);
    const int64_t from = (int64_t)begin * rows / tasks, to = (int64_t)end * rows / tasks;
    if (!op->variant) {
        mxdi_dwconv_f32_ref(op, x, r, y, from, to);
        return;
    }
    for (int64_t row = from; row < to;) {
        const int64_t b = row / d->y.h, stop = (b + 1) * d->y.h < to ? (b + 1) * d->y.h : to;
        run_rows(op, x + b * d->x.block_stride, d->residual ? r + b * d->y.block_stride : NULL,
                 y + b * d->y.block_stride, (int32_t)(row - b * d->y.h),
                 (int32_t)(stop - b * d->y.h));
        row = stop;
    }
}
