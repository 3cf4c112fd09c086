/* SPDX-License-Identifier: Apache-2.0
 *
 * BatchNormalization in training (Ioffe and Szegedy 2015, arXiv:1502.03167): batch statistics
 * forward and backward, and their moving averages with ONNX's momentum, of the unbiased variance as
 * the frameworks keep it.
 */
#include <math.h>

#include "train/clones.h"
#include "train/tape.h"

struct norm {
    mxdi_param *gamma, *beta, *mean, *var;
    double      eps, momentum;
    double     *sum;           /* (2, channels): of this step */
    float      *scale, *shift; /* (channels) y = x*scale + shift */
    float      *mu, *inv;      /* (channels) of the batch: mean, 1/sqrt(var + eps) */
    float      *k1, *k2;       /* (channels) dx = scale*dy - k1 - xhat*k2 */
};

struct norm_job {
    mxdi_tape              *t;
    struct norm            *s;
    const mxdi_train_value *x, *y;
    bool                    add;
};

/* Per block: sums of (a, b) over pixels for every channel. */
static void sum_block(double *out, const mxdi_blocked *l, const float *x, const float *dy,
                      const struct norm *s)
{
    const int64_t channels = l->channels;
    memset(out, 0, (size_t)(2 * channels) * sizeof(out[0]));
    for (int64_t r = 0; r < l->block_stride; r += l->pitch)
        for (int64_t c = 0; c < channels; c++) {
            const float v   = x[r + c];
            const float hat = dy ? (v - s->mu[c]) * s->inv[c] : v;
            const float g   = dy ? dy[r + c] : 1.0f;
            out[c] += (double)(dy ? g : v);
            out[channels + c] += (double)(dy ? g * hat : v) * (double)(dy ? 1.0f : v);
        }
}

MXDI_CLONES static void statistics_block(void *arg, int64_t block, unsigned thread)
{
    const struct norm_job *const j = arg;
    (void)thread;
    sum_block(j->t->partial + block * j->t->partial_width, &j->x->layout,
              j->x->x + block * j->x->layout.block_stride, NULL, j->s);
}

MXDI_CLONES static void forward_block(void *arg, int64_t block, unsigned thread)
{
    const struct norm_job *const j = arg;
    const mxdi_blocked *const    l = &j->x->layout;
    const float *const           x = j->x->x + block * l->block_stride;
    float *const                 y = j->y->x + block * l->block_stride;
    (void)thread;
    for (int64_t r = 0; r < l->block_stride; r += l->pitch)
        for (int64_t c = 0; c < l->channels; c++)
            y[r + c] = x[r + c] * j->s->scale[c] + j->s->shift[c];
}

/* mu, inv and the moving averages from the batch's sums. */
static void take_statistics(struct norm *s, int64_t channels, double n)
{
    for (int64_t c = 0; c < channels; c++) {
        const double mu = s->sum[c] / n, var = fmax(s->sum[channels + c] / n - mu * mu, 0.0);
        s->mu[c]      = (float)mu;
        s->inv[c]     = (float)(1.0 / sqrt(var + s->eps));
        s->mean->w[c] = (float)(s->momentum * (double)s->mean->w[c] + (1.0 - s->momentum) * mu);
        s->var->w[c]  = (float)(s->momentum * (double)s->var->w[c] +
                               (1.0 - s->momentum) * var * (n > 1.0 ? n / (n - 1.0) : 1.0));
    }
}

static mxd_status norm_forward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct norm *const s        = op->state;
    struct norm_job    j        = { t, s, &t->value[op->in[0]], &t->value[op->out], false };
    const int64_t      channels = j.x->layout.channels;
    const double       n        = (double)t->options.batch * j.x->layout.h * j.x->layout.w;
    (void)err;
    if (t->training) {
        mxdi_tape_each_block(t, statistics_block, &j);
        mxdi_tape_sum_blocks(t, s->sum, 2 * channels);
        take_statistics(s, channels, n);
    }
    for (int64_t c = 0; c < channels; c++) {
        const float mu = t->training ? s->mu[c] : s->mean->w[c];
        const float inv =
            t->training ? s->inv[c] : (float)(1.0 / sqrt((double)s->var->w[c] + s->eps));
        s->scale[c] = s->gamma->w[c] * inv;
        s->shift[c] = s->beta->w[c] - mu * s->scale[c];
        s->mu[c]    = mu;
        s->inv[c]   = inv;
    }
    mxdi_tape_each_block(t, forward_block, &j);
    return MXD_OK;
}

MXDI_CLONES static void gradient_sums_block(void *arg, int64_t block, unsigned thread)
{
    const struct norm_job *const j  = arg;
    const int64_t                at = block * j->x->layout.block_stride;
    (void)thread;
    sum_block(j->t->partial + block * j->t->partial_width, &j->x->layout, j->x->x + at,
              j->y->dx + at, j->s);
}

