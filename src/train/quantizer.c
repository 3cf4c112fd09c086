/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizers of activations: found in the graph, tied where they repeat each other, and their scale
 * and zero point of each step.
 */
#include "train/quantizer.h"

#include <math.h>
#include <stdio.h>

#include "base/dtype.h"
#include "quant/qdq.h"

static const mxd_node *maker(const mxdi_tape *t, uint32_t value)
{
    const uint32_t n = value == MXD_NO_VALUE ? MXD_NO_VALUE : t->links.producer[value];
    return n == MXD_NO_VALUE ? NULL : &t->graph->node[n];
}

static bool is_move(const mxd_node *n)
{
    static const char *const names[] = { "Reshape",  "Flatten", "Squeeze", "Unsqueeze",
                                         "Identity", "Slice",   "MaxPool" };
    for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
        if (mxdi_node_is(n, names[k]))
            return true;
    return false;
}

/* The activation quantizer whose integers `value` holds, perhaps moved. */
static mxdi_act_quantizer **source_of(const mxdi_tape *t, uint32_t value)
{
    const mxd_node *n = maker(t, value);
    while (n && is_move(n))
        n = maker(t, n->in[0]);
    if (!n || !mxdi_node_is(n, "DequantizeLinear"))
        return NULL;
    n = maker(t, n->in[0]);
    return n && mxdi_node_is(n, "QuantizeLinear") ? &t->quantizer[n - t->graph->node] : NULL;
}

static bool same_parameters(const mxdi_act_quantizer *a, const mxdi_act_quantizer *b)
{
    return a->s == b->s && a->z == b->z && a->is_signed == b->is_signed && a->bits == b->bits;
}

/* Quantizers that only repeat what stands before them become one. */
static void tie(const mxdi_tape *t, uint32_t n)
{
    const mxd_node *const           q      = &t->graph->node[n];
    const mxd_node *const           from   = maker(t, q->in[0]);
    const mxdi_act_quantizer *const own    = t->quantizer[n];
    const bool                      concat = from && mxdi_node_is(from, "Concat");
    for (uint32_t k = 0; k < (concat ? from->n_in : 1); k++) {
        mxdi_act_quantizer **const source = source_of(t, concat ? from->in[k] : q->in[0]);
        if (!source || !*source || *source == t->quantizer[n] ||
            !same_parameters(*source, t->quantizer[n]))
            continue;
        const mxdi_act_quantizer *const old = t->quantizer[n];
        if (old != own) /* two parts of a concatenation: as one tensor */
            (*source)->features += old->features;
        for (uint32_t m = 0; m <= n; m++)
            if (t->quantizer[m] == old)
                t->quantizer[m] = *source;
    }
}

/* Integers [q_min, q_max] of a Clip to whole steps of a power of two of them, fewer than storage
 * has. */
static bool clip_bits(int32_t *q_min, uint32_t *bits, const mxdi_tape *t, const mxd_node *clip,
                      float s, int32_t z)
{
    const mxd_value *const low = mxdi_tape_constant(t, clip, 1), *const high =
                                                                     mxdi_tape_constant(t, clip, 2);
    if (!low || !high)
        return false;
    const float   lo = *(const float *)low->data, hi = *(const float *)high->data;
    const int64_t a = (int64_t)rintf(lo / s), b = (int64_t)rintf(hi / s);
    if ((float)a * s != lo || (float)b * s != hi)
        return false;
    for (*bits = 2; *bits < 8; (*bits)++)
        if (b - a + 1 == (int64_t)1 << *bits) {
            *q_min = (int32_t)a + z;
            return true;
        }
    return false;
}

static void method_init(mxdi_act_quantizer *a, const mxdi_tape *t)
{
    const bool unsigned_range = a->z == a->q_min;
    a->method                 = t->options.method;
    if (a->method == MXDI_TRAIN_PACT && !unsigned_range)
        a->method = MXDI_TRAIN_MINMAX; /* PACT clips at 0 below */
}

