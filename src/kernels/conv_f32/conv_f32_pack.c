/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights and bias of a convolution in the order its tiles read them. In training they change with
 * every step, so the f32 tiles' own transpose brings a few input channels at a time into panels.
 */
#include <string.h>

#include "base/error.h"
#include "base/half.h"
#include "kernels/conv_f32/conv_f32_impl.h"

enum { PIECE = 72 }; /* words of each output channel transposed together: 8 kernels of 3x3 */

/* Element of tap `tap` behind that of input channel 0. */
static int64_t tap_at(const mxdi_conv_f32 *op, int32_t tap)
{
    const int32_t kw = op->desc.window.kw;
    return op->view.first + tap / kw * op->view.y + tap % kw * op->view.x;
}

/* Elements from the first to the last tap, of all kernels in any order. */
static int64_t tap_span(const mxdi_conv_f32 *op)
{
    const int32_t last = op->desc.window.kh * op->desc.window.kw - 1, kw = op->desc.window.kw - 1;
    const int64_t at[] = { tap_at(op, 0), tap_at(op, kw), tap_at(op, last - kw), tap_at(op, last) };
    int64_t       most = 0;
    for (int i = 0; i < 4; i++)
        most = at[i] > most ? at[i] : most;
    return most + 1;
}

static void copy_plain(const mxdi_conv_f32 *op, const float *w)
{
    const mxdi_conv_f32_desc *d    = &op->desc;
    const int32_t             taps = d->window.kh * d->window.kw;
    float                    *dst  = op->weights;
    for (int32_t c = 0; c < d->y.channels; c++) {
        const float *from = w + c / op->c_out * op->view.group + c % op->c_out * op->view.out;
        for (int32_t i = 0; i < op->c_in; i++) {
            for (int32_t tap = 0; tap < taps; tap++) {
                const float v = from[i * op->view.in + tap_at(op, tap)];
                *dst++        = d->bf16 ? mxdi_bf16_to_f32(mxdi_f32_to_bf16(v)) : v;
            }
        }
    }
}

/* The word of input channels i, i + step, ... at one tap; `left` channels are there. */
static float word_at(const mxdi_conv_f32 *op, const float *w, int64_t step, int32_t left)
{
    if (op->tile->terms == 1)
        return op->desc.bf16 ? mxdi_bf16_to_f32(mxdi_f32_to_bf16(*w)) : *w;
    const uint32_t low = mxdi_f32_to_bf16(w[0]), high = left > 1 ? mxdi_f32_to_bf16(w[step]) : 0u;
    const uint32_t pair = high << 16 | low;
    float          word;
    memcpy(&word, &pair, sizeof(word));
    return word;
}

/* One panel: `used` output channels from w on, [tap][word][lanes]; the other lanes stay 0. */
static void pack_panel(const mxdi_conv_f32 *op, float *panel, const float *w, int32_t lanes,
                       int32_t used)
{
    const int32_t taps = op->desc.window.kh * op->desc.window.kw;
    for (int32_t tap = 0; tap < taps; tap++) {
        for (int32_t i = 0; i < op->words; i++) {
            const int32_t channel = i * op->tile->terms;
            const float  *from    = w + tap_at(op, tap) + channel * op->view.in;
            float *const  dst     = panel + ((int64_t)tap * op->words + i) * lanes;
            for (int32_t n = 0; n < used; n++)
                dst[n] = word_at(op, from + n * op->view.out, op->view.in, op->c_in - channel);
        }
    }
}

static void copy_lanes(float *dst, const float *src, int32_t lanes)
{
    for (int32_t n = 0; n < lanes; n += 4) /* a multiple of it */
        memcpy(dst + n, src + n, 4 * sizeof(*dst));
}

/* The same in f32 for kernels of at most PIECE elements. With Winograd [point][panel][channel]
 * [lanes], `plane` words between two points. */
static void transpose_panel(const mxdi_conv_f32 *op, float *panel, const float *w, int32_t lanes,
                            int32_t used, int64_t plane)
{
    _Alignas(64) float       rows[PIECE * MXDI_TILE_F32_MAX_LANES];
    const mxdi_weight_view  *v    = &op->view;
    const int32_t            taps = op->desc.window.kh * op->desc.window.kw;
    const int64_t            span = tap_span(op);
    const int32_t            most = v->in == span ? (int32_t)(PIECE / span) : 1;
    mxdi_winograd_f32_filter f    = { .w = rows, .lanes = lanes, .plane = plane };
    for (int32_t i = 0; i < op->c_in; i += most) {
        const int32_t n = op->c_in - i < most ? op->c_in - i : most;
        op->tile->pack(rows, w + i * v->in, v->out, n * span, lanes, used, 1, 0);
        for (int32_t k = 0; k < n; k++) {
            if (op->winograd.fn) {
                for (int32_t tap = 0; tap < taps; tap++)
                    f.row[tap] = (k * span + tap_at(op, tap)) * lanes;
                f.u = panel + (int64_t)(i + k) * lanes;
                op->winograd.fn->weights(&f);
                continue;
            }
            for (int32_t tap = 0; tap < taps; tap++)
                copy_lanes(panel + ((int64_t)tap * op->words + i + k) * lanes,
                           rows + (k * span + tap_at(op, tap)) * lanes, lanes);
        }
    }
}

