/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights and vectors of dwconv_q8 in the lane order of its kernels, biases with the zero point of
 * x folded in.
 *
 * Lanes run over what lies side by side in memory with the same distance in x and in y: the images
 * of a block when both have one pitch, and neighbouring pixels of single images when they are that
 * close. The weights repeat with the pitch, so only so many different vectors of them are made as
 * it takes until they meet a vector's start again. */
#include <math.h>

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

/* How lanes are laid over images and pixels. An f32 pixel is stored as far as its pitch where that
 * can be read of x too: stale bytes behind the channels need not be finite. */
static void choose_lanes(mxdi_dwconv_q8 *op)
{
    const mxdi_q8_base *b     = &op->base;
    const int64_t       lanes = 4 * (int64_t)op->kernel->lanes, pitch = b->y.pitch;
    const bool          joint = b->x.pitch == pitch;
    op->segments              = joint ? 1 : b->y.block;
    op->pixels                = 1;
    op->stored                = joint && b->y_size > 1 ? (int32_t)pitch : b->y.channels;
    if (joint && b->y.block > 1)
        op->stored = (int32_t)(pitch * b->y.block);
    else if (joint && b->window.sw == 1 && 2 * pitch <= lanes)
        op->pixels = (int32_t)(lanes / pitch);
    op->vectors = (int32_t)mxdi_div_up(op->pixels > 1 ? op->pixels * pitch : op->stored, lanes);
    const int64_t period = joint ? pitch / common_divisor(pitch, lanes) : op->vectors;
    op->distinct         = period < op->vectors ? (int32_t)period : op->vectors;
}

/* The channel of lane c of vector v, or -1. */
static int32_t channel_of(const mxdi_dwconv_q8 *op, int32_t v, int32_t c)
{
    const int64_t at = (int64_t)v * 4 * op->kernel->lanes + c;
    const int64_t ch = op->segments == 1 ? at % op->base.y.pitch : at;
    return ch < op->base.y.channels ? (int32_t)ch : -1;
}

/* Vectors of sums' weights, those of a lone row included. */
static size_t weight_vectors(const mxdi_dwconv_q8 *op)
{
    const size_t kw   = (size_t)op->base.window.kw;
    const size_t kh   = op->whole ? kw : (size_t)op->base.window.kh;
    const bool   lone = op->whole && kh % 4 == 1;
    return 4 * ((kh + 3) / 4 * kw + (lone ? 4 * MXDI_DWCONV_Q8_LONE_QUADS(kw) : 0));
}

/* The weights of one channel into sum `lane` of a vector. */
static void pack_weights(const mxdi_dwconv_q8 *op, uint8_t *to, int32_t lane, const int16_t *w)
{
    const struct mxdi_dwconv_q8_kernel *kernel = op->kernel;
    const mxdi_window2d *const          win    = &op->base.window;
    const int64_t lanes = kernel->lanes, v = lane / lanes, l = lane % lanes, kw = win->kw;
    const int64_t lone = (kw + 3) / 4 * kw, each = MXDI_DWCONV_Q8_LONE_QUADS(kw);
    for (int64_t ky = 0; ky < win->kh; ky++)
        for (int64_t kx = 0; kx < kw; kx++)
            mxdi_q8_put_weight(to, kernel->weight_bytes, lanes, (ky / 4 * kw + kx) * 4 + v, l,
                               ky % 4, w[ky * kw + kx]);
    for (int64_t from = 0; from < 4 && op->whole && kw % 4 == 1 && win->kh == kw; from++)
        for (int64_t kx = 0; kx < kw; kx++)
            mxdi_q8_put_weight(to, kernel->weight_bytes, lanes,
                               (lone + from * each + (from + kx) / 4) * 4 + v, l, (from + kx) % 4,
                               w[(kw - 1) * kw + kx]);
}