static mxd_status give_parameters(mxdi_act_quantizer *a, mxdi_tape *t, mxd_error *err)
{
    const float range[4] = { (float)(a->symmetric ? -a->q_max : a->q_min - a->z) * a->s,
                             (float)(a->q_max - a->z) * a->s, 1.0f, 0.0f };
    char        name[256];
    method_init(a, t);
    if (a->method == MXDI_TRAIN_LSQ || a->method == MXDI_TRAIN_LSQ_PLUS) {
        snprintf(name, sizeof(name), "%.200s.scale", a->name);
        MXD_TRY(mxdi_tape_param(&a->scale, t, name, MXDI_PARAM_STEP, &a->s, 1, err));
        a->scale->floor = a->s * 1e-3f;
    }
    if (a->method == MXDI_TRAIN_LSQ_PLUS && a->z != a->q_min && !a->symmetric) {
        const float z = (float)a->z;
        snprintf(name, sizeof(name), "%.200s.offset", a->name);
        MXD_TRY(mxdi_tape_param(&a->offset, t, name, MXDI_PARAM_STEP, &z, 1, err));
    }
    if (a->method == MXDI_TRAIN_PACT) {
        snprintf(name, sizeof(name), "%.200s.alpha", a->name);
        MXD_TRY(mxdi_tape_param(&a->scale, t, name, MXDI_PARAM_STEP, &range[1], 1, err));
        a->scale->floor = range[1] * 1e-3f;
    }
    snprintf(name, sizeof(name), "%.200s.range", a->name);
    return mxdi_tape_param(&a->range, t, name, MXDI_PARAM_STATE, range, 4, err);
}

static mxd_status read_quantizer(mxdi_tape *t, uint32_t n, mxd_error *err)
{
    const mxd_node *const  q     = &t->graph->node[n];
    const mxd_value *const scale = mxdi_tape_constant(t, q, 1);
    const mxd_dtype        type  = t->graph->value[q->out[0]].dtype;
    int64_t                lo, hi, z = 0;
    if (!scale || scale->bytes != sizeof(float) || !mxdi_dtype_range(type, &lo, &hi) ||
        hi - lo > 255)
        return mxdi_tape_refuse(
            q, "a constant scale per tensor and integers of 8 bits or fewer expected", err);
    if (q->n_in > 2 && q->in[2] != MXD_NO_VALUE) {
        if (!t->graph->value[q->in[2]].data)
            return mxdi_tape_refuse(q, "a constant zero point expected", err);
        z = mxdi_load_s64(t->graph->value[q->in[2]].data, type, 0);
    }
    mxdi_act_quantizer *const a = MXDI_NEW(&t->arena, mxdi_act_quantizer, 1);
    if (!a)
        return mxdi_nomem(err);
    *a                         = (mxdi_act_quantizer){ .name       = q->name,
                                                       .storage_lo = (int32_t)lo,
                                                       .storage_hi = (int32_t)hi,
                                                       .q_min      = (int32_t)lo,
                                                       .q_max      = (int32_t)hi,
                                                       .is_signed  = lo < 0,
                                                       .symmetric  = lo < 0 && z == 0,
                                                       .bits       = mxd_dtype_bits(type),
                                                       .s          = *(const float *)scale->data,
                                                       .z          = (int32_t)z };
    const mxd_node *const clip = maker(t, q->in[0]);
    int32_t               q_min;
    uint32_t              bits;
    if (clip && mxdi_node_is(clip, "Clip") && clip_bits(&q_min, &bits, t, clip, a->s, a->z) &&
        bits < a->bits) {
        a->q_min = q_min;
        a->q_max = q_min + (1 << bits) - 1;
        a->bits  = bits;
    }
    const mxd_value *const x = &t->graph->value[q->in[0]];
    a->features              = 1;
    for (int32_t k = 1; k < x->rank; k++)
        a->features *= x->dim[k];
    t->quantizer[n] = a;
    return MXD_OK;
}

