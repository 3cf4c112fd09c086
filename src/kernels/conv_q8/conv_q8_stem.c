/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution of one or two input channels by the parts of stem_q8, perhaps with a 2x2 maximum
 * behind it: when it is taken, what it needs, and its tasks, each some lines of y of one image
 * block.
 *
 * Rows of the window are taken in fours, a line of quads each; a single last row becomes a line of
 * quads of four neighbouring columns instead. The padding stands in the planes, so that all outputs
 * see the whole window. With a pool lanes are every second output, and so is what they see of a
 * plane: its even and odd columns lie apart.
 */
#include "base/error.h"
#include "kernels/conv_q8/conv_q8_op.h"

enum {
    VECTORS     = MXDI_STEM_Q8_VECTORS,
    MAX_SCRATCH = 256 << 10, /* stays in L2 */
    TASK_MACS   = 2 << 20,   /* as in conv_q8_run.c */
    TASKS       = 128
};

static bool has_single(const mxdi_window2d *win)
{
    return win->kh % 4 == 1;
}

static int64_t taps_of(const mxdi_conv_q8 *op)
{
    const mxdi_window2d *win    = &op->base.window;
    const int64_t        single = has_single(win) ? mxdi_div_up(win->kw, 4) : 0;
    return op->c_in * ((win->kh + 2) / 4 * (int64_t)win->kw + single);
}

/* Rows of a plane that `lines` lines of y see. */
static int64_t plane_rows(const mxdi_conv_q8 *op, int64_t lines)
{
    const mxdi_window2d *win = &op->base.window;
    return (op->stem.side * lines - 1) * win->sh + (int64_t)(win->kh - 1) * win->dh + 1;
}

/* Where column k of a line of planes or quads stands, which has `length` elements for each side. */
static int64_t column_at(const mxdi_conv_q8 *op, int64_t k, int64_t length)
{
    return k % op->stem.side * length + k / op->stem.side * op->base.x.block;
}

/* The sizes in `stem`. */
static void measure(mxdi_conv_q8 *op, bool pooled)
{
    mxdi_conv_q8_stem *const s     = &op->stem;
    const mxdi_window2d     *win   = &op->base.window;
    const int64_t            lanes = op->kernel->lanes, block = op->base.x.block;
    const int64_t            columns = op->base.y.w + (int64_t)(win->kw - 1) * win->dw;
    s->side                          = pooled ? 2 : 1;
    s->chunks                        = (int32_t)mxdi_div_up((int64_t)op->base.y.w * block, lanes);
    s->lines                         = s->chunks % 4 == 0 ? 1 : s->chunks % 2 == 0 ? 2 : 4;
    s->fours                         = (int32_t)mxdi_div_up(win->kh, 4);
    s->line                          = mxdi_div_up(columns * block, lanes) * lanes + lanes;
    s->row                           = s->line + 3 * win->dw * block + MXDI_STEM_Q8_SLACK;
}

/* Planes, quads, and a row of both sides. */
static size_t scratch_bytes(const mxdi_conv_q8 *op)
{
    const mxdi_conv_q8_stem *s     = &op->stem;
    const int64_t            quads = s->lines * s->side * s->fours * s->line;
    const int64_t            bytes =
        op->c_in * s->side *
        (plane_rows(op, op->base.y.h) * s->row + quads * (int64_t)sizeof(uint32_t));
    return (size_t)(bytes + s->side * s->row + 63) / 64 * 64;
}

/* A small part of the products with channels as lanes, which fill a vector: stores take longer
 * here, unless they are of a pool. */