static mxd_status make_room(mxdi_dwconv_q8 *op, mxd_error *err)
{
    const struct mxdi_dwconv_q8_kernel *kernel = op->kernel;
    const size_t                        n      = (size_t)op->distinct * 4 * (size_t)kernel->lanes;
    const size_t                        biases = mxdi_q8_base_biases(&op->base);
    size_t                              n_bias, w_bytes;
    op->bias_step = biases > 1 ? n : 0;
    if (!mxdi_mul_size(&op->vector_bytes, weight_vectors(op),
                       (size_t)(4 * kernel->lanes * kernel->weight_bytes)) ||
        !mxdi_mul_size(&w_bytes, op->vector_bytes, (size_t)op->distinct) ||
        !mxdi_mul_size(&n_bias, n, biases))
        return mxdi_nomem(err);
    op->w          = mxdi_q8_base_alloc(&op->base, w_bytes, 1);
    op->m          = mxdi_q8_base_alloc(&op->base, n, sizeof(float));
    op->bias_float = mxdi_q8_base_alloc(&op->base, n, sizeof(float));
    op->bias       = mxdi_q8_base_alloc(&op->base, n_bias, sizeof(int32_t));
    op->outside    = mxdi_q8_base_alloc(&op->base, 4 * (size_t)kernel->lanes, 1);
    return op->w && op->m && op->bias_float && op->bias && op->outside ? MXD_OK : mxdi_nomem(err);
}

/* The span whose outputs see all of the kernel, or -1. */
static int32_t whole_span(const mxdi_span *span, int32_t n, int32_t kernel)
{
    for (int32_t i = 0; i < n; i++)
        if (span[i].k_begin == 0 && span[i].k_end == kernel)
            return i;
    return -1;
}

/* The kernel of one width: its outputs, of one pixel or of neighbours, have to stand a stride of
 * columns apart. */
static void choose_whole(mxdi_dwconv_q8 *op)
{
    const mxdi_q8_base *const          b   = &op->base;
    const mxdi_window2d *const         win = &b->window;
    const struct mxdi_dwconv_q8_shape *s   = op->kernel->shapes;
    while (s->kw && (s->kw != win->kw || s->sw != op->pixels * win->sw))
        s++;
    op->whole_y = whole_span(b->spans_y, b->n_y, win->kh);
    op->whole_x = whole_span(b->spans_x, b->n_x, win->kw);
    if (op->whole_y >= 0 && op->whole_x >= 0 && win->dw == 1 && win->kh <= win->kw)
        op->whole = s->fn;
    if (op->pixels > 1)
        op->whole_x = -1;
}

static bool is_quick(const mxdi_dwconv_q8 *op, const mxdi_q8_epilogue *epilogue)
{
    bool small = true;
    for (int32_t c = 0; c < op->base.y.channels; c++)
        small = small && fabsf(epilogue->m[c]) <= 0.5f; /* of any int32 */
    return small && op->base.post.kind == MXDI_POST_Q8_PLAIN && !epilogue->bias_float;
}

mxd_status mxdi_dwconv_q8_pack(mxdi_dwconv_q8 *op, const int16_t *w,
                               const mxdi_q8_epilogue *epilogue, mxd_error *err)
{
    const mxdi_window2d *const win   = &op->base.window;
    const int32_t              lanes = op->kernel->lanes;
    const size_t               taps  = (size_t)win->kh * (size_t)win->kw;
    choose_lanes(op);
    MXD_TRY(mxdi_q8_base_spans(&op->base, err));
    choose_whole(op);
    op->quick = is_quick(op, epilogue);
    MXD_TRY(make_room(op, err));
    memset(op->outside, op->base.x_zero_point, 4 * (size_t)lanes);
    uint32_t *const scratch =
        MXDI_ALLOC(op->base.arena.alloc, uint32_t, mxdi_q8_base_scratch(&op->base));
    if (!scratch)
        return mxdi_nomem(err);
    for (int32_t v = 0; v < op->distinct; v++)
        for (int32_t c = 0; c < 4 * lanes; c++) {
            const int32_t ch = channel_of(op, v, c), lane = mxdi_dwconv_q8_lane(c, lanes);
            const size_t  at   = (size_t)v * 4 * (size_t)lanes + (size_t)lane;
            op->bias_float[at] = -0.0f;
            if (ch < 0)
                continue; /* multiplied by 0: anything finite comes out */
            pack_weights(op, op->w + (size_t)v * op->vector_bytes, lane, w + (size_t)ch * taps);
            op->m[at]          = epilogue->m[ch];
            op->bias_float[at] = mxdi_post_q8_bias(epilogue, ch);
            mxdi_q8_base_fold(&op->base, op->bias + at, op->bias_step,
                              epilogue->bias ? epilogue->bias[ch] : 0, w + (size_t)ch * taps, 1,
                              scratch);
        }
    mxdi_free(op->base.arena.alloc, scratch);
    return MXD_OK;
}
