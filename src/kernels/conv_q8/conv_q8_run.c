/* SPDX-License-Identifier: Apache-2.0
 *
 * Running conv_q8: how the work is cut into tasks, and the loops from a task down to a tile.
 *
 * A task is a rectangle of the output of one image block for a part of the panels. Weights that fill a good part of L2
 * are walked in parts that fit, all blocks for each; smaller ones are all used on one block after the other. A task
 * may be as short as two microseconds, so it starts without divisions. */
#include "kernels/conv_q8/conv_q8_op.h"

enum {
    WEIGHTS_IN_L2 = 400 << 10, /* bytes of panels that stay in L2 beside the activations, of 1 MB and more */
    WEIGHTS_IN_L1 = 24 << 10,
    INPUTS_IN_L1  = 32 << 10, /* bytes of inputs that all panels of a task use before the next are taken */
    TASK_MACS     = 2 << 20,  /* about two microseconds: below, handing out work costs more than it gains */
    TASKS_WANTED  = 128       /* even loads for 16 threads */
};

/* A range in n parts of `few` elements, the first `more` of them with one more. */
struct parts {
    int64_t n, few, more;
};

/* The parts of a task's indices; of those the last changes fastest, or the panels with `weights_first` slowest. */
struct split {
    struct parts panels, rows, columns;
    bool         weights_first;
    int64_t      step; /* tiles of a run that all panels of a task take before the next */
};

struct call {
    const mxdi_conv_q8       *op;
    const uint8_t            *x, *r;
    uint8_t                  *y;
    int64_t                   size; /* bytes of an output element */
    int64_t                   step; /* of struct split */
    const mxdi_conv_q8_panel *panels, *end; /* of the task */
};

/* Runs of a rectangle: rows at constant distances, in bytes, and how they are cut into tiles. */
struct runs {
    int64_t      x_row, y_row;
    struct parts tiles;
};

static int64_t at_least(int64_t v, int64_t low)
{
    return v > low ? v : low;
}

static int64_t at_most(int64_t v, int64_t high)
{
    return v < high ? v : high;
}

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static struct parts parts_make(int64_t elements, int64_t n)
{
    return (struct parts){ n, elements / n, elements % n };
}

/* The first element of part i, or with i = n the end of the last. */
static int64_t parts_begin(const struct parts *p, int64_t i)
{
    return i * p->few + at_most(i, p->more);
}

/* Weights that fit L1 are used on one tile after the other; otherwise a piece of x in L1 meets one panel after the
 * other. */
static int64_t tiles_at_a_time(const mxdi_conv_q8 *op, int64_t n_panels)
{
    const int64_t rows  = op->variant->kernel->rows;
    const int64_t bytes = 4 * (int64_t)op->k4 * op->desc.window.kh; /* new inputs of a row */
    if (op->collect_rows)
        return op->collect_rows / rows;
    if ((int64_t)op->panel_bytes * n_panels <= WEIGHTS_IN_L1)
        return 1;
    return at_least(INPUTS_IN_L1 / bytes / rows, 4);
}

static struct split split_work(const mxdi_conv_q8 *op, int64_t blocks)
{
    const mxdi_conv_q8_desc *d = &op->desc;
    const double  pixels = (double)blocks * d->y.block * d->y.h * d->y.w;
    const double  macs   = pixels * d->y.channels * op->c_in * d->window.kh * d->window.kw;
    const int64_t wanted = macs < (double)TASK_MACS * TASKS_WANTED ? 1 + (int64_t)(macs / TASK_MACS) : TASKS_WANTED;
    /* A part has a few tiles of rows, and some lines where the edges are computed along y. */
    const int64_t tiles = 2 * (int64_t)op->variant->kernel->rows;
    const int64_t lines = d->y.block == 1 && op->n_x > 1 ? 4 : div_up(tiles, (int64_t)d->y.block * d->y.w);
    int64_t       panels = at_most(div_up((int64_t)op->w_bytes, WEIGHTS_IN_L2), op->n_panels);
    const bool    weights_first = panels > 1;
    if (weights_first) /* more parts of the panels rather than more readers of each */
        panels = at_most(at_least(panels, div_up(wanted, blocks)), op->n_panels);
    const int64_t rest    = div_up(wanted, blocks * panels);
    const int64_t rows    = at_most(rest, at_least(d->y.h / lines, 1));
    const int64_t most    = d->y.h == 1 ? at_most((int64_t)d->y.block * d->y.w / tiles, d->y.w) : 1;
    const int64_t columns = at_most(rest, at_least(most, 1));
    panels = at_most(at_least(panels, div_up(wanted, blocks * rows * columns)), op->n_panels);
    return (struct split){ .panels        = parts_make(op->n_panels, panels),
                           .rows          = parts_make(d->y.h, rows),
                           .columns       = parts_make(d->y.w, columns),
                           .weights_first = weights_first,
                           .step          = tiles_at_a_time(op, div_up(op->n_panels, panels)) };
}