static bool pays(const mxdi_conv_q8 *op)
{
    const mxdi_q8_base      *b       = &op->base;
    const mxdi_conv_q8_stem *s       = &op->stem;
    const int64_t            lanes   = op->kernel->lanes;
    const double             outputs = (double)b->y.w * b->y.block;
    const double direct = (double)mxdi_div_up((int64_t)op->c_in * b->window.kh * b->window.kw, 4) *
                          (double)(mxdi_div_up(op->c_out, lanes) * lanes) * outputs;
    const double stem = (double)taps_of(op) * op->c_out * (double)(s->chunks * lanes);
    return stem <= (s->side > 1 ? 1.0 : 0.6) * direct;
}

bool mxdi_conv_q8_takes_stem(mxdi_conv_q8 *op, const mxdi_conv_q8_desc *desc)
{
    const mxdi_q8_base *b     = &op->base;
    const int64_t       lanes = op->kernel->lanes;
    if ((desc->algorithm != MXDI_CONV_Q8_STEM && desc->algorithm != MXDI_CONV_Q8_AUTO) ||
        mxdi_stem_q8_variants[b->row]->outs == 0 || op->groups != 1 ||
        op->c_in > MXDI_CONV_Q8_COLLECT_MAX || op->c_out > MXDI_STEM_Q8_CHANNELS ||
        b->window.sw != 1 || b->post.kind != MXDI_POST_Q8_PLAIN ||
        (int64_t)b->y.w * b->y.block < lanes)
        return false;
    for (int32_t c = 0; desc->pooled && c < op->c_out; c++)
        if (desc->epilogue.m[c] < 0)
            return false;
    if ((int64_t)b->window.kw * b->window.dw + b->y.w > MAX_SCRATCH ||
        (int64_t)b->window.kh * b->window.dh + (int64_t)b->y.h * b->window.sh > MAX_SCRATCH)
        return false;
    measure(op, desc->pooled);
    return scratch_bytes(op) <= MAX_SCRATCH && (desc->algorithm == MXDI_CONV_Q8_STEM || pays(op));
}

/* The taps, and the four terms of each of an output channel with weights w (c_in, kh, kw). */
static void plan_taps(mxdi_conv_q8 *op, int16_t *terms, const int16_t *w)
{
    mxdi_conv_q8_stem *const s    = &op->stem;
    const mxdi_window2d     *win  = &op->base.window;
    mxdi_stem_q8_tap        *tap  = s->taps;
    const int64_t            four = s->side * s->line;
    for (int32_t c = 0; c < op->c_in; c++, w += win->kh * win->kw)
        for (int32_t r = 0; r < s->fours; r++) {
            const bool    single = has_single(win) && r + 1 == s->fours;
            const int64_t first  = (c * s->fours + r) * four;
            for (int32_t kx = 0; kx < win->kw; kx += single ? 4 : 1, tap++) {
                const int64_t column = (int64_t)kx * win->dw;
                tap->even            = first + column_at(op, column, s->line);
                tap->odd             = first + column_at(op, column + s->side - 1, s->line);
                for (int32_t j = 0; j < 4; j++, terms++) {
                    const int32_t ky = 4 * r + (single ? 0 : j), x = kx + (single ? j : 0);
                    *terms = 0;
                    if (ky < win->kh && x < win->kw)
                        *terms = w[ky * win->kw + x];
                }
            }
        }
}

/* What belongs to output channel c, o of n in its group, whose weights are at `to`. */
static void pack_channel(mxdi_conv_q8 *op, uint8_t *to, int16_t *terms, int32_t c, int32_t o,
                         int32_t n, const mxdi_conv_q8_desc *desc)
{
    mxdi_conv_q8_stem *const s     = &op->stem;
    const int32_t            lanes = op->kernel->lanes;
    const int32_t            taps  = op->base.window.kh * op->base.window.kw * op->c_in;
    const int16_t           *w     = desc->w + (size_t)c * (size_t)taps;
    const int32_t           *bias  = desc->epilogue.bias;
    int64_t                  sum   = 0;
    plan_taps(op, terms, w);
    for (int32_t i = 0; i < taps; i++)
        sum += w[i];
    s->bias[c]       = (int32_t)((uint32_t)(bias ? bias[c] : 0) -
                           (uint32_t)((desc->x_zero_point - op->base.nothing) * sum));
    s->m[c]          = desc->epilogue.m[c];
    s->bias_float[c] = mxdi_post_q8_bias(&desc->epilogue, c);
    for (int32_t tap = 0; tap < s->n_taps; tap++)
        for (int32_t l = 0; l < lanes; l++)
            for (int32_t j = 0; j < 4; j++)
                mxdi_q8_put_weight(to, op->kernel->weight_bytes, lanes, tap * n + o, l, j,
                                   terms[4 * tap + j]);
}

