/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer convolution by Winograd's F(4x4, 3x3), exact. A band of tiles is transformed for all
 * input channels; then, a panel at a time, the 36 products of transformed inputs and weights run on
 * register tiles, and what they make is transformed back with everything fused. Padding is the zero
 * point of x, and takes part exactly.
 */
#include "base/error.h"
#include "kernels/conv_q8/conv_q8_op.h"

enum {
    POINTS     = MXDI_WINOGRAD_Q8_POINTS,
    TILE       = MXDI_WINOGRAD_Q8_TILE,
    MAX_TASKS  = 64,
    TASK_MACS  = 2 << 20, /* products of a task, at least */
    MIN_TILES  = 14,      /* in a chunk: one register tile in height */
    MAX_BAND   = 56,
    BAND_BYTES = 640 << 10 /* of scratch: stays in L2, of 1 MB, beside a panel of weights */
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

bool mxdi_conv_q8_winograd_pays(const mxdi_conv_q8 *op)
{
    (void)op;
    return false;
}

/* At least n elements of `size` bytes, an odd number of cache lines: neighbours spread over all
 * sets of L1. */
static int64_t odd_lines(int64_t n, size_t size)
{
    const int64_t line = 64 / (int64_t)size;
    return (mxdi_div_up(n, line) | 1) * line;
}

/* Sizes and strides of the scratch. */
static mxd_status shape_scratch(mxdi_conv_q8 *op, mxd_error *err)
{
    mxdi_conv_q8_winograd *const w     = &op->winograd;
    const int64_t                lanes = 2 * op->kernel->lanes, rows = w->fn->rows;
    const int64_t                s16 = sizeof(int16_t), s32 = sizeof(int32_t);
    w->v_row          = mxdi_div_up(op->c_in, lanes) * lanes;
    w->m_row          = lanes;
    const int64_t fit = BAND_BYTES / POINTS / (w->v_row * s16 + w->m_row * s32);
    w->band           = clamp(fit / rows * rows, rows, MAX_BAND);
    w->v_plane        = odd_lines(w->band * w->v_row, sizeof(int16_t));
    w->m_plane        = odd_lines(w->band * w->m_row, sizeof(int32_t));
    const int64_t all = w->v_plane * s16 + w->m_plane * s32;
    if ((uint64_t)all > SIZE_MAX / POINTS)
        return mxdi_fail(err, MXD_E_RANGE, "conv_q8: %d channels are too many", op->c_in);
    w->scratch_bytes = (size_t)all * POINTS;
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

/* Tasks are chunks * shares, the shares of a chunk in a row. */
struct split {
    int64_t tiles, chunks, shares; /* of tiles, of panels */
};

static struct split split_work(const mxdi_conv_q8 *op, int64_t blocks)
{
    const mxdi_conv_q8_winograd *w = &op->winograd;
    struct split                 s = { blocks * op->base.x.block * w->tiles_h * w->tiles_w, 1, 1 };
    const double  macs = POINTS * (double)s.tiles * op->c_in * w->n_panels * (double)w->m_row;
    const int64_t tasks =
        macs >= (double)TASK_MACS * MAX_TASKS ? MAX_TASKS : 1 + (int64_t)macs / TASK_MACS;
    s.chunks = clamp(s.tiles / MIN_TILES, 1, tasks);
    s.shares = clamp(mxdi_div_up(tasks, s.chunks), 1, w->n_panels);
    return s;
}

size_t mxdi_conv_q8_winograd_tasks(const mxdi_conv_q8 *op, int64_t blocks)
{
    if (op->winograd.n_panels == 0)
        return 0;
    const struct split s = split_work(op, blocks);
    return (size_t)(s.chunks * s.shares);
}

/* Where a tile is: images of a block side by side, then along x, y and the blocks. */
struct place {
    int64_t block;
    int32_t image, y, x; /* of the tile's first output */
};

static struct place place_of(const mxdi_conv_q8 *op, int64_t t)
{
    const mxdi_conv_q8_winograd *w  = &op->winograd;
    const int64_t                at = t / op->base.x.block, row = at / w->tiles_w;
    return (struct place){ row / w->tiles_h, (int32_t)(t % op->base.x.block),
                           (int32_t)(row % w->tiles_h) * TILE, (int32_t)(at % w->tiles_w) * TILE };
}

static void next_place(const mxdi_conv_q8 *op, struct place *p)
{
    if (++p->image < op->base.x.block)
        return;
    p->image = 0;
    p->x += TILE;
    if (p->x < op->base.y.w)
        return;
    p->x = 0;
    p->y += TILE;
    if (p->y < op->base.y.h)
        return;
    p->y = 0;
    p->block++;
}

static int32_t clamp_32(int64_t v, int32_t hi)
{
    return (int32_t)clamp(v, 0, hi);
}

static void transform_inputs(const mxdi_conv_q8 *op, const uint8_t *x, int16_t *v, int64_t t0,
                             int64_t t1)
{
    const mxdi_q8_base    *d    = &op->base;
    struct place           p    = place_of(op, t0);
    mxdi_winograd_q8_input args = { .row      = mxdi_blocked_row(&d->x),
                                    .pixel    = mxdi_blocked_pixel(&d->x),
                                    .outside  = (uint8_t)d->x_zero_point,
                                    .channels = op->c_in,
                                    .v        = v,
                                    .plane    = op->winograd.v_plane };
    for (int64_t t = t0; t < t1; t++, args.v += op->winograd.v_row, next_place(op, &p)) {
        const int64_t y = (int64_t)p.y - d->window.ph, left = (int64_t)p.x - d->window.pw;
        args.y0 = clamp_32(-y, 6);
        args.y1 = clamp_32(d->x.h - y, 6);
        args.x0 = clamp_32(-left, 6);
        args.x1 = clamp_32(d->x.w - left, 6);
        args.x  = x + p.block * d->x.block_stride + p.image * d->x.pitch + y * args.row +
                 left * args.pixel;
        op->winograd.fn->input(&args);
    }
}

/* The 36 products of n tiles with a panel. */
static void multiply(const mxdi_conv_q8 *op, const mxdi_conv_q8_panel *panel, const int16_t *v,
                     int32_t *m, int64_t n)
{
    static const _Alignas(64) int32_t  zeros[32];
    const mxdi_conv_q8_winograd       *w  = &op->winograd;
    const mxdi_winograd_q8_product_fn *fn = w->fn->product[panel->vectors - 1];
    const int64_t    plane = (int64_t)w->pairs * panel->vectors * op->kernel->lanes * 2; /* of u */
    const mxdi_parts tiles = mxdi_parts_make(n, mxdi_div_up(n, w->fn->rows));
    mxdi_winograd_q8_product args = { .v_row = w->v_row, .pairs = w->pairs, .m_row = w->m_row };
    for (int32_t i = 0; i < POINTS; i++) {
        args.u    = (const int16_t *)(const void *)panel->w + i * plane;
        args.init = i == MXDI_WINOGRAD_Q8_CONSTANT ? w->init + panel->lane : zeros;
        args.v    = v + i * w->v_plane;
        args.m    = m + i * w->m_plane;
        for (int64_t k = 0; k < tiles.n; k++) {
            const int64_t rows = tiles.few + (k < tiles.more);
            fn[rows](&args);
            args.v += rows * w->v_row;
            args.m += rows * w->m_row;
        }
    }
}

/* The outputs of tiles [t0, t1) in a panel. */
static void transform_outputs(const mxdi_conv_q8 *op, const mxdi_conv_q8_panel *panel,
                              const mxdi_conv_q8_io *io, const int32_t *m, int64_t t0, int64_t t1)
{
    const mxdi_q8_base     *d    = &op->base;
    const int64_t           size = d->y_size;
    struct place            p    = place_of(op, t0);
    mxdi_winograd_q8_output args = { .m          = m,
                                     .plane      = op->winograd.m_plane,
                                     .factor     = panel->m,
                                     .bias_float = panel->bias_float,
                                     .post       = &d->post,
                                     .row        = mxdi_blocked_row(&d->y) * size,
                                     .pixel      = mxdi_blocked_pixel(&d->y) * size,
                                     .n          = panel->n,
                                     .pads       = panel->pads };
    for (int64_t t = t0; t < t1; t++, args.m += op->winograd.m_row, next_place(op, &p)) {
        const int64_t at = (p.block * d->y.block_stride + p.image * d->y.pitch + panel->y) * size +
                           p.y * args.row + p.x * args.pixel;
        args.y  = io->y + at;
        args.r  = io->r ? io->r + at : NULL;
        args.y1 = clamp_32(d->y.h - p.y, TILE);
        args.x1 = clamp_32(d->y.w - p.x, TILE);
        op->winograd.fn->output(&args);
    }
}

/* Tiles [t0, t1) with the panels [p0, p1), in bands of equal size. */
static void run_chunk(const mxdi_conv_q8 *op, const mxdi_conv_q8_io *io, int64_t t0, int64_t t1,
                      int64_t p0, int64_t p1)
{
    const mxdi_conv_q8_winograd *w     = &op->winograd;
    int16_t *const               v     = io->scratch;
    int32_t *const               m     = (int32_t *)(void *)(v + POINTS * w->v_plane);
    const mxdi_parts             bands = mxdi_parts_make(t1 - t0, mxdi_div_up(t1 - t0, w->band));
    for (int64_t b = 0; b < bands.n; b++) {
        const int64_t from = t0 + mxdi_parts_begin(&bands, b);
        const int64_t to   = t0 + mxdi_parts_begin(&bands, b + 1);
        transform_inputs(op, io->x, v, from, to);
        for (int64_t p = p0; p < p1; p++) {
            multiply(op, &op->panels[p], v, m, to - from);
            transform_outputs(op, &op->panels[p], io, m, from, to);
        }
    }
}

/* Tasks in a row are joined: whole chunks to one, and the shares of a chunk, which have its
 * transformed inputs in common. */
void mxdi_conv_q8_winograd_run(const mxdi_conv_q8 *op, const mxdi_conv_q8_io *io, size_t begin,
                               size_t end)
{
    const struct split s      = split_work(op, io->blocks);
    const mxdi_parts   chunks = mxdi_parts_make(s.tiles, s.chunks);
    const mxdi_parts   shares = mxdi_parts_make(op->winograd.n_panels, s.shares);
    const int64_t      last   = (int64_t)end;
    for (int64_t task = (int64_t)begin; task < last;) {
        const int64_t chunk = task / s.shares, s0 = task % s.shares, left = last - task;
        const int64_t whole = s0 == 0 ? left / s.shares : 0, n = whole ? whole : 1;
        const int64_t s1 = whole ? s.shares : clamp(s0 + left, 0, s.shares);
        run_chunk(op, io, mxdi_parts_begin(&chunks, chunk), mxdi_parts_begin(&chunks, chunk + n),
                  mxdi_parts_begin(&shares, s0), mxdi_parts_begin(&shares, s1));
        task += whole ? whole * s.shares : s1 - s0;
    }
}