int32_t mxdi_conv_f32_last_lanes(const mxdi_conv_f32 *op)
{
    const int32_t last = op->c_out - (op->panels - 1) * op->tile->full;
    return last <= op->tile->narrow ? op->tile->narrow : op->tile->full;
}

int64_t mxdi_conv_f32_group_lanes(const mxdi_conv_f32 *op)
{
    return (int64_t)(op->panels - 1) * op->tile->full + mxdi_conv_f32_last_lanes(op);
}

static void pack_group(const mxdi_conv_f32 *op, const float *w, const float *bias, int32_t g)
{
    const mxdi_conv_f32_desc *d     = &op->desc;
    const mxdi_weight_view   *v     = &op->view;
    const int64_t             taps  = (int64_t)d->window.kh * d->window.kw;
    const int64_t             depth = op->winograd.fn ? op->c_in : taps * op->words;
    const int32_t             full  = op->tile->full;
    const bool                fast  = op->tile->terms == 1 && !d->bf16 && tap_span(op) <= PIECE;
    for (int32_t p = 0; p < op->panels; p++) {
        const int32_t c = p * full, used = op->c_out - c < full ? op->c_out - c : full;
        const int32_t lanes = p + 1 < op->panels ? full : mxdi_conv_f32_last_lanes(op);
        const int64_t from  = (int64_t)g * op->c_out + c;
        const float  *first = w + g * v->group + c * v->out;
        float        *panel = op->weights + g * op->group_words + depth * c;
        if (fast && taps == 1 && v->out == 1)
            op->tile->pack(panel, first + v->first, v->in, op->c_in, lanes, used, 0, 0);
        else if (fast)
            transpose_panel(op, panel, first, lanes, used, depth * mxdi_conv_f32_group_lanes(op));
        else
            pack_panel(op, panel, first, lanes, used);
        if (bias)
            memcpy(op->bias + ((int64_t)g * op->panels + p) * full, bias + from,
                   (size_t)used * sizeof(float));
    }
}

void mxdi_conv_f32_pack(const mxdi_conv_f32 *op, const float *w, const float *bias)
{
    if (op->tile) {
        for (int32_t g = 0; g < op->desc.groups; g++)
            pack_group(op, w, bias, g);
        return;
    }
    copy_plain(op, w);
    if (bias)
        memcpy(op->bias, bias, op->bias_bytes);
}

mxd_status mxdi_conv_f32_pack_init(mxdi_conv_f32 *op, mxd_error *err)
{
    const mxdi_conv_f32_desc *d     = &op->desc;
    const size_t              taps  = (size_t)d->window.kh * (size_t)d->window.kw;
    size_t                    lanes = (size_t)d->y.channels, words;
    if (!mxdi_mul_size(&words, taps, (size_t)op->c_in) || !mxdi_mul_size(&words, words, lanes) ||
        words > SIZE_MAX / 256 || taps > INT32_MAX)
        return mxdi_fail(err, MXD_E_RANGE, "conv_f32: weights (%d, %d, %d, %d) are too large",
                         (int)d->y.channels, (int)op->c_in, (int)d->window.kh, (int)d->window.kw);
    if (op->tile) {
        const size_t depth = op->winograd.fn ? (size_t)MXDI_WINOGRAD_F32_POINTS * (size_t)op->c_in
                                             : taps * (size_t)op->words;
        lanes              = (size_t)d->groups * (size_t)op->panels * (size_t)op->tile->full;
        op->group_words    = (int64_t)depth * mxdi_conv_f32_group_lanes(op);
        if (!mxdi_mul_size(&words, (size_t)op->group_words, (size_t)d->groups))
            return mxdi_fail(err, MXD_E_RANGE, "conv_f32: weights of %d groups are too large",
                             (int)d->groups);
    }
    op->weights = MXDI_ALLOC(op->alloc, float, words);
    op->bias    = MXDI_ALLOC(op->alloc, float, lanes);
    if (!op->weights || !op->bias)
        return mxdi_nomem(err);
    op->weight_bytes = words * sizeof(float);
    op->bias_bytes   = lanes * sizeof(float);
    return MXD_OK;
}
