/* SPDX-License-Identifier: Apache-2.0
 * Weights in training: rounding and its gradients. */
#include "train/fake_quant.h"

#include <math.h>

#include "train/clones.h"

enum { LANES = 16 };

float mxdi_fake_minmax_step(const float *w, int64_t n, float q_max)
{
    float m = 0.0f;
    for (int64_t k = 0; k < n; k++)
        m = fabsf(w[k]) > m ? fabsf(w[k]) : m;
    return m / q_max > 1.2e-38f ? m / q_max : 1.0f;
}

MXDI_CLONES static void round_weights(float *q, const float *w, int64_t n, float step, float q_max)
{
    const mxdi_fake_range r = { -q_max, q_max };
    for (int64_t k = 0; k < n; k++)
        q[k] = mxdi_fake_quantize(w[k] / step, r);
}

void mxdi_fake_weights(float *q, const float *w, int64_t n, float step, float q_max)
{
    round_weights(q, w, n, step, q_max);
}

/* One of LANES sums; a vector holds them all. */
static inline void weight_grad(float *dw, double *sum, float g, float w, float step,
                               mxdi_fake_range r)
{
    const float u = w / step, q = mxdi_fake_quantize(u, r);
    *sum += (double)g * (double)mxdi_fake_step_grad(u, q, r);
    *dw = u >= r.lo && u <= r.hi ? g : 0.0f;
}

MXDI_CLONES static double weights_grad(float *dw, const float *g, const float *w, int64_t n,
                                       float step, float q_max)
{
    const mxdi_fake_range r          = { -q_max, q_max };
    double                sum[LANES] = { 0.0 };
    int64_t               k          = 0;
    for (; k + LANES <= n; k += LANES)
        for (int i = 0; i < LANES; i++)
            weight_grad(&dw[k + i], &sum[i], g[k + i], w[k + i], step, r);
    for (; k < n; k++)
        weight_grad(&dw[k], &sum[k % LANES], g[k], w[k], step, r);
    for (int i = 1; i < LANES; i++)
        sum[0] += sum[i];
    return sum[0];
}

double mxdi_fake_weights_grad(float *dw, const float *g, const float *w, int64_t n, float step,
                              float q_max)
{
    return weights_grad(dw, g, w, n, step, q_max);
}

float mxdi_fake_largest_tanh(const float *w, int64_t n)
{
    float largest = 0.0f;
    for (int64_t k = 0; k < n; k++)
        largest = fabsf(w[k]) > largest ? fabsf(w[k]) : largest;
    return largest > 0.0f ? tanhf(largest) : 1.0f;
}

void mxdi_fake_dorefa(float *q, const float *w, int64_t n, float largest, float q_max)
{
    const mxdi_fake_range r = { -q_max, q_max };
    for (int64_t k = 0; k < n; k++)
        q[k] = mxdi_fake_quantize(q_max * (tanhf(w[k]) / largest), r);
}

void mxdi_fake_dorefa_grad(float *dw, const float *g, const float *w, int64_t n, float largest,
                           float largest_w)
{
    for (int64_t k = 0; k < n; k++) {
        const float t = tanhf(w[k]);
        dw[k]         = g[k] * largest_w * (1.0f - t * t) / largest;
    }
}
