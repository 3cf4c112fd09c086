/* SPDX-License-Identifier: Apache-2.0
 *
 * QuantizeLinear and DequantizeLinear of activations in training: Quantize of docs/numerics.md
 * forward, straight through with the gradients of the method backward. DequantizeLinear costs
 * nothing: a quantized value holds its integers and says what a step is worth.
 */
#include <math.h>

#include "quant/qdq.h"
#include "train/clones.h"
#include "train/quantizer.h"

enum { LANES = 16 };

struct quantize {
    mxdi_act_quantizer *a;
    float *m;   /* (channels) steps of the output in one of x; NULL: x counts in reals, or in s_x */
    float  s_x; /* another quantizer's step: a real first, as in the engine's tables; 1: x counts in
                   reals */
    /* this step's */
    mxdi_fake_range range; /* what may come out: the quantizer's, narrowed by a clamp in front */
    mxdi_fake_range clamp; /* of u: the same with the clamp's own bounds */
    mxdi_fake_range whole; /* the quantizer's */
};

struct job {
    mxdi_tape              *t;
    struct quantize        *q;
    const mxdi_train_value *x, *y;
    bool                    add;
};

/* u of n lanes. */
static inline void steps_of(float *u, const struct quantize *q, const float *x, int64_t c, int n)
{
    const float s = q->a->s, s_x = q->s_x;
    if (q->m)
        for (int k = 0; k < n; k++)
            u[k] = x[k] * q->m[c + k];
    else
        for (int k = 0; k < n; k++)
            u[k] = x[k] * s_x / s;
}

static inline void forward_lanes(float *y, const struct quantize *q, const float *x, int64_t c,
                                 int n, float *lo, float *hi)
{
    float u[LANES];
    steps_of(u, q, x, c, n);
    for (int k = 0; k < n; k++) {
        lo[k] = u[k] < lo[k] ? u[k] : lo[k];
        hi[k] = u[k] > hi[k] ? u[k] : hi[k];
        y[k]  = mxdi_fake_quantize(u[k], q->range);
    }
}

MXDI_CLONES static void forward_block(void *arg, int64_t block, unsigned thread)
{
    const struct job *const   j    = arg;
    const mxdi_blocked *const l    = &j->x->layout;
    const int64_t             rows = l->block_stride / l->pitch;
    float                     lo[LANES], hi[LANES];
    (void)thread;
    for (int k = 0; k < LANES; k++) {
        lo[k] = INFINITY;
        hi[k] = -INFINITY;
    }
    for (int64_t r = 0; r < rows; r++) {
        const float *const x = j->x->x + block * l->block_stride + r * l->pitch;
        float *const       y = j->y->x + block * l->block_stride + r * l->pitch;
        int64_t            c = 0;
        for (; c + LANES <= l->channels; c += LANES)
            forward_lanes(y + c, j->q, x + c, c, LANES, lo, hi);
        if (c < l->channels)
            forward_lanes(y + c, j->q, x + c, c, (int)(l->channels - c), lo, hi);
    }
    double *const seen = j->t->partial + block * j->t->partial_width;
    for (int k = 1; k < LANES; k++) {
        lo[0] = fminf(lo[0], lo[k]);
        hi[0] = fmaxf(hi[0], hi[k]);
    }
    seen[0] = (double)lo[0];
    seen[1] = (double)hi[0];
}

/* Bounds and multipliers of this step. */
static void set_step(struct quantize *q, const mxdi_train_value *x)
{
    const mxdi_act_quantizer *const a       = q->a;
    const mxdi_fake_range           storage = { (float)(a->storage_lo - a->z),
                                                (float)(a->storage_hi - a->z) };
    q->whole = q->range = mxdi_act_range(a);
    q->clamp            = q->range;
    if (x->lo != -INFINITY ||
        x->hi !=
            INFINITY) { /* the integers of the clamp's bounds; the quantizer has the last word */
        const float lo = mxdi_fake_quantize(mxdi_fake_clamp(x->lo / a->s, -1e6f, 1e6f), storage);
        const float hi = mxdi_fake_quantize(mxdi_fake_clamp(x->hi / a->s, -1e6f, 1e6f), storage);
        q->range = (mxdi_fake_range){ mxdi_fake_clamp(lo > hi ? hi : lo, q->whole.lo, q->whole.hi),
                                      mxdi_fake_clamp(hi, q->whole.lo, q->whole.hi) };
        q->clamp =
            (mxdi_fake_range){ fmaxf(x->lo / a->s, q->whole.lo), fminf(x->hi / a->s, q->whole.hi) };
    }
    q->s_x = x->step && !q->m ? (float)x->step[0] : 1.0f;
    if (q->m)
        for (int64_t c = 0; c < x->layout.channels; c++)
            q->m[c] = (float)(x->step[x->n_step == 1 ? 0 : c] / ((double)a->s * x->count));
}

