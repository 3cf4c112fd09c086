/* SPDX-License-Identifier: Apache-2.0
 *
 * Running conv_q8: how the work is cut into tasks, and the loops from a task down to a tile.
 *
 * A task is a rectangle of the output of one image block for a part of the panels. Weights that
 * fill a good part of L2 are walked in parts that fit, all blocks for each; smaller ones are all
 * used on one block after the other. A task may be as short as two microseconds, so it starts
 * without divisions. */
#include "kernels/conv_q8/conv_q8_op.h"

enum {
    WEIGHTS_IN_L2 = 400 << 10, /* bytes of panels that stay in L2, of 1 MB, beside activations */
    WEIGHTS_IN_L1 = 24 << 10,
    INPUTS_IN_L1  = 32 << 10, /* bytes of x that all panels of a task use before the next */
    OUTPUTS_IN_L2 = 1 << 20,  /* bytes of y and r that are still there from the step before */
    TASK_MACS     = 2 << 20, /* about two microseconds: handing out less costs more than it gains */
    TASKS_WANTED  = 128,     /* even loads for 16 threads */
    ALL_TILES     = 1 << 30,
    FEW_TILES     = 3,    /* too few to fetch the next panel meanwhile */
    AHEAD         = 6144, /* bytes of a panel, which then asks for itself */
    LINE          = 64
};

/* The parts of a task's indices; of those the last changes fastest, or the panels with
 * `weights_first` slowest. */
struct split {
    mxdi_parts panels, rows, columns;
    bool       weights_first;
    int64_t    step; /* tiles of a run that all panels of a task take before the next */
};

struct call {
    const mxdi_conv_q8       *op;
    const uint8_t            *x, *r;
    uint8_t                  *y;
    int64_t                   step;         /* of struct split */
    const mxdi_conv_q8_panel *panels, *end; /* of the task */
    bool                      far;          /* of the tiles, as the next */
    int32_t                  *set_up;
};

/* Runs of a rectangle: rows at constant distances, in bytes, and how they are cut into tiles. */
struct runs {
    int64_t    x_row, y_row;
    mxdi_parts tiles;
};

static int64_t at_least(int64_t v, int64_t low)
{
    return v > low ? v : low;
}

static int64_t at_most(int64_t v, int64_t high)
{
    return v < high ? v : high;
}

static int64_t direct_panels(const mxdi_conv_q8 *op)
{
    return op->n_panels - op->winograd.n_panels;
}

/* A single panel takes the whole run. Weights that fit L1 are used on one tile after the other;
 * otherwise a piece of x in L1 meets one panel after the other. */
static int64_t tiles_at_a_time(const mxdi_conv_q8 *op, int64_t n_panels)
{
    const int64_t rows  = op->kernel->rows;
    const int64_t bytes = 4 * (int64_t)op->k4 * op->base.window.kh; /* new inputs of a row */
    if (op->collect_rows)
        return op->collect_rows / rows;
    if (n_panels == 1)
        return ALL_TILES;
    if ((int64_t)op->panel_bytes * n_panels <= WEIGHTS_IN_L1)
        return 1;
    return at_least(INPUTS_IN_L1 / bytes / rows, 4);
}