static void pack(mxdi_conv_q8 *op, uint8_t *w, int16_t *terms, const mxdi_conv_q8_desc *desc)
{
    mxdi_conv_q8_stem *const s     = &op->stem;
    const mxdi_parts         parts = mxdi_parts_make(op->c_out, s->n_groups);
    for (int32_t g = 0; g < s->n_groups; g++) {
        const int32_t first = (int32_t)mxdi_parts_begin(&parts, g);
        const int32_t n     = (int32_t)mxdi_parts_begin(&parts, g + 1) - first;
        s->groups[g]        = (mxdi_conv_q8_stem_group){ first, n, w };
        for (int32_t o = 0; o < n; o++)
            pack_channel(op, w, terms, first + o, o, n, desc);
        w += (size_t)(s->n_taps * n * 4 * op->kernel->lanes * op->kernel->weight_bytes);
    }
}

mxd_status mxdi_conv_q8_stem_init(mxdi_conv_q8 *op, const mxdi_conv_q8_desc *desc, mxd_error *err)
{
    mxdi_conv_q8_stem *const s      = &op->stem;
    mxdi_q8_base *const      b      = &op->base;
    const size_t             c_out  = (size_t)op->c_out;
    const size_t             vector = (size_t)(4 * op->kernel->lanes * op->kernel->weight_bytes);
    s->fn                           = mxdi_stem_q8_variants[b->row];
    s->n_taps                       = (int32_t)taps_of(op);
    s->n_groups                     = (int32_t)mxdi_div_up(op->c_out, s->fn->outs);
    op->scratch_bytes               = scratch_bytes(op);
    const size_t taps = (size_t)s->n_taps, groups = (size_t)s->n_groups;
    s->taps          = mxdi_q8_base_alloc(b, taps, sizeof(mxdi_stem_q8_tap));
    s->groups        = mxdi_q8_base_alloc(b, groups, sizeof(mxdi_conv_q8_stem_group));
    s->bias          = mxdi_q8_base_alloc(b, c_out, sizeof(int32_t));
    s->m             = mxdi_q8_base_alloc(b, c_out, sizeof(float));
    s->bias_float    = mxdi_q8_base_alloc(b, c_out, sizeof(float));
    uint8_t *const w = mxdi_q8_base_alloc(b, c_out * taps, vector);
    if (!s->taps || !s->groups || !s->bias || !s->m || !s->bias_float || !w)
        return mxdi_nomem(err);
    int16_t *const terms = MXDI_ALLOC(b->arena.alloc, int16_t, 4 * taps);
    if (!terms)
        return mxdi_nomem(err);
    pack(op, w, terms, desc);
    mxdi_free(b->arena.alloc, terms);
    return MXD_OK;
}

/* ---- running ---- */

/* The lines of y of each task of a block. */
static mxdi_parts cut_lines(const mxdi_conv_q8 *op, int64_t blocks)
{
    const mxdi_q8_base *b       = &op->base;
    const double        outputs = (double)blocks * b->y.block * b->y.h * b->y.w;
    const double        macs    = outputs * op->stem.side * op->stem.side * op->c_out * op->c_in *
                        b->window.kh * b->window.kw;
    const int64_t wanted =
        macs < (double)TASK_MACS * TASKS ? 1 + (int64_t)(macs / TASK_MACS) : TASKS;
    const int64_t parts = mxdi_div_up(wanted, blocks), most = mxdi_div_up(b->y.h, op->stem.lines);
    return mxdi_parts_make(b->y.h, parts < most ? parts : most);
}

