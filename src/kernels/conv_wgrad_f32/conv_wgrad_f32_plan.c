/* SPDX-License-Identifier: Apache-2.0
 *
 * How a gradient of weights is cut into work. A cell is a rectangle of outputs of one block, or a
 * few whole blocks, whose packed inputs stay in L2 while strips and panels pass over them. The
 * batch is cut in as many pieces as there should be tasks, as long as their sums are small; the
 * rest is found by cutting the weights. Nothing here depends on the machine or on threads.
 */
#include "base/error.h"
#include "kernels/conv_wgrad_f32/conv_wgrad_f32_impl.h"

enum {
    MAX_TASKS      = 32, /* two for each of 16 threads */
    WINOGRAD_TASKS = 16, /* fewer, as what tasks have in common is transformed in each */
    TASK_FLOPS     = 1000000,
    CELL_BYTES     = 3 << 17, /* packed strip and panels of a cell: less than half of L2 */
    DEPTHWISE_CELL = 1 << 15, /* ... which are in L1 here: each is read once a tap */
    PIECES_BYTES   = 8 << 20  /* of sums of all pieces */
};

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

int32_t mxdi_conv_wgrad_f32_lanes(const mxdi_conv_wgrad_f32 *op, int32_t p)
{
    return op->c_out - p * op->full <= op->variant->narrow ? op->variant->narrow : op->full;
}

int32_t mxdi_conv_wgrad_f32_strip(const mxdi_conv_wgrad_f32 *op, int32_t s)
{
    return (int32_t)((int64_t)s * op->c_in / op->strips);
}

float *mxdi_conv_wgrad_f32_sums(const mxdi_conv_wgrad_f32 *op, float *sums, int32_t group,
                                int32_t p, int32_t row)
{
    const int64_t lanes = mxdi_conv_wgrad_f32_lanes(op, p);
    return sums + ((int64_t)group * op->group_lanes + (int64_t)p * op->full) * op->c_in * op->taps +
           row * op->taps * lanes;
}

/* Cells for `blocks` blocks: blocks, rows of a block or a part of one row. */
static void cut(mxdi_conv_wgrad_f32_plan *plan, const mxdi_conv_wgrad_f32 *op, int64_t blocks)
{
    const mxdi_blocked *y   = &op->desc.y;
    const int64_t       row = (int64_t)y->w * y->block, image = row * y->h;
    plan->blocks = plan->b = blocks;
    plan->y = plan->x = 1;
    if (op->winograd.fn) {
        plan->blocks = mxdi_conv_wgrad_f32_winograd_tiles(op, blocks);
        plan->b      = div_up(plan->blocks, op->depth);
    } else if (image <= op->depth) {
        plan->b = div_up(blocks, op->depth / image);
    } else if (row <= 2 * op->depth) {
        plan->y = div_up(y->h, clamp(op->depth / row, 1, y->h));
    } else {
        plan->y = y->h;
        plan->x = div_up(y->w, clamp(op->depth / y->block, 1, y->w));
    }
}

mxdi_conv_wgrad_f32_plan mxdi_conv_wgrad_f32_plan_make(const mxdi_conv_wgrad_f32 *op,
                                                       int64_t                    blocks)
{
    const mxdi_blocked *y = &op->desc.y;
    const double        flops =
        2.0 * (double)blocks * y->h * y->w * y->block * op->c_in * (double)op->taps * y->channels;
    const int64_t limit = op->winograd.fn ? WINOGRAD_TASKS : MAX_TASKS;
    const int64_t tasks =
        flops >= (double)(TASK_FLOPS * limit) ? limit : 1 + (int64_t)flops / TASK_FLOPS;
    const int64_t fit = PIECES_BYTES / (int64_t)sizeof(float) / op->piece_words; /* may be 0 */
    mxdi_conv_wgrad_f32_plan plan = { 0 };
    cut(&plan, op, blocks);
    plan.units         = op->groups * div_up(op->panels, op->unit);
    const int64_t most = clamp(fit, 1, plan.b * plan.y * plan.x);
    plan.pieces        = clamp(tasks / plan.units, 1, most);
    plan.shares        = clamp(tasks / plan.units / plan.pieces, 1, op->strips);
    return plan;
}

