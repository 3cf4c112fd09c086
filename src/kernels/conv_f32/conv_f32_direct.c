/* SPDX-License-Identifier: Apache-2.0
 *
 * Direct convolution by register tiles: per band and panel, the regions of equal taps one after the
 * other. A region's outputs are rows of tiles; its taps are a rectangle of the kernel, so padding
 * is left out exactly.
 */
#include "kernels/conv_f32/conv_f32_impl.h"

enum { LINE = 16 }; /* words of a cache line */

/* Where the words of x are: x itself, or the prepared copy of a band's inputs. */
typedef struct source {
    const float *base;
    int64_t      image, pixel, row, block, group; /* distances in words */
    int64_t      b0;
    int32_t      y0, x0; /* what stands at base */
} source;

static source source_of_x(const mxdi_conv_f32 *op, const float *x)
{
    const mxdi_blocked *l = &op->desc.x;
    return (source){
        x, l->pitch, mxdi_blocked_pixel(l), mxdi_blocked_row(l), l->block_stride, op->c_in, 0, 0, 0
    };
}

/* Rounds `pixels` pixels (of images) from src into dst. */
static void prepare_pixels(const mxdi_conv_f32 *op, float *dst, const float *src, int64_t pixels,
                           int64_t pitch)
{
    const mxdi_blocked *l = &op->desc.x;
    if (l->pitch == op->c_in && pitch == op->words &&
        op->c_in % op->tile->terms == 0) { /* no gaps: all at once */
        op->tile->prepare(dst, src, pixels * op->c_in);
        return;
    }
    for (int64_t i = 0; i < pixels; i++, src += l->pitch, dst += pitch) {
        for (int32_t g = 0; g < op->desc.groups; g++)
            op->tile->prepare(dst + (int64_t)g * op->words, src + (int64_t)g * op->c_in, op->c_in);
    }
}

/* The inputs of a band, rounded into scratch. */
static source prepare(const mxdi_conv_f32 *op, const mxdi_conv_f32_io *io,
                      const mxdi_conv_f32_band *band)
{
    const mxdi_blocked      *l     = &op->desc.x;
    const mxdi_conv_f32_band in    = mxdi_conv_f32_band_input(op, band);
    const int64_t            pitch = mxdi_conv_f32_prepared_pitch(op), pixel = pitch * l->block;
    const int64_t            row = pixel * (in.x1 - in.x0), block = row * (in.y1 - in.y0);
    float                   *dst = io->scratch;
    for (int64_t b = in.b0; b < in.b1; b++) {
        for (int32_t y = in.y0; y < in.y1; y++, dst += row)
            prepare_pixels(op, dst,
                           io->x + b * l->block_stride + y * mxdi_blocked_row(l) +
                               in.x0 * mxdi_blocked_pixel(l),
                           (int64_t)(in.x1 - in.x0) * l->block, pitch);
    }
    return (source){ io->scratch, pitch, pixel, row, block, op->words, in.b0, in.y0, in.x0 };
}

/* Panels [panel, panel + count) of one group as tile arguments: weights, bias, channels of y. */
static void set_panels(mxdi_tile_f32_args *args, const mxdi_conv_f32 *op, int32_t panel,
                       int32_t count)
{
    const mxdi_conv_f32_desc *d = &op->desc;
    const int32_t full = op->tile->full, group = panel / op->panels, c = panel % op->panels * full;
    const int64_t depth = (int64_t)d->window.kh * d->window.kw * op->words;
    const int64_t end =
        group + 1 == d->groups ? d->y.pitch - (int64_t)group * op->c_out : op->c_out;
    args->b       = op->weights + group * op->group_words + depth * c;
    args->b_panel = depth * full;
    args->init    = op->bias + (int64_t)panel * full;
    args->lanes   = (int32_t)(end - c < (int64_t)full * count ? end - c : (int64_t)full * count);
}

static bool panel_is_narrow(const mxdi_conv_f32 *op, int32_t panel)
{
    const int32_t p = panel % op->panels;
    return p + 1 == op->panels && op->c_out - p * op->tile->full <= op->tile->narrow;
}

/* The taps of a region: offsets and counts. Taps of one ky that follow each other in x become one
 * longer tap. */
static void set_taps(mxdi_tile_f32_args *args, const mxdi_conv_f32 *op, const source *src,
                     const mxdi_span *rows, const mxdi_span *cols, int32_t lanes)
{
    const mxdi_window2d *win = &op->desc.window;
    const int64_t        kx  = win->dw * src->pixel;
    args->k                  = op->words;
    args->n_ky               = rows->k_end - rows->k_begin;
    args->n_kx               = cols->k_end - cols->k_begin;
    args->a_k                = 1;
    args->a_kx               = kx;
    args->a_ky               = win->dh * src->row;
    args->b_ky               = (win->kw - args->n_kx) * args->k * lanes;
    args->b += ((int64_t)rows->k_begin * win->kw + cols->k_begin) * args->k * lanes;
    if (kx == op->words || op->words == 1) {
        args->a_k = op->words == 1 ? kx : 1;
        args->k *= args->n_kx;
        args->n_kx = 1;
    }
}

