/* SPDX-License-Identifier: Apache-2.0
 *
 * How a convolution is cut into work. A band is a rectangle of outputs whose inputs stay in L2
 * while all panels pass over it: whole images where they are small, rows of one image, or a part of
 * one row. A task is a chunk of bands times a share of the panels. Nothing here depends on the
 * number of threads.
 */
#include "base/cpu.h"
#include "base/error.h"
#include "kernels/conv_f32/conv_f32_impl.h"

enum {
    MAX_TASKS = 64, /* four for each of 16 threads */
    TASK_FLOPS =
        1000000,     /* some microseconds: what handing over a task may cost is small beside it */
    MAX_BAND  = 256, /* rows of tiles; past that nothing is gained by a panel in L1 */
    MIN_BAND  = 56,
    MIN_TILES = 3 /* in a chunk, so that its tiles are nearly full */
};

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Cut into bands of about `rows` tile rows. */
static void cut(mxdi_conv_f32_plan *plan, const mxdi_conv_f32 *op, int64_t blocks, int64_t rows)
{
    const mxdi_blocked *y     = &op->desc.y;
    const int64_t       row   = (int64_t)y->w * y->block;
    const int64_t       image = row * y->h;
    if (image <= rows) {
        plan->kind  = MXDI_BAND_BLOCKS;
        plan->size  = rows / image;
        plan->bands = div_up(blocks, plan->size);
    } else if (row <= 2 * rows) {
        plan->kind  = MXDI_BAND_ROWS;
        plan->size  = div_up(y->h, clamp(rows / row, 1, y->h));
        plan->bands = blocks * plan->size;
    } else {
        plan->kind  = MXDI_BAND_COLS;
        plan->size  = div_up(y->w, clamp(rows / y->block, 1, y->w));
        plan->bands = blocks * y->h * plan->size;
    }
}

mxdi_conv_f32_plan mxdi_conv_f32_plan_make(const mxdi_conv_f32 *op, int64_t blocks)
{
    const mxdi_conv_f32_desc *d      = &op->desc;
    const int64_t             rows   = blocks * d->y.h * d->y.w * d->y.block;
    const int64_t             panels = (int64_t)op->panels * d->groups;
    const double              flops =
        2.0 * (double)rows * d->y.channels * op->c_in * d->window.kh * d->window.kw;
    const int64_t tasks =
        flops >= (double)TASK_FLOPS * MAX_TASKS ? MAX_TASKS : 1 + (int64_t)flops / TASK_FLOPS;
    const int64_t shares =
        rows <= MXDI_TILE_F32_MAX_WIDE ? div_up(panels, op->tile->wide_panels[1]) : panels;
    mxdi_conv_f32_plan plan = { 0 };
    int64_t            chunks;
    if (op->heavy) { /* each thread has its own part of the weights */
        plan.shares = shares < tasks ? shares : tasks;
        chunks      = clamp(rows / (MIN_TILES * op->tile->rows), 1, div_up(tasks, plan.shares));
    } else {
        chunks      = clamp(rows / (MIN_TILES * op->tile->rows), 1, tasks);
        plan.shares = clamp(div_up(tasks, chunks), 1, shares);
    }
    cut(&plan, op, blocks, clamp(rows / chunks, 1, op->band_rows));
    plan.chunks = chunks < plan.bands ? chunks : plan.bands;
    return plan;
}

mxdi_conv_f32_band mxdi_conv_f32_band_at(const mxdi_conv_f32 *op, const mxdi_conv_f32_plan *plan,
                                         int64_t blocks, int64_t i)
{
    const mxdi_blocked *y    = &op->desc.y;
    mxdi_conv_f32_band  band = { 0, 0, 0, y->h, 0, y->w };
    if (plan->kind == MXDI_BAND_BLOCKS) {
        band.b0 = i * plan->size;
        band.b1 = band.b0 + plan->size < blocks ? band.b0 + plan->size : blocks;
        return band;
    }
    const int64_t part = i % plan->size, outer = i / plan->size;
    if (plan->kind == MXDI_BAND_ROWS) {
        band.b0 = outer;
        band.y0 = (int32_t)(part * y->h / plan->size);
        band.y1 = (int32_t)((part + 1) * y->h / plan->size);
    } else {
        band.b0 = outer / y->h;
        band.y0 = (int32_t)(outer % y->h);
        band.y1 = band.y0 + 1;
        band.x0 = (int32_t)(part * y->w / plan->size);
        band.x1 = (int32_t)((part + 1) * y->w / plan->size);
    }
    band.b1 = band.b0 + 1;
    return band;
}

