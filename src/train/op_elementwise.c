/* SPDX-License-Identifier: Apache-2.0
 *
 * Relu, LeakyRelu, Clip, Add, Dropout and roundings to 16-bit floats in training.
 */
#include <math.h>

#include "base/half.h"
#include "train/clones.h"
#include "train/quantizer.h"

/* ---- Relu ---- */

struct relu {
    float slope;
};
struct relu_job {
    const mxdi_train_value *x, *y;
    const float            *sign;
    float                   slope;
    bool                    add;
}; /* sign: where the slope is 1 */

MXDI_CLONES static void relu_block(void *arg, int64_t block, unsigned thread)
{
    const struct relu_job *const j = arg;
    const int64_t                n = j->x->layout.block_stride, at = block * n;
    (void)thread;
    for (int64_t k = at; k < at + n; k++)
        j->y->x[k] = j->x->x[k] > 0.0f ? j->x->x[k] : j->x->x[k] * j->slope;
}

static mxd_status relu_forward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct relu_job j = { &t->value[op->in[0]], &t->value[op->out], NULL,
                          ((struct relu *)op->state)->slope, false };
    (void)err;
    mxdi_tape_each_block(t, relu_block, &j);
    return MXD_OK;
}

MXDI_CLONES static void relu_grad_block(void *arg, int64_t block, unsigned thread)
{
    const struct relu_job *const j = arg;
    const int64_t                n = j->x->layout.block_stride, at = block * n;
    (void)thread;
    for (int64_t k = at; k < at + n; k++) {
        const float g = j->sign[k] > 0.0f ? j->y->dx[k] : j->y->dx[k] * j->slope;
        j->x->dx[k]   = j->add ? j->x->dx[k] + g : g;
    }
}

static mxd_status relu_backward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct relu_job j = { &t->value[op->in[0]], &t->value[op->out], NULL,
                          ((struct relu *)op->state)->slope, op->add[0] };
    j.sign            = op->reads_in ? j.x->x : j.y->x;
    (void)err;
    mxdi_tape_each_block(t, relu_grad_block, &j);
    return MXD_OK;
}

static const mxdi_train_kind relu_kind = { "relu", NULL, relu_forward, relu_backward, NULL, NULL };

/* What y stands for is what x stands for, in the same steps. */
static void same_steps(mxdi_tape *t, uint32_t y, uint32_t x)
{
    t->value[y].step   = t->value[x].step;
    t->value[y].n_step = t->value[x].n_step;
    t->value[y].count  = t->value[x].count;
    t->value[y].lo     = t->value[x].lo;
    t->value[y].hi     = t->value[x].hi;
    t->value[y].form   = mxdi_form_changed(t->value[x].form);
}

/* Nobody needs `value` once the operation at hand has read it. */
static bool can_go(const mxdi_tape *t, uint32_t value)
{
    for (uint32_t k = 0; k < t->n_ops; k++)
        if (t->op[k].out == value)
            return t->links.n_uses[value] == 1 && t->value[value].root == value &&
                   !t->op[k].reads_out;
    return false;
}

mxd_status mxdi_train_build_relu(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    const uint32_t x = node->in[0], y = node->out[0];
    const float    slope =
        mxdi_node_is(node, "LeakyRelu") ? mxd_node_float(node, "alpha", 0.01f) : 0.0f;
    mxdi_train_op *op;
    if (slope == 0.0f && t->links.n_uses[x] == 1 && mxdi_train_conv_take_relu(t, x)) {
        mxdi_tape_alias(t, y, x);
        t->value[y].form = mxdi_form_changed(t->value[x].form);
        return MXD_OK;
    }
    uint32_t from = x;
    if (slope != 0.0f || t->value[x].lo != -INFINITY || t->value[x].hi != INFINITY)
        MXD_TRY(mxdi_tape_real(&from, t, x, err));
    MXD_TRY(mxdi_tape_value(t, y, err));
    if (from == x && slope >= 0.0f && can_go(t, x))
        mxdi_tape_alias(t, y, x);
    same_steps(t, y, from);
    MXD_TRY(mxdi_tape_add(&op, t, &relu_kind, node->name, &from, 1, y, sizeof(struct relu), err));
    ((struct relu *)op->state)->slope = slope;
    op->reads_in  = slope < 0.0f; /* else the signs of the output are the input's */
    op->reads_out = !op->reads_in;
    return MXD_OK;
}