size_t mxdi_conv_q8_stem_tasks(const mxdi_conv_q8 *op, int64_t blocks)
{
    return (size_t)(blocks * cut_lines(op, blocks).n);
}

/* Pairs of columns of `block` bytes, the second ones `side` bytes behind the first ones. */
static inline void part_columns(uint8_t *to, int64_t side, const uint8_t *from, int64_t pairs,
                                const size_t block)
{
    for (int64_t i = 0; i < pairs; i++, from += 2 * block, to += block) {
        memcpy(to, from, block);
        memcpy(to + side, from + block, block);
    }
}

/* A row of one channel of the block at x: columns from the window's first on, the zero point where
 * there are none. `apart` has room for a row of all sides. */
static void fill_row(const mxdi_conv_q8 *op, uint8_t *to, uint8_t *apart, const uint8_t *x)
{
    const mxdi_conv_q8_stem *s   = &op->stem;
    const mxdi_q8_base      *b   = &op->base;
    const int64_t            row = s->side * s->row, left = (int64_t)b->window.pw * b->x.block;
    const int64_t            line  = (int64_t)b->x.w * b->x.block;
    const int64_t            n     = left >= row ? 0 : line < row - left ? line : row - left;
    uint8_t *const           all   = s->side > 1 ? apart : to;
    const int64_t            pairs = b->y.w + ((int64_t)(b->window.kw - 1) * b->window.dw + 1) / 2;
    memset(all, b->x_zero_point, (size_t)(left < row ? left : row));
    if (n > 0)
        s->fn->plane(all + left, x, b->x.pitch, n);
    if (left + n < row)
        memset(all + left + n, b->x_zero_point, (size_t)(row - left - n));
    if (s->side > 1 && b->x.block == 8)
        part_columns(to, s->row, all, pairs, 8);
    else if (s->side > 1)
        part_columns(to, s->row, all, pairs, 1);
}

/* The planes of what lines [begin, end) of y see, from the block at x. */
static void fill_planes(const mxdi_conv_q8 *op, uint8_t *to, uint8_t *apart, const uint8_t *x,
                        int64_t begin, int64_t end)
{
    const mxdi_conv_q8_stem *s    = &op->stem;
    const mxdi_q8_base      *b    = &op->base;
    const int64_t            rows = plane_rows(op, end - begin), row = s->side * s->row;
    const int64_t            top = s->side * begin * b->window.sh - b->window.ph;
    for (int32_t c = 0; c < op->c_in; c++)
        for (int64_t iy = top; iy < top + rows; iy++, to += row) {
            if (iy >= 0 && iy < b->x.h)
                fill_row(op, to, apart, x + iy * mxdi_blocked_row(&b->x) + c);
            else
                memset(to, b->x_zero_point, (size_t)row);
        }
}

/* The quads of one line of outputs, whose window starts at row `top` of planes of `rows` rows.
 * Weights of rows behind the window are 0. */
static void fill_quads(const mxdi_conv_q8 *op, uint32_t *to, const uint8_t *planes, int64_t rows,
                       int64_t top)
{
    const mxdi_conv_q8_stem *s   = &op->stem;
    const mxdi_window2d     *win = &op->base.window;
    for (int32_t c = 0; c < op->c_in; c++)
        for (int32_t ky = 0; ky < win->kh; ky += 4)
            for (int32_t side = 0; side < s->side; side++, to += s->line) {
                const bool     single = has_single(win) && ky + 1 == win->kh;
                const uint8_t *row[4];
                for (int32_t j = 0; j < 4; j++) {
                    const int64_t y =
                        top + (int64_t)(ky + (single || ky + j >= win->kh ? 0 : j)) * win->dh;
                    const int64_t x = side + (single ? (int64_t)j * win->dw : 0);
                    row[j] = planes + (c * rows + y) * s->side * s->row + column_at(op, x, s->row);
                }
                s->fn->quads(to, row, s->line);
            }
}