static struct split split_work(const mxdi_conv_q8 *op, int64_t blocks)
{
    const mxdi_q8_base *d      = &op->base;
    const double        pixels = (double)blocks * d->y.block * d->y.h * d->y.w;
    const double        macs   = pixels * d->y.channels * op->c_in * d->window.kh * d->window.kw;
    const int64_t       wanted =
        macs < (double)TASK_MACS * TASKS_WANTED ? 1 + (int64_t)(macs / TASK_MACS) : TASKS_WANTED;
    /* A part has a few tiles of rows, and some lines where the edges are computed along y. */
    const int64_t tiles = 2 * (int64_t)op->kernel->rows;
    const int64_t lines =
        d->y.block == 1 && op->base.n_x > 1 ? 4 : mxdi_div_up(tiles, (int64_t)d->y.block * d->y.w);
    int64_t panels = at_most(mxdi_div_up((int64_t)op->w_bytes, WEIGHTS_IN_L2), direct_panels(op));
    const bool weights_first = panels > 1;
    if (weights_first) /* more parts of the panels rather than more readers of each */
        panels = at_most(at_least(panels, mxdi_div_up(wanted, blocks)), direct_panels(op));
    const int64_t rest    = mxdi_div_up(wanted, blocks * panels);
    const int64_t rows    = at_most(rest, at_least(d->y.h / lines, 1));
    const int64_t most    = d->y.h == 1 ? at_most((int64_t)d->y.block * d->y.w / tiles, d->y.w) : 1;
    const int64_t columns = at_most(rest, at_least(most, 1));
    panels =
        at_most(at_least(panels, mxdi_div_up(wanted, blocks * rows * columns)), direct_panels(op));
    return (struct split){ .panels        = mxdi_parts_make(direct_panels(op), panels),
                           .rows          = mxdi_parts_make(d->y.h, rows),
                           .columns       = mxdi_parts_make(d->y.w, columns),
                           .weights_first = weights_first,
                           .step = tiles_at_a_time(op, mxdi_div_up(direct_panels(op), panels)) };
}

size_t mxdi_conv_q8_direct_tasks(const mxdi_conv_q8 *op, int64_t blocks)
{
    if (direct_panels(op) == 0)
        return 0;
    const struct split s = split_work(op, blocks);
    return (size_t)(blocks * s.panels.n * s.rows.n * s.columns.n);
}

/* The vectors of a panel, which a tile starts and ends with: it would wait for each. */
static void prefetch_vectors(const mxdi_conv_q8 *op, const int32_t *bias,
                             const mxdi_conv_q8_panel *p)
{
    for (int64_t lane = 0; lane < 2 * op->kernel->lanes; lane += LINE / 4) {
        __builtin_prefetch(bias + p->lane + lane);
        __builtin_prefetch(p->m + lane);
        __builtin_prefetch(p->bias_float + lane);
    }
}

/* What the tiles of a run ask for while they compute: in even shares the next panel, unless all
 * stay in L1; and of the tile behind the inputs, where they are `fresh`, otherwise the first one.
 */
static void look_ahead(const struct call *c, mxdi_conv_q8_tile *t, const struct runs *runs,
                       bool fresh)
{
    const struct mxdi_conv_q8_kernel *kernel = c->op->kernel;
    const int64_t                     k4     = (int64_t)t->n_taps * t->k4;
    if (runs->tiles.n < FEW_TILES || k4 == 0) {
        t->ahead        = AHEAD;
        t->next_step[0] = t->next_step[1] = 8 * (int64_t)kernel->lanes * kernel->weight_bytes;
        return;
    }
    const int64_t together = at_most(c->step, runs->tiles.n);
    t->next_step[0]        = fresh ? runs->tiles.few * t->a_row / k4 : 0;
    t->next_step[1]        = together > 1 ? (int64_t)c->op->panel_bytes / (k4 * together) : 0;
}

/* Tiles [begin, end) of a run for the panel whose fields are set in `t`. */
static void run_tiles(const struct call *c, mxdi_conv_q8_tile *t, int32_t vectors,
                      const struct runs *runs, int64_t begin, int64_t end)
{
    const mxdi_conv_q8_tile_fn *tiles = c->op->kernel->tile[vectors - 1];
    const int64_t               share = (int64_t)t->n_taps * t->k4 * t->next_step[1];
    for (int64_t i = begin; i < end; i++) {
        const int64_t rows = runs->tiles.few + (i < runs->tiles.more);
        t->next[0]         = t->a + rows * t->a_row;
        tiles[rows](t);
        t->a += rows * t->a_row;
        t->y = (uint8_t *)t->y + rows * t->y_row;
        if (c->r)
            t->r += rows * t->y_row;
        t->next[1] += share;
    }
}

