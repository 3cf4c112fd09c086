/* SPDX-License-Identifier: Apache-2.0
 *
 * Rounding weights at given scales and zero points. An integral zero point only decides where
 * weights are clamped: w = (rint(w/s) + z - z) * s. So zero points are stored where weights reach
 * past the range around 0, and are 0 otherwise.
 */
#include "quant/weights_told.h"

#include <math.h>
#include <stdlib.h>

typedef struct teller {
    const mxdi_module_stats *m;
    const mxdi_weights_view *w;
    uint32_t                 bits;
    bool                     is_unsigned;
} teller;

static float scale_of(const teller *t, int64_t c)
{
    return t->m->weight_scale[t->m->n_scales == 1 ? 0 : c];
}

static int32_t zero_of(const teller *t, int64_t c)
{
    return t->m->weight_zero_point[t->m->n_scales == 1 ? 0 : c];
}

/* The steps from 0 that integers around zero point z reach. */
static void reach(int32_t *first, int32_t *last, uint32_t bits, bool is_unsigned, int32_t z)
{
    const int32_t q_max = (1 << (bits - 1)) - 1;
    *first              = (is_unsigned ? 0 : -q_max) - z;
    *last               = (is_unsigned ? 2 * q_max + 1 : q_max) - z;
}

/* The largest and smallest step of channel c before clamping. */
static void steps_of(float *low, float *high, const teller *t, int64_t c)
{
    const mxdi_weights_view *const w = t->w;
    const float                    s = scale_of(t, c);
    *low                             = 0.0f;
    *high                            = 0.0f;
    for (int64_t o = 0; o < w->outer; o++)
        for (int64_t k = 0; k < w->inner; k++) {
            const float v = w->w[(o * w->channels + c) * w->inner + k];
            const float n = v == 0.0f ? 0.0f : rintf(v / s);
            *low          = n < *low || isnan(n) ? n : *low;
            *high         = n > *high || isnan(n) ? n : *high;
        }
}

/* How far weights reach past what integers of a type hold. */
static float excess(const teller *t, bool is_unsigned)
{
    float sum = 0.0f;
    for (int64_t c = 0; c < t->w->channels; c++) {
        float   low, high;
        int32_t first, last;
        steps_of(&low, &high, t, c);
        reach(&first, &last, t->bits, is_unsigned, zero_of(t, c));
        sum += fmaxf((float)first - low, 0.0f) + fmaxf(high - (float)last, 0.0f);
    }
    return sum;
}

/* As the file says; where it does not, the type that clamps less. */
static bool choose_type(const teller *t)
{
    if (t->m->weight_type != MXDI_EITHER)
        return t->m->weight_type == MXDI_UNSIGNED;
    int32_t least = INT32_MAX, most = INT32_MIN;
    for (uint32_t k = 0; k < t->m->n_scales; k++) {
        const int32_t z = t->m->weight_zero_point[k];
        least           = z < least ? z : least;
        most            = z > most ? z : most;
    }
    return least >= 0 && most > 0 && excess(t, true) < excess(t, false);
}

/* Scales and zero points that are numbers of this width; of weights that something was folded into,
 * such as use the width. */
static bool can_be_used(const teller *t, bool folded)
{
    const float q_max = (float)((1 << (t->bits - 1)) - 1);
    for (int64_t c = 0; c < t->w->channels; c++) {
        float   low, high;
        int32_t first, last;
        steps_of(&low, &high, t, c);
        reach(&first, &last, t->bits, t->is_unsigned, zero_of(t, c));
        const float most = fmaxf(-low, high);
        if (!isfinite(low) || !isfinite(high) || first > 0 || last < 0 ||
            (folded && most > 1.25f * (2.0f * q_max + 1.0f)))
            return false;
        if (folded && t->m->n_scales != 1 && most > 0.0f && most < 0.75f * q_max)
            return false;
    }
    return true;
}

/* With one scale for all, some channel has to use it. */
static bool one_scale_fits(const teller *t)
{
    float most = 0.0f;
    for (int64_t c = 0; c < t->w->channels; c++) {
        float low, high;
        steps_of(&low, &high, t, c);
        most = fmaxf(most, fmaxf(-low, high));
    }
    return most == 0.0f || most >= 0.75f * (float)((1 << (t->bits - 1)) - 1);
}

/* q in steps from 0, in 16 bits, clamped; *centred: all of them are within the range around 0. */
static void round_steps(int16_t *q, bool *centred, const teller *t)
{
    const mxdi_weights_view *const w     = t->w;
    const int32_t                  q_max = (1 << (t->bits - 1)) - 1;
    *centred                             = true;
    for (int64_t o = 0; o < w->outer; o++)
        for (int64_t c = 0; c < w->channels; c++) {
            int32_t first, last;
            reach(&first, &last, t->bits, t->is_unsigned, zero_of(t, c));
            for (int64_t k = 0; k < w->inner; k++) {
                const int64_t at = (o * w->channels + c) * w->inner + k;
                const float   r  = w->w[at] == 0.0f ? 0.0f : rintf(w->w[at] / scale_of(t, c));
                const int32_t n  = r < (float)first ? first : r > (float)last ? last : (int32_t)r;
                q[at]            = (int16_t)n;
                *centred         = *centred && abs(n) <= q_max;
            }
        }
}

