/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizers of weights: symmetric, per output channel or per tensor, as src/quant writes them.
 */
#include <math.h>
#include <stdio.h>

#include "base/dtype.h"
#include "engine/asked.h"
#include "train/quantizer.h"

/* What was asked of the layer: storage may be wider. */
static mxd_status bits_of(uint32_t *bits, mxdi_tape *t, const mxd_node *layer, mxd_error *err)
{
    json_t *notes;
    MXD_TRY(mxdi_asked_notes(&notes, t->graph, "mixdown.precision", err));
    const char *const asked = mxdi_asked(&t->arena, t->graph, &t->links, notes, layer);
    json_decref(notes);
    if (!asked)
        return mxdi_nomem(err);
    const uint32_t told = mxdi_precision_split(asked).weight;
    *bits               = told >= 2 && told < *bits ? told : *bits;
    return MXD_OK;
}

mxd_status mxdi_weight_quantizer_create(mxdi_weight_quantizer **out, mxdi_tape *t,
                                        const mxd_node *dequantizer, const mxd_node *layer,
                                        int64_t channels, mxd_error *err)
{
    const mxd_value *const       scale = mxdi_tape_constant(t, dequantizer, 1);
    const mxd_value *const       q     = &t->graph->value[dequantizer->in[0]];
    mxdi_weight_quantizer *const wq    = MXDI_NEW(&t->arena, mxdi_weight_quantizer, 1);
    if (!wq)
        return mxdi_nomem(err);
    const int64_t n = scale ? (int64_t)(scale->bytes / sizeof(float)) : 0;
    if ((q->dtype != MXD_S8 && q->dtype != MXD_S4) || (n != 1 && n != channels) ||
        mxd_node_int(dequantizer, "block_size", 0))
        return mxdi_tape_refuse(
            dequantizer,
            "signed weights of 8 or 4 bits with a scale per tensor or output channel expected",
            err);
    *wq = (mxdi_weight_quantizer){ .dequantizer = dequantizer,
                                   .method      = t->options.method,
                                   .bits        = mxd_dtype_bits(q->dtype),
                                   .per_channel = n == channels,
                                   .channels    = channels };
    MXD_TRY(bits_of(&wq->bits, t, layer, err));
    wq->s         = MXDI_NEW(&t->arena, float, (size_t)channels);
    wq->largest   = MXDI_NEW(&t->arena, float, (size_t)channels);
    wq->largest_w = MXDI_NEW(&t->arena, float, (size_t)channels);
    if (!wq->s || !wq->largest || !wq->largest_w)
        return mxdi_nomem(err);
    for (int64_t c = 0; c < channels; c++)
        wq->s[c] = ((const float *)scale->data)[n == 1 ? 0 : c];
    *out = wq;
    if (wq->method != MXDI_TRAIN_LSQ && wq->method != MXDI_TRAIN_LSQ_PLUS)
        return MXD_OK;
    char name[256];
    snprintf(name, sizeof(name), "%.200s.weight.scale", layer->name);
    MXD_TRY(mxdi_tape_param(&wq->scale, t, name, MXDI_PARAM_STEP, scale->data, n, err));
    wq->scale->floor = INFINITY;
    for (int64_t c = 0; c < n; c++)
        wq->scale->floor = fminf(wq->scale->floor, wq->scale->w[c] * 1e-3f);
    return MXD_OK;
}

static float q_max_of(const mxdi_weight_quantizer *wq)
{
    return (float)((1 << (wq->bits - 1)) - 1);
}

/* The step, s or a larger one, at which neither the bias (2^30 steps of s_x*s) nor the sum of
 * |q|*x_max (below 2^30) can wrap. */
static float safe_step(float s, const float *q, int64_t n, float bias, double s_x, int64_t x_max)
{
    double       sum     = 0.0;
    const double floor_b = fabs((double)bias) / (s_x * 1073741824.0);
    for (int64_t k = 0; k < n; k++)
        sum += fabs((double)q[k]);
    const double wrap = sum * (double)x_max / 1073741823.0;
    s                 = wrap >= 1.0 ? s * (float)wrap * 1.01f : s;
    return (double)s < floor_b ? nextafterf((float)floor_b, INFINITY) : s;
}