/* One run, whose first input and output are at x and y, in all panels of the task. */
static void run_panels(const struct call *c, mxdi_conv_q8_tile *t,
                       const mxdi_conv_q8_pattern *pattern, const int32_t *bias,
                       const struct runs *runs, int64_t x, int64_t y)
{
    const mxdi_conv_q8             *op   = c->op;
    const mxdi_conv_q8_panel *const last = op->panels + op->n_panels - 1;
    _Alignas(64) uint32_t           buffer[MXDI_CONV_Q8_COLLECT / sizeof(uint32_t) + 16];
    look_ahead(c, t, runs, pattern->n_taps == 1 && !op->collect_rows);
    for (int64_t begin = 0; begin < runs->tiles.n; begin += c->step) {
        const int64_t end       = at_most(begin + c->step, runs->tiles.n);
        const int64_t row       = mxdi_parts_begin(&runs->tiles, begin);
        int32_t       collected = -1; /* the group's first channel */
        for (const mxdi_conv_q8_panel *p = c->panels; p < c->end; p++) {
            const int64_t  out = y + row * runs->y_row + p->y * op->base.y_size;
            const uint8_t *a   = pattern->n_taps ? c->x + x + row * runs->x_row + p->x : c->x;
            if (op->collect_rows && pattern->n_taps && collected != p->x) {
                op->kernel->collect(buffer, op->collect_rows, a, runs->x_row,
                                    mxdi_parts_begin(&runs->tiles, end) - row,
                                    op->quads + pattern->quads, pattern->n_taps);
                collected = p->x;
            }
            t->a          = op->collect_rows ? (const uint8_t *)buffer : a;
            t->w          = p->w;
            t->bias       = bias + p->lane;
            t->m          = p->m;
            t->bias_float = p->bias_float;
            t->n          = p->n;
            t->pads       = p->pads;
            t->y          = c->y + out;
            t->r          = c->r ? c->r + out : NULL;
            t->next[1]    = p->w;
            if (t->next_step[1] > 0 && p < last) {
                prefetch_vectors(op, bias, p + 1);
                t->next[1] = p[1].w;
            }
            run_tiles(c, t, p->vectors, runs, begin, end);
        }
    }
}

/* Images, x and y of a rectangle as runs, innermost first: as long as possible, and along a longer
 * side. */
static mxdi_walk walk_of(const mxdi_q8_base *b, const mxdi_span *y, const mxdi_span *x,
                         int64_t tile)
{
    mxdi_walk w = { .rank = 3,
                    .n    = { b->x.block, x->end - x->begin, y->end - y->begin },
                    .x    = { b->x.pitch, b->window.sw * mxdi_blocked_pixel(&b->x),
                              b->window.sh * mxdi_blocked_row(&b->x) },
                    .y    = { b->y.pitch * b->y_size, mxdi_blocked_pixel(&b->y) * b->y_size,
                              mxdi_blocked_row(&b->y) * b->y_size } };
    mxdi_walk_simplify(&w, tile);
    for (int32_t i = w.rank; i < 3; i++)
        w.n[i] = 1;
    return w;
}