mxdi_conv_wgrad_f32_cell mxdi_conv_wgrad_f32_cell_at(const mxdi_conv_wgrad_f32      *op,
                                                     const mxdi_conv_wgrad_f32_plan *plan,
                                                     int64_t                         i)
{
    const mxdi_blocked *l = &op->desc.y;
    const int64_t       x = i % plan->x, y = i / plan->x % plan->y, b = i / plan->x / plan->y;
    return (mxdi_conv_wgrad_f32_cell){
        b * plan->blocks / plan->b,    (b + 1) * plan->blocks / plan->b,
        (int32_t)(y * l->h / plan->y), (int32_t)((y + 1) * l->h / plan->y),
        (int32_t)(x * l->w / plan->x), (int32_t)((x + 1) * l->w / plan->x),
    };
}

mxdi_conv_wgrad_f32_task mxdi_conv_wgrad_f32_task_at(const mxdi_conv_wgrad_f32      *op,
                                                     const mxdi_conv_wgrad_f32_plan *plan,
                                                     int64_t                         i)
{
    const int64_t cells = plan->b * plan->y * plan->x, per_group = plan->units / op->groups;
    const int64_t share = i % plan->shares, unit = i / plan->shares % plan->units;
    const int64_t piece = i / plan->shares / plan->units, u = unit % per_group;
    return (mxdi_conv_wgrad_f32_task){ piece,
                                       (int32_t)(unit / per_group),
                                       (int32_t)(u * op->panels / per_group),
                                       (int32_t)((u + 1) * op->panels / per_group),
                                       (int32_t)(share * op->strips / plan->shares),
                                       (int32_t)((share + 1) * op->strips / plan->shares),
                                       piece * cells / plan->pieces,
                                       (piece + 1) * cells / plan->pieces };
}

/* Inputs under `outputs` outputs of an axis at most, in whole strides. */
static int64_t reach(int64_t outputs, const mxdi_window1d *axis)
{
    const int64_t n =
        (outputs - 1) * axis->stride + (int64_t)(axis->kernel - 1) * axis->dilation + axis->stride;
    return div_up(n < axis->in ? n : axis->in, axis->stride) * axis->stride;
}

mxd_status mxdi_conv_wgrad_f32_plan_init(mxdi_conv_wgrad_f32 *op, mxd_error *err)
{
    const mxdi_blocked      *y    = &op->desc.y;
    const int64_t            word = (int64_t)sizeof(float), strip = op->variant->strip * word;
    const int64_t            panels = op->unit * op->full * word;
    mxdi_conv_wgrad_f32_plan plan   = { 0 };
    mxdi_window1d            rows, cols;
    mxdi_window_axes(&rows, &cols, &op->desc.x, y, &op->desc.window);
    op->depth = (op->depthwise ? DEPTHWISE_CELL : CELL_BYTES) / (panels + 2 * strip);
    cut(&plan, op, 1);
    const int64_t image  = (int64_t)y->h * y->w * y->block;
    const size_t  blocks = image <= op->depth ? (size_t)(op->depth / image) : 1;
    const int64_t high = div_up(y->h, plan.y), wide = div_up(y->w, plan.x);
    size_t        n_x = blocks * (size_t)y->block * (size_t)strip, n_y = blocks * (size_t)y->block;
    if (!mxdi_mul_size(&n_x, n_x, (size_t)reach(high, &rows)) ||
        !mxdi_mul_size(&n_x, n_x, (size_t)reach(wide, &cols)) ||
        !mxdi_mul_size(&n_y, n_y * (size_t)panels, (size_t)(high * wide)) || n_x > SIZE_MAX / 2 ||
        n_y > SIZE_MAX / 2)
        return mxdi_fail(err, MXD_E_RANGE, "conv_wgrad_f32: input of (%d, %d, %d) is too large",
                         (int)op->desc.x.h, (int)op->desc.x.w, (int)op->desc.x.channels);
    op->y_bytes       = (n_y + 63) / 64 * 64;
    op->scratch_bytes = op->y_bytes + (n_x + 63) / 64 * 64;
    return MXD_OK;
}