/* The bounds of mxdi_weights_guard, where scales may not move. */
static bool can_wrap(const int16_t *q, const teller *t, const float *bias, double s_x,
                     int64_t x_max)
{
    const mxdi_weights_view *const w = t->w;
    for (int64_t c = 0; c < w->channels; c++) {
        int64_t sum = 0;
        for (int64_t o = 0; o < w->outer; o++)
            for (int64_t k = 0; k < w->inner; k++)
                sum += abs(q[(o * w->channels + c) * w->inner + k]);
        if (sum * x_max >= (int64_t)1 << 30 ||
            (bias && fabs((double)bias[c]) > s_x * (double)scale_of(t, c) * 1073741824.0))
            return true;
    }
    return false;
}

/* Zero points as they are stored: a byte each, or two to a byte. */
static int8_t *stored_zeros(mxdi_arena *arena, const teller *t)
{
    const uint32_t n      = t->m->n_scales;
    const int32_t  offset = t->is_unsigned ? 1 << (t->bits - 1) : 0;
    uint8_t *const z      = MXDI_NEW(arena, uint8_t, (size_t)n + 1);
    for (uint32_t c = 0; z && c < n; c++) {
        const int32_t v = t->m->weight_zero_point[c] - offset;
        if (t->bits > 4)
            z[c] = (uint8_t)v;
        else
            z[c / 2] = (uint8_t)(z[c / 2] | (v & 15) << (c % 2 * 4));
    }
    return (int8_t *)z;
}

static mxd_status fill(mxdi_weights_q *out, mxdi_arena *arena, const teller *t,
                       const int16_t *steps, bool centred, mxd_error *err)
{
    const mxdi_weights_view *const w      = t->w;
    const int64_t                  count  = w->outer * w->channels * w->inner;
    const int32_t                  offset = t->is_unsigned ? 1 << (t->bits - 1) : 0;
    out->n_scales                         = t->m->n_scales;
    out->q                                = MXDI_NEW(arena, int8_t, (size_t)count + 1);
    out->scale                            = MXDI_NEW(arena, float, (size_t)out->n_scales);
    out->zero_point                       = centred ? NULL : stored_zeros(arena, t);
    if (!out->q || !out->scale || (!centred && !out->zero_point))
        return mxdi_nomem(err);
    for (int64_t c = 0; c < out->n_scales; c++)
        out->scale[c] = t->m->weight_scale[c] > 0.0f ? t->m->weight_scale[c] : 1.0f;
    for (int64_t k = 0; k < count; k++) {
        const int32_t z = centred ? 0 : zero_of(t, k / w->inner % w->channels) - offset;
        out->q[k]       = (int8_t)(steps[k] + z);
    }
    return MXD_OK;
}

/* Whether the weights are still those of the file: canonicalization shares what it does not change.
 */
static bool is_folded(const mxdi_qdq_plan *p, const mxd_value *w)
{
    const uint32_t v = mxdi_graph_find_value(p->original, w->name);
    return v == MXD_NO_VALUE || p->original->value[v].bytes != w->bytes ||
           memcmp(p->original->value[v].data, w->data, w->bytes) != 0;
}

mxd_status mxdi_weights_told(mxdi_weights_q *out, bool *used, const mxdi_qdq_plan *p, uint32_t n,
                             const mxdi_weights_view *w, mxd_error *err)
{
    mxdi_graph *const     g    = p->g;
    const mxd_node *const node = &g->node[n];
    const uint32_t        b    = node->n_in > 2 ? node->in[2] : MXD_NO_VALUE;
    const bool whole = p->domain.node[n] != 0; /* integers in, so that sums are integers */
    teller     t     = { mxdi_calibration_module(p->calibration, g, node), w,
                         p->setting[n].precision.w_bits, false };
    bool       centred;
    *used = false;
    if (!t.m || !t.m->weight_scale || t.bits < 2 || t.bits > 8 || t.m->weight_bits != t.bits ||
        (t.m->n_scales != 1 && t.m->n_scales != (uint64_t)w->channels))
        return MXD_OK;
    t.is_unsigned     = choose_type(&t);
    const bool folded = is_folded(p, &g->value[node->in[1]]);
    if (!can_be_used(&t, folded) || (folded && !one_scale_fits(&t)))
        return MXD_OK;
    int16_t *const steps =
        MXDI_NEW(&g->arena, int16_t, (size_t)(w->outer * w->channels * w->inner) + 1);
    if (!steps)
        return mxdi_nomem(err);
    round_steps(steps, &centred, &t);
    const float *const bias = b != MXD_NO_VALUE ? g->value[b].data : NULL;
    if (!centred && whole &&
        can_wrap(steps, &t, bias, (double)p->scale[node->in[0]],
                 (int64_t)1 << p->domain.bits[node->in[0]]))
        return MXD_OK;
    *used = true;
    return fill(out, &g->arena, &t, steps, centred, err);
}
