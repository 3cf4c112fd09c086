/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution by Winograd's F(4x4, 3x3). A band of tiles is transformed for all input channels;
 * then, a group of panels at a time, the 36 products of transformed inputs and weights run on the
 * register tiles, and what they make is transformed back with everything fused. Padding is zeros:
 * they take part exactly.
 */
#include "base/error.h"
#include "kernels/conv_f32/conv_f32_impl.h"

enum {
    POINTS     = MXDI_WINOGRAD_F32_POINTS,
    MAX_TASKS  = 64,
    TASK_FLOPS = 1000000,
    MIN_TILES  = 14, /* in a chunk: one register tile in height */
    MAX_BAND   = 56,
    MAX_BYTES  = 2 << 20, /* of scratch; past L2 it is streamed, which the products hide */
    LANES      = 128,     /* multiplied together */
    LINE       = 16       /* words of a cache line */
};

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* At least n floats, an odd number of cache lines: neighbours spread over all sets of L1. */
static int64_t odd_lines(int64_t n)
{
    return (div_up(n, 16) | 1) * 16;
}

bool mxdi_conv_f32_winograd_fits(const mxdi_conv_f32 *op, uint32_t isa)
{
    const mxdi_window2d *w = &op->desc.window;
    return !op->desc.exact && !op->desc.bf16 && op->desc.groups == 1 && w->kh == 3 && w->kw == 3 &&
           w->sh == 1 && w->sw == 1 && w->dh == 1 && w->dw == 1 &&
           mxdi_winograd_f32_select(isa) != NULL;
}

/* Taps inside the image, summed over the outputs of an axis. */
static int64_t useful_taps(const mxdi_span *spans, int32_t n)
{
    int64_t taps = 0;
    for (int32_t i = 0; i < n; i++)
        taps += (int64_t)(spans[i].end - spans[i].begin) * (spans[i].k_end - spans[i].k_begin);
    return taps;
}

/* Estimated vector steps for one block of images: products, transforms (about 7 steps an element of
 * d or y), and streaming the weights, 36 to 9 of them, from L3 at some 12 bytes a cycle. */
bool mxdi_conv_f32_winograd_pays(const mxdi_conv_f32 *op)
{
    const mxdi_conv_f32_desc *d = &op->desc;
    if (op->c_in < 16)
        return false;
    const double lanes = (double)mxdi_conv_f32_group_lanes(op), c_in = op->c_in, block = d->x.block;
    const double tiles = block * (double)(div_up(d->y.h, 4) * div_up(d->y.w, 4));
    const double taps =
        block * (double)(useful_taps(op->rows, op->n_rows) * useful_taps(op->cols, op->n_cols));
    const double step   = 2.0 * op->tile->narrow; /* products in one cycle */
    const double bytes  = c_in * lanes * (double)sizeof(float);
    const double direct = taps * c_in * lanes / step + 9 * bytes / 12;
    const double fast   = tiles * (POINTS * c_in * lanes / step + 14 * 8 * (c_in + lanes) / step) +
                        POINTS * bytes / 12;
    return fast < direct;
}

mxd_status mxdi_conv_f32_winograd_init(mxdi_conv_f32 *op, uint32_t isa, mxd_error *err)
{
    mxdi_conv_f32_winograd *const w    = &op->winograd;
    const int32_t                 most = LANES / op->tile->full;
    w->fn                              = mxdi_winograd_f32_select(isa);
    w->tiles_h                         = (int32_t)div_up(op->desc.y.h, MXDI_WINOGRAD_F32_TILE);
    w->tiles_w                         = (int32_t)div_up(op->desc.y.w, MXDI_WINOGRAD_F32_TILE);
    w->group                           = op->panels < most ? op->panels : most;
    w->v_row                           = odd_lines(op->c_in);
    w->m_row                           = odd_lines((int64_t)w->group * op->tile->full);
    const int64_t rows                 = op->tile->rows,
                  fit = MAX_BYTES / (int64_t)sizeof(float) / POINTS / (w->v_row + w->m_row);
    w->band           = clamp(fit / rows * rows, 2 * rows, MAX_BAND);
    w->v_plane        = odd_lines(w->band * w->v_row);
    w->m_plane        = odd_lines(w->band * w->m_row);
    if ((uint64_t)(w->v_plane + w->m_plane) > SIZE_MAX / sizeof(float) / POINTS)
        return mxdi_fail(err, MXD_E_RANGE, "conv_f32: %d channels are too many", (int)op->c_in);
    op->scratch_bytes = (size_t)(w->v_plane + w->m_plane) * POINTS * sizeof(float);
    return MXD_OK;
}