/* One tile. The first two of a panel that does not stay in L2 fetch the next one meanwhile, every
 * other line each. */
static void run_tile(mxdi_tile_f32_args *args, mxdi_tile_f32_fn fn)
{
    fn(args);
    args->b_next = args->b_next == args->b_panel ? args->b_panel + LINE : 0;
}

/* Runs `fn` of m rows over the n rows of a walk's first dimension, in tiles of nearly equal height.
 */
static void run_rows(mxdi_tile_f32_args *args, const mxdi_tile_f32_fn *fn, int64_t n,
                     int64_t max_rows, const mxdi_walk *walk)
{
    const int64_t tiles = (n + max_rows - 1) / max_rows;
    for (int64_t t = 0; t < tiles; t++) {
        const int64_t m = (t + 1) * n / tiles - t * n / tiles, half = (m + 1) / 2;
        args->a_half = half * walk->x[0];
        args->c_half = half * walk->y[0];
        run_tile(args, fn[m]);
        args->a += m * walk->x[0];
        args->c += m * walk->y[0];
        if (args->r)
            args->r += m * walk->y[0];
    }
}

/* All rows of a walk from args' a, c, r on. Short runs are taken two at a time: the halves of one
 * tile. */
static void run_walk(const mxdi_tile_f32_args *start, const mxdi_tile_f32_fn *fn, int64_t max_rows,
                     const mxdi_walk *walk)
{
    const bool         pair = walk->rank > 1 && 2 * walk->n[0] <= max_rows;
    const int64_t      n1 = walk->rank > 1 ? walk->n[1] : 1, n2 = walk->rank > 2 ? walk->n[2] : 1;
    const int64_t      outer = n1 * n2 * (walk->rank > 3 ? walk->n[3] : 1);
    mxdi_tile_f32_args args  = *start;
    for (int64_t i = 0; i < outer;) {
        const int64_t i1 = i % n1, i2 = i / n1 % n2, i3 = i / n1 / n2;
        const int64_t x = i1 * walk->x[1] + i2 * walk->x[2] + i3 * walk->x[3];
        const int64_t y = i1 * walk->y[1] + i2 * walk->y[2] + i3 * walk->y[3];
        args.a          = start->a + x;
        args.c          = start->c + y;
        args.r          = start->r ? start->r + y : NULL;
        if (pair && i1 + 1 < n1) {
            args.a_half = walk->x[1];
            args.c_half = walk->y[1];
            run_tile(&args, fn[2 * walk->n[0]]);
            i += 2;
        } else {
            run_rows(&args, fn, walk->n[0], max_rows, walk);
            i++;
        }
    }
}

/* One region (a band cut to a span of rows and one of columns) with the panels [p0, p1). */
static void run_region(const mxdi_conv_f32 *op, const mxdi_conv_f32_io *io, const source *src,
                       const mxdi_conv_f32_band *at, const mxdi_span *rows, const mxdi_span *cols,
                       int32_t p0, int32_t p1)
{
    const mxdi_conv_f32_desc   *d    = &op->desc;
    const mxdi_window2d        *win  = &d->window;
    const struct mxdi_tile_f32 *tile = op->tile;
    const int64_t               iy =
        (int64_t)at->y0 * win->sh - win->ph + (int64_t)rows->k_begin * win->dh - src->y0;
    const int64_t ix =
        (int64_t)at->x0 * win->sw - win->pw + (int64_t)cols->k_begin * win->dw - src->x0;
    const bool    any = rows->k_end > rows->k_begin && cols->k_end > cols->k_begin;
    const int64_t first =
        any ? (at->b0 - src->b0) * src->block + iy * src->row + ix * src->pixel : 0;
    const int64_t out = at->b0 * d->y.block_stride + at->y0 * mxdi_blocked_row(&d->y) +
                        at->x0 * mxdi_blocked_pixel(&d->y);
    mxdi_walk     walk = { 4,
                           { d->y.block, at->x1 - at->x0, at->y1 - at->y0, at->b1 - at->b0 },
                           { src->image, win->sw * src->pixel, win->sh * src->row, src->block },
                           { d->y.pitch, mxdi_blocked_pixel(&d->y), mxdi_blocked_row(&d->y),
                             d->y.block_stride } };
    const int64_t n    = walk.n[0] * walk.n[1] * walk.n[2] * walk.n[3];
    mxdi_walk_simplify(&walk, tile->rows);
    mxdi_tile_f32_args args = { .a_row      = walk.x[0],
                                .c_row      = walk.y[0],
                                .alpha      = 1.0f,
                                .lo         = d->y_min,
                                .hi         = d->y_max,
                                .round_bf16 = d->round_bf16 };
    for (int32_t p = p0; p < p1;) {
        const int32_t left =
            p1 - p < op->panels - p % op->panels ? p1 - p : op->panels - p % op->panels;
        const int32_t wide =
            n <= MXDI_TILE_F32_MAX_WIDE && walk.rank == 1 ? tile->wide_panels[n] : 1;
        const bool    is_wide = wide > 1 && wide <= left && !panel_is_narrow(op, p + wide - 1);
        const bool    narrow  = panel_is_narrow(op, p);
        const int32_t count = is_wide ? wide : 1, lanes = narrow ? tile->narrow : tile->full;
        const int32_t group = p / op->panels;
        const int64_t c     = (int64_t)group * op->c_out + p % op->panels * tile->full;
        set_panels(&args, op, p, count);
        set_taps(&args, op, src, rows, cols, lanes);
        args.lanes  = args.lanes < lanes * count ? args.lanes : lanes * count;
        args.finish = d->residual || d->round_bf16 || args.lanes < lanes * count
                          ? MXDI_TILE_F32_FULL
                          : MXDI_TILE_F32_CLAMP;
        args.a      = src->base + first + group * src->group;
        args.c      = io->y + out + c;
        args.b_next = op->heavy ? args.b_panel : 0;
        args.r      = d->residual ? io->r + out + c : NULL;
        run_walk(&args,
                 is_wide  ? tile->wide_fn
                 : narrow ? tile->narrow_fn
                          : tile->full_fn,
                 tile->rows, &walk);
        p += count;
    }
}

