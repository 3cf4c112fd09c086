/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer convolution by Winograd's F(4x4, 3x3), exact: when it is taken, what it needs, and how it
 * is cut into tasks. Derivations are in docs/winograd.md.
 */
#include <math.h>

#include "base/error.h"
#include "kernels/conv_q8/conv_q8_op.h"

enum {
    POINTS      = MXDI_WINOGRAD_Q8_POINTS,
    TILE        = MXDI_WINOGRAD_Q8_TILE,
    MAX_TASKS   = 64,
    TASK_MACS   = 2 << 20, /* products of a task, at least */
    MIN_TILES   = 14,      /* in a chunk: one register tile in height */
    BAND        = 28,      /* tiles whose transforms stay in L2 */
    HEAVY_BAND  = 56,      /* the same for heavy weights: fewer passes over them */
    HEAVY_BYTES = 8 << 20
};

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

bool mxdi_conv_q8_winograd_fits(const mxdi_conv_q8 *op)
{
    const mxdi_window2d *w = &op->base.window;
    return op->groups == 1 && w->kh == 3 && w->kw == 3 && w->sh == 1 && w->sw == 1 && w->dh == 1 &&
           w->dw == 1 && mxdi_winograd_q8_variants[op->base.row]->rows > 0;
}

/* Bytes of all transformed weights. */
static double weight_bytes(const mxdi_conv_q8 *op)
{
    return (double)sizeof(int16_t) * POINTS * op->c_in * op->c_out;
}

/* They come from memory in each pass, rather than from a cache. */
static bool is_heavy(const mxdi_conv_q8 *op)
{
    return weight_bytes(op) > HEAVY_BYTES;
}

/* Taps inside the image, summed over the outputs of an axis. */
static int64_t useful_taps(const mxdi_span *spans, int32_t n)
{
    int64_t taps = 0;
    for (int32_t i = 0; i < n; i++)
        taps += (int64_t)(spans[i].end - spans[i].begin) * (spans[i].k_end - spans[i].k_begin);
    return taps;
}

/* Estimated cycles of a run of `blocks` blocks: products, of which 8-bit ones take half the time of
 * 16-bit ones, or reading the weights meanwhile, at 8 bytes a cycle from afar; and transforms (60
 * for a vector of input channels of a tile, 120 for one of output channels). The memory should buy
 * a tenth. */
bool mxdi_conv_q8_winograd_pays(const mxdi_conv_q8 *op, int64_t blocks)
{
    const mxdi_q8_base *d = &op->base;
    if (!mxdi_conv_q8_winograd_fits(op) || op->c_in < 32 || op->kernel->leave)
        return false;
    const double lanes = op->kernel->lanes, c_in = op->c_in, c_out = op->c_out;
    const double images = (double)(blocks > 0 ? blocks : 1) * d->x.block;
    const double tiles  = images * (double)(mxdi_div_up(d->y.h, TILE) * mxdi_div_up(d->y.w, TILE));
    const double taps =
        images * (double)(useful_taps(d->spans_y, d->n_y) * useful_taps(d->spans_x, d->n_x));
    const double passes     = is_heavy(op) ? ceil(tiles / HEAVY_BAND) : 1.0;
    const double read       = passes * weight_bytes(op) / 8;
    const double direct     = taps * c_in * c_out * op->kernel->weight_bytes / (8 * lanes);
    const double products   = tiles * POINTS * c_in * c_out / (4 * lanes);
    const double transforms = tiles * (60 * c_in + 120 * c_out) / lanes;
    return transforms + fmax(products, read) < 0.9 * direct;
}

/* At least n elements of `size` bytes, an odd number of cache lines: neighbours spread over all
 * sets of L1. */
static int64_t odd_lines(int64_t n, int64_t size)
{
    const int64_t line = 64 / size;
    return (mxdi_div_up(n, line) | 1) * line;
}

/* Sizes and strides of the scratch. */
static mxd_status shape_scratch(mxdi_conv_q8 *op, mxd_error *err)
{
    mxdi_conv_q8_winograd *const w     = &op->winograd;
    const int64_t                lanes = 2 * (int64_t)op->kernel->lanes, rows = w->fn->rows;
    const int64_t                s16 = sizeof(int16_t), s32 = sizeof(int32_t);
    w->heavy          = is_heavy(op);
    w->band           = (w->heavy ? HEAVY_BAND : BAND) / rows * rows;
    w->v_row          = mxdi_div_up(op->c_in, lanes) * lanes;
    w->m_row          = lanes;
    w->v_plane        = odd_lines(w->band * w->v_row, s16);
    w->m_plane        = odd_lines(w->band * w->m_row, s32);
    const int64_t all = w->v_plane * s16 + w->m_plane * s32;
    if ((uint64_t)all > SIZE_MAX / POINTS)
        return mxdi_fail(err, MXD_E_RANGE, "conv_q8: %d channels are too many", op->c_in);
    op->scratch_bytes = (size_t)all * POINTS;
    return MXD_OK;
}

mxd_status mxdi_conv_q8_winograd_init(mxdi_conv_q8 *op, const mxdi_conv_q8_desc *desc,
                                      mxd_error *err)
{
    mxdi_conv_q8_winograd *const w = &op->winograd;
    mxdi_conv_q8_winograd_take(op, desc);
    if (w->n_panels == 0)
        return MXD_OK;
    w->fn      = mxdi_winograd_q8_variants[op->base.row];
    w->pairs   = (int32_t)mxdi_div_up(op->c_in, 2);
    w->tiles_h = (int32_t)mxdi_div_up(op->base.y.h, TILE);
    w->tiles_w = (int32_t)mxdi_div_up(op->base.y.w, TILE);
    MXD_TRY(shape_scratch(op, err));
    return mxdi_conv_q8_winograd_pack(op, desc, err);
}

/* Chunks of tiles first, which share nothing. Heavy weights are not read by more of them than
 * needed: the panels are shared out instead. */
mxdi_conv_q8_winograd_split mxdi_conv_q8_winograd_cut(const mxdi_conv_q8 *op, int64_t blocks)
{
    const mxdi_conv_q8_winograd *w     = &op->winograd;
    const int64_t                tiles = blocks * op->base.x.block * w->tiles_h * w->tiles_w;
    const double  macs = POINTS * (double)tiles * op->c_in * w->n_panels * (double)w->m_row;
    const int64_t tasks =
        macs >= (double)TASK_MACS * MAX_TASKS ? MAX_TASKS : 1 + (int64_t)macs / TASK_MACS;
    const int64_t chunks = clamp(tiles / (w->heavy ? w->band : MIN_TILES), 1, tasks);
    const int64_t shares = clamp(mxdi_div_up(tasks, chunks), 1, w->n_panels);
    return (mxdi_conv_q8_winograd_split){ mxdi_parts_make(tiles, chunks),
                                          mxdi_parts_make(w->n_panels, shares) };
}

size_t mxdi_conv_q8_winograd_tasks(const mxdi_conv_q8 *op, int64_t blocks)
{
    if (op->winograd.n_panels == 0)
        return 0;
    const mxdi_conv_q8_winograd_split s = mxdi_conv_q8_winograd_cut(op, blocks);
    return (size_t)(s.chunks.n * s.shares.n);
}