size_t mxdi_conv_q8_kernel_tasks(const mxdi_conv_q8 *op, int64_t blocks)
{
    const struct split s = split_work(op, blocks);
    return (size_t)(blocks * s.panels.n * s.rows.n * s.columns.n);
}

/* Inputs of the next tile of a 1x1 window, which no earlier one has touched. */
static void prefetch(const uint8_t *a, int64_t a_row, int64_t rows, int64_t bytes)
{
    for (int64_t i = 0; i < rows; i++, a += a_row)
        for (int64_t at = 0; at < bytes; at += 64)
            __builtin_prefetch(a + at);
}

/* Tiles [begin, end) of a run for the panel whose fields are set in `t`. */
static void run_tiles(const struct call *c, mxdi_conv_q8_tile *t, int32_t vectors, const struct runs *runs, int64_t begin,
                      int64_t end, bool ahead)
{
    const mxdi_conv_q8_tile_fn *tiles = c->op->variant->kernel->tile[vectors - 1];
    for (int64_t i = begin; i < end; i++) {
        const int64_t rows = runs->tiles.few + (i < runs->tiles.more);
        if (ahead)
            prefetch(t->a + rows * t->a_row, t->a_row, rows, 4 * (int64_t)t->k4);
        tiles[rows](t);
        t->a += rows * t->a_row;
        t->y = (uint8_t *)t->y + rows * t->y_row;
        t->r += c->r ? rows * t->y_row : 0;
    }
}

/* One run, whose first input and output are at x and y, in all panels of the task. */
static void run_panels(const struct call *c, mxdi_conv_q8_tile *t, const mxdi_conv_q8_pattern *pattern,
                       const int32_t *bias, const struct runs *runs, int64_t x, int64_t y)
{
    const mxdi_conv_q8 *op    = c->op;
    const bool          fresh = pattern->n_taps == 1 && !op->collect_rows;
    _Alignas(64) uint32_t buffer[MXDI_CONV_Q8_COLLECT / sizeof(uint32_t)];
    for (int64_t begin = 0; begin < runs->tiles.n; begin += c->step) {
        const int64_t end = at_most(begin + c->step, runs->tiles.n), row = parts_begin(&runs->tiles, begin);
        int32_t       collected = -1; /* the group's first channel */
        for (const mxdi_conv_q8_panel *p = c->panels; p < c->end; p++) {
            const int64_t  out = y + row * runs->y_row + p->y * c->size;
            const uint8_t *a   = pattern->n_taps ? c->x + x + row * runs->x_row + p->x : c->x;
            if (op->collect_rows && pattern->n_taps && collected != p->x) {
                op->variant->kernel->collect(buffer, op->collect_rows, a, runs->x_row,
                                             parts_begin(&runs->tiles, end) - row, op->quads + pattern->quads,
                                             pattern->n_taps);
                collected = p->x;
            }
            t->a          = op->collect_rows ? (const uint8_t *)buffer : a;
            t->w          = p->w;
            t->bias       = bias + p->lane;
            t->m          = p->m;
            t->bias_float = p->bias_float;
            t->n          = p->n;
            t->y          = c->y + out;
            t->r          = c->r ? c->r + out : NULL;
            run_tiles(c, t, p->vectors, runs, begin, end, fresh && p == c->panels);
        }
    }
}

/* A direction in which output pixels of a rectangle follow each other. */
struct direction {
    int64_t n, x, y; /* count, and distances in bytes */
};

/* Directions that continue each other become one. */
static void merge(struct direction *inner, struct direction *outer)
{
    const bool joins = outer->x == inner->n * inner->x && outer->y == inner->n * inner->y;
    if (inner->n == 1) {
        *inner   = *outer;
        outer->n = 1;
    } else if (joins) {
        inner->n *= outer->n;
        outer->n = 1;
    }
}

/* Images, x and y of a rectangle as runs, innermost first: as long as possible, and along the longer side. */
static void directions(struct direction d[3], const mxdi_conv_q8 *op, int64_t size, int64_t rows, int64_t columns)
{
    const mxdi_blocked  *x = &op->desc.x, *y = &op->desc.y;
    const mxdi_window2d *win  = &op->desc.window;
    const int64_t        tile = op->variant->kernel->rows;
    d[0] = (struct direction){ x->block, x->pitch, y->pitch * size };
    d[1] = (struct direction){ columns, win->sw * mxdi_blocked_pixel(x), mxdi_blocked_pixel(y) * size };
    d[2] = (struct direction){ rows, win->sh * mxdi_blocked_row(x), mxdi_blocked_row(y) * size };
    merge(&d[0], &d[1]);
    merge(&d[1], &d[2]);
    merge(&d[0], &d[1]);
    if (x->block == 1 && d[1].n > 1 && 4 * d[0].n * div_up(d[1].n, tile) < 3 * d[1].n * div_up(d[0].n, tile)) {
        const struct direction across = d[0];
        d[0]                          = d[1];
        d[1]                          = across;
    }
}

