/* SPDX-License-Identifier: Apache-2.0
 *
 * A tape from a graph: values get layouts, nodes become operations by the table below.
 */
#include <math.h>

#include "base/dtype.h"
#include "train/clones.h"
#include "train/quantizer.h"
#include "train/tape.h"

static const struct {
    const char         *op;
    mxdi_train_build_fn build;
} builders[] = {
    { "Conv", mxdi_train_build_conv },
    { "Gemm", mxdi_train_build_conv },
    { "MatMul", mxdi_train_build_conv },
    { "BatchNormalization", mxdi_train_build_norm },
    { "Relu", mxdi_train_build_relu },
    { "LeakyRelu", mxdi_train_build_relu },
    { "Clip", mxdi_train_build_clip },
    { "Add", mxdi_train_build_add },
    { "Dropout", mxdi_train_build_dropout },
    { "Concat", mxdi_train_build_concat },
    { "MaxPool", mxdi_train_build_pool },
    { "AveragePool", mxdi_train_build_pool },
    { "GlobalAveragePool", mxdi_train_build_pool },
    { "ReduceMean", mxdi_train_build_pool },
    { "Flatten", mxdi_train_build_reshape },
    { "Reshape", mxdi_train_build_reshape },
    { "Squeeze", mxdi_train_build_reshape },
    { "Unsqueeze", mxdi_train_build_reshape },
    { "Identity", mxdi_train_build_reshape },
    { "Slice", mxdi_train_build_move },
    { "Pad", mxdi_train_build_move },
    { "QuantizeLinear", mxdi_train_build_quantize },
    { "DequantizeLinear", mxdi_train_build_dequantize },
    { "Cast", mxdi_train_build_cast },
};

mxd_status mxdi_tape_refuse(const mxd_node *node, const char *why, mxd_error *err)
{
    return mxdi_fail(err, MXD_E_UNSUPPORTED, "%s '%s': not trained: %s", node->op, node->name, why);
}

/* (N, C), (N, C, L) or (N, C, H, W) with the tape's batch. */
static bool layout_of(mxdi_blocked *out, const mxdi_tape *t, const mxd_value *v)
{
    if (v->rank < 2 || v->rank > 4 || v->dim[0] != t->options.batch)
        return false;
    for (int32_t k = 1; k < v->rank; k++)
        if (v->dim[k] < 1 || v->dim[k] > INT32_MAX)
            return false;
    out->h            = v->rank == 4 ? (int32_t)v->dim[2] : 1;
    out->w            = v->rank == 4 ? (int32_t)v->dim[3] : v->rank == 3 ? (int32_t)v->dim[2] : 1;
    out->channels     = (int32_t)v->dim[1];
    out->block        = MXDI_TRAIN_BLOCK;
    out->pitch        = ((int64_t)out->channels + 15) / 16 * 16;
    out->block_stride = (int64_t)out->h * mxdi_blocked_row(out);
    return true;
}

static void give_storage(mxdi_tape *t, mxdi_train_value *v)
{
    v->floats = v->layout.block_stride * mxdi_tape_blocks(t);
    v->root   = (uint32_t)(v - t->value);
    v->count  = 1.0;
    v->lo     = -INFINITY;
    v->hi     = INFINITY;
}

mxd_status mxdi_tape_value(mxdi_tape *t, uint32_t value, mxd_error *err)
{
    mxdi_train_value *const v     = &t->value[value];
    const mxd_value *const  shape = &t->graph->value[value];
    if (shape->rank > 0 && value == t->input && shape->dim[0] != t->options.batch)
        return mxdi_fail(
            err, MXD_E_UNSUPPORTED,
            "input '%s': not trained: an open first dimension expected, the network fixes a batch of %lld",
            v->name, (long long)shape->dim[0]);
    if (!layout_of(&v->layout, t, shape))
        return mxdi_fail(
            err, MXD_E_UNSUPPORTED,
            "'%s': not trained: (N, C), (N, C, L) or (N, C, H, W) expected of an activation",
            v->name);
    give_storage(t, v);
    return MXD_OK;
}

void mxdi_tape_alias(mxdi_tape *t, uint32_t value, uint32_t of)
{
    const char *const name = t->value[value].name;
    t->value[value]        = t->value[of];
    t->value[value].name   = name;
}