/* Outputs y x x of image block `block`, all of which lie in rectangle (i, j). */
static void run_rectangle(const struct call *c, int64_t block, int32_t i, int32_t j,
                          const mxdi_span *y, const mxdi_span *x)
{
    const mxdi_conv_q8         *op      = c->op;
    const mxdi_q8_base         *d       = &op->base;
    const size_t                index   = (size_t)i * (size_t)op->base.n_x + (size_t)j;
    const mxdi_conv_q8_pattern *pattern = &op->patterns[index];
    const int64_t               origin =
        ((int64_t)y->begin * d->window.sh - d->window.ph) * mxdi_blocked_row(&d->x) +
        ((int64_t)x->begin * d->window.sw - d->window.pw) * mxdi_blocked_pixel(&d->x);
    const int64_t first  = block * d->x.block_stride + origin + pattern->first;
    const int64_t target = block * d->y.block_stride + y->begin * mxdi_blocked_row(&d->y) +
                           x->begin * mxdi_blocked_pixel(&d->y);
    const mxdi_walk   w     = walk_of(d, y, x, op->kernel->rows);
    const int64_t     tiles = mxdi_div_up(w.n[0], op->kernel->rows);
    const struct runs runs  = { w.x[0], w.y[0], mxdi_parts_make(w.n[0], tiles) };
    mxdi_conv_q8_tile t     = { .a_row  = op->collect_rows ? (int64_t)sizeof(uint32_t) : w.x[0],
                                .a_step = op->k4_step,
                                .taps   = op->taps + pattern->taps,
                                .n_taps = pattern->n_taps,
                                .k4     = pattern->k4,
                                .y_row  = w.y[0],
                                .post   = &d->post,
                                .far    = c->far,
                                .set_up = c->set_up };
    for (int64_t u = 0; u < w.n[2]; u++)
        for (int64_t v = 0; v < w.n[1]; v++)
            run_panels(c, &t, pattern, op->bias + index * op->bias_step, &runs,
                       first + u * w.x[2] + v * w.x[1],
                       target * d->y_size + u * w.y[2] + v * w.y[1]);
}

/* The outputs of `span` in part i of an axis; false when there are none. */
static bool span_in_part(mxdi_span *out, const mxdi_span *span, const mxdi_parts *parts, int64_t i)
{
    const int32_t begin = (int32_t)mxdi_parts_begin(parts, i);
    const int32_t end   = (int32_t)mxdi_parts_begin(parts, i + 1);
    out->begin          = span->begin > begin ? span->begin : begin;
    out->end            = span->end < end ? span->end : end;
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
    if (advance(&at->column, s->columns.n) || advance(&at->row, s->rows.n) ||
        advance(&at->block, blocks))
        return;
    at->panels += s->weights_first;
}

void mxdi_conv_q8_direct_run(const mxdi_conv_q8 *op, const mxdi_conv_q8_io *io, size_t begin,
                             size_t end)
{
    const mxdi_conv_q8_panel *const first    = op->panels + op->winograd.n_panels;
    const struct split              s        = split_work(op, io->blocks);
    struct task                     at       = task_at(&s, io->blocks, (int64_t)begin);
    int64_t                         gathered = -1; /* block */
    int32_t                         set_up   = 0;
    struct call                     c        = { .op = op, .x = io->x, .r = io->r, .y = io->y };

    c.step   = s.step;
    c.far    = io->r && 2 * io->blocks * op->base.y.block_stride > OUTPUTS_IN_L2;
    c.set_up = &set_up;
    if (op->gather.copy)
        c.x = io->scratch;
    for (size_t t = begin; t < end; t++, task_next(&at, &s, io->blocks)) {
        if (op->gather.copy && gathered != at.block) {
            mxdi_conv_q8_gather_block(op, io->scratch, io->x, at.block);
            gathered = at.block;
        }
        c.panels = first + mxdi_parts_begin(&s.panels, at.panels);
        c.end    = first + mxdi_parts_begin(&s.panels, at.panels + 1);
        for (int32_t i = 0; i < op->base.n_y; i++)
            for (int32_t j = 0; j < op->base.n_x; j++) {
                mxdi_span rows, columns;
                if (span_in_part(&rows, &op->base.spans_y[i], &s.rows, at.row) &&
                    span_in_part(&columns, &op->base.spans_x[j], &s.columns, at.column))
                    run_rectangle(&c, at.block, i, j, &rows, &columns);
            }
    }
    if (op->kernel->leave)
        op->kernel->leave();
}