static mxd_status quantize_forward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct quantize *const q = op->state;
    struct job             j = { t, q, &t->value[op->in[0]], &t->value[op->out], false };
    (void)err;
    set_step(q, j.x);
    mxdi_tape_each_block(t, forward_block, &j);
    if (!t->training)
        return MXD_OK;
    float        lo = INFINITY, hi = -INFINITY;
    float *const seen = q->a->range->w + 2;
    for (int64_t b = 0; b < mxdi_tape_blocks(t); b++) {
        lo = fminf(lo, (float)t->partial[b * t->partial_width]);
        hi = fmaxf(hi, (float)t->partial[b * t->partial_width + 1]);
    }
    lo               = mxdi_fake_clamp(lo * q->a->s, j.x->lo, j.x->hi);
    hi               = mxdi_fake_clamp(hi * q->a->s, j.x->lo, j.x->hi);
    const bool first = seen[0] > seen[1]; /* of those that share the quantizer */
    seen[0]          = first ? lo : fminf(seen[0], lo);
    seen[1]          = first ? hi : fmaxf(seen[1], hi);
    return MXD_OK;
}

/* Sums [0]: of g*d(s*q)/ds; [1]: of g outside the range. */
static inline void backward_lanes(float *dx, const struct quantize *q, const float *x,
                                  const float *g, int64_t c, int n, bool add, float *ds, float *out)
{
    float       u[LANES];
    const float top = q->a->method == MXDI_TRAIN_PACT ? 0.0f : 1.0f;
    steps_of(u, q, x, c, n);
    for (int k = 0; k < n; k++) {
        const float v      = mxdi_fake_clamp(u[k], q->clamp.lo, q->clamp.hi);
        const float r      = mxdi_fake_clamp(mxdi_fake_round(v), q->range.lo, q->range.hi);
        const float inside = v == u[k] ? g[k] : 0.0f;
        const float over = v >= q->whole.hi ? g[k] : 0.0f, under = v <= q->whole.lo ? g[k] : 0.0f;
        const float step = v >= q->whole.hi || v <= q->whole.lo ? r : (r - v) * top;
        ds[k] += g[k] * step;
        out[k] += top == 0.0f ? over : over + under;
        dx[k] = add ? dx[k] + inside : inside;
    }
}

MXDI_CLONES static void backward_block(void *arg, int64_t block, unsigned thread)
{
    const struct job *const   j    = arg;
    const mxdi_blocked *const l    = &j->x->layout;
    const int64_t             rows = l->block_stride / l->pitch;
    double *const             sum  = j->t->partial + block * j->t->partial_width;
    (void)thread;
    sum[0] = sum[1] = 0.0;
    for (int64_t r = 0; r < rows; r++) {
        const int64_t at        = block * l->block_stride + r * l->pitch;
        float         ds[LANES] = { 0 }, out[LANES] = { 0 };
        int64_t       c = 0;
        for (; c + LANES <= l->channels; c += LANES)
            backward_lanes(j->x->dx + at + c, j->q, j->x->x + at + c, j->y->dx + at + c, c, LANES,
                           j->add, ds, out);
        if (c < l->channels)
            backward_lanes(j->x->dx + at + c, j->q, j->x->x + at + c, j->y->dx + at + c, c,
                           (int)(l->channels - c), j->add, ds, out);
        for (int k = 0; k < LANES; k++) {
            sum[0] += (double)ds[k];
            sum[1] += (double)out[k];
        }
    }
}

static mxd_status quantize_backward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct quantize *const q = op->state;
    struct job             j = { t, q, &t->value[op->in[0]], &t->value[op->out], op->add[0] };
    double                 sum[2];
    (void)err;
    mxdi_tape_each_block(t, backward_block, &j);
    mxdi_tape_sum_blocks(t, sum, 2);
    const mxdi_act_quantizer *const a = q->a;
    const double                    scale =
        1.0 / sqrt((double)a->features *
                   (double)(a->q_max - a->z > 0 ? a->q_max - a->z
                                                : 1)); /* LSQ, section 2.2; without the batch */
    if (a->method == MXDI_TRAIN_PACT)
        a->scale->dw[0] += (float)sum[1]; /* Choi et al. 2018 (arXiv:1805.06085), eq. 3 */
    else if (a->scale)
        a->scale->dw[0] += (float)(sum[0] * scale);
    if (a->offset) /* Bhalgat et al. 2020 (arXiv:2004.09576), with the offset as a zero point in
                      steps */
        a->offset->dw[0] += (float)(-sum[1] * (double)a->s * scale);
    return MXD_OK;
}