mxd_status mxdi_tape_add(mxdi_train_op **out, mxdi_tape *t, const mxdi_train_kind *kind,
                         const char *name, const uint32_t *in, uint32_t n_in, uint32_t value_out,
                         size_t state_bytes, mxd_error *err)
{
    mxdi_train_op *const op = &t->op[t->n_ops];
    *op                     = (mxdi_train_op){ .kind      = kind,
                                               .name      = name,
                                               .n_in      = n_in,
                                               .out       = value_out,
                                               .reads_in  = true,
                                               .reads_out = true };
    op->in    = mxdi_arena_memdup(&t->arena, in, n_in * sizeof(in[0]), _Alignof(uint32_t));
    op->add   = MXDI_NEW(&t->arena, bool, n_in);
    op->state = mxdi_arena_alloc(&t->arena, 1, state_bytes, 16);
    if (!op->in || !op->add || !op->state)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < n_in; k++)
        t->value[value_out].wants_grad =
            t->value[value_out].wants_grad || t->value[in[k]].wants_grad;
    t->n_ops++;
    *out = op;
    return MXD_OK;
}

mxd_status mxdi_tape_param(mxdi_param **out, mxdi_tape *t, const char *name, mxdi_param_kind kind,
                           const float *w, int64_t n, mxd_error *err)
{
    for (uint32_t k = 0; k < t->n_params; k++)
        if (strcmp(t->param[k]->name, name) == 0)
            return mxdi_fail(err, MXD_E_UNSUPPORTED, "'%s': not trained: two layers share it",
                             name);
    mxdi_param *const p = MXDI_NEW(&t->arena, mxdi_param, 1);
    if (!p)
        return mxdi_nomem(err);
    *p = (mxdi_param){
        .name = mxdi_arena_strdup(&t->arena, name), .kind = kind, .n = n, .floor = -INFINITY
    };
    p->w = mxdi_arena_memdup(&t->arena, w, (size_t)n * sizeof(float), 64);
    p->dw =
        kind == MXDI_PARAM_STATE ? NULL : mxdi_arena_alloc(&t->arena, (size_t)n, sizeof(float), 64);
    if (!p->name || !p->w || (kind != MXDI_PARAM_STATE && !p->dw))
        return mxdi_nomem(err);
    t->param[t->n_params++] = p;
    *out                    = p;
    return MXD_OK;
}

mxd_status mxdi_tape_grow_scratch(mxdi_tape *t, size_t bytes, mxd_error *err)
{
    bytes = (bytes + 63) / 64 * 64;
    if (bytes <= t->scratch_bytes)
        return MXD_OK;
    mxdi_free(t->arena.alloc, t->scratch);
    t->scratch_bytes = 0;
    t->scratch       = mxdi_alloc(t->arena.alloc, t->options.threads, bytes);
    if (!t->scratch)
        return mxdi_nomem(err);
    t->scratch_bytes = bytes;
    return MXD_OK;
}

void mxdi_tape_need_workspace(mxdi_tape *t, size_t bytes)
{
    t->workspace_bytes = bytes > t->workspace_bytes ? bytes : t->workspace_bytes;
}

void mxdi_tape_need_partial(mxdi_tape *t, int64_t width)
{
    t->partial_width = width > t->partial_width ? width : t->partial_width;
}

const mxd_value *mxdi_tape_constant(const mxdi_tape *t, const mxd_node *node, uint32_t k)
{
    if (node->n_in <= k || node->in[k] == MXD_NO_VALUE)
        return NULL;
    const mxd_value *const v = &t->graph->value[node->in[k]];
    return v->data && v->dtype == MXD_F32 ? v : NULL;
}

/* ---- reals from steps ---- */

MXDI_CLONES static void to_real_block(void *arg, int64_t block, unsigned thread)
{
    const mxdi_train_value *const *const pair = arg;
    const mxdi_train_value *const        x    = pair[0];
    const mxdi_train_value *const        y    = pair[1];
    const int64_t pitch = x->layout.pitch, rows = x->layout.block_stride / pitch,
                  at = block * x->layout.block_stride;
    (void)thread;
    for (int64_t c = 0; c < x->layout.channels; c++) {
        const float        s = x->step ? (float)(x->step[x->n_step == 1 ? 0 : c] / x->count) : 1.0f;
        const float *const from = x->x + at + c;
        float *const       to   = y->x + at + c;
        for (int64_t r = 0; r < rows; r++) {
            const float v = from[r * pitch] * s;
            to[r * pitch] = v < x->lo ? x->lo : v > x->hi ? x->hi : v;
        }
    }
}