/* ---- Clip: only remembered; who needs reals, or quantizes, applies it ---- */

static const mxd_value *bound(const mxdi_tape *t, const mxd_node *node, uint32_t k, bool *ok)
{
    const mxd_value *const v = mxdi_tape_constant(t, node, k);
    *ok                      = *ok && (v || node->n_in <= k || node->in[k] == MXD_NO_VALUE);
    return v;
}

mxd_status mxdi_train_build_clip(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    bool                   ok  = true;
    const mxd_value *const low = bound(t, node, 1, &ok), *const high = bound(t, node, 2, &ok);
    const float lo = low ? *(const float *)low->data : mxd_node_float(node, "min", -INFINITY);
    const float hi = high ? *(const float *)high->data : mxd_node_float(node, "max", INFINITY);
    if (!ok || !(lo <= hi))
        return mxdi_tape_refuse(node, "constant bounds in order expected", err);
    mxdi_tape_alias(t, node->out[0], node->in[0]);
    t->value[node->out[0]].form = mxdi_form_changed(t->value[node->in[0]].form);
    if (mxdi_clip_is_of_quantizer(t, node))
        return MXD_OK;
    mxdi_train_value *const y = &t->value[node->out[0]];
    y->lo                     = lo > y->hi ? y->hi : lo > y->lo ? lo : y->lo;
    y->hi                     = hi < y->lo ? y->lo : hi < y->hi ? hi : y->hi;
    return MXD_OK;
}

/* ---- Add ---- */

struct add_job {
    mxdi_tape              *t;
    const mxdi_train_value *a, *b, *y;
    const float            *ma, *mb; /* (pitch), NULL: plain sum */
    bool                    add[2];
};

MXDI_CLONES static void add_block(void *arg, int64_t block, unsigned thread)
{
    const struct add_job *const j = arg;
    const mxdi_blocked *const   l = &j->y->layout;
    const int64_t               n = l->block_stride, at = block * n;
    const float *const a = j->a->x + at, *const b = j->b->x + at;
    float *const y = j->y->x + at;
    (void)thread;
    if (!j->ma)
        for (int64_t k = 0; k < n; k++)
            y[k] = a[k] + b[k];
    else
        for (int64_t r = 0; r < n; r += l->pitch)
            for (int64_t c = 0; c < l->channels; c++)
                y[r + c] = fmaf(a[r + c], j->ma[c], b[r + c] * j->mb[c]);
}

struct add_state {
    const mxdi_act_quantizer *to;
    float                    *ma, *mb;
    double                   *step;
}; /* step: (channels) of y, the quantizer's each */

/* In front of a quantizer the sum counts its steps. docs/numerics.md: two stored values, fmaf(q1,
 * s1/sy, q2*(s2/sy)); a sum and a stored value, fmaf(q2, s2/sy, acc*M). */
static void set_ratios(struct add_state *s, const mxdi_train_value *a, const mxdi_train_value *b,
                       int64_t channels)
{
    for (int64_t c = 0; c < channels; c++) {
        s->ma[c]   = (float)(a->step[a->n_step == 1 ? 0 : c] / ((double)s->to->s * a->count));
        s->mb[c]   = (float)(b->step[b->n_step == 1 ? 0 : c] / ((double)s->to->s * b->count));
        s->step[c] = s->to->step;
    }
}

static mxd_status add_forward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct add_state *const s = op->state;
    struct add_job          j = {
                 t,     &t->value[op->in[0]], &t->value[op->in[1]], &t->value[op->out], s->ma,
                 s->mb, { false, false }
    };
    (void)err;
    if (s->to)
        set_ratios(s, j.a, j.b, j.y->layout.channels);
    mxdi_tape_each_block(t, add_block, &j);
    return MXD_OK;
}

MXDI_CLONES static void add_grad_block(void *arg, int64_t block, unsigned thread)
{
    const struct add_job *const   j = arg;
    const int64_t                 n = j->y->layout.block_stride, at = block * n;
    const mxdi_train_value *const in[2] = { j->a, j->b };
    (void)thread;
    for (int i = 0; i < 2; i++) {
        if (!in[i]->wants_grad)
            continue;
        for (int64_t k = at; k < at + n; k++)
            in[i]->dx[k] = j->add[i] ? in[i]->dx[k] + j->y->dx[k] : j->y->dx[k];
    }
}

