/* SPDX-License-Identifier: Apache-2.0
 * Stochastic gradient descent with momentum, Adam (Kingma and Ba 2015, arXiv:1412.6980), schedules.
 */
#include "train/optimizer.h"
#include "train/clones.h"

#include <math.h>

mxd_status mxdi_optimizer_init(mxdi_optimizer *o, mxdi_tape *t,
                               const mxdi_optimizer_options *options, mxd_error *err)
{
    *o   = (mxdi_optimizer){ .options = *options, .tape = t };
    o->m = MXDI_NEW(&t->arena, float *, t->n_params);
    o->v = MXDI_NEW(&t->arena, float *, t->n_params);
    if (!o->m || !o->v)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < t->n_params; k++) {
        if (!t->param[k]->dw)
            continue;
        o->m[k] = mxdi_arena_alloc(&t->arena, (size_t)t->param[k]->n, sizeof(float), 64);
        if (options->kind == MXDI_ADAM)
            o->v[k] = mxdi_arena_alloc(&t->arena, (size_t)t->param[k]->n, sizeof(float), 64);
        if (!o->m[k] || (options->kind == MXDI_ADAM && !o->v[k]))
            return mxdi_nomem(err);
    }
    return MXD_OK;
}

struct update {
    mxdi_optimizer *o;
    double          lr, scale, bias1, bias2;
    double         *square;
};

MXDI_CLONES static void norm_of(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct update *const u = arg;
    (void)thread;
    for (size_t k = begin; k < end; k++) {
        const mxdi_param *const p = u->o->tape->param[k];
        u->square[k]              = 0.0;
        for (int64_t i = 0; p->dw && i < p->n; i++)
            u->square[k] += (double)p->dw[i] * (double)p->dw[i];
    }
}

MXDI_CLONES static void sgd(const mxdi_param *p, float *m, float scale, float lr, float momentum,
                            float decay)
{
    for (int64_t i = 0; i < p->n; i++) {
        m[i] = momentum * m[i] + (p->dw[i] * scale + decay * p->w[i]);
        p->w[i] -= lr * m[i];
    }
}

MXDI_CLONES static void adam(const mxdi_param *p, float *m, float *v, float scale, float lr,
                             float decay, float bias1, float bias2)
{
    for (int64_t i = 0; i < p->n; i++) {
        const float g = p->dw[i] * scale;
        m[i]          = 0.9f * m[i] + 0.1f * g;
        v[i]          = 0.999f * v[i] + 0.001f * g * g;
        p->w[i] -= lr * (m[i] / bias1 / (sqrtf(v[i] / bias2) + 1e-8f) + decay * p->w[i]);
    }
}

static void update_params(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct update *const          u       = arg;
    const mxdi_optimizer_options *const options = &u->o->options;
    (void)thread;
    for (size_t k = begin; k < end; k++) {
        const mxdi_param *const p = u->o->tape->param[k];
        if (!p->dw)
            continue;
        const float lr    = (float)(u->lr * (p->kind == MXDI_PARAM_STEP ? options->step_lr : 1.0));
        const float decay = p->kind == MXDI_PARAM_WEIGHT ? (float)options->weight_decay : 0.0f;
        if (options->kind == MXDI_SGD)
            sgd(p, u->o->m[k], (float)u->scale, lr, (float)options->momentum, decay);
        else
            adam(p, u->o->m[k], u->o->v[k], (float)u->scale, lr, decay, (float)u->bias1,
                 (float)u->bias2);
        for (int64_t i = 0; p->floor != -INFINITY && i < p->n; i++)
            p->w[i] = p->w[i] < p->floor ? p->floor : p->w[i];
    }
}

mxd_status mxdi_optimizer_step(mxdi_optimizer *o, double lr, mxd_error *err)
{
    mxdi_tape *const t       = o->tape;
    const double     updates = (double)(o->updates + 1);
    struct update    u       = {
                 o, lr, 1.0, 1.0 - pow(0.9, updates), 1.0 - pow(0.999, updates), t->partial
    };
    double square = 0.0;
    mxdi_parallel_for(t->pool, norm_of, &u, t->n_params);
    for (uint32_t k = 0; k < t->n_params; k++)
        square += u.square[k];
    o->norm = sqrt(square);
    if (!isfinite(o->norm))
        return mxdi_tape_blame(t, err);
    o->updates++;
    if (o->options.clip_norm > 0.0 && o->norm > o->options.clip_norm)
        u.scale = o->options.clip_norm / o->norm;
    mxdi_parallel_for(t->pool, update_params, &u, t->n_params);
    return MXD_OK;
}

double mxdi_schedule_factor(mxdi_schedule_kind kind, int64_t step, int64_t steps, int64_t warm_up)
{
    if (step < warm_up)
        return (double)(step + 1) / (double)warm_up;
    const double at = (double)(step - warm_up) / (double)(steps > warm_up ? steps - warm_up : 1);
    switch (kind) {
    case MXDI_COSINE:
        return 0.01 + 0.99 * 0.5 * (1.0 + cos(3.14159265358979323846 * at));
    case MXDI_STEP:
        return at < 0.5 ? 1.0 : at < 0.75 ? 0.1 : 0.01;
    case MXDI_CONSTANT:
        return 1.0;
    }
    return 1.0;
}