static mxd_status to_real_forward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    const mxdi_train_value *pair[2] = { &t->value[op->in[0]], &t->value[op->out] };
    (void)err;
    mxdi_tape_each_block(t, to_real_block, (void *)pair);
    return MXD_OK;
}

MXDI_CLONES static void to_real_grad_block(void *arg, int64_t block, unsigned thread)
{
    struct {
        const mxdi_train_value *x, *y;
        bool                    add;
    } const *const a = arg;
    const int64_t  n = a->x->layout.block_stride, at = block * n;
    const float    lo = a->x->lo, hi = a->x->hi;
    (void)thread;
    for (int64_t k = at; k < at + n; k++) {
        const float inside = a->y->x[k] > lo && a->y->x[k] < hi ? a->y->dx[k] : 0.0f;
        a->x->dx[k]        = a->add ? a->x->dx[k] + inside : inside;
    }
}

static mxd_status to_real_backward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct {
        const mxdi_train_value *x, *y;
        bool                    add;
    } a = { &t->value[op->in[0]], &t->value[op->out], op->add[0] };
    (void)err;
    mxdi_tape_each_block(t, to_real_grad_block, &a);
    return MXD_OK;
}

static const mxdi_train_kind to_real = { "to_real",        NULL, to_real_forward,
                                         to_real_backward, NULL, NULL };

mxd_status mxdi_tape_real(uint32_t *out, mxdi_tape *t, uint32_t value, mxd_error *err)
{
    const mxdi_train_value *const x  = &t->value[value];
    mxdi_train_op                *op = NULL;
    *out                             = value;
    if (!x->step && x->lo == -INFINITY && x->hi == INFINITY)
        return MXD_OK;
    *out = t->real[value];
    if (*out != MXD_NO_VALUE)
        return MXD_OK;
    mxdi_train_value *const y = &t->value[t->n_values];
    y->name                   = x->name;
    y->layout                 = x->layout;
    give_storage(t, y);
    *out = t->real[value] = t->n_values++;
    MXD_TRY(mxdi_tape_add(&op, t, &to_real, x->name, &value, 1, *out, 1, err));
    op->reads_in = false;
    return MXD_OK;
}

/* ---- the tape ---- */

static bool is_last_softmax(const mxdi_tape *t, const mxd_node *node)
{
    return (mxdi_node_is(node, "Softmax") || mxdi_node_is(node, "LogSoftmax")) &&
           mxdi_graph_is_output(t->graph, node->out[0]) && t->graph->value[node->out[0]].rank == 2;
}

static mxd_status build_node(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    bool constant = node->n_in > 0;
    for (uint32_t k = 0; k < node->n_in; k++)
        constant = constant && (node->in[k] == MXD_NO_VALUE || t->graph->value[node->in[k]].data);
    if (constant)
        return MXD_OK; /* of the weights: read where they are used */
    if (!t->options.maps && is_last_softmax(t, node)) {
        t->output = node->in[0]; /* the loss has its own */
        return MXD_OK;
    }
    for (size_t k = 0; k < sizeof(builders) / sizeof(builders[0]); k++)
        if (node->domain[0] == '\0' && mxdi_node_is(node, builders[k].op))
            return builders[k].build(t, node, err);
    return mxdi_tape_refuse(node, "no gradient of this operation", err);
}

/* For each use of a value whether another use has written its gradient before. */
static mxd_status order_gradients(mxdi_tape *t, mxd_error *err)
{
    bool *const written = MXDI_NEW(&t->arena, bool, t->n_values);
    if (!written)
        return mxdi_nomem(err);
    written[t->value[t->output].root] = true;
    for (uint32_t n = t->n_ops; n-- > 0;)
        for (uint32_t k = 0; k < t->op[n].n_in; k++) {
            const mxdi_train_value *const x = &t->value[t->op[n].in[k]];
            if (!x->wants_grad || !t->value[t->op[n].out].wants_grad ||
                x->root == t->value[t->op[n].out].root)
                continue;
            t->op[n].add[k]  = written[x->root];
            written[x->root] = true;
        }
    return MXD_OK;
}

