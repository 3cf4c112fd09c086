/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of weights by Winograd's F(4x4, 3x3), transposed: dw = G^T [ sum over tiles of
 * (B^T x B) . (A dy A^T) ] G. A cell is a range of tiles; dy is transformed panel by panel, x some
 * strips at a time, and the 36 products of a strip and a panel are transformed back at once.
 */
#include "kernels/conv_wgrad_f32/conv_wgrad_f32_impl.h"

enum {
    POINTS   = MXDI_WINOGRAD_F32_POINTS,
    TILE     = MXDI_WINOGRAD_F32_TILE,
    CHANNELS = 140, /* of x transformed together at most, in whole strips */
    TILES    = 64   /* of a cell at most: a panel's and a strip's stay in L2 */
};

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int32_t clamp(int64_t v, int32_t hi)
{
    return (int32_t)(v < 0 ? 0 : v > hi ? hi : v);
}

bool mxdi_conv_wgrad_f32_winograd_fits(const mxdi_conv_wgrad_f32 *op, uint32_t isa)
{
    const mxdi_window2d *w = &op->desc.window;
    return op->variant && op->desc.groups == 1 && w->kh == 3 && w->kw == 3 && w->sh == 1 &&
           w->sw == 1 && w->dh == 1 && w->dw == 1 && mxdi_winograd_f32_select(isa) != NULL;
}

/* Outputs of an axis whose input at a tap is in the image, summed over the taps. */
static int64_t useful_taps(const mxdi_window1d *axis)
{
    int64_t n = 0;
    for (int32_t k = 0; k < axis->kernel; k++) {
        const int64_t first = axis->pad - k > 0 ? axis->pad - k : 0;
        const int64_t end   = (int64_t)axis->in + axis->pad - k;
        const int64_t last  = end < axis->out ? end : axis->out;
        n += last > first ? last - first : 0;
    }
    return n;
}

/* Estimated cycles of one image at two vector steps a cycle: products, and transforms of some 100
 * cycles for a vector of channels of a tile. */
bool mxdi_conv_wgrad_f32_winograd_pays(const mxdi_conv_wgrad_f32 *op)
{
    const mxdi_blocked *y = &op->desc.y;
    const double  lanes = (double)op->group_lanes, c_in = op->c_in, vector = op->variant->narrow;
    const double  tiles = (double)(div_up(y->h, TILE) * div_up(y->w, TILE));
    const double  units = (double)div_up(op->panels, op->unit), step = 2 * vector;
    mxdi_window1d rows, cols;
    mxdi_window_axes(&rows, &cols, &op->desc.x, y, &op->desc.window);
    const double direct =
        (double)useful_taps(&rows) * (double)useful_taps(&cols) * c_in * lanes / step;
    const double fast =
        tiles * (POINTS * c_in * lanes / step + 100 * (units * c_in + lanes) / vector);
    return c_in >= 16 && fast < direct;
}

void mxdi_conv_wgrad_f32_winograd_init(mxdi_conv_wgrad_f32 *op, uint32_t isa)
{
    mxdi_conv_wgrad_f32_winograd *w      = &op->winograd;
    const int64_t                 most   = CHANNELS / op->variant->rows;
    const int64_t                 strips = most < op->strips ? most : op->strips;
    w->fn                                = mxdi_winograd_f32_select(isa);
    w->tiles_h                           = (int32_t)div_up(op->desc.y.h, TILE);
    w->tiles_w                           = (int32_t)div_up(op->desc.y.w, TILE);
    w->strips                            = (int32_t)strips;
    /* an odd number of cache lines: neighbours spread over all sets of L1 */
    w->x_row    = (div_up(strips * op->variant->rows, 16) | 1) * 16;
    w->x_plane  = TILES * w->x_row + 16;
    w->y_plane  = TILES * op->full + 16;
    op->depth   = TILES;
    op->y_bytes = (size_t)(op->unit * POINTS * w->y_plane) * sizeof(float);
    op->scratch_bytes =
        op->y_bytes +
        (size_t)(POINTS * (w->x_plane + op->variant->rows * op->full)) * sizeof(float);
}

int64_t mxdi_conv_wgrad_f32_winograd_tiles(const mxdi_conv_wgrad_f32 *op, int64_t blocks)
{
    return blocks * op->desc.y.block * op->winograd.tiles_h * op->winograd.tiles_w;
}

/* Where tile t is: images of a block side by side, then along x, y and the blocks. */
typedef struct place {
    int64_t block;
    int32_t image, y, x; /* of the tile's first output */
} place;

static place place_of(const mxdi_conv_wgrad_f32 *op, int64_t t)
{
    const mxdi_conv_wgrad_f32_winograd *w  = &op->winograd;
    const int64_t                       at = t / op->desc.y.block, row = at / w->tiles_w;
    return (place){ row / w->tiles_h, (int32_t)(t % op->desc.y.block),
                    (int32_t)(row % w->tiles_h) * TILE, (int32_t)(at % w->tiles_w) * TILE };
}