/* Inputs [*begin, *end) under the outputs [from, to), cut to the image. */
static void input_range(int32_t *begin, int32_t *end, int32_t from, int32_t to,
                        const mxdi_window1d *axis)
{
    const int64_t first = (int64_t)from * axis->stride - axis->pad;
    const int64_t last =
        (int64_t)(to - 1) * axis->stride - axis->pad + (int64_t)(axis->kernel - 1) * axis->dilation;
    *begin = (int32_t)clamp(first, 0, axis->in);
    *end   = (int32_t)clamp(last + 1, *begin, axis->in);
}

mxdi_conv_f32_band mxdi_conv_f32_band_input(const mxdi_conv_f32 *op, const mxdi_conv_f32_band *band)
{
    mxdi_conv_f32_band in = *band;
    mxdi_window1d      rows, cols;
    mxdi_window_axes(&rows, &cols, &op->desc.x, &op->desc.y, &op->desc.window);
    input_range(&in.y0, &in.y1, band->y0, band->y1, &rows);
    input_range(&in.x0, &in.x1, band->x0, band->x1, &cols);
    return in;
}

int64_t mxdi_conv_f32_prepared_pitch(const mxdi_conv_f32 *op)
{
    const int64_t words = (int64_t)op->words * op->desc.groups;
    return words % 512 ? words
                       : words + 16; /* tile rows 2048 bytes apart would share few sets of L1 */
}

/* The inputs under `outputs` outputs of an axis, at most. */
static int64_t reach(int64_t outputs, const mxdi_window1d *axis)
{
    const int64_t n =
        (outputs - 1) * axis->stride + (int64_t)(axis->kernel - 1) * axis->dilation + 1;
    return n < axis->in ? n : axis->in;
}

mxd_status mxdi_conv_f32_plan_init(mxdi_conv_f32 *op, mxd_error *err)
{
    const mxdi_conv_f32_desc *d     = &op->desc;
    const int64_t             l2    = (int64_t)mxdi_cache_bytes(2);
    const int64_t             pixel = (int64_t)op->words * d->groups * (int64_t)sizeof(float);
    mxdi_conv_f32_plan        plan  = { 0 };
    mxdi_window1d             rows, cols;
    op->heavy     = (int64_t)op->weight_bytes > l2 / 5 * 2;
    op->band_rows = clamp(l2 / 4 / pixel, MIN_BAND, MAX_BAND);
    if (!op->prepared)
        return MXD_OK;
    /* Smaller bands, of which plan_make may want more, need no more than these. */
    cut(&plan, op, 1, op->band_rows);
    mxdi_window_axes(&rows, &cols, &d->x, &d->y, &d->window);
    const int64_t band = div_up(plan.kind == MXDI_BAND_ROWS ? d->y.h : d->y.w, plan.size);
    size_t        n = (size_t)d->x.block * (size_t)mxdi_conv_f32_prepared_pitch(op) * sizeof(float);
    const size_t  high = plan.kind == MXDI_BAND_BLOCKS ? (size_t)d->x.h
                         : plan.kind == MXDI_BAND_ROWS ? (size_t)reach(band, &rows)
                                                       : (size_t)reach(1, &rows);
    const size_t  wide = plan.kind == MXDI_BAND_COLS ? (size_t)reach(band, &cols) : (size_t)d->x.w;
    if (!mxdi_mul_size(&n, n, high) || !mxdi_mul_size(&n, n, wide) ||
        !mxdi_mul_size(&n, n, plan.kind == MXDI_BAND_BLOCKS ? (size_t)plan.size : 1) ||
        n > SIZE_MAX - 64)
        return mxdi_fail(err, MXD_E_RANGE, "conv_f32: input of (%d, %d, %d) is too large",
                         (int)d->x.h, (int)d->x.w, (int)d->x.channels);
    op->scratch_bytes = (n + 63) / 64 * 64;
    return MXD_OK;
}
