/* SPDX-License-Identifier: Apache-2.0
 * Weights in training: rounding and its gradients. */
#include "train/fake_quant.h"

#include <math.h>

float mxdi_fake_minmax_step(const float *w, int64_t n, float q_max)
{
    float m = 0.0f;
    for (int64_t k = 0; k < n; k++)
        m = fabsf(w[k]) > m ? fabsf(w[k]) : m;
    return m / q_max > 1.2e-38f ? m / q_max : 1.0f;
}

void mxdi_fake_weights(float *q, const float *w, int64_t n, float step, float q_max)
{
    const mxdi_fake_range r = { -q_max, q_max };
    for (int64_t k = 0; k < n; k++)
        q[k] = mxdi_fake_quantize(w[k] / step, r);
}

double mxdi_fake_weights_grad(float *dw, const float *g, const float *w, int64_t n, float step, float q_max)
{
    const mxdi_fake_range r = { -q_max, q_max };
    double ds = 0.0;
    for (int64_t k = 0; k < n; k++) {
        const float u = w[k] / step, q = mxdi_fake_quantize(u, r), gk = g[k];
        ds += (double)gk * (double)mxdi_fake_step_grad(u, q, r);
        dw[k] = u >= -q_max && u <= q_max ? gk : 0.0f;
    }
    return ds;
}

float mxdi_fake_dorefa(float *q, const float *w, int64_t n, float q_max)
{
    const mxdi_fake_range r = { -q_max, q_max };
    float largest = 0.0f;
    for (int64_t k = 0; k < n; k++)
        largest = fabsf(tanhf(w[k])) > largest ? fabsf(tanhf(w[k])) : largest;
    largest = largest > 0.0f ? largest : 1.0f;
    for (int64_t k = 0; k < n; k++)
        q[k] = mxdi_fake_quantize(q_max * (tanhf(w[k]) / largest), r);
    return largest;
}

void mxdi_fake_dorefa_grad(float *dw, const float *g, const float *w, int64_t n, float largest, float largest_w)
{
    for (int64_t k = 0; k < n; k++) {
        const float t = tanhf(w[k]);
        dw[k] = g[k] * largest_w * (1.0f - t * t) / largest;
    }
}