static mxd_status add_backward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct add_job j = {
        t,    &t->value[op->in[0]],      &t->value[op->in[1]], &t->value[op->out], NULL,
        NULL, { op->add[0], op->add[1] }
    };
    (void)err;
    mxdi_tape_each_block(t, add_grad_block, &j);
    return MXD_OK;
}

static const mxdi_train_kind add_kind = { "add", NULL, add_forward, add_backward, NULL, NULL };

static bool stored(const mxdi_train_value *v)
{
    return v->form == MXDI_FORM_STORED;
}

static bool summed(const mxdi_train_value *v)
{
    return v->form == MXDI_FORM_SUMS;
}

mxd_status mxdi_train_build_add(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const a = &t->graph->value[node->in[0]], *const b =
                                                                  &t->graph->value[node->in[1]];
    uint32_t       in[2] = { node->in[0], node->in[1] };
    const uint32_t y     = node->out[0];
    mxdi_train_op *op;
    if (a->data || b->data || a->rank != b->rank ||
        memcmp(a->dim, b->dim, (size_t)a->rank * sizeof(a->dim[0])) != 0)
        return mxdi_tape_refuse(node, "two activations of one shape expected", err);
    const mxdi_act_quantizer *const to = mxdi_act_quantizer_behind(t, y);
    const mxdi_train_value *const va = &t->value[in[0]], *const vb = &t->value[in[1]];
    const bool integers = to && ((stored(va) && stored(vb)) || (stored(va) && summed(vb)) ||
                                 (summed(va) && stored(vb)));
    if (integers && summed(va)) { /* the stored one is the fmaf's */
        in[0] = node->in[1];
        in[1] = node->in[0];
    }
    for (uint32_t k = 0; k < 2 && !integers; k++)
        MXD_TRY(mxdi_tape_real(&in[k], t, in[k], err));
    MXD_TRY(mxdi_tape_value(t, y, err));
    MXD_TRY(mxdi_tape_add(&op, t, &add_kind, node->name, in, 2, y, sizeof(struct add_state), err));
    op->reads_in = op->reads_out = false;
    if (!integers)
        return MXD_OK;
    struct add_state *const s = op->state;
    s->to                     = to;
    s->ma                     = MXDI_NEW(&t->arena, float, (size_t)t->value[y].layout.pitch);
    s->mb                     = MXDI_NEW(&t->arena, float, (size_t)t->value[y].layout.pitch);
    s->step                   = MXDI_NEW(&t->arena, double, (size_t)t->value[y].layout.pitch);
    if (!s->ma || !s->mb || !s->step)
        return mxdi_nomem(err);
    t->value[y].step   = s->step;
    t->value[y].n_step = t->value[y].layout.channels; /* fractions of steps */
    return MXD_OK;
}

/* ---- Dropout ---- */

struct dropout {
    float    ratio;
    uint64_t seed;
};
struct dropout_job {
    const mxdi_train_value *x, *y;
    const struct dropout   *d;
    int64_t                 step;
    bool                    active, add;
};

static inline float keep(const mxdi_blocked *l, const struct dropout_job *j, int64_t k)
{
    (void)l;
    uint64_t h = j->d->seed + (uint64_t)j->step * 0x9E3779B97F4A7C15u +
                 (uint64_t)k * 0xD1B54A32D192ED03u; /* splitmix64 of the place */
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    h ^= h >> 31;
    return (float)(h >> 40) * 0x1p-24f >= j->d->ratio ? 1.0f / (1.0f - j->d->ratio) : 0.0f;
}

static void dropout_block(void *arg, int64_t block, unsigned thread)
{
    const struct dropout_job *const j = arg;
    const mxdi_blocked *const       l = &j->x->layout;
    const int64_t                   n = l->block_stride, at = block * n;
    (void)thread;
    for (int64_t k = at; k < at + n; k++)
        j->y->x[k] = j->active ? j->x->x[k] * keep(l, j, k) : j->x->x[k];
}

static mxd_status dropout_forward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct dropout_job j = {
        &t->value[op->in[0]], &t->value[op->out], op->state, t->step, t->training, false
    };
    (void)err;
    mxdi_tape_each_block(t, dropout_block, &j);
    return MXD_OK;
}

