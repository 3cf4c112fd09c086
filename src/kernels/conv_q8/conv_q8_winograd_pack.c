/* SPDX-License-Identifier: Apache-2.0
 *
 * Which panels Winograd's algorithm computes exactly, and their transformed weights. Bounds are
 * derived in docs/winograd.md.
 */
#include <float.h>
#include <math.h>

#include "base/error.h"
#include "kernels/conv_q8/conv_q8_op.h"

enum {
    POINTS  = MXDI_WINOGRAD_Q8_POINTS,
    MAX_SUM = 1 << 25 /* 64 sums fit s32 */
};

/* Whether no input takes the sum of an output channel out of [-MAX_SUM, MAX_SUM), and its
 * multiplier has a 64th. */
static bool is_exact(const mxdi_conv_q8 *op, const int16_t *w, int32_t bias, float m)
{
    const int64_t below = -(int64_t)op->base.x_zero_point, above = 255 + below;
    int64_t       lo = bias, hi = bias;
    for (int64_t i = 0; i < 9 * (int64_t)op->c_in; i++) {
        if (w[i] < -MXDI_WINOGRAD_Q8_MAX_WEIGHT || w[i] > MXDI_WINOGRAD_Q8_MAX_WEIGHT)
            return false;
        lo += w[i] * (w[i] < 0 ? above : below);
        hi += w[i] * (w[i] < 0 ? below : above);
    }
    return lo >= -MAX_SUM && hi < MAX_SUM && (m == 0.0f || fabsf(m) >= 64.0f * FLT_MIN);
}

static bool panel_is_exact(const mxdi_conv_q8 *op, const mxdi_conv_q8_panel *p,
                           const mxdi_conv_q8_desc *d)
{
    for (size_t l = 0; l < p->n; l++) {
        const size_t c = (size_t)p->y + l;
        if (!is_exact(op, d->w + c * (size_t)op->c_in * 9,
                      d->epilogue.bias ? d->epilogue.bias[c] : 0, d->epilogue.m[c]))
            return false;
    }
    return true;
}

void mxdi_conv_q8_winograd_take(mxdi_conv_q8 *op, const mxdi_conv_q8_desc *d)
{
    int32_t *const n = &op->winograd.n_panels;
    for (int32_t i = 0; i < op->n_panels; i++) {
        if (!panel_is_exact(op, &op->panels[i], d))
            continue;
        const mxdi_conv_q8_panel p = op->panels[i];
        op->panels[i]              = op->panels[*n];
        op->panels[(*n)++]         = p;
    }
}

/* A panel's weights: [point][pair][lanes][2], 0 where there is no channel. */
static void pack_panel(const mxdi_conv_q8 *op, const mxdi_conv_q8_panel *p, int16_t *u,
                       const int16_t *w)
{
    const int64_t n = 2 * (int64_t)p->vectors * op->kernel->lanes; /* kernels of a pair */
    int16_t       kernels[9 * MXDI_WINOGRAD_Q8_MAX_KERNELS] = { 0 };
    for (int64_t pair = 0; pair < op->winograd.pairs; pair++, u += n) {
        for (int64_t k = 0; k < 2 * (int64_t)p->n; k++) {
            const int64_t  c    = 2 * pair + k % 2;
            const int16_t *of_k = w + ((p->y + k / 2) * op->c_in + c) * 9;
            for (int64_t j = 0; j < 9; j++)
                kernels[j * n + k] = c < op->c_in ? of_k[j] : 0;
        }
        mxdi_winograd_q8_weights(u, op->winograd.pairs * n, kernels, n);
    }
}

/* What the sums of the constant point start from: the bias, and the zero point of x, which the
 * inputs still have. */
static int32_t constant_of(const mxdi_conv_q8 *op, const int16_t *w, int32_t bias)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < 9 * (int64_t)op->c_in; i++)
        sum += w[i];
    return (int32_t)(MXDI_WINOGRAD_Q8_SCALE *
                     ((uint32_t)bias - (uint32_t)op->base.x_zero_point * (uint32_t)sum));
}

mxd_status mxdi_conv_q8_winograd_pack(mxdi_conv_q8 *op, const mxdi_conv_q8_desc *d, mxd_error *err)
{
    mxdi_conv_q8_winograd *const w       = &op->winograd;
    const size_t                 lanes   = (size_t)op->kernel->lanes;
    size_t                       vectors = 0, words;
    for (int32_t i = 0; i < w->n_panels; i++)
        vectors += (size_t)op->panels[i].vectors;
    if (!mxdi_mul_size(&words, (size_t)w->pairs, POINTS * lanes * 2) ||
        !mxdi_mul_size(&words, words, vectors))
        return mxdi_nomem(err);
    int16_t *u = mxdi_q8_base_alloc(&op->base, words, sizeof(int16_t));
    w->init    = mxdi_q8_base_alloc(&op->base, op->n_lanes, sizeof(int32_t));
    if (!u || !w->init)
        return mxdi_nomem(err);
    for (int32_t i = 0; i < w->n_panels; i++) {
        mxdi_conv_q8_panel *const p    = &op->panels[i];
        const size_t              wide = (size_t)p->vectors * lanes;
        p->w                           = (const uint8_t *)u;
        pack_panel(op, p, u, d->w);
        for (size_t l = 0; l < p->n; l++) {
            const size_t         c    = (size_t)p->y + l;
            const int16_t *const of_c = d->w + c * (size_t)op->c_in * 9;
            w->init[p->lane + l] =
                constant_of(op, of_c, d->epilogue.bias ? d->epilogue.bias[c] : 0);
            p->m[l] /= 64.0f;
        }
        u += (size_t)w->pairs * POINTS * wide * 2;
    }
    return MXD_OK;
}