/* Steps that are too small for an accumulator grow, one for all channels by the one that needs
 * most. */
static void guard(mxdi_weight_quantizer *wq, float *q, const float *w, int64_t n, const float *bias,
                  double s_x, int64_t x_max)
{
    float most = 0.0f;
    for (int64_t c = 0; c < wq->channels; c++)
        most = fmaxf(most, safe_step(wq->s[c], q + c * n, n, bias ? bias[c] : 0.0f, s_x, x_max));
    for (int64_t c = 0; c < wq->channels; c++) {
        const float s = wq->per_channel
                            ? safe_step(wq->s[c], q + c * n, n, bias ? bias[c] : 0.0f, s_x, x_max)
                            : most;
        if (s == wq->s[c])
            continue;
        wq->s[c] = s;
        mxdi_fake_weights(q + c * n, w + c * n, n, s, q_max_of(wq));
    }
}

void mxdi_weight_quantizer_forward(mxdi_weight_quantizer *wq, float *q, const float *w, int64_t n,
                                   const float *bias, double s_x, int64_t x_max)
{
    const float q_max = q_max_of(wq);
    if (wq->method == MXDI_TRAIN_STEPS) {
        memcpy(q, w, (size_t)(n * wq->channels) * sizeof(float));
        return;
    }
    const float whole =
        wq->per_channel || wq->scale ? 0.0f : mxdi_fake_minmax_step(w, n * wq->channels, q_max);
    const float whole_tanh = wq->per_channel || wq->method != MXDI_TRAIN_DOREFA
                                 ? 0.0f
                                 : mxdi_fake_largest_tanh(w, n * wq->channels);
    for (int64_t c = 0; c < wq->channels; c++) {
        const float *const wc = w + c * n;
        float *const       qc = q + c * n;
        if (wq->scale)
            wq->s[c] = wq->scale->w[wq->per_channel ? c : 0];
        else
            wq->s[c] = wq->per_channel ? mxdi_fake_minmax_step(wc, n, q_max) : whole;
        if (wq->method == MXDI_TRAIN_DOREFA) {
            wq->largest_w[c] = wq->s[c] * q_max;
            wq->largest[c]   = wq->per_channel ? mxdi_fake_largest_tanh(wc, n) : whole_tanh;
            mxdi_fake_dorefa(qc, wc, n, wq->largest[c], q_max);
        } else {
            mxdi_fake_weights(qc, wc, n, wq->s[c], q_max);
        }
    }
    if (wq->method != MXDI_TRAIN_DOREFA)
        guard(wq, q, w, n, bias, s_x, x_max);
}

void mxdi_weight_quantizer_backward(mxdi_weight_quantizer *wq, float *g, const float *w, int64_t n)
{
    const float q_max = q_max_of(wq);
    double      whole = 0.0;
    for (int64_t c = 0; c < wq->channels; c++) {
        for (int64_t k = c * n; wq->method == MXDI_TRAIN_STEPS && k < (c + 1) * n; k++)
            g[k] *= wq->s[c];
        if (wq->method == MXDI_TRAIN_DOREFA) {
            mxdi_fake_dorefa_grad(g + c * n, g + c * n, w + c * n, n, wq->largest[c],
                                  wq->largest_w[c]);
            continue;
        }
        if (!wq->scale)
            continue; /* the largest weight is the bound: all are inside */
        const double ds =
            mxdi_fake_weights_grad(g + c * n, g + c * n, w + c * n, n, wq->s[c], q_max);
        whole += ds;
        if (wq->per_channel) /* LSQ's gradient scale 1/sqrt(N*Qp), N: weights that share the step */
            wq->scale->dw[c] = (float)(ds / sqrt((double)n * (double)q_max));
    }
    if (wq->scale && !wq->per_channel)
        wq->scale->dw[0] = (float)(whole / sqrt((double)(n * wq->channels) * (double)q_max));
}
