/* SPDX-License-Identifier: Apache-2.0
 *
 * Running dwconv_q8: how the work is cut into tasks, and the loops from a task down to runs of
 * outputs. */
#include "kernels/dwconv_q8/dwconv_q8_op.h"

enum {
    TASK_PRODUCTS =
        256 << 10,     /* about a microsecond: below, handing out work costs more than it gains */
    TASKS_WANTED = 128 /* even loads for 16 threads */
};

/* A task: a part of the rows of one image block, for a part of the vectors. The latter changes
 * fastest. */
struct split {
    mxdi_parts rows, vectors;
};

struct call {
    const mxdi_dwconv_q8 *op;
    const uint8_t        *x, *r; /* of the block */
    uint8_t              *y;
    int32_t               begin, end; /* vectors */
};

static struct split split_work(const mxdi_dwconv_q8 *op, int64_t blocks)
{
    const mxdi_q8_base *b        = &op->base;
    const double        pixels   = (double)blocks * b->y.block * b->y.h * b->y.w;
    const double        products = pixels * b->y.channels * b->window.kh * b->window.kw;
    const double        most     = (double)TASK_PRODUCTS * TASKS_WANTED;
    const int64_t wanted = products < most ? 1 + (int64_t)(products / TASK_PRODUCTS) : TASKS_WANTED;
    const int64_t rest   = mxdi_div_up(wanted, blocks);
    const int64_t rows   = rest < b->y.h ? rest : b->y.h;
    const int64_t left   = mxdi_div_up(rest, rows);
    const int64_t vectors = left < op->vectors ? left : op->vectors;
    return (struct split){ mxdi_parts_make(b->y.h, rows), mxdi_parts_make(op->vectors, vectors) };
}

size_t mxdi_dwconv_q8_kernel_tasks(const mxdi_dwconv_q8 *op, int64_t blocks)
{
    const struct split s = split_work(op, blocks);
    return (size_t)(blocks * s.rows.n * s.vectors.n);
}

static int32_t at_most(int64_t v, int32_t high)
{
    return v < high ? (int32_t)v : high;
}

/* One run in the task's vectors. full, last: lanes to store of its outputs, and of the last one;
 * run: those of its fields that all vectors share, and x, y, r of the first. */
static void run_vectors(const struct call *c, mxdi_dwconv_q8_run_args *run, mxdi_dwconv_q8_fn fn,
                        const int32_t *bias, int64_t full, int64_t last)
{
    const mxdi_dwconv_q8 *op      = c->op;
    const int32_t         lanes   = 4 * op->kernel->lanes;
    const int64_t         outputs = run->outputs;
    const uint8_t        *x = run->x, *r = run->r;
    uint8_t              *y = run->y;
    for (int32_t v = c->begin; v < c->end; v++) {
        const int64_t first = (int64_t)v * lanes;
        const size_t  w = (size_t)(v % op->distinct), at = w * (size_t)lanes;
        run->x          = x + first;
        run->y          = y + first * op->base.y_size;
        run->r          = r ? r + first : NULL;
        run->w          = op->w + w * op->vector_bytes;
        run->bias       = bias + at;
        run->m          = op->m + at;
        run->bias_float = op->bias_float + at;
        run->n          = at_most(full - first, lanes);
        run->n_last     = last > first ? at_most(last - first, lanes) : run->n;
        run->outputs    = last > first ? outputs : outputs - 1;
        if (run->outputs > 0)
            fn(run);
    }
}