typedef struct plan {
    int64_t tiles;
    int64_t chunks,
        shares; /* of tiles, of panels; tasks = chunks * shares, the shares of a chunk in a row */
} plan;

static plan make_plan(const mxdi_conv_f32 *op, int64_t blocks)
{
    const mxdi_conv_f32_winograd *w = &op->winograd;
    plan                          p = { blocks * op->desc.x.block * w->tiles_h * w->tiles_w, 1, 1 };
    const double  flops = 2.0 * POINTS * (double)p.tiles * op->c_in * op->desc.y.channels;
    const int64_t tasks =
        flops >= (double)TASK_FLOPS * MAX_TASKS ? MAX_TASKS : 1 + (int64_t)flops / TASK_FLOPS;
    p.chunks = clamp(p.tiles / MIN_TILES, 1, tasks);
    p.shares = clamp(div_up(tasks, p.chunks), 1, op->panels);
    return p;
}

size_t mxdi_conv_f32_winograd_tasks(const mxdi_conv_f32 *op, int64_t blocks)
{
    const plan p = make_plan(op, blocks);
    return (size_t)(p.chunks * p.shares);
}

/* Where tile t is: images of a block side by side, then along x, y and the blocks. */
typedef struct place {
    int64_t block;
    int32_t image, y, x; /* of the tile's first output */
} place;

static place place_of(const mxdi_conv_f32 *op, int64_t t)
{
    const mxdi_conv_f32_winograd *w  = &op->winograd;
    const int64_t                 at = t / op->desc.x.block, row = at / w->tiles_w;
    return (place){ row / w->tiles_h, (int32_t)(t % op->desc.x.block),
                    (int32_t)(row % w->tiles_h) * MXDI_WINOGRAD_F32_TILE,
                    (int32_t)(at % w->tiles_w) * MXDI_WINOGRAD_F32_TILE };
}

static int32_t clamp_32(int64_t v, int32_t hi)
{
    return (int32_t)clamp(v, 0, hi);
}