static void dropout_grad_block(void *arg, int64_t block, unsigned thread)
{
    const struct dropout_job *const j = arg;
    const mxdi_blocked *const       l = &j->x->layout;
    const int64_t                   n = l->block_stride, at = block * n;
    (void)thread;
    for (int64_t k = at; k < at + n; k++) {
        const float g = j->active ? j->y->dx[k] * keep(l, j, k) : j->y->dx[k];
        j->x->dx[k]   = j->add ? j->x->dx[k] + g : g;
    }
}

static mxd_status dropout_backward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct dropout_job j = { &t->value[op->in[0]], &t->value[op->out], op->state, t->step,
                             t->training,          op->add[0] };
    (void)err;
    mxdi_tape_each_block(t, dropout_grad_block, &j);
    return MXD_OK;
}

static const mxdi_train_kind dropout_kind = { "dropout",        NULL, dropout_forward,
                                              dropout_backward, NULL, NULL };

mxd_status mxdi_train_build_dropout(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const r = mxdi_tape_constant(t, node, 1);
    const float    ratio     = r ? *(const float *)r->data : mxd_node_float(node, "ratio", 0.5f);
    uint32_t       x;
    mxdi_train_op *op;
    if (node->n_out > 1 && node->out[1] != MXD_NO_VALUE && t->links.n_uses[node->out[1]])
        return mxdi_tape_refuse(node, "the mask is read by others", err);
    if (!(ratio >= 0.0f && ratio < 1.0f))
        return mxdi_tape_refuse(node, "a ratio from 0 up to 1 expected", err);
    MXD_TRY(mxdi_tape_real(&x, t, node->in[0], err));
    MXD_TRY(mxdi_tape_value(t, node->out[0], err));
    MXD_TRY(mxdi_tape_add(&op, t, &dropout_kind, node->name, &x, 1, node->out[0],
                          sizeof(struct dropout), err));
    op->reads_in = op->reads_out = false;
    *(struct dropout *)op->state =
        (struct dropout){ ratio, t->options.seed ^ ((uint64_t)t->n_ops << 32) };
    return MXD_OK;
}

/* ---- Cast: to a 16-bit float and back is a rounding, straight through ---- */

struct cast_job {
    const mxdi_train_value *x, *y;
    mxd_dtype               half;
    bool                    add;
};

static void cast_block(void *arg, int64_t block, unsigned thread)
{
    const struct cast_job *const j = arg;
    const int64_t                n = j->x->layout.block_stride, at = block * n;
    (void)thread;
    for (int64_t k = at; k < at + n; k++)
        j->y->x[k] = j->half == MXD_BF16 ? mxdi_bf16_to_f32(mxdi_f32_to_bf16(j->x->x[k]))
                                         : mxdi_f16_to_f32(mxdi_f32_to_f16(j->x->x[k]));
}

static mxd_status cast_forward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct cast_job j = { &t->value[op->in[0]], &t->value[op->out], t->value[op->out].half, false };
    (void)err;
    mxdi_tape_each_block(t, cast_block, &j);
    return MXD_OK;
}

static mxd_status cast_backward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct relu_job        j = { &t->value[op->out], &t->value[op->out], t->value[op->out].x, 1.0f,
                                 op->add[0] }; /* a slope of 1, whatever the sign */
    const mxdi_train_value x = { .layout = j.x->layout, .x = j.x->x, .dx = t->value[op->in[0]].dx };
    (void)err;
    j.x = &x;
    mxdi_tape_each_block(t, relu_grad_block, &j);
    return MXD_OK;
}

static const mxdi_train_kind cast_kind = { "cast", NULL, cast_forward, cast_backward, NULL, NULL };

mxd_status mxdi_train_build_cast(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    const mxd_dtype to = t->graph->value[node->out[0]].dtype;
    uint32_t        x;
    mxdi_train_op  *op;
    if (to == MXD_F32) { /* back from what was rounded */
        mxdi_tape_alias(t, node->out[0], node->in[0]);
        return MXD_OK;
    }
    if (to != MXD_BF16 && to != MXD_F16)
        return mxdi_tape_refuse(node, "a cast to f32, bf16 or f16 expected", err);
    MXD_TRY(mxdi_tape_real(&x, t, node->in[0], err));
    MXD_TRY(mxdi_tape_value(t, node->out[0], err));
    t->value[node->out[0]].half = to;
    MXD_TRY(mxdi_tape_add(&op, t, &cast_kind, node->name, &x, 1, node->out[0], 1, err));
    op->reads_in = op->reads_out = false;
    return MXD_OK;
}
