/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing roundings of some channels. First as AdaRound does it, by gradients of a relaxed problem
 * whose choices are driven to 0 and 1; then single roundings are turned while that lowers the
 * objective. Each row is computed in one order, whatever the threads.
 */
#include "train/adaround_impl.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "train/relaxed.h"

/* For gradients of all columns at once: the paper's 1e-3 is for 10000 small batches. */
static const float rate = 1e-2f;

/* ---- room: d, G d, sigmoid (or roundings) and the gradient of all rows; a panel of the product
 * ---- */

typedef struct room {
    float *d, *gd, *sigmoid, *gradient;
    void  *panel;
} room;

static size_t floats_of(int64_t k)
{
    return ((size_t)(MXDI_ADAROUND_ROWS * k) + 15) / 16 * 16;
}

static mxd_status product(mxdi_matmul_f32 *op, int64_t rows, int64_t k, uint32_t isa)
{
    const mxdi_matmul_f32_desc desc = { .m     = rows,
                                        .n     = k,
                                        .k     = k,
                                        .a_row = k,
                                        .b_row = k,
                                        .c_row = k,
                                        .batch = { 1, 1, 1, 1 },
                                        .alpha = 1.0f };
    return mxdi_matmul_f32_init(op, &desc, isa, NULL);
}

size_t mxdi_adaround_room(int64_t k, const mxdi_adaround_kernels *kernels)
{
    mxdi_matmul_f32 op;
    (void)product(&op, MXDI_ADAROUND_ROWS, k, kernels->isa); /* sizes are small and agree */
    return 4 * floats_of(k) * sizeof(float) + mxdi_matmul_f32_scratch(&op);
}

static room room_of(void *memory, int64_t k)
{
    float *const f = memory;
    const size_t n = floats_of(k);
    return (room){ f, f + n, f + 2 * n, f + 3 * n, f + 4 * n };
}

/* m->gd = m->d G: G is symmetric. */
static void multiply(const room *m, const mxdi_adaround_case *c,
                     const mxdi_adaround_kernels *kernels)
{
    mxdi_matmul_f32 op;
    (void)product(&op, c->rows, c->k, kernels->isa);
    mxdi_matmul_f32_run(&op, m->d, c->gram, m->gd, m->panel, 1, 0, mxdi_matmul_f32_tasks(&op, 1));
}

/* ---- the relaxed problem ---- */

/* 1 / w' G w */
static void weigh(const room *m, const mxdi_adaround_case *c, const mxdi_adaround_kernels *kernels)
{
    for (int64_t r = 0; r < c->rows; r++)
        memcpy(m->d + r * c->k, c->w + r * c->stride, (size_t)c->k * sizeof(float));
    multiply(m, c, kernels);
    for (int64_t r = 0; r < c->rows; r++) {
        double variance = 0.0;
        for (int64_t i = r * c->k; i < (r + 1) * c->k; i++)
            variance += (double)m->d[i] * (double)m->gd[i];
        c->weight[r] = variance > 1e-30 ? (float)(1.0 / variance) : 0.0f;
    }
}

void mxdi_adaround_start(mxdi_adaround_soft *s, const mxdi_adaround_case *c,
                         const mxdi_adaround_kernels *kernels, void *memory)
{
    const room m = room_of(memory, c->k);
    weigh(&m, c, kernels);
    for (int64_t r = 0; r < c->rows; r++)
        for (int64_t i = r * c->stride; i < r * c->stride + c->k; i++) {
            const float h = c->step[i] > 0.0f ? -c->base[i] / c->step[i] : 0.5f;
            s->v[i]       = mxdi_relaxed_v(h);
            s->m1[i] = s->m2[i] = 0.0f;
        }
}

static void gradient_of(const room *m, const mxdi_adaround_soft *s, const mxdi_adaround_case *c,
                        const mxdi_relaxed_step *step, const mxdi_adaround_kernels *kernels)
{
    static const mxdi_unary_params none = { 0.0f, 0.0f };
    for (int64_t r = 0; r < c->rows; r++) {
        float *const sigmoid = m->sigmoid + r * c->k, *const d = m->d + r * c->k;
        const int64_t row = r * c->stride;
        kernels->unary->fn[MXDI_UNARY_SIGMOID](sigmoid, s->v + row, (size_t)c->k, &none);
        for (int64_t i = 0; i < c->k; i++)
            d[i] = c->base[row + i] + c->step[row + i] * mxdi_relaxed_h(sigmoid[i]);
    }
    multiply(m, c, kernels);
    for (int64_t r = 0; r < c->rows; r++)
        for (int64_t i = 0; i < c->k; i++) {
            const int64_t at = r * c->stride + i, in = r * c->k + i;
            const float   dh = 2.0f * (m->gd[in] - c->target[at]) * c->step[at] * c->weight[r];
            m->gradient[in]  = mxdi_relaxed_gradient(step, dh, m->sigmoid[in]);
        }
}