/* ---- export ---- */

static mxd_status set_scalar(mxdi_graph *g, uint32_t value, const void *data, size_t bytes,
                             mxd_error *err)
{
    void *const copy = mxdi_arena_memdup(&g->arena, data, bytes, 64);
    if (!copy)
        return mxdi_nomem(err);
    g->value[value].data = copy;
    return MXD_OK;
}

/* Scale and zero point of every quantizer and dequantizer that is this one, and the Clip of its
 * bits. */
static mxd_status export_pair(const mxdi_tape *t, const mxdi_act_quantizer *a, const char *name,
                              mxdi_graph *g, mxd_error *err)
{
    const uint8_t z        = (uint8_t)(a->storage_hi - a->storage_lo > 15 ? a->z : a->z & 15);
    const float   bound[2] = { (float)(a->q_min - a->z) * a->s, (float)(a->q_max - a->z) * a->s };
    uint32_t      q        = 0;
    (void)t;
    while (q < g->n_nodes && strcmp(g->node[q].name, name) != 0)
        q++;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        mxd_node *const node = &g->node[n];
        if (n == q ||
            (mxdi_node_is(node, "DequantizeLinear") && node->in[0] == g->node[q].out[0])) {
            MXD_TRY(set_scalar(g, node->in[1], &a->s, sizeof(a->s), err));
            if (node->n_in > 2)
                MXD_TRY(set_scalar(g, node->in[2], &z, 1, err));
        }
        const bool own_clip = mxdi_node_is(node, "Clip") && node->out[0] == g->node[q].in[0] &&
                              (a->q_min != a->storage_lo || a->q_max != a->storage_hi);
        for (uint32_t k = 0; own_clip && k < 2; k++)
            MXD_TRY(set_scalar(g, node->in[1 + k], &bound[k], sizeof(float), err));
    }
    return MXD_OK;
}

mxd_status mxdi_act_quantizers_export(const mxdi_tape *t, mxdi_graph *g, mxd_error *err)
{
    for (uint32_t n = 0; n < t->graph->n_nodes; n++)
        if (t->quantizer[n])
            MXD_TRY(export_pair(t, t->quantizer[n], t->graph->node[n].name, g, err));
    return MXD_OK;
}

static const mxdi_train_kind quantize_kind = { "quantize",        NULL, quantize_forward,
                                               quantize_backward, NULL, NULL };

mxd_status mxdi_train_build_quantize(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    const uint32_t            x = node->in[0], y = node->out[0];
    mxdi_act_quantizer *const a = t->quantizer[node - t->graph->node];
    mxdi_train_op            *op;
    if (!a)
        return mxdi_tape_refuse(node, "not the quantizer of an activation", err);
    if (t->value[x].step == &a->step) { /* repeats the quantizer in front */
        mxdi_tape_alias(t, y, x);
        return MXD_OK;
    }
    MXD_TRY(mxdi_tape_value(t, y, err));
    MXD_TRY(
        mxdi_tape_add(&op, t, &quantize_kind, node->name, &x, 1, y, sizeof(struct quantize), err));
    struct quantize *const q = op->state;
    op->reads_out            = false;
    q->a                     = a;
    if (t->value[x].step && mxdi_form_changed(t->value[x].form) == MXDI_FORM_OTHER) {
        q->m = MXDI_NEW(&t->arena, float, (size_t)t->value[x].layout.pitch);
        if (!q->m)
            return mxdi_nomem(err);
    }
    t->value[y].step       = &a->step;
    t->value[y].n_step     = 1;
    t->value[y].wants_grad = t->value[y].wants_grad || (a->scale && t->value[x].wants_grad);
    mxdi_tape_need_partial(t, 2);
    return MXD_OK;
}

mxd_status mxdi_train_build_dequantize(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    if (!t->value[node->in[0]].step)
        return mxdi_tape_refuse(node, "a QuantizeLinear in front expected", err);
    mxdi_tape_alias(t, node->out[0], node->in[0]);
    t->value[node->out[0]].form = MXDI_FORM_STORED;
    return MXD_OK;
}
