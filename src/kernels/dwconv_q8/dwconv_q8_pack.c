/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights and vectors of dwconv_q8 in the lane order of its kernels, biases with the zero point of x folded in.
 *
 * Lanes run over what lies side by side in memory with the same distance in x and in y: the images of a block when both
 * have one pitch, and neighbouring pixels of single images when they are that close. The weights repeat with the pitch,
 * so only so many different vectors of them are made as it takes until they meet a vector's start again. */
#include <string.h>

#include "base/error.h"
#include "kernels/dwconv_q8/dwconv_q8_op.h"

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        const int64_t rest = a % b;
        a                  = b;
        b                  = rest;
    }
    return a;
}

/* How lanes are laid over images and pixels. */
static void choose_lanes(mxdi_dwconv_q8 *op)
{
    const mxdi_dwconv_q8_desc *d     = &op->desc;
    const int64_t              lanes = 4 * (int64_t)op->variant->kernel->lanes, pitch = d->y.pitch;
    const bool                 joint = d->x.pitch == pitch;
    op->segments = joint ? 1 : d->y.block;
    op->pixels   = 1;
    op->stored   = d->y.channels;
    if (joint && d->y.block > 1)
        op->stored = (int32_t)(pitch * d->y.block);
    else if (joint && d->window.sw == 1 && 2 * pitch <= lanes)
        op->pixels = (int32_t)(lanes / pitch);
    const int64_t total = op->pixels > 1 ? op->pixels * pitch : op->stored;
    op->vectors         = (int32_t)((total + lanes - 1) / lanes);
    const int64_t period = joint ? pitch / common_divisor(pitch, lanes) : op->vectors;
    op->distinct         = period < op->vectors ? (int32_t)period : op->vectors;
}

/* The channel of lane c of vector v, or -1. */
static int32_t channel_of(const mxdi_dwconv_q8 *op, int32_t v, int32_t c)
{
    const int64_t at = (int64_t)v * 4 * op->variant->kernel->lanes + c;
    const int64_t ch = op->segments == 1 ? at % op->desc.y.pitch : at;
    return ch < op->desc.y.channels ? (int32_t)ch : -1;
}

/* The weights of one channel into sum `lane` of a vector. */
static void pack_weights(const mxdi_dwconv_q8 *op, uint8_t *to, int32_t lane, const int16_t *w)
{
    const struct mxdi_dwconv_q8_kernel *kernel = op->variant->kernel;
    const mxdi_window2d *const          win    = &op->desc.window;
    const int64_t lanes = kernel->lanes, v = lane / lanes, l = lane % lanes;
    for (int64_t ky = 0; ky < win->kh; ky++)
        for (int64_t kx = 0; kx < win->kw; kx++) {
            const int16_t q  = w[ky * win->kw + kx];
            const int64_t at = (ky / 4 * win->kw + kx) * 4 + v, j = ky % 4; /* the vector of sums; the term */
            if (kernel->weight_bytes == 1)
                to[(at * lanes + l) * 4 + j] = (uint8_t)q;
            else
                memcpy(to + (((2 * at + j % 2) * lanes + l) * 2 + j / 2) * 2, &q, sizeof(q));
        }
}

/* Biases of one channel for all rectangles. */
static void fold_bias(mxdi_dwconv_q8 *op, int32_t *bias, int32_t b, const int16_t *w, uint32_t *scratch)
{
    const mxdi_window2d *const win  = &op->desc.window;
    const size_t               taps = (size_t)win->kh * (size_t)win->kw;
    uint32_t *const            prefix = scratch + taps;
    uint32_t *const            sums   = prefix + ((size_t)win->kh + 1) * ((size_t)win->kw + 1);
    const size_t               n_bias = op->bias_step ? (size_t)op->n_y * (size_t)op->n_x : 1;
    for (size_t t = 0; t < taps; t++)
        scratch[t] = (uint32_t)(int32_t)w[t];
    mxdi_window_sums(sums, prefix, scratch, win, op->spans_y, op->n_y, op->spans_x, op->n_x);
    for (size_t i = 0; i < n_bias; i++)
        bias[i * op->bias_step] = (int32_t)((uint32_t)b - (uint32_t)op->desc.x_zero_point * sums[i]);
}