/* Outputs y x x of image block `block`, all of which lie in rectangle (i, j). */
static void run_rectangle(const struct call *c, int64_t block, int32_t i, int32_t j, const mxdi_span *y,
                          const mxdi_span *x)
{
    const mxdi_conv_q8         *op      = c->op;
    const mxdi_conv_q8_desc    *d       = &op->desc;
    const size_t                index   = (size_t)i * (size_t)op->n_x + (size_t)j;
    const mxdi_conv_q8_pattern *pattern = &op->patterns[index];
    const int64_t origin = ((int64_t)y->begin * d->window.sh - d->window.ph) * mxdi_blocked_row(&d->x) +
                           ((int64_t)x->begin * d->window.sw - d->window.pw) * mxdi_blocked_pixel(&d->x);
    const int64_t first  = block * d->x.block_stride + origin + pattern->first;
    const int64_t target = block * d->y.block_stride + y->begin * mxdi_blocked_row(&d->y) +
                           x->begin * mxdi_blocked_pixel(&d->y);
    struct direction dir[3];
    directions(dir, op, c->size, y->end - y->begin, x->end - x->begin);
    const int64_t     tiles = div_up(dir[0].n, op->variant->kernel->rows);
    const struct runs runs  = { dir[0].x, dir[0].y, parts_make(dir[0].n, tiles) };
    mxdi_conv_q8_tile t     = { .a_row  = op->collect_rows ? (int64_t)sizeof(uint32_t) : dir[0].x,
                                .taps   = op->taps + pattern->taps,
                                .n_taps = pattern->n_taps,
                                .k4     = pattern->k4,
                                .y_row  = dir[0].y,
                                .post   = &op->post };
    for (int64_t u = 0; u < dir[2].n; u++)
        for (int64_t v = 0; v < dir[1].n; v++)
            run_panels(c, &t, pattern, op->bias + index * op->bias_step, &runs, first + u * dir[2].x + v * dir[1].x,
                       target * c->size + u * dir[2].y + v * dir[1].y);
}

/* The outputs of `span` in part i of an axis; false when there are none. */
static bool span_in_part(mxdi_span *out, const mxdi_span *span, const struct parts *parts, int64_t i)
{
    const int32_t begin = (int32_t)parts_begin(parts, i), end = (int32_t)parts_begin(parts, i + 1);
    out->begin = span->begin > begin ? span->begin : begin;
    out->end   = span->end < end ? span->end : end;
    return out->begin < out->end;
}

/* Indices of a task. */
struct task {
    int64_t panels, block, row, column;
};

static struct task task_at(const struct split *s, int64_t blocks, int64_t t)
{
    struct task at = { 0, 0, 0, 0 };
    if (!s->weights_first) {
        at.panels = t % s->panels.n;
        t /= s->panels.n;
    }
    at.column = t % s->columns.n;
    t /= s->columns.n;
    at.row = t % s->rows.n;
    t /= s->rows.n;
    at.block = t % blocks;
    if (s->weights_first)
        at.panels = t / blocks;
    return at;
}

/* One further; false when the index starts again. */
static bool advance(int64_t *index, int64_t n)
{
    *index = *index + 1 < n ? *index + 1 : 0;
    return *index > 0;
}

static void task_next(struct task *at, const struct split *s, int64_t blocks)
{
    if (!s->weights_first && advance(&at->panels, s->panels.n))
        return;
    if (advance(&at->column, s->columns.n) || advance(&at->row, s->rows.n) || advance(&at->block, blocks))
        return;
    at->panels += s->weights_first;
}

void mxdi_conv_q8_kernel_run(const mxdi_conv_q8 *op, const uint8_t *x, const uint8_t *r, void *y, int64_t blocks,
                             size_t begin, size_t end)
{
    const struct split s  = split_work(op, blocks);
    struct task        at = task_at(&s, blocks, (int64_t)begin);
    struct call        c  = { .op = op, .x = x, .r = r, .y = y, .step = s.step };
    c.size                = op->desc.epilogue.y_float ? sizeof(float) : 1;
    for (size_t t = begin; t < end; t++, task_next(&at, &s, blocks)) {
        c.panels = op->panels + parts_begin(&s.panels, at.panels);
        c.end    = op->panels + parts_begin(&s.panels, at.panels + 1);
        for (int32_t i = 0; i < op->n_y; i++)
            for (int32_t j = 0; j < op->n_x; j++) {
                mxdi_span rows, columns;
                if (span_in_part(&rows, &op->spans_y[i], &s.rows, at.row) &&
                    span_in_part(&columns, &op->spans_x[j], &s.columns, at.column))
                    run_rectangle(&c, at.block, i, j, &rows, &columns);
            }
    }
}
