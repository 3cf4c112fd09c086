/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks of a gradient of weights: cell by cell, dy is packed in panels and x in strips, and
 * every tap of strip times panel is added to the sums of its piece. A packed row of x has its
 * columns sorted by their remainder modulo the stride, so that those of one tap are neighbours.
 */
#include <string.h>

#include "kernels/conv_wgrad_f32/conv_wgrad_f32_impl.h"

/* Inputs under a cell, and where they are packed: [block][row][remainder][column][image][pitch]. */
typedef struct inputs {
    int64_t y0, y1, x0, x1;           /* x0 is a multiple of the stride */
    int64_t cols;                     /* of one remainder */
    int64_t pixel, phase, row, block; /* steps, in floats */
} inputs;

static int64_t floor_mod(int64_t a, int64_t b)
{
    return (a % b + b) % b;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inputs inputs_of(const mxdi_conv_wgrad_f32 *op, const mxdi_conv_wgrad_f32_cell *c)
{
    const mxdi_blocked  *x = &op->desc.x;
    const mxdi_window2d *w = &op->desc.window;
    inputs               in;
    in.y0    = larger(0, (int64_t)c->y0 * w->sh - w->ph);
    in.x0    = larger(0, (int64_t)c->x0 * w->sw - w->pw) / w->sw * w->sw;
    in.y1    = smaller(x->h, (c->y1 - 1LL) * w->sh - w->ph + (w->kh - 1LL) * w->dh + 1);
    in.x1    = smaller(x->w, (c->x1 - 1LL) * w->sw - w->pw + (w->kw - 1LL) * w->dw + 1);
    in.y1    = larger(in.y0, in.y1);
    in.x1    = larger(in.x0, in.x1);
    in.cols  = ceil_div(in.x1 - in.x0, w->sw);
    in.pixel = (int64_t)x->block * op->variant->strip;
    in.phase = in.cols * in.pixel;
    in.row   = w->sw * in.phase;
    in.block = (in.y1 - in.y0) * in.row;
    return in;
}

/* Whether a tap of outputs [begin, end) of an axis is at input position i. */
static bool row_is_used(const mxdi_window2d *w, int64_t i, int32_t begin, int32_t end)
{
    for (int32_t k = 0; k < w->kh; k++) {
        const int64_t from = i + w->ph - (int64_t)k * w->dh; /* output * stride */
        if (floor_mod(from, w->sh) == 0 && from >= (int64_t)begin * w->sh &&
            from < (int64_t)end * w->sh)
            return true;
    }
    return false;
}

static bool phase_is_used(const mxdi_window2d *w, int32_t phase)
{
    for (int32_t k = 0; k < w->kw; k++) {
        if (floor_mod((int64_t)k * w->dw - w->pw, w->sw) == phase)
            return true;
    }
    return false;
}

/* Channels [c, c + used) of one row: src and dst are where it begins. */
static void pack_row(const mxdi_conv_wgrad_f32 *op, const inputs *in, const float *src, float *dst,
                     int32_t used)
{
    const struct mxdi_conv_wgrad_f32_variant *v  = op->variant;
    const mxdi_blocked                       *x  = &op->desc.x;
    const int32_t                             sw = op->desc.window.sw;
    if (sw == 1) {
        v->pack(dst, v->strip, src, x->pitch, in->cols * x->block, used);
        return;
    }
    for (int32_t phase = 0; phase < sw; phase++) {
        if (!phase_is_used(&op->desc.window, phase))
            continue;
        for (int64_t q = 0, ix = phase; in->x0 + ix < in->x1; q++, ix += sw)
            v->pack(dst + phase * in->phase + q * in->pixel, v->strip,
                    src + ix * mxdi_blocked_pixel(x), x->pitch, x->block, used);
    }
}

static void pack_strip(const mxdi_conv_wgrad_f32 *op, const mxdi_conv_wgrad_f32_cell *cell,
                       const inputs *in, const float *x, float *strip, int64_t channel,
                       int32_t used)
{
    const mxdi_blocked *l = &op->desc.x;
    for (int64_t b = cell->b0; b < cell->b1; b++) {
        for (int64_t iy = in->y0; iy < in->y1; iy++) {
            if (row_is_used(&op->desc.window, iy, cell->y0, cell->y1))
                pack_row(op, in,
                         x + b * l->block_stride + iy * mxdi_blocked_row(l) +
                             in->x0 * mxdi_blocked_pixel(l) + channel,
                         strip + (b - cell->b0) * in->block + (iy - in->y0) * in->row, used);
        }
    }
}

/* [block][row][column][image][lane]; returns what is behind. */
static float *pack_panel(const mxdi_conv_wgrad_f32 *op, const mxdi_conv_wgrad_f32_cell *cell,
                         const float *dy, float *panel, int64_t channel, int32_t lanes,
                         int32_t used)
{
    const mxdi_blocked *l = &op->desc.y;
    const int64_t       n = (int64_t)(cell->x1 - cell->x0) * l->block;
    for (int64_t b = cell->b0; b < cell->b1; b++) {
        for (int32_t oy = cell->y0; oy < cell->y1; oy++, panel += n * lanes)
            op->variant->pack(panel, lanes,
                              dy + b * l->block_stride + oy * mxdi_blocked_row(l) +
                                  cell->x0 * mxdi_blocked_pixel(l) + channel,
                              l->pitch, n, used);
    }
    return panel;
}

/* Outputs [*begin, *end) of an axis, cut to those whose input at `tap` elements is in [0, size). */
static void outputs_of(int64_t *begin, int64_t *end, int64_t tap, int32_t stride, int32_t size)
{
    *begin = larger(*begin, ceil_div(-tap, stride));
    *end   = smaller(*end, ceil_div(size - tap, stride));
}

/* Every tap of one strip and one panel. */
static void run_taps(const mxdi_conv_wgrad_f32 *op, const mxdi_conv_wgrad_f32_cell *cell,
                     const inputs *in, const float *strip, const float *panel, int32_t lanes,
                     float *c, mxdi_conv_wgrad_f32_fn fn)
{
    const mxdi_conv_wgrad_f32_desc *d     = &op->desc;
    const mxdi_window2d            *w     = &d->window;
    const int64_t                   pixel = (int64_t)d->y.block * lanes;
    const int64_t                   row   = (cell->x1 - cell->x0) * pixel;
    mxdi_conv_wgrad_f32_args        args  = { .c_row = op->taps * lanes };
    for (int32_t i = 0; i < op->taps; i++, c += lanes) {
        const int64_t ty = (int64_t)(i / w->kw) * w->dh - w->ph;
        const int64_t tx = (int64_t)(i % w->kw) * w->dw - w->pw;
        int64_t       y0 = cell->y0, y1 = cell->y1, x0 = cell->x0, x1 = cell->x1;
        outputs_of(&y0, &y1, ty, w->sh, d->x.h);
        outputs_of(&x0, &x1, tx, w->sw, d->x.w);
        if (y0 >= y1 || x0 >= x1)
            continue;
        const int64_t phase = floor_mod(tx, w->sw);
        args.x              = strip + (y0 * w->sh + ty - in->y0) * in->row + phase * in->phase +
                 (x0 * w->sw + tx - phase - in->x0) / w->sw * in->pixel;
        args.y    = panel + (y0 - cell->y0) * row + (x0 - cell->x0) * pixel;
        args.c    = c;
        args.walk = (mxdi_walk){ 3,
                                 { (x1 - x0) * d->y.block, y1 - y0, cell->b1 - cell->b0, 1 },
                                 { op->variant->strip, w->sh * in->row, in->block, 0 },
                                 { lanes, row, (cell->y1 - cell->y0) * row, 0 } };
        mxdi_walk_simplify(&args.walk, 0);
        for (int32_t k = args.walk.rank; k < 3; k++)
            args.walk.n[k] = 1;
        fn(&args);
    }
}

static void run_cell(const mxdi_conv_wgrad_f32 *op, const mxdi_conv_wgrad_f32_task *t,
                     const mxdi_conv_wgrad_f32_places *at, const mxdi_conv_wgrad_f32_cell *cell)
{
    const struct mxdi_conv_wgrad_f32_variant *v    = op->variant;
    const inputs                              in   = inputs_of(op, cell);
    float                                    *free = at->panels;
    const float                              *panel[MXDI_CONV_WGRAD_F32_UNIT];
    for (int32_t p = t->p0; p < t->p1; p++) {
        const int32_t left = op->c_out - p * op->full, lanes = mxdi_conv_wgrad_f32_lanes(op, p);
        panel[p - t->p0] = free;
        free             = pack_panel(op, cell, at->dy, free,
                                      (int64_t)t->group * op->c_out + (int64_t)p * op->full, lanes,
                          left < lanes ? left : lanes);
    }
    for (int32_t s = t->s0; s < t->s1; s++) {
        const int32_t row  = mxdi_conv_wgrad_f32_strip(op, s),
                      rows = mxdi_conv_wgrad_f32_strip(op, s + 1) - row;
        if (op->depthwise) {
            const int32_t left = op->c_out - t->p0 * op->full;
            pack_strip(op, cell, &in, at->x, at->strip, (int64_t)t->p0 * op->full,
                       left < op->full ? left : op->full);
        } else {
            pack_strip(op, cell, &in, at->x, at->strip, (int64_t)t->group * op->c_in + row, rows);
        }
        for (int32_t p = t->p0; p < t->p1; p++) {
            const int32_t lanes = mxdi_conv_wgrad_f32_lanes(op, p);
            run_taps(op, cell, &in, at->strip, panel[p - t->p0], lanes,
                     mxdi_conv_wgrad_f32_sums(op, at->sums, t->group, p, row),
                     op->depthwise        ? v->depthwise
                     : lanes == v->narrow ? v->narrow_fn[rows]
                                          : v->full_fn[rows]);
        }
    }
}

/* Tasks in a row that share panels and cells are joined. */
void mxdi_conv_wgrad_f32_run_tasks(const mxdi_conv_wgrad_f32 *op, const float *x, const float *dy,
                                   float *workspace, void *scratch, int64_t blocks, size_t begin,
                                   size_t end)
{
    const mxdi_conv_wgrad_f32_plan plan = mxdi_conv_wgrad_f32_plan_make(op, blocks);
    for (int64_t i = (int64_t)begin, last = (int64_t)end; i < last;) {
        mxdi_conv_wgrad_f32_task t    = mxdi_conv_wgrad_f32_task_at(op, &plan, i);
        const int64_t            rest = plan.shares - i % plan.shares, left = last - i;
        const int64_t            n           = rest < left ? rest : left;
        t.s1                                 = mxdi_conv_wgrad_f32_task_at(op, &plan, i + n - 1).s1;
        const mxdi_conv_wgrad_f32_places at  = { x, dy, workspace + t.piece * op->piece_words,
                                                 (float *)((char *)scratch + op->y_bytes),
                                                 (float *)scratch };
        const int32_t                    row = mxdi_conv_wgrad_f32_strip(op, t.s0);
        const int32_t                    rows = mxdi_conv_wgrad_f32_strip(op, t.s1) - row;
        for (int32_t p = t.p0; p < t.p1; p++)
            memset(mxdi_conv_wgrad_f32_sums(op, at.sums, t.group, p, row), 0,
                   (size_t)(rows * op->taps * mxdi_conv_wgrad_f32_lanes(op, p)) * sizeof(float));
        for (int64_t c = t.c0; c < t.c1; c++) {
            const mxdi_conv_wgrad_f32_cell cell = mxdi_conv_wgrad_f32_cell_at(op, &plan, c);
            if (op->winograd.fn)
                mxdi_conv_wgrad_f32_winograd_cell(op, &t, &at, &cell);
            else
                run_cell(op, &t, &at, &cell);
        }
        i += n;
    }
}