static mxd_status make_spans(mxdi_dwconv_q8 *op, mxd_error *err)
{
    const mxdi_dwconv_q8_desc *const d = &op->desc;
    mxdi_window1d rows, columns;
    mxdi_window_axes(&rows, &columns, &d->x, &d->y, &d->window);
    op->n_y     = mxdi_spans(NULL, &rows);
    op->n_x     = mxdi_spans(NULL, &columns);
    op->spans_y = mxdi_dwconv_q8_alloc(op, (size_t)op->n_y, sizeof(mxdi_span));
    op->spans_x = mxdi_dwconv_q8_alloc(op, (size_t)op->n_x, sizeof(mxdi_span));
    if (!op->spans_y || !op->spans_x)
        return mxdi_nomem(err);
    mxdi_spans(op->spans_y, &rows);
    mxdi_spans(op->spans_x, &columns);
    return MXD_OK;
}

static mxd_status make_room(mxdi_dwconv_q8 *op, mxd_error *err)
{
    const struct mxdi_dwconv_q8_kernel *kernel = op->variant->kernel;
    const mxdi_window2d *const          win    = &op->desc.window;
    const size_t n = (size_t)op->distinct * 4 * (size_t)kernel->lanes;
    const size_t rectangles = (size_t)op->n_y * (size_t)op->n_x;
    const bool   one_bias   = rectangles == 1 || op->desc.x_zero_point == 0;
    size_t       n_bias, w_bytes;
    op->bias_step = one_bias ? 0 : n;
    if (!mxdi_mul_size(&op->vector_bytes, ((size_t)win->kh + 3) / 4 * (size_t)win->kw,
                       (size_t)(16 * kernel->lanes * kernel->weight_bytes)) ||
        !mxdi_mul_size(&w_bytes, op->vector_bytes, (size_t)op->distinct) ||
        !mxdi_mul_size(&n_bias, n, one_bias ? 1 : rectangles))
        return mxdi_nomem(err);
    op->w          = mxdi_dwconv_q8_alloc(op, w_bytes, 1);
    op->m          = mxdi_dwconv_q8_alloc(op, n, sizeof(float));
    op->bias_float = mxdi_dwconv_q8_alloc(op, n, sizeof(float));
    op->bias       = mxdi_dwconv_q8_alloc(op, n_bias, sizeof(int32_t));
    return op->w && op->m && op->bias_float && op->bias ? MXD_OK : mxdi_nomem(err);
}

/* The kernel for rectangles with all columns inside: its outputs have to stand a stride of columns apart. */
static mxdi_dwconv_q8_fn choose_whole(const mxdi_dwconv_q8 *op)
{
    const struct mxdi_dwconv_q8_shape *s   = op->variant->kernel->shapes;
    const mxdi_window2d *const         win = &op->desc.window;
    for (; s->kw; s++)
        if (s->kw == win->kw && s->sw == win->sw && win->dw == 1 && op->pixels == 1)
            return s->fn;
    return op->variant->kernel->any;
}

mxd_status mxdi_dwconv_q8_pack(mxdi_dwconv_q8 *op, const int16_t *w, const mxdi_q8_epilogue *epilogue, mxd_error *err)
{
    const mxdi_window2d *const win   = &op->desc.window;
    const int32_t              lanes = op->variant->kernel->lanes;
    const size_t               taps  = (size_t)win->kh * (size_t)win->kw;
    choose_lanes(op);
    MXD_TRY(make_spans(op, err));
    MXD_TRY(make_room(op, err));
    op->whole = choose_whole(op);
    uint32_t *const scratch = MXDI_ALLOC(op->arena.alloc, uint32_t, taps + ((size_t)win->kh + 1) * ((size_t)win->kw + 1) +
                                                                        (size_t)op->n_y * (size_t)op->n_x);
    if (!scratch)
        return mxdi_nomem(err);
    for (int32_t v = 0; v < op->distinct; v++)
        for (int32_t c = 0; c < 4 * lanes; c++) {
            const int32_t ch = channel_of(op, v, c), lane = mxdi_dwconv_q8_lane(c, lanes);
            const size_t  at = (size_t)v * 4 * (size_t)lanes + (size_t)lane;
            op->bias_float[at] = -0.0f;
            if (ch < 0)
                continue; /* multiplied by 0: anything finite comes out */
            pack_weights(op, op->w + (size_t)v * op->vector_bytes, lane, w + (size_t)ch * taps);
            op->m[at]          = epilogue->m[ch];
            op->bias_float[at] = mxdi_post_q8_bias(epilogue, ch);
            fold_bias(op, op->bias + at, epilogue->bias ? epilogue->bias[ch] : 0, w + (size_t)ch * taps, scratch);
        }
    mxdi_free(op->arena.alloc, scratch);
    return MXD_OK;
}
