/* SPDX-License-Identifier: Apache-2.0
 *
 * AdaRound's continuous choice between down and up, of layers and of blocks: h(v) = clip(1.2
 * sigmoid(v) - 0.1) of the way up, the regularizer sum 1 - |2h - 1|^beta that drives h to 0 and 1,
 * and Adam's step of v. Arrays of any length; nothing here allocates.
 */
#ifndef MXDI_TRAIN_RELAXED_H
#define MXDI_TRAIN_RELAXED_H

#include <math.h>
#include <stdint.h>

/* Constants of the paper: the stretched sigmoid (eq. 23), the weight of the regularizer and the
 * annealing of its exponent (section 5). */
#define MXDI_RELAXED_STRETCH 1.2f
#define MXDI_RELAXED_SHIFT   (-0.1f)
#define MXDI_RELAXED_WEIGHT  0.01f
#define MXDI_RELAXED_DECAY1  0.9f
#define MXDI_RELAXED_DECAY2  0.999f

enum { MXDI_RELAXED_POWERS = 256 };

/* What an iteration needs beside the gradient. */
typedef struct mxdi_relaxed_step {
    float beta; /* 0: without the regularizer */
    float rate; /* Adam's, with the correction of its young moments */
    float powers[MXDI_RELAXED_POWERS + 1];
} mxdi_relaxed_step;

/* Iteration `t` of `all` with Adam's rate: beta falls from 20 to 2 after a fifth of them. */
void mxdi_relaxed_begin(mxdi_relaxed_step *s, int32_t t, int32_t all, float rate);
/* |2h - 1|^(beta - 1) in s->powers, by linear interpolation: smooth enough, and a power for each
 * weight is not. */
void mxdi_relaxed_powers(mxdi_relaxed_step *s, float beta);

static inline float mxdi_relaxed_h(float sigmoid)
{
    const float h = sigmoid * MXDI_RELAXED_STRETCH + MXDI_RELAXED_SHIFT;
    return h < 0.0f ? 0.0f : h > 1.0f ? 1.0f : h;
}

/* v whose h is that, kept off the ends, where nothing moves it. */
static inline float mxdi_relaxed_v(float h)
{
    const float p = (fminf(fmaxf(h, 0.01f), 0.99f) - MXDI_RELAXED_SHIFT) / MXDI_RELAXED_STRETCH;
    return logf(p / (1.0f - p));
}

static inline float mxdi_relaxed_power(const mxdi_relaxed_step *s, float u)
{
    const float at = u * MXDI_RELAXED_POWERS;
    const int   i  = (int)at < MXDI_RELAXED_POWERS - 1 ? (int)at : MXDI_RELAXED_POWERS - 1;
    return s->powers[i] + (at - (float)i) * (s->powers[i + 1] - s->powers[i]);
}

/* The gradient of v: dh is the loss's by h. */
static inline float mxdi_relaxed_gradient(const mxdi_relaxed_step *s, float dh, float sigmoid)
{
    const float h = mxdi_relaxed_h(sigmoid), u = 2.0f * h - 1.0f;
    if (s->beta > 0.0f)
        dh -= copysignf(2.0f * MXDI_RELAXED_WEIGHT * s->beta * mxdi_relaxed_power(s, fabsf(u)), u);
    return h > 0.0f && h < 1.0f ? dh * MXDI_RELAXED_STRETCH * sigmoid * (1.0f - sigmoid) : 0.0f;
}

/* Kingma and Ba 2015, arXiv:1412.6980, algorithm 1. */
static inline void mxdi_relaxed_move(float *v, float *m1, float *m2, float g,
                                     const mxdi_relaxed_step *s)
{
    *m1 += (1.0f - MXDI_RELAXED_DECAY1) * (g - *m1);
    *m2 += (1.0f - MXDI_RELAXED_DECAY2) * (g * g - *m2);
    *v -= s->rate * *m1 / (sqrtf(*m2) + 1e-8f);
}
#endif