/* Row `row` of the outputs `columns` of rectangle (i, j), or of more with its biases. */
static void run_row(const struct call *c, int32_t i, int32_t j, const mxdi_span *columns,
                    int32_t row)
{
    const mxdi_dwconv_q8 *op      = c->op;
    const mxdi_q8_base   *b       = &op->base;
    const mxdi_window2d  *win     = &b->window;
    const mxdi_span      *rows    = &b->spans_y[i];
    const int64_t         x_pixel = mxdi_blocked_pixel(&b->x), x_row = mxdi_blocked_row(&b->x);
    const int64_t         y_pixel = mxdi_blocked_pixel(&b->y);
    const bool            some =
        rows->k_begin < rows->k_end && columns->k_begin < columns->k_end; /* taps inside */
    const bool    whole = op->whole && columns->k_begin == 0 && columns->k_end == win->kw;
    const int64_t iy    = (int64_t)row * win->sh - win->ph + (int64_t)rows->k_begin * win->dh;
    const int64_t ix =
        (int64_t)columns->begin * win->sw - win->pw + (int64_t)columns->k_begin * win->dw;
    const int64_t outputs = columns->end - columns->begin,
                  groups  = mxdi_div_up(outputs, op->pixels);
    const int64_t rest    = outputs - (groups - 1) * op->pixels; /* pixels of the last group */
    const int64_t full    = op->pixels > 1 ? op->pixels * b->y.pitch : op->stored;
    const int64_t last    = op->pixels > 1 ? (rest - 1) * b->y.pitch + op->stored : op->stored;
    const int64_t target  = row * mxdi_blocked_row(&b->y) + columns->begin * y_pixel;
    const size_t  index   = (size_t)(whole ? op->whole_y : i) * (size_t)b->n_x + (size_t)j;
    for (int32_t s = 0; s < op->segments; s++) {
        const uint8_t          *x = c->x + s * b->x.pitch + (some ? iy * x_row + ix * x_pixel : 0);
        const int64_t           y = target + s * b->y.pitch;
        mxdi_dwconv_q8_run_args run = { .x       = x,
                                        .x_ky    = win->dh * x_row,
                                        .x_kx    = win->dw * x_pixel,
                                        .x_step  = op->pixels * win->sw * x_pixel,
                                        .ky      = some ? rows->k_begin : 0,
                                        .ky_end  = some ? rows->k_end : 0,
                                        .kx      = columns->k_begin,
                                        .kx_end  = columns->k_end,
                                        .kw      = win->kw,
                                        .column  = op->whole_x < 0 ? 0 : (int32_t)ix,
                                        .columns = op->whole_x < 0 ? INT32_MAX : b->x.w,
                                        .outside = op->outside,
                                        .y       = c->y + y * b->y_size,
                                        .r       = c->r ? c->r + y : NULL,
                                        .y_step  = op->pixels * y_pixel * b->y_size,
                                        .outputs = groups,
                                        .post    = &b->post,
                                        .quick   = op->quick };
        run_vectors(c, &run, whole ? op->whole : op->kernel->any, op->bias + index * op->bias_step,
                    full, last);
    }
}

void mxdi_dwconv_q8_kernel_run(const mxdi_dwconv_q8 *op, const uint8_t *x, const uint8_t *r,
                               void *y, int64_t blocks, size_t begin, size_t end)
{
    const mxdi_q8_base *b   = &op->base;
    const struct split  s   = split_work(op, blocks);
    const mxdi_span     all = { 0, b->y.w, 0, b->window.kw };
    for (size_t t = begin; t < end; t++) {
        const int64_t vectors = (int64_t)t % s.vectors.n, rest = (int64_t)t / s.vectors.n;
        const int64_t rows = rest % s.rows.n, block = rest / s.rows.n,
                      at          = block * b->y.block_stride;
        const struct call c       = { .op    = op,
                                      .x     = x + block * b->x.block_stride,
                                      .r     = r ? r + at : NULL,
                                      .y     = (uint8_t *)y + at * b->y_size,
                                      .begin = (int32_t)mxdi_parts_begin(&s.vectors, vectors),
                                      .end   = (int32_t)mxdi_parts_begin(&s.vectors, vectors + 1) };
        const int32_t     end_row = (int32_t)mxdi_parts_begin(&s.rows, rows + 1);
        int32_t           i       = 0;
        for (int32_t row = (int32_t)mxdi_parts_begin(&s.rows, rows); row < end_row; row++) {
            while (row >= b->spans_y[i].end)
                i++;
            if (op->whole && op->whole_x >= 0)
                run_row(&c, i, op->whole_x, &all, row);
            else
                for (int32_t j = 0; j < b->n_x; j++)
                    run_row(&c, i, j, &b->spans_x[j], row);
        }
    }
}