void mxdi_adaround_gradient(float *gradient, const mxdi_adaround_soft *s,
                            const mxdi_adaround_case *c, float beta,
                            const mxdi_adaround_kernels *kernels, void *memory)
{
    const room        m = room_of(memory, c->k);
    mxdi_relaxed_step step;
    mxdi_relaxed_powers(&step, beta);
    gradient_of(&m, s, c, &step, kernels);
    for (int64_t r = 0; r < c->rows; r++)
        memcpy(gradient + r * c->stride, m.gradient + r * c->k, (size_t)c->k * sizeof(float));
}

void mxdi_adaround_iterate(mxdi_adaround_soft *s, const mxdi_adaround_case *c, int32_t from,
                           int32_t to, int32_t all, const mxdi_adaround_kernels *kernels,
                           void *memory)
{
    const room        m = room_of(memory, c->k);
    mxdi_relaxed_step step;
    for (int32_t t = from; t < to; t++) {
        mxdi_relaxed_begin(&step, t, all, rate);
        gradient_of(&m, s, c, &step, kernels);
        for (int64_t r = 0; r < c->rows; r++) {
            const int64_t row = r * c->stride;
            for (int64_t i = 0; i < c->k; i++)
                mxdi_relaxed_move(s->v + row + i, s->m1 + row + i, s->m2 + row + i,
                                  m.gradient[r * c->k + i], &step);
        }
    }
}

/* ---- roundings ---- */

/* d of one row. */
static void errors_of(float *d, const mxdi_adaround_case *c, int64_t row, const uint8_t *up)
{
    const float *const base = c->base + row * c->stride, *const step = c->step + row * c->stride;
    for (int64_t i = 0; i < c->k; i++)
        d[i] = base[i] + (up[i] ? step[i] : 0.0f);
}

static double objective_of(const float *d, const float *gd, const float *target, int64_t k)
{
    double objective = 0.0;
    for (int64_t i = 0; i < k; i++)
        objective += (double)d[i] * ((double)gd[i] - 2.0 * (double)target[i]);
    return objective;
}

/* The rounding whose turn lowers the objective most, and by how much; -1: none does. */
static int64_t best_turn(float *gain, const mxdi_adaround_case *c, int64_t row, const uint8_t *up,
                         const float *gd)
{
    const float *const step = c->step + row * c->stride, *const target =
                                                             c->target + row * c->stride;
    int64_t best = -1;
    *gain        = 0.0f;
    for (int64_t i = 0; i < c->k; i++) {
        const float by   = up[i] ? -step[i] : step[i];
        const float less = -by * (2.0f * (gd[i] - target[i]) + by * c->gram[i * c->k + i]);
        if (less > *gain) {
            *gain = less;
            best  = i;
        }
    }
    return best;
}

/* Turns one rounding after another, d and gd with them. */
static void turn(uint8_t *up, float *d, float *gd, const mxdi_adaround_case *c, int64_t row)
{
    const double before = objective_of(d, gd, c->target + row * c->stride, c->k);
    float        gain;
    for (int64_t turns = 0; turns < 4 * c->k; turns++) {
        const int64_t i = best_turn(&gain, c, row, up, gd);
        if (i < 0 || (double)gain <= 1e-7 * fabs(before))
            return;
        const float        step = c->step[row * c->stride + i], by = up[i] ? -step : step;
        const float *const g = c->gram + i * c->k;
        for (int64_t j = 0; j < c->k; j++)
            gd[j] += by * g[j];
        d[i] += by;
        up[i] = !up[i];
    }
}

/* Replaces rows of `up` by `choice` and its turns where that lowers objective[row]. m->d and m->gd
 * are the choice's. */
static void take_better(uint8_t *up, double *objective, const room *m, uint8_t *choice,
                        const mxdi_adaround_case *c)
{
    for (int64_t r = 0; r < c->rows; r++) {
        float *const d = m->d + r * c->k, *const gd = m->gd + r * c->k;
        uint8_t *const row = choice + r * c->k;
        turn(row, d, gd, c, r);
        const double after = objective_of(d, gd, c->target + r * c->stride, c->k);
        if (after < objective[r]) {
            objective[r] = after;
            memcpy(up + r * c->stride, row, (size_t)c->k);
        }
    }
}

void mxdi_adaround_finish(uint8_t *up, const mxdi_adaround_soft *s, const mxdi_adaround_case *c,
                          const mxdi_adaround_kernels *kernels, void *memory)
{
    const room     m      = room_of(memory, c->k);
    uint8_t *const choice = (uint8_t *)m.sigmoid; /* (rows, k) */
    double         objective[MXDI_ADAROUND_ROWS];
    for (int soft = 0; soft < 2; soft++) {
        for (int64_t r = 0; r < c->rows; r++) {
            uint8_t *const row = choice + r * c->k;
            for (int64_t i = 0; i < c->k; i++)
                row[i] = soft ? s->v[r * c->stride + i] >= 0.0f : up[r * c->stride + i];
            errors_of(m.d + r * c->k, c, r, row);
        }
        multiply(&m, c, kernels);
        for (int64_t r = 0; !soft && r < c->rows; r++)
            objective[r] =
                objective_of(m.d + r * c->k, m.gd + r * c->k, c->target + r * c->stride, c->k);
        take_better(up, objective, &m, choice, c);
    }
}
