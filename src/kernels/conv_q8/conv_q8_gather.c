/* SPDX-License-Identifier: Apache-2.0
 *
 * Small images, one at a time. Padding to the left and right cuts each of their lines in pieces
 * that see different taps, too short to use a weight on enough rows while it is loaded. So the
 * inputs are collected first: for each column of the window a copy of the image with one pixel per
 * output, the zero point where there is none. All outputs of a line then see all columns, and lines
 * continue each other. Such a copy is again an image: the geometry of the operator is replaced by
 * its, and the rest of conv_q8 need not know.
 */
#include "kernels/conv_q8/conv_q8_op.h"

enum {
    MAX_BYTES  = 256 << 10, /* of copies: they stay in L2 */
    FEW_ROWS   = 4,         /* a tile of fewer takes as long, waiting for weights from L2 */
    COPY_BYTES = 32         /* in a cycle */
};

/* Cycles for a pair of vectors of channels and four input channels: a tap on runs of n outputs. */
static int64_t cost_of(const mxdi_conv_q8 *op, int64_t runs, int64_t n)
{
    const int64_t few = FEW_ROWS * mxdi_div_up(n, op->kernel->rows);
    return runs * (n > few ? n : few);
}

/* Rectangles as they are, and with whole lines. */
static void costs(int64_t *cut, int64_t *whole, const mxdi_conv_q8 *op)
{
    const mxdi_q8_base *b = &op->base;
    *cut = *whole = 0;
    for (int32_t i = 0; i < b->n_y; i++) {
        const int64_t h      = b->spans_y[i].end - b->spans_y[i].begin;
        const int64_t ky     = b->spans_y[i].k_end - b->spans_y[i].k_begin;
        const bool    joined = b->window.sh == 1;
        *whole += ky * b->window.kw * cost_of(op, joined ? 1 : h, joined ? h * b->y.w : b->y.w);
        for (int32_t j = 0; j < b->n_x; j++) {
            const int64_t w    = b->spans_x[j].end - b->spans_x[j].begin;
            const int64_t kx   = b->spans_x[j].k_end - b->spans_x[j].k_begin;
            const bool    down = 4 * w < op->kernel->rows && h > w; /* as mxdi_walk_simplify */
            *cut += ky * kx * (down ? cost_of(op, w, h) : cost_of(op, h, w));
        }
    }
}

bool mxdi_conv_q8_gather_pays(const mxdi_conv_q8 *op)
{
    const mxdi_q8_base *b     = &op->base;
    const double        bytes = (double)b->window.kw * b->x.h * b->y.w * (double)b->x.pitch;
    int64_t             cut, whole;
    if (b->x.block != 1 || b->n_x == 1 || op->c_in <= MXDI_CONV_Q8_COLLECT_MAX || bytes > MAX_BYTES)
        return false;
    costs(&cut, &whole, op);
    return (double)(cut - whole) * (op->c_in / 4.0) * op->n_panels > bytes / COPY_BYTES;
}

void mxdi_conv_q8_gather_init(mxdi_conv_q8 *op)
{
    mxdi_q8_base *const        b = &op->base;
    mxdi_conv_q8_gather *const g = &op->gather;
    g->x                         = b->x;
    g->window                    = b->window;
    g->copy                      = b->x.h * b->y.w * b->x.pitch;
    op->scratch_bytes            = (size_t)(b->window.kw * g->copy + 64 + 63) / 64 * 64;
    b->x.w                       = b->y.w;
    b->x.block_stride            = 0; /* all blocks have the same copies */
    b->window.sw                 = 1;
    b->window.pw                 = 0;
    b->window.dw                 = b->x.h * b->y.w;
    b->n_x                       = 1;
    b->spans_x[0]                = (mxdi_span){ 0, b->y.w, 0, b->window.kw };
}

/* Outputs [*begin, *end) of a line for which column kx of the window lies in the image. */
static void inside(int64_t *begin, int64_t *end, const mxdi_conv_q8 *op, int32_t kx)
{
    const mxdi_window2d *win   = &op->gather.window;
    const int64_t        first = win->pw - (int64_t)kx * win->dw; /* output * sw >= this */
    const int64_t        last  = op->gather.x.w - 1 + first;
    const int64_t        w     = op->base.y.w;
    *begin                     = first <= 0 ? 0 : mxdi_div_up(first, win->sw);
    *end                       = last < 0 ? 0 : last / win->sw + 1;
    *begin                     = *begin < w ? *begin : w;
    *end                       = *end < *begin ? *begin : *end < w ? *end : w;
}

void mxdi_conv_q8_gather_block(const mxdi_conv_q8 *op, uint8_t *to, const uint8_t *x, int64_t block)
{
    const mxdi_conv_q8_gather *g     = &op->gather;
    const int64_t              pitch = g->x.pitch, line = g->x.w * pitch, w = op->base.y.w;
    const size_t               channels = (size_t)g->x.channels;
    x += block * g->x.block_stride;
    for (int32_t kx = 0; kx < g->window.kw; kx++) {
        int64_t begin, end;
        inside(&begin, &end, op, kx);
        for (int64_t row = 0; row < g->x.h; row++, to += w * pitch) {
            const uint8_t *from = x + row * line + (kx * g->window.dw - g->window.pw) * pitch;
            memset(to, op->base.x_zero_point, (size_t)(begin * pitch));
            for (int64_t i = begin; i < end; i++)
                memcpy(to + i * pitch, from + i * g->window.sw * pitch, channels);
            memset(to + end * pitch, op->base.x_zero_point, (size_t)((w - end) * pitch));
        }
    }
}
