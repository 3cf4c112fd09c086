/* SPDX-License-Identifier: Apache-2.0
 * What of AdaRound's relaxed choice is the same for all weights of an iteration. */
#include "train/relaxed.h"

static const float beta_first = 20.0f, beta_last = 2.0f, warm_up = 0.2f;

void mxdi_relaxed_powers(mxdi_relaxed_step *s, float beta)
{
    s->beta = beta;
    for (int i = 0; i <= MXDI_RELAXED_POWERS; i++)
        s->powers[i] = powf((float)i / MXDI_RELAXED_POWERS, beta - 1.0f);
}

void mxdi_relaxed_begin(mxdi_relaxed_step *s, int32_t t, int32_t all, float rate)
{
    const float at = ((float)t / (float)all - warm_up) / (1.0f - warm_up);
    mxdi_relaxed_powers(s, at < 0.0f ? 0.0f : beta_first + (beta_last - beta_first) * at);
    s->rate = rate * sqrtf(1.0f - powf(MXDI_RELAXED_DECAY2, (float)(t + 1))) /
              (1.0f - powf(MXDI_RELAXED_DECAY1, (float)(t + 1)));
}
