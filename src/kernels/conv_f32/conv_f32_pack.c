/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights and bias of a convolution in the order its tiles read them.
 */
#include <string.h>

#include "base/error.h"
#include "base/half.h"
#include "kernels/conv_f32/conv_f32_impl.h"

static mxd_status copy_plain(mxdi_conv_f32 *op, size_t count, mxd_error *err)
{
    const mxdi_conv_f32_desc *d = &op->desc;
    op->weights                 = MXDI_ALLOC(op->alloc, float, count);
    op->bias                    = MXDI_ALLOC(op->alloc, float, (size_t)d->y.channels);
    if (!op->weights || !op->bias)
        return mxdi_nomem(err);
    for (size_t i = 0; i < count; i++)
        op->weights[i] = d->bf16 ? mxdi_bf16_to_f32(mxdi_f32_to_bf16(d->w[i])) : d->w[i];
    if (d->bias)
        memcpy(op->bias, d->bias, (size_t)d->y.channels * sizeof(float));
    op->weight_bytes = count * sizeof(float);
    op->bias_bytes   = (size_t)d->y.channels * sizeof(float);
    return MXD_OK;
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
    const int64_t taps = (int64_t)op->desc.window.kh * op->desc.window.kw;
    for (int64_t tap = 0; tap < taps; tap++) {
        for (int32_t i = 0; i < op->words; i++) {
            const int32_t channel = i * op->tile->terms;
            float *const  dst     = panel + (tap * op->words + i) * lanes;
            for (int32_t n = 0; n < used; n++)
                dst[n] = word_at(op, w + ((int64_t)n * op->c_in + channel) * taps + tap, taps,
                                 op->c_in - channel);
        }
    }
}

/* The same for Winograd: [point][panel][channel][lanes]; `plane` words between two points. */
static void pack_panel_winograd(const mxdi_conv_f32 *op, float *panel, const float *w,
                                int32_t lanes, int32_t used, int64_t plane)
{
    for (int32_t i = 0; i < op->c_in; i++) {
        for (int32_t n = 0; n < used; n++) {
            double u[MXDI_WINOGRAD_F32_POINTS];
            mxdi_winograd_f32_weights(u, w + ((int64_t)n * op->c_in + i) * 9);
            for (int32_t p = 0; p < MXDI_WINOGRAD_F32_POINTS; p++)
                panel[p * plane + (int64_t)i * lanes + n] = (float)u[p];
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

static void pack_group(const mxdi_conv_f32 *op, int32_t g)
{
    const mxdi_conv_f32_desc *d     = &op->desc;
    const int64_t             taps  = (int64_t)d->window.kh * d->window.kw;
    const int64_t             depth = op->winograd.fn ? op->c_in : taps * op->words;
    const int32_t             full  = op->tile->full;
    for (int32_t p = 0; p < op->panels; p++) {
        const int32_t c = p * full, used = op->c_out - c < full ? op->c_out - c : full;
        const int32_t lanes = p + 1 < op->panels ? full : mxdi_conv_f32_last_lanes(op);
        const int64_t from  = (int64_t)g * op->c_out + c;
        const float  *w     = d->w + from * op->c_in * taps;
        float        *panel = op->weights + g * op->group_words + depth * c;
        if (op->winograd.fn)
            pack_panel_winograd(op, panel, w, lanes, used, depth * mxdi_conv_f32_group_lanes(op));
        else
            pack_panel(op, panel, w, lanes, used);
        if (d->bias)
            memcpy(op->bias + ((int64_t)g * op->panels + p) * full, d->bias + from,
                   (size_t)used * sizeof(float));
    }
}

mxd_status mxdi_conv_f32_pack(mxdi_conv_f32 *op, mxd_error *err)
{
    const mxdi_conv_f32_desc *d    = &op->desc;
    const size_t              taps = (size_t)d->window.kh * (size_t)d->window.kw;
    size_t                    plain, words;
    if (!mxdi_mul_size(&plain, taps, (size_t)op->c_in) ||
        !mxdi_mul_size(&plain, plain, (size_t)d->y.channels) || plain > SIZE_MAX / 256)
        return mxdi_fail(err, MXD_E_RANGE, "conv_f32: weights (%d, %d, %d, %d) are too large",
                         (int)d->y.channels, (int)op->c_in, (int)d->window.kh, (int)d->window.kw);
    if (!op->tile)
        return copy_plain(op, plain, err);

    const size_t depth = op->winograd.fn ? (size_t)MXDI_WINOGRAD_F32_POINTS * (size_t)op->c_in
                                         : taps * (size_t)op->words;
    const size_t lanes = (size_t)d->groups * (size_t)op->panels * (size_t)op->tile->full;
    op->group_words    = (int64_t)depth * mxdi_conv_f32_group_lanes(op);
    if (!mxdi_mul_size(&words, (size_t)op->group_words, (size_t)d->groups))
        return mxdi_fail(err, MXD_E_RANGE, "conv_f32: weights of %d groups are too large",
                         (int)d->groups);
    op->weights = MXDI_ALLOC(op->alloc, float, words);
    op->bias    = MXDI_ALLOC(op->alloc, float, lanes);
    if (!op->weights || !op->bias)
        return mxdi_nomem(err);
    for (int32_t g = 0; g < d->groups; g++)
        pack_group(op, g);
    op->weight_bytes = words * sizeof(float);
    op->bias_bytes   = lanes * sizeof(float);
    return MXD_OK;
}