/* The panels [p0, p1) over a band, region by region. */
static void run_regions(const mxdi_conv_f32 *op, const mxdi_conv_f32_io *io, const source *src,
                        const mxdi_conv_f32_band *band, int32_t p0, int32_t p1)
{
    for (int32_t i = 0; i < op->n_rows; i++) {
        const mxdi_span   *rows = &op->rows[i];
        mxdi_conv_f32_band at   = *band;
        at.y0                   = band->y0 > rows->begin ? band->y0 : rows->begin;
        at.y1                   = band->y1 < rows->end ? band->y1 : rows->end;
        for (int32_t j = 0; j < op->n_cols && at.y0 < at.y1; j++) {
            const mxdi_span *cols = &op->cols[j];
            at.x0                 = band->x0 > cols->begin ? band->x0 : cols->begin;
            at.x1                 = band->x1 < cols->end ? band->x1 : cols->end;
            if (at.x0 < at.x1)
                run_region(op, io, src, &at, rows, cols, p0, p1);
        }
    }
}

static int64_t band_outputs(const mxdi_conv_f32 *op, const mxdi_conv_f32_band *b)
{
    return (b->b1 - b->b0) * (b->y1 - b->y0) * (b->x1 - b->x0) * op->desc.y.block;
}

/* Large panels stay in L2 for a whole band; with a few outputs a panel is read once anyway. */
static void run_band(const mxdi_conv_f32 *op, const mxdi_conv_f32_io *io, const source *src,
                     const mxdi_conv_f32_band *band, int32_t p0, int32_t p1)
{
    if (band_outputs(op, band) <= op->tile->rows) {
        run_regions(op, io, src, band, p0, p1);
        return;
    }
    for (int32_t p = p0; p < p1; p++)
        run_regions(op, io, src, band, p, p + 1);
}

/* The bands of chunks [c0, c1) with the panels of shares [s0, s1). */
static void run_tasks(const mxdi_conv_f32 *op, const mxdi_conv_f32_io *io,
                      const mxdi_conv_f32_plan *plan, int64_t c0, int64_t c1, int64_t s0,
                      int64_t s1)
{
    const int64_t panels = (int64_t)op->panels * op->desc.groups,
                  last   = c1 * plan->bands / plan->chunks;
    for (int64_t i = c0 * plan->bands / plan->chunks; i < last; i++) {
        const mxdi_conv_f32_band band = mxdi_conv_f32_band_at(op, plan, io->blocks, i);
        const source src = op->prepared ? prepare(op, io, &band) : source_of_x(op, io->x);
        run_band(op, io, &src, &band, (int32_t)(s0 * panels / plan->shares),
                 (int32_t)(s1 * panels / plan->shares));
    }
}

/* Neighbouring tasks share what is larger, weights or images; those in a row are joined. */
void mxdi_conv_f32_direct(const mxdi_conv_f32 *op, const mxdi_conv_f32_io *io, size_t begin,
                          size_t end)
{
    const mxdi_conv_f32_plan plan  = mxdi_conv_f32_plan_make(op, io->blocks);
    const int64_t            inner = op->heavy ? plan.chunks : plan.shares, last = (int64_t)end;
    for (int64_t task = (int64_t)begin; task < last;) {
        const int64_t outer = task / inner, from = task % inner;
        const int64_t to = from + last - task < inner ? from + last - task : inner;
        if (op->heavy)
            run_tasks(op, io, &plan, from, to, outer, outer + 1);
        else
            run_tasks(op, io, &plan, outer, outer + 1, from, to);
        task += to - from;
    }
}