/* `lines` lines of y from their quads, the first at y. The last vector of a line overlaps the one
 * before it. */
static void run_lines(const mxdi_conv_q8 *op, uint8_t *y, const uint32_t *quads, int64_t lines)
{
    const mxdi_conv_q8_stem *s     = &op->stem;
    const mxdi_blocked      *l     = &op->base.y;
    const int64_t            lanes = op->kernel->lanes, last = (int64_t)l->w * l->block - lanes;
    const int64_t            line = (int64_t)op->c_in * s->fours * s->side * s->line;
    _Alignas(64) uint8_t     stage[MXDI_STEM_Q8_CHANNELS * 64];
    memset(stage, 0, sizeof(stage));
    for (int64_t i = 0; i < lines * s->chunks; i += VECTORS) {
        uint8_t          *to[VECTORS];
        mxdi_stem_q8_tile t = { .below  = s->side > 1 ? line : 0,
                                .taps   = s->taps,
                                .n_taps = s->n_taps,
                                .post   = &op->base.post };
        for (int64_t v = 0; v < VECTORS; v++) {
            const int64_t at  = i + v < lines * s->chunks ? i + v : lines * s->chunks - 1;
            const int64_t row = at / s->chunks, from = at % s->chunks * lanes;
            const int64_t lane = from < last ? from : last;
            t.x[v]             = quads + row * s->side * line + lane;
            to[v]              = y + row * mxdi_blocked_row(l) + lane * l->pitch;
        }
        for (int32_t g = 0; g < s->n_groups; g++) {
            const mxdi_conv_q8_stem_group *group = &s->groups[g];
            t.n                                  = group->n;
            t.w                                  = group->w;
            t.bias                               = s->bias + group->first;
            t.m                                  = s->m + group->first;
            t.bias_float                         = s->bias_float + group->first;
            t.stage                              = stage + group->first * 4 * lanes;
            s->fn->tile(&t);
        }
        s->fn->store(to, l->pitch, stage, op->c_out);
    }
}

void mxdi_conv_q8_stem_run(const mxdi_conv_q8 *op, const mxdi_conv_q8_io *io, size_t begin,
                           size_t end)
{
    const mxdi_conv_q8_stem *s      = &op->stem;
    const mxdi_q8_base      *b      = &op->base;
    const mxdi_parts         parts  = cut_lines(op, io->blocks);
    const int64_t            line   = (int64_t)op->c_in * s->fours * s->side * s->line;
    uint32_t *const          quads  = io->scratch;
    uint8_t *const           apart  = (uint8_t *)(quads + s->lines * s->side * line);
    uint8_t *const           planes = apart + s->side * s->row;
    for (size_t t = begin; t < end; t++) {
        const int64_t block = (int64_t)t / parts.n, part = (int64_t)t % parts.n;
        const int64_t first = mxdi_parts_begin(&parts, part);
        const int64_t last  = mxdi_parts_begin(&parts, part + 1);
        uint8_t      *y     = io->y + block * b->y.block_stride;
        fill_planes(op, planes, apart, io->x + block * b->x.block_stride, first, last);
        for (int64_t at = first; at < last; at += s->lines) {
            const int64_t lines = last - at < s->lines ? last - at : s->lines;
            for (int64_t i = 0; i < lines * s->side; i++)
                fill_quads(op, quads + i * line, planes, plane_rows(op, last - first),
                           ((at - first) * s->side + i) * b->window.sh);
            run_lines(op, y + at * mxdi_blocked_row(&b->y), quads, lines);
        }
    }
}
