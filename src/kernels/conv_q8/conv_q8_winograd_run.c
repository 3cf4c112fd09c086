/* SPDX-License-Identifier: Apache-2.0
 *
 * Running integer Winograd. A band of tiles is transformed for all input channels; then, a panel at
 * a time, the 36 products of transformed inputs and weights run on register tiles, and what they
 * make is transformed back with everything fused. Padding is the zero point of x, and takes part
 * exactly. The transforms would wait for memory more than they compute: what they touch next is
 * asked for by the products, which wait for nothing.
 */
#include "kernels/conv_q8/conv_q8_op.h"

enum { POINTS = MXDI_WINOGRAD_Q8_POINTS, TILE = MXDI_WINOGRAD_Q8_TILE, GROUP = 8 };

/* Tiles [begin, end) of a run. */
struct range {
    int64_t begin, end;
};

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

/* v within 0 .. hi */
static int32_t clip(int64_t v, int32_t hi)
{
    return v < 0 ? 0 : v > hi ? hi : (int32_t)v;
}

static void transform_inputs(const mxdi_conv_q8 *op, const uint8_t *x, int16_t *v,
                             struct range tiles)
{
    const mxdi_q8_base    *d    = &op->base;
    struct place           p    = place_of(op, tiles.begin);
    mxdi_winograd_q8_input args = { .row      = mxdi_blocked_row(&d->x),
                                    .pixel    = mxdi_blocked_pixel(&d->x),
                                    .outside  = (uint8_t)d->x_zero_point,
                                    .channels = op->c_in,
                                    .v        = v,
                                    .plane    = op->winograd.v_plane };
    for (int64_t t = tiles.begin; t < tiles.end;
         t++, args.v += op->winograd.v_row, next_place(op, &p)) {
        const int64_t y = (int64_t)p.y - d->window.ph, left = (int64_t)p.x - d->window.pw;
        args.y0 = clip(-y, 6);
        args.y1 = clip(d->x.h - y, 6);
        args.x0 = clip(-left, 6);
        args.x1 = clip(d->x.w - left, 6);
        args.x  = x + p.block * d->x.block_stride + p.image * d->x.pitch + y * args.row +
                 left * args.pixel;
        op->winograd.fn->input(&args);
    }
}

/* Rows of pixels that a range of tiles will touch, GROUP tiles at a time: the images of a block, or
 * neighbours along x. */
struct wanted {
    const mxdi_blocked *l;
    const uint8_t      *base;
    int64_t             size;        /* bytes of an element */
    int64_t             step;        /* bytes between two lines of a row */
    int64_t             right, down; /* pixels from a tile's first output */
    struct range        tiles;
};

/* Walks what is wanted, and then stays at the last row. */
struct ahead {
    struct wanted  list[3];
    int32_t        at, n;
    int32_t        rows; /* left of the group at hand */
    const uint8_t *line;
    int64_t        step, row;
};

static void next_row(const mxdi_conv_q8 *op, struct ahead *a)
{
    if (a->rows > 0) {
        a->rows--;
        a->line += a->row;
        return;
    }
    while (a->at < a->n && a->list[a->at].tiles.begin >= a->list[a->at].tiles.end)
        a->at++;
    if (a->at == a->n)
        return;
    struct wanted *const w = &a->list[a->at];
    const mxdi_blocked  *l = w->l;
    const struct place   p = place_of(op, w->tiles.begin);
    a->row                 = mxdi_blocked_row(l) * w->size;
    a->step                = w->step;
    a->rows                = TILE - 1;
    a->line                = w->base +
              (p.block * l->block_stride + p.image * l->pitch +
               (p.y + w->down) * mxdi_blocked_row(l) + (p.x + w->right) * mxdi_blocked_pixel(l)) *
                  w->size;
    w->tiles.begin += GROUP;
}

/* Behind the products of `now` in a panel come its outputs, with residuals, and then, unless
 * another panel does, the inputs of `next`. Of those the tiles to the left and above have touched
 * two rows and columns. */
static struct ahead look_ahead(const mxdi_conv_q8 *op, const mxdi_conv_q8_io *io,
                               const mxdi_conv_q8_panel *panel, struct range now, struct range next)
{
    const mxdi_q8_base *d = &op->base;
    struct ahead        a = { .line = panel->w, .step = 64 };
    a.list[a.n++]         = (struct wanted){ .l     = &d->y,
                                             .base  = io->y + panel->y * (int64_t)d->y_size,
                                             .size  = d->y_size,
                                             .step  = d->y.pitch * d->y_size,
                                             .tiles = now };
    if (io->r)
        a.list[a.n++] = (struct wanted){
            .l = &d->y, .base = io->r + panel->y, .size = 1, .step = d->y.pitch, .tiles = now
        };
    a.list[a.n++] = (struct wanted){ .l     = &d->x,
                                     .base  = io->x,
                                     .size  = 1,
                                     .step  = 64,
                                     .right = 2 - (int64_t)d->window.pw,
                                     .down  = 2 - (int64_t)d->window.ph,
                                     .tiles = next };
    return a;
}

