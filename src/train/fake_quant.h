/* SPDX-License-Identifier: Apache-2.0
 *
 * Fake quantization on plain arrays: what a value becomes, and the straight-through gradients of
 * the methods that learn (docs/training.md has the formulas with their papers). Units: u is a value
 * in steps, q the integer behind the zero point.
 */
#ifndef MXDI_TRAIN_FAKE_QUANT_H
#define MXDI_TRAIN_FAKE_QUANT_H

#include <stdint.h>

/* One quantizer's integers, less its zero point: q in [lo, hi]. */
typedef struct mxdi_fake_range {
    float lo, hi;
} mxdi_fake_range;

/* Nearest integer, ties to even; |u| < 2^22. */
static inline float mxdi_fake_round(float u)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23 */
    return (u + magic) - magic;
}

static inline float mxdi_fake_clamp(float u, float lo, float hi)
{
    u = u < lo ? lo : u;
    return u > hi ? hi : u;
}

/* q = rint(clamp(u, lo, hi)). NaN becomes hi or lo. */
static inline float mxdi_fake_quantize(float u, mxdi_fake_range r)
{
    return mxdi_fake_round(mxdi_fake_clamp(u, r.lo, r.hi));
}

/* d(s*q)/ds of LSQ (Esser et al. 2020, arXiv:1902.08153, eq. 3): q - u inside, the bound outside.
 */
static inline float mxdi_fake_step_grad(float u, float q, mxdi_fake_range r)
{
    return u <= r.lo ? r.lo : u >= r.hi ? r.hi : q - u;
}

/* ---- weights of one output channel: n values ---- */

/* The step of the largest magnitude for |q| <= q_max; 1 for zeros. */
float mxdi_fake_minmax_step(const float *w, int64_t n, float q_max);
/* q (n) from w (n). */
void mxdi_fake_weights(float *q, const float *w, int64_t n, float step, float q_max);
/* dw (n), g (n) given: straight through inside the range. Returns the sum of g * d(s*q)/ds. dw may
 * be g. */
double mxdi_fake_weights_grad(float *dw, const float *g, const float *w, int64_t n, float step,
                              float q_max);
/* DoReFa (Zhou et al. 2016, arXiv:1606.06160, eq. 9) on the symmetric grid: u = q_max *
 * tanh(w)/largest, clamped and rounded; largest is that of |tanh(w)| of all that share a step, 1
 * for zeros, and a constant of the gradient. */
float mxdi_fake_largest_tanh(const float *w, int64_t n);
void  mxdi_fake_dorefa(float *q, const float *w, int64_t n, float largest, float q_max);
void  mxdi_fake_dorefa_grad(float *dw, const float *g, const float *w, int64_t n, float largest,
                            float largest_w);
#endif