static void transform_inputs(const mxdi_conv_f32 *op, const float *x, float *v, int64_t t0,
                             int64_t t1)
{
    const mxdi_conv_f32_desc *d    = &op->desc;
    mxdi_winograd_f32_input   args = { .row      = mxdi_blocked_row(&d->x),
                                       .pixel    = mxdi_blocked_pixel(&d->x),
                                       .channels = op->c_in,
                                       .v        = v,
                                       .plane    = op->winograd.v_plane };
    for (int64_t t = t0; t < t1; t++, args.v += op->winograd.v_row) {
        const place   p = place_of(op, t);
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

/* The 36 products of `n` tiles with the panels [p0, p1). The first two steps of a panel fetch the
 * next one meanwhile, every other line each. */
static void multiply(const mxdi_conv_f32 *op, const float *v, float *m, int64_t n, int32_t p0,
                     int32_t p1)
{
    static const _Alignas(64) float zeros[MXDI_TILE_F32_MAX_LANES];
    const mxdi_conv_f32_winograd   *w     = &op->winograd;
    const struct mxdi_tile_f32     *tile  = op->tile;
    const int64_t                   plane = (int64_t)op->c_in * mxdi_conv_f32_group_lanes(op);
    const int64_t                   panel = (int64_t)tile->full * op->c_in;
    const int64_t                   steps = div_up(n, tile->rows);
    mxdi_tile_f32_args              args  = { .a_row  = w->v_row,
                                              .a_k    = 1,
                                              .k      = op->c_in,
                                              .n_kx   = 1,
                                              .n_ky   = 1,
                                              .init   = zeros,
                                              .c_row  = w->m_row,
                                              .alpha  = 1.0f,
                                              .finish = MXDI_TILE_F32_SCALE };
    for (int32_t i = 0; i < POINTS; i++) {
        for (int32_t p = p0; p < p1; p++) {
            const int64_t next = p + 1 < p1 ? panel : plane - (p - p0) * panel;
            const bool narrow = p + 1 == op->panels && mxdi_conv_f32_last_lanes(op) == tile->narrow;
            args.b            = op->weights + i * plane + p * panel;
            for (int64_t s = 0; s < steps; s++) {
                const int64_t from = s * n / steps, rows = (s + 1) * n / steps - from,
                              half = (rows + 1) / 2;
                args.a             = v + i * w->v_plane + from * w->v_row;
                args.b_next        = s < 2 ? next + s * LINE : 0;
                args.a_half        = half * w->v_row;
                args.c      = m + i * w->m_plane + from * w->m_row + (int64_t)(p - p0) * tile->full;
                args.c_half = half * w->m_row;
                (narrow ? tile->narrow_fn : tile->full_fn)[rows](&args);
            }
        }
    }
}

/* The outputs of tiles [t0, t1) in the panels [p0, p1). */
static void transform_outputs(const mxdi_conv_f32 *op, const mxdi_conv_f32_io *io, const float *m,
                              int64_t t0, int64_t t1, int32_t p0, int32_t p1)
{
    const mxdi_conv_f32_desc *d  = &op->desc;
    const int64_t             c0 = (int64_t)p0 * op->tile->full, c1 = (int64_t)p1 * op->tile->full;
    const int64_t end = p1 < op->panels ? c1 : mxdi_conv_f32_group_lanes(op); /* lanes there are */
    mxdi_winograd_f32_output args = { .m     = m,
                                      .plane = op->winograd.m_plane,
                                      .bias  = op->bias + c0,
                                      .row   = mxdi_blocked_row(&d->y),
                                      .pixel = mxdi_blocked_pixel(&d->y),
                                      .lanes =
                                          (int32_t)((end < d->y.pitch ? end : d->y.pitch) - c0),
                                      .round_bf16 = d->round_bf16,
                                      .lo         = d->y_min,
                                      .hi         = d->y_max };
    for (int64_t t = t0; t < t1; t++, args.m += op->winograd.m_row) {
        const place   p  = place_of(op, t);
        const int64_t at = p.block * d->y.block_stride + p.y * args.row + p.x * args.pixel +
                           p.image * d->y.pitch + c0;
        args.y  = io->y + at;
        args.r  = d->residual ? io->r + at : NULL;
        args.y1 = d->y.h - p.y < MXDI_WINOGRAD_F32_TILE ? d->y.h - p.y : MXDI_WINOGRAD_F32_TILE;
        args.x1 = d->y.w - p.x < MXDI_WINOGRAD_F32_TILE ? d->y.w - p.x : MXDI_WINOGRAD_F32_TILE;
        op->winograd.fn->output(&args);
    }
}

/* Tiles [t0, t1) with the panels [p0, p1), in bands of equal size. */
static void run_chunk(const mxdi_conv_f32 *op, const mxdi_conv_f32_io *io, int64_t t0, int64_t t1,
                      int32_t p0, int32_t p1)
{
    const mxdi_conv_f32_winograd *w     = &op->winograd;
    const int64_t                 bands = div_up(t1 - t0, w->band);
    float *const v = io->scratch, *const m = v + POINTS * w->v_plane;
    for (int64_t b = 0; b < bands; b++) {
        const int64_t from = t0 + b * (t1 - t0) / bands, to = t0 + (b + 1) * (t1 - t0) / bands;
        transform_inputs(op, io->x, v, from, to);
        for (int32_t p = p0; p < p1; p += w->group) {
            const int32_t last = p + w->group < p1 ? p + w->group : p1;
            multiply(op, v, m, to - from, p, last);
            transform_outputs(op, io, m, from, to, p, last);
        }
    }
}

/* Tasks in a row are joined: whole chunks to one, and the shares of a chunk, which have its
 * transformed inputs in common. */
void mxdi_conv_f32_winograd_run(const mxdi_conv_f32 *op, const mxdi_conv_f32_io *io, size_t begin,
                                size_t end)
{
    const plan    p    = make_plan(op, io->blocks);
    const int64_t last = (int64_t)end;
    for (int64_t task = (int64_t)begin; task < last;) {
        const int64_t chunk = task / p.shares, s0 = task % p.shares, left = last - task;
        const int64_t whole = s0 == 0 ? left / p.shares : 0, n = whole ? whole : 1;
        const int64_t s1 = whole ? p.shares : clamp(s0 + left, 0, p.shares);
        run_chunk(op, io, chunk * p.tiles / p.chunks, (chunk + n) * p.tiles / p.chunks,
                  (int32_t)(s0 * op->panels / p.shares), (int32_t)(s1 * op->panels / p.shares));
        task += whole ? whole * p.shares : s1 - s0;
    }
}