MXDI_CLONES static void backward_block(void *arg, int64_t block, unsigned thread)
{
    const struct norm_job *const j  = arg;
    const struct norm *const     s  = j->s;
    const mxdi_blocked *const    l  = &j->x->layout;
    const int64_t                at = block * l->block_stride;
    (void)thread;
    for (int64_t r = at; r < at + l->block_stride; r += l->pitch)
        for (int64_t c = 0; c < l->channels; c++) {
            const float hat = (j->x->x[r + c] - s->mu[c]) * s->inv[c];
            const float g   = s->scale[c] * j->y->dx[r + c] - s->k1[c] - hat * s->k2[c];
            j->x->dx[r + c] = j->add ? j->x->dx[r + c] + g : g;
        }
}

static mxd_status norm_backward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct norm *const s        = op->state;
    struct norm_job    j        = { t, s, &t->value[op->in[0]], &t->value[op->out], op->add[0] };
    const int64_t      channels = j.x->layout.channels;
    const double       n        = (double)t->options.batch * j.x->layout.h * j.x->layout.w;
    (void)err;
    mxdi_tape_each_block(t, gradient_sums_block, &j);
    mxdi_tape_sum_blocks(t, s->sum, 2 * channels);
    for (int64_t c = 0; c < channels; c++) {
        s->beta->dw[c]  = (float)s->sum[c];
        s->gamma->dw[c] = (float)s->sum[channels + c];
        s->k1[c]        = t->training ? s->scale[c] * (float)(s->sum[c] / n) : 0.0f;
        s->k2[c]        = t->training ? s->scale[c] * (float)(s->sum[channels + c] / n) : 0.0f;
    }
    if (j.x->wants_grad)
        mxdi_tape_each_block(t, backward_block, &j);
    return MXD_OK;
}

static mxd_status norm_export(const mxdi_tape *t, const mxdi_train_op *op, mxdi_graph *g,
                              mxd_error *err)
{
    const struct norm *const s    = op->state;
    const mxdi_param *const  p[4] = { s->gamma, s->beta, s->mean, s->var };
    (void)t;
    for (uint32_t k = 0; k < 4; k++) {
        const uint32_t v = mxdi_graph_find_value(g, p[k]->name);
        void *const    copy =
            mxdi_arena_memdup(&g->arena, p[k]->w, (size_t)p[k]->n * sizeof(float), 64);
        if (!copy)
            return mxdi_nomem(err);
        if (v != MXD_NO_VALUE && g->value[v].data)
            g->value[v].data = copy;
    }
    return MXD_OK;
}

static const mxdi_train_kind norm_kind = { "norm",        NULL,        norm_forward,
                                           norm_backward, norm_export, NULL };

mxd_status mxdi_train_build_norm(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    static const mxdi_param_kind kind[4] = { MXDI_PARAM_NORM, MXDI_PARAM_NORM, MXDI_PARAM_STATE,
                                             MXDI_PARAM_STATE };
    const mxd_value             *v[4];
    mxdi_param                  *p[4];
    mxdi_train_op               *op;
    uint32_t                     x;
    for (uint32_t k = 0; k < 4; k++) {
        v[k] = mxdi_tape_constant(t, node, 1 + k);
        if (!v[k])
            return mxdi_tape_refuse(node, "constant scale, bias, mean and variance expected", err);
    }
    MXD_TRY(mxdi_tape_real(&x, t, node->in[0], err));
    MXD_TRY(mxdi_tape_value(t, node->out[0], err));
    const int64_t channels = t->value[x].layout.channels;
    for (uint32_t k = 0; k < 4; k++)
        MXD_TRY(mxdi_tape_param(&p[k], t, v[k]->name, kind[k], v[k]->data, channels, err));
    MXD_TRY(mxdi_tape_add(&op, t, &norm_kind, node->name, &x, 1, node->out[0], sizeof(struct norm),
                          err));
    op->reads_out        = false;
    struct norm *const s = op->state;
    float *const       f = MXDI_NEW(&t->arena, float, (size_t)(6 * channels));
    *s                   = (struct norm){ p[0],
                                          p[1],
                                          p[2],
                                          p[3],
                                          (double)mxd_node_float(node, "epsilon", 1e-5f),
                                          (double)mxd_node_float(node, "momentum", 0.9f),
                                          MXDI_NEW(&t->arena, double, (size_t)(2 * channels)),
                                          f,
                                          f + channels,
                                          f + 2 * channels,
                                          f + 3 * channels,
                                          f + 4 * channels,
                                          f + 5 * channels };
    if (!f || !s->sum)
        return mxdi_nomem(err);
    mxdi_tape_need_partial(t, 2 * channels);
    t->value[node->out[0]].wants_grad = true;
    return MXD_OK;
}