static mxd_status build(mxdi_tape *t, mxd_error *err)
{
    const mxdi_graph *const g = t->graph;
    if (g->n_inputs != 1 || g->n_outputs != 1)
        return mxdi_fail(err, MXD_E_UNSUPPORTED,
                         "a network with one input and one output expected, got %u and %u",
                         g->n_inputs, g->n_outputs);
    t->input  = g->input[0];
    t->output = g->output[0];
    mxdi_tape_need_partial(t, 1); /* the loss's */
    for (uint32_t v = 0; v < g->n_values; v++) {
        t->value[v].name = g->value[v].name;
        t->real[v]       = MXD_NO_VALUE;
    }
    MXD_TRY(mxdi_links_build(&t->links, g, err));
    MXD_TRY(mxdi_tape_value(t, t->input, err));
    MXD_TRY(mxdi_act_quantizers(t, err));
    for (uint32_t n = 0; n < g->n_nodes; n++)
        MXD_TRY(build_node(t, &g->node[n], err));
    if (!t->value[t->output].floats || (g->value[t->output].rank != 2 && !t->options.maps))
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "output '%s': logits (N, classes) expected",
                         t->value[t->output].name);
    MXD_TRY(mxdi_tape_real(&t->output, t, t->output, err));
    if (!t->value[t->output].wants_grad)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "nothing in this network can be trained");
    MXD_TRY(order_gradients(t, err));
    MXD_TRY(mxdi_tape_place(t, err));
    t->workspace = mxdi_arena_alloc(&t->arena, t->workspace_bytes + 64, 1, 64);
    t->partial   = MXDI_NEW(&t->arena, double,
                            (size_t)(t->partial_width * mxdi_tape_blocks(t) + t->n_params + 1));
    return t->workspace && t->partial ? MXD_OK : mxdi_nomem(err);
}

mxd_status mxdi_tape_create(mxdi_tape **out, const mxdi_graph *graph, const mxdi_graph *origin,
                            const mxdi_tape_options *options, const mxd_allocator *alloc,
                            mxd_error *err)
{
    *out               = NULL;
    mxdi_tape *const t = MXDI_ALLOC(alloc, mxdi_tape, 1);
    if (!t)
        return mxdi_nomem(err);
    mxdi_arena_init(&t->arena, alloc);
    t->options  = *options;
    t->graph    = graph;
    t->origin   = origin ? origin : graph;
    t->n_values = graph->n_values;
    t->links    = (mxdi_links)MXDI_LINKS_INIT;
    t->value    = MXDI_NEW(&t->arena, mxdi_train_value, 2 * (size_t)graph->n_values + 2);
    t->real     = MXDI_NEW(&t->arena, uint32_t, (size_t)graph->n_values + 1);
    t->op    = MXDI_NEW(&t->arena, mxdi_train_op, 2 * (size_t)graph->n_nodes + graph->n_values + 2);
    t->param = MXDI_NEW(&t->arena, mxdi_param *, 6 * (size_t)graph->n_nodes + 2);
    t->quantizer = MXDI_NEW(&t->arena, struct mxdi_act_quantizer *, (size_t)graph->n_nodes + 1);
    mxd_status st =
        t->value && t->real && t->op && t->param && t->quantizer ? MXD_OK : mxdi_nomem(err);
    if (st == MXD_OK)
        st = mxdi_pool_create(&t->pool, options->threads, err);
    t->options.threads = mxdi_pool_threads(t->pool);
    if (st == MXD_OK)
        st = build(t, err);
    if (st != MXD_OK) {
        mxdi_tape_destroy(t);
        return st;
    }
    *out = t;
    return MXD_OK;
}

void mxdi_tape_destroy(mxdi_tape *t)
{
    if (!t)
        return;
    for (uint32_t k = 0; k < t->n_ops; k++)
        if (t->op[k].kind->destroy)
            t->op[k].kind->destroy(t, &t->op[k]);
    const mxd_allocator *const alloc = t->arena.alloc;
    mxdi_pool_destroy(t->pool);
    mxdi_free(alloc, t->scratch);
    mxdi_tape_release(t);
    mxdi_links_free(&t->links);
    mxdi_arena_fini(&t->arena);
    mxdi_free(alloc, t);
}