/* A dy A^T of the task's panels: [panel][point][tile][lane]. */
static void transform_panels(const mxdi_conv_wgrad_f32 *op, const mxdi_conv_wgrad_f32_task *t,
                             const mxdi_conv_wgrad_f32_places *at, int64_t begin, int64_t end)
{
    const mxdi_blocked     *l    = &op->desc.y;
    mxdi_winograd_f32_input args = { .row   = mxdi_blocked_row(l),
                                     .pixel = mxdi_blocked_pixel(l),
                                     .plane = op->winograd.y_plane };
    for (int64_t i = begin; i < end; i++) {
        const place  p  = place_of(op, i);
        const float *dy = at->dy + p.block * l->block_stride + p.image * l->pitch + p.y * args.row +
                          p.x * args.pixel;
        args.y1 = clamp((int64_t)l->h - p.y, TILE);
        args.x1 = clamp((int64_t)l->w - p.x, TILE);
        for (int32_t k = t->p0; k < t->p1; k++) {
            const int32_t lanes = mxdi_conv_wgrad_f32_lanes(op, k), left = op->c_out - k * op->full;
            args.channels = left < lanes ? left : lanes;
            args.x        = dy + (int64_t)k * op->full;
            args.v        = at->panels + (k - t->p0) * POINTS * args.plane + (i - begin) * lanes;
            op->winograd.fn->gradient(&args);
        }
    }
}

/* B^T x B of channels from `channel` on: [point][tile][channel]. */
static void transform_strips(const mxdi_conv_wgrad_f32 *op, const mxdi_conv_wgrad_f32_places *at,
                             int64_t begin, int64_t end, int32_t channel, int32_t channels)
{
    const mxdi_blocked     *l    = &op->desc.x;
    mxdi_winograd_f32_input args = { .row      = mxdi_blocked_row(l),
                                     .pixel    = mxdi_blocked_pixel(l),
                                     .channels = channels,
                                     .v        = at->strip,
                                     .plane    = op->winograd.x_plane };
    for (int64_t i = begin; i < end; i++, args.v += op->winograd.x_row) {
        const place   p = place_of(op, i);
        const int64_t y = (int64_t)p.y - op->desc.window.ph, x = (int64_t)p.x - op->desc.window.pw;
        args.y0 = clamp(-y, 6);
        args.y1 = clamp(l->h - y, 6);
        args.x0 = clamp(-x, 6);
        args.x1 = clamp(l->w - x, 6);
        args.x  = at->x + p.block * l->block_stride + p.image * l->pitch + y * args.row +
                 x * args.pixel + channel;
        op->winograd.fn->input(&args);
    }
}

/* One strip, `offset` channels behind the first transformed, times one panel. */
static void multiply(const mxdi_conv_wgrad_f32 *op, const mxdi_conv_wgrad_f32_task *t,
                     const mxdi_conv_wgrad_f32_places *at, int64_t tiles, int32_t offset,
                     int32_t row, int32_t rows, int32_t p)
{
    const mxdi_conv_wgrad_f32_winograd *w     = &op->winograd;
    const int32_t                       lanes = mxdi_conv_wgrad_f32_lanes(op, p);
    float *const                        u     = at->strip + POINTS * w->x_plane;
    const mxdi_conv_wgrad_f32_fn        fn =
        lanes == op->variant->narrow ? op->variant->narrow_fn[rows] : op->variant->full_fn[rows];
    mxdi_conv_wgrad_f32_args args = { .x     = at->strip + offset,
                                      .y     = at->panels + (p - t->p0) * POINTS * w->y_plane,
                                      .walk  = { 1, { tiles, 1, 1, 1 }, { w->x_row }, { lanes } },
                                      .c     = u,
                                      .c_row = lanes,
                                      .fresh = true };
    for (int32_t i = 0; i < POINTS; i++) {
        fn(&args);
        args.x += w->x_plane;
        args.y += w->y_plane;
        args.c += rows * lanes;
    }
    mxdi_winograd_f32_sums sums = { .u     = u,
                                    .plane = (int64_t)rows * lanes,
                                    .lanes = lanes,
                                    .dw  = mxdi_conv_wgrad_f32_sums(op, at->sums, t->group, p, row),
                                    .tap = lanes };
    for (int32_t i = 0; i < rows; i++, sums.u += lanes, sums.dw += op->taps * lanes)
        w->fn->sums(&sums);
}

void mxdi_conv_wgrad_f32_winograd_cell(const mxdi_conv_wgrad_f32        *op,
                                       const mxdi_conv_wgrad_f32_task   *t,
                                       const mxdi_conv_wgrad_f32_places *at,
                                       const mxdi_conv_wgrad_f32_cell   *cell)
{
    transform_panels(op, t, at, cell->b0, cell->b1);
    for (int32_t s0 = t->s0; s0 < t->s1; s0 += op->winograd.strips) {
        const int32_t s1   = s0 + op->winograd.strips < t->s1 ? s0 + op->winograd.strips : t->s1;
        const int32_t from = mxdi_conv_wgrad_f32_strip(op, s0),
                      to   = mxdi_conv_wgrad_f32_strip(op, s1);
        transform_strips(op, at, cell->b0, cell->b1, from, to - from);
        for (int32_t p = t->p0; p < t->p1; p++) {
            for (int32_t s = s0; s < s1; s++) {
                const int32_t row = mxdi_conv_wgrad_f32_strip(op, s);
                multiply(op, t, at, cell->b1 - cell->b0, row - from, row,
                         mxdi_conv_wgrad_f32_strip(op, s + 1) - row, p);
            }
        }
    }
}
