/* SPDX-License-Identifier: Apache-2.0
 * Rounding weights to integers. */
#include "quant/weights.h"

#include <math.h>
#include <stdlib.h>

static int8_t round_to(float w, float s, int32_t q_max)
{
    const float q = rintf(w / s);
    return (int8_t)(q > (float)q_max ? q_max : q < (float)-q_max ? -q_max : (int32_t)q);
}

/* A strided run of elements: n of them, `run` contiguous, then a jump of `step`. */
struct span {
    const float *w;
    int64_t      runs, run, step;
};

static float largest(const struct span *s)
{
    float m = 0.0f;
    for (int64_t r = 0; r < s->runs; r++)
        for (int64_t k = 0; k < s->run; k++) {
            const float v = fabsf(s->w[r * s->step + k]);
            m             = v > m || isnan(v) ? v : m;
        }
    return m;
}

/* Or more than `enough` as soon as it is. */
static double error_of(const struct span *s, float scale, int32_t q_max, double enough)
{
    double sum = 0.0;
    for (int64_t r = 0; r < s->runs; r++)
        for (int64_t k = 0; k < s->run && sum <= enough; k++) {
            const float w = s->w[r * s->step + k];
            sum += pow(fabs((double)w - (double)round_to(w, scale, q_max) * (double)scale), 2.4);
        }
    return sum;
}

/* 80 candidates down from the largest magnitude (the grid of BRECQ). */
static float scale_of(const struct span *s, uint32_t bits)
{
    const int32_t q_max = (1 << (bits - 1)) - 1;
    const float   m     = largest(s);
    if (!(m > 0.0f) || m / (float)q_max < 1.2e-38f)
        return 1.0f;
    float best = m / (float)q_max;
    if (bits >= 8)
        return best;
    double least = error_of(s, best, q_max, INFINITY);
    for (int k = 1; k < 80; k++) {
        const float  candidate = m * (1.0f - 0.01f * (float)k) / (float)q_max;
        const double e         = error_of(s, candidate, q_max, least);
        if (e < least) {
            least = e;
            best  = candidate;
        }
    }
    return best;
}

static void round_all(mxdi_weights_q *q, const mxdi_weights_view *w, uint32_t bits)
{
    const int32_t q_max = (1 << (bits - 1)) - 1;
    for (int64_t o = 0; o < w->outer; o++)
        for (int64_t c = 0; c < w->channels; c++) {
            const float s = q->scale[q->n_scales == 1 ? 0 : c];
            for (int64_t k = 0; k < w->inner; k++) {
                const int64_t at = (o * w->channels + c) * w->inner + k;
                q->q[at]         = round_to(w->w[at], s, q_max);
            }
        }
}

mxd_status mxdi_weights_quantize(mxdi_weights_q *out, mxdi_arena *arena, const mxdi_weights_view *w,
                                 uint32_t bits, bool per_tensor, mxd_error *err)
{
    const int64_t n = w->outer * w->channels * w->inner;
    out->n_scales   = per_tensor ? 1 : w->channels;
    out->zero_point = NULL;
    out->q          = MXDI_NEW(arena, int8_t, (size_t)n + 1);
    out->scale      = MXDI_NEW(arena, float, (size_t)out->n_scales);
    if (!out->q || !out->scale)
        return mxdi_nomem(err);
    for (int64_t k = 0; k < n; k++)
        if (!isfinite(w->w[k]))
            return mxdi_fail(err, MXD_E_RANGE, "weight %lld is not a finite number", (long long)k);
    for (int64_t c = 0; c < out->n_scales; c++) {
        const struct span s = per_tensor ? (struct span){ w->w, 1, n, 0 }
                                         : (struct span){ w->w + c * w->inner, w->outer, w->inner,
                                                          w->channels * w->inner };
        out->scale[c]       = scale_of(&s, bits);
    }
    round_all(out, w, bits);
    return MXD_OK;
}

void mxdi_weights_guard(mxdi_weights_q *q, const mxdi_weights_view *w, const float *bias,
                        double s_x, int64_t x_max, uint32_t bits)
{
    bool changed = false;
    for (int64_t c = 0; c < w->channels; c++) {
        float *const s       = &q->scale[q->n_scales == 1 ? 0 : c];
        const double floor_b = bias ? fabs((double)bias[c]) / (s_x * 1073741824.0) : 0.0;
        if ((double)*s < floor_b) {
            *s      = nextafterf((float)floor_b, INFINITY);
            changed = true;
        }
        int64_t sum = 0;
        for (int64_t o = 0; o < w->outer; o++)
            for (int64_t k = 0; k < w->inner; k++)
                sum += llabs((long long)q->q[(o * w->channels + c) * w->inner + k]);
        if (sum * x_max >= (int64_t)1 << 30) { /* bias takes the other half of the range */
            *s *= (float)((double)(sum * x_max) / 1073741823.0) * 1.01f;
            changed = true;
        }
    }
    if (changed)
        round_all(q, w, bits);
}

mxd_status mxdi_weights_blocks(mxdi_weights_q *out, mxdi_arena *arena, const float *w,
                               int64_t channels, int64_t k, int64_t inner, int32_t block,
                               uint32_t bits, mxd_error *err)
{
    const int64_t blocks = (k + block - 1) / block;
    const int32_t q_max  = (1 << (bits - 1)) - 1;
    out->n_scales        = channels * blocks * inner;
    out->zero_point      = NULL;
    out->q               = MXDI_NEW(arena, int8_t, (size_t)(channels * k * inner) + 1);
    out->scale           = MXDI_NEW(arena, float, (size_t)out->n_scales);
    if (!out->q || !out->scale)
        return mxdi_nomem(err);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t b = 0; b < blocks; b++)
            for (int64_t i = 0; i < inner; i++) {
                const int64_t     n = k - b * block < block ? k - b * block : block;
                const struct span s = { w + (c * k + b * block) * inner + i, n, 1, inner };
                const float       m = largest(&s);
                if (!isfinite(m))
                    return mxdi_fail(err, MXD_E_RANGE, "a weight is not a finite number");
                float *const scale = &out->scale[(c * blocks + b) * inner + i];
                *scale             = scale_of(&s, bits);
                for (int64_t e = 0; e < n; e++)
                    out->q[(c * k + b * block + e) * inner + i] =
                        round_to(s.w[e * inner], *scale, q_max);
            }
    return MXD_OK;
}
