/* SPDX-License-Identifier: Apache-2.0
 *
 * One row of outputs: its rectangles, their runs of outputs, and the vectors of channels of each. */
#include "kernels/dwconv_q8/dwconv_q8_op.h"

/* What all runs of a row share. */
struct row {
    const mxdi_dwconv_q8 *op;
    const uint8_t        *x, *r; /* the block; y's row */
    uint8_t              *y;
    const mxdi_span      *rows;
    int32_t               at, rectangle; /* the output row; index of its first rectangle */
    int64_t               y_size;        /* bytes of an element */
};

static const mxdi_span *span_of(const mxdi_span *spans, int32_t at)
{
    while (at >= spans->end)
        spans++;
    return spans;
}

/* Outputs of one rectangle, one segment (images `segment`), all vectors. */
static void run_rectangle(const struct row *row, int32_t index, int32_t segment)
{
    const mxdi_dwconv_q8 *const      op   = row->op;
    const mxdi_dwconv_q8_desc *const d    = &op->desc;
    const mxdi_window2d *const       win  = &d->window;
    const mxdi_span *const           span = &op->spans_x[index];
    const int64_t lanes = 4 * (int64_t)op->variant->kernel->lanes, x_pixel = mxdi_blocked_pixel(&d->x);
    const int64_t y_pixel = mxdi_blocked_pixel(&d->y), outputs = span->end - span->begin;
    const int64_t iy = (int64_t)row->at * win->sh - win->ph + (int64_t)row->rows->k_begin * win->dh;
    const int64_t ix = (int64_t)span->begin * win->sw - win->pw + (int64_t)span->k_begin * win->dw;
    const bool    some = row->rows->k_begin < row->rows->k_end && span->k_begin < span->k_end; /* taps inside */
    const int64_t groups = (outputs + op->pixels - 1) / op->pixels, rest = outputs - (groups - 1) * op->pixels;
    const int64_t full = op->pixels > 1 ? op->pixels * d->y.pitch : op->stored;
    const int64_t last = op->pixels > 1 ? (rest - 1) * d->y.pitch + d->y.channels : op->stored;
    const int64_t y0   = span->begin * y_pixel + segment * d->y.pitch;
    const size_t  bias = (size_t)(row->rectangle + index) * op->bias_step;
    for (int32_t v = 0; v < op->vectors; v++) {
        const int64_t first = v * lanes, n = full - first < lanes ? full - first : lanes;
        const int64_t n_last = last - first < lanes ? last - first : lanes;
        const size_t  w      = (size_t)(v % op->distinct);
        mxdi_dwconv_q8_run_args run = {
            .x = row->x + (some ? iy * mxdi_blocked_row(&d->x) + ix * x_pixel : 0) + segment * d->x.pitch + first,
            .x_ky = win->dh * mxdi_blocked_row(&d->x), .x_kx = win->dw * x_pixel, .x_step = op->pixels * win->sw * x_pixel,
            .ky = some ? row->rows->k_begin : 0, .ky_end = some ? row->rows->k_end : 0,
            .kx = span->k_begin, .kx_end = span->k_end, .kw = win->kw,
            .w = op->w + w * op->vector_bytes, .bias = op->bias + bias + w * (size_t)lanes,
            .m = op->m + w * (size_t)lanes, .bias_float = op->bias_float + w * (size_t)lanes,
            .y = row->y + (y0 + first) * row->y_size, .r = row->r ? row->r + y0 + first : NULL,
            .y_step = op->pixels * y_pixel * row->y_size, .outputs = n_last > 0 ? groups : groups - 1,
            .n = (int32_t)n, .n_last = (int32_t)(n_last > 0 ? n_last : n), .post = &op->post };
        if (run.outputs > 0)
            (span->k_begin == 0 && span->k_end == win->kw ? op->whole : op->variant->kernel->any)(&run);
    }
}

void mxdi_dwconv_q8_row(const mxdi_dwconv_q8 *op, const uint8_t *x, const uint8_t *r, void *y, int64_t block,
                        int32_t row)
{
    const mxdi_dwconv_q8_desc *const d  = &op->desc;
    const int64_t                    at = block * d->y.block_stride + row * mxdi_blocked_row(&d->y);
    struct row one = { .op = op, .x = x + block * d->x.block_stride, .r = r ? r + at : NULL, .at = row,
                       .y_size = d->epilogue.y_float ? (int64_t)sizeof(float) : 1 };
    one.y         = (uint8_t *)y + at * one.y_size;
    one.rows      = span_of(op->spans_y, row);
    one.rectangle = (int32_t)(one.rows - op->spans_y) * op->n_x;
    for (int32_t k = 0; k < op->n_x; k++)
        for (int32_t s = 0; s < op->segments; s++)
            run_rectangle(&one, k, s);
}