/* The 36 products of a range of tiles with a panel. */
static void multiply(const mxdi_conv_q8 *op, const mxdi_conv_q8_panel *panel, const int16_t *v,
                     int32_t *m, int64_t n_tiles, struct ahead *ahead)
{
    static const _Alignas(64) int32_t  zeros[32];
    const mxdi_conv_q8_winograd       *w  = &op->winograd;
    const mxdi_winograd_q8_product_fn *fn = w->fn->product[panel->vectors - 1];
    const int64_t    plane = (int64_t)w->pairs * panel->vectors * op->kernel->lanes * 2; /* of u */
    const mxdi_parts tiles = mxdi_parts_make(n_tiles, mxdi_div_up(n_tiles, w->fn->rows));
    mxdi_winograd_q8_product args = { .v_row = w->v_row, .pairs = w->pairs, .m_row = w->m_row };
    args.next_step[1]             = plane * (int64_t)sizeof(int16_t) / (w->pairs * tiles.n);
    for (int32_t i = 0; i < POINTS; i++) {
        args.u       = (const int16_t *)(const void *)panel->w + i * plane;
        args.init    = i == MXDI_WINOGRAD_Q8_CONSTANT ? w->init + panel->lane : zeros;
        args.v       = v + i * w->v_plane;
        args.m       = m + i * w->m_plane;
        args.next[1] = (const uint8_t *)(args.u + plane);
        for (int64_t k = 0; k < tiles.n; k++) {
            const int64_t rows = tiles.few + (k < tiles.more);
            next_row(op, ahead);
            args.next[0]      = ahead->line;
            args.next_step[0] = ahead->step;
            fn[rows](&args);
            args.next[1] += w->pairs * args.next_step[1];
            args.v += rows * w->v_row;
            args.m += rows * w->m_row;
        }
    }
}

/* The outputs of a range of tiles in a panel. */
static void transform_outputs(const mxdi_conv_q8 *op, const mxdi_conv_q8_panel *panel,
                              const mxdi_conv_q8_io *io, const int32_t *m, struct range tiles)
{
    const mxdi_q8_base     *d    = &op->base;
    const int64_t           size = d->y_size;
    struct place            p    = place_of(op, tiles.begin);
    mxdi_winograd_q8_output args = { .m          = m,
                                     .plane      = op->winograd.m_plane,
                                     .factor     = panel->m,
                                     .bias_float = panel->bias_float,
                                     .post       = &d->post,
                                     .row        = mxdi_blocked_row(&d->y) * size,
                                     .pixel      = mxdi_blocked_pixel(&d->y) * size,
                                     .n          = panel->n,
                                     .pads       = panel->pads };
    for (int64_t t = tiles.begin; t < tiles.end;
         t++, args.m += op->winograd.m_row, next_place(op, &p)) {
        const int64_t at = (p.block * d->y.block_stride + p.image * d->y.pitch + panel->y) * size +
                           p.y * args.row + p.x * args.pixel;
        args.y  = io->y + at;
        args.r  = io->r ? io->r + at : NULL;
        args.y1 = clip(d->y.h - p.y, TILE);
        args.x1 = clip(d->y.w - p.x, TILE);
        op->winograd.fn->output(&args);
    }
}

/* A range of tiles with the panels [p0, p1), in bands of equal size. */
static void run_chunk(const mxdi_conv_q8 *op, const mxdi_conv_q8_io *io, struct range chunk,
                      int64_t p0, int64_t p1)
{
    const mxdi_conv_q8_winograd *w     = &op->winograd;
    int16_t *const               v     = io->scratch;
    int32_t *const               m     = (int32_t *)(void *)(v + POINTS * w->v_plane);
    const int64_t                n     = chunk.end - chunk.begin;
    const mxdi_parts             bands = mxdi_parts_make(n, mxdi_div_up(n, w->band));
    struct range                 now   = { chunk.begin, chunk.begin };
    struct range                 next  = { chunk.begin, chunk.begin + mxdi_parts_begin(&bands, 1) };
    for (int64_t b = 0; b < bands.n; b++) {
        now        = next;
        next.begin = now.end;
        next.end   = b + 1 < bands.n ? chunk.begin + mxdi_parts_begin(&bands, b + 2) : now.end;
        transform_inputs(op, io->x, v, now);
        for (int64_t p = p0; p < p1; p++) {
            const mxdi_conv_q8_panel *panel = &op->panels[p];
            const struct range        none  = { 0, 0 };
            struct ahead ahead = look_ahead(op, io, panel, now, p + 1 < p1 ? none : next);
            multiply(op, panel, v, m, now.end - now.begin, &ahead);
            transform_outputs(op, panel, io, m, now);
        }
    }
}

/* Tasks in a row are joined: whole chunks to one, and the shares of a chunk, which have its
 * transformed inputs in common. */
void mxdi_conv_q8_winograd_run(const mxdi_conv_q8 *op, const mxdi_conv_q8_io *io, size_t begin,
                               size_t end)
{
    const mxdi_conv_q8_winograd_split s      = mxdi_conv_q8_winograd_cut(op, io->blocks);
    const int64_t                     shares = s.shares.n;
    for (int64_t task = (int64_t)begin; task < (int64_t)end;) {
        const int64_t      left = (int64_t)end - task, chunk = task / shares, s0 = task % shares;
        const int64_t      whole = s0 == 0 ? left / shares : 0;
        const int64_t      s1    = whole || s0 + left > shares ? shares : s0 + left;
        const struct range tiles = { mxdi_parts_begin(&s.chunks, chunk),
                                     mxdi_parts_begin(&s.chunks, chunk + (whole ? whole : 1)) };
        run_chunk(op, io, tiles, mxdi_parts_begin(&s.shares, s0), mxdi_parts_begin(&s.shares, s1));
        task += whole ? whole * shares : s1 - s0;
    }
}