mxd_status mxdi_act_quantizers(mxdi_tape *t, mxd_error *err)
{
    const mxdi_graph *const g = t->graph;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (!mxdi_node_is(&g->node[n], "QuantizeLinear") || g->value[g->node[n].in[0]].data)
            continue;
        MXD_TRY(read_quantizer(t, n, err));
        tie(t, n);
    }
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (t->quantizer[n] && !t->quantizer[n]->range)
            MXD_TRY(give_parameters(t->quantizer[n], t, err));
    return MXD_OK;
}

bool mxdi_clip_is_of_quantizer(const mxdi_tape *t, const mxd_node *clip)
{
    const uint32_t v = clip->out[0];
    if (t->links.n_uses[v] != 1 || mxdi_graph_is_output(t->graph, v))
        return false;
    const uint32_t                  n = t->links.user[t->links.first_use[v]];
    const mxdi_act_quantizer *const a = t->quantizer[n];
    int32_t                         q_min;
    uint32_t                        bits;
    return a && (a->q_min != a->storage_lo || a->q_max != a->storage_hi) &&
           clip_bits(&q_min, &bits, t, clip,
                     *(const float *)mxdi_tape_constant(t, &t->graph->node[n], 1)->data, a->z) &&
           bits == a->bits;
}

const mxdi_act_quantizer *mxdi_act_quantizer_behind(const mxdi_tape *t, uint32_t value)
{
    for (;;) {
        if (t->links.n_uses[value] != 1 || mxdi_graph_is_output(t->graph, value))
            return NULL;
        const uint32_t        n    = t->links.user[t->links.first_use[value]];
        const mxd_node *const node = &t->graph->node[n];
        if (mxdi_node_is(node, "QuantizeLinear"))
            return t->quantizer[n];
        if (!is_move(node) && !mxdi_node_is(node, "Relu") && !mxdi_node_is(node, "Clip"))
            return NULL;
        value = node->out[0];
    }
}

static void prepare(mxdi_act_quantizer *a)
{
    float *const range = a->range->w;
    if (a->method == MXDI_TRAIN_MINMAX &&
        range[2] <= range[3]) { /* NNI's moving average of 0.99 (docs/training.md) */
        range[0] = fminf(0.99f * range[0] + 0.01f * range[2], 0.0f);
        range[1] = fmaxf(0.99f * range[1] + 0.01f * range[3], 0.0f);
    }
    range[2] = 1.0f;
    range[3] = 0.0f;
    switch (a->method) {
    case MXDI_TRAIN_MINMAX: {
        const int32_t storage_min = a->storage_lo;
        mxdi_qdq_affine(&a->s, &a->z, range[0], range[1], a->bits, a->is_signed, a->symmetric);
        a->q_min = a->is_signed ? -(1 << (a->bits - 1)) : storage_min;
        a->q_max = a->q_min + (1 << a->bits) - 1;
        break;
    }
    case MXDI_TRAIN_LSQ:
    case MXDI_TRAIN_LSQ_PLUS:
        a->s = a->scale->w[0];
        if (a->offset)
            a->z =
                (int32_t)rintf(mxdi_fake_clamp(a->offset->w[0], (float)a->q_min, (float)a->q_max));
        break;
    case MXDI_TRAIN_PACT:
        a->s = a->scale->w[0] / (float)(a->q_max - a->z);
        break;
    case MXDI_TRAIN_DOREFA:
    case MXDI_TRAIN_STEPS:
        break; /* the calibrated range stays */
    }
    a->step = (double)a->s;
}

void mxdi_act_quantizers_prepare(mxdi_tape *t)
{
    for (uint32_t n = 0; n < t->graph->n_nodes; n++) {
        mxdi_act_quantizer *const a     = t->quantizer[n];
        bool                      first = a != NULL;
        for (uint32_t m = 0; m < n && first; m++)
            first = t->quantizer[m] != a;
        if (first)
            prepare(a);
    }
}
