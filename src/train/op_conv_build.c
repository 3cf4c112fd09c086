/* SPDX-License-Identifier: Apache-2.0
 *
 * A tape's convolution from its node, and what it learned back into the graph.
 */
#include <math.h>

#include "base/dtype.h"
#include "ir/ops.h"
#include "train/op_conv.h"

/* The node of that name in the float graph: its weights are the ones that learn. */
static const mxd_node *node_named(const mxdi_graph *g, const char *name)
{
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (g->node[n].op && strcmp(g->node[n].name, name) == 0)
            return &g->node[n];
    return NULL;
}

static const mxd_value *float_constant(const mxdi_graph *g, const mxd_node *node, uint32_t k)
{
    const mxd_value *const v =
        node && node->n_in > k && node->in[k] != MXD_NO_VALUE ? &g->value[node->in[k]] : NULL;
    return v && v->data && v->dtype == MXD_F32 ? v : NULL;
}

static mxd_status set_window(struct mxdi_train_conv *c, const mxdi_tape *t, const mxd_node *node,
                             const mxd_value *w, mxd_error *err)
{
    c->window = (mxdi_window2d){ 1, 1, 1, 1, 1, 1, 0, 0 };
    c->groups = 1;
    if (!mxdi_node_is(node, "Conv")) {
        c->transposed  = !(mxdi_node_is(node, "Gemm") && mxd_node_int(node, "transB", 0));
        c->c_out       = w->dim[c->transposed ? 1 : 0];
        c->per_channel = w->dim[c->transposed ? 0 : 1];
        return MXD_OK;
    }
    mxdi_window            geometry;
    const mxd_value *const x    = &t->graph->value[node->in[0]];
    const int32_t          rank = x->rank - 2;
    MXD_TRY(mxdi_window_of(&geometry, node, x->dim + 2, w->dim + 2, rank, err));
    const int32_t at_w = rank - 1;
    c->window.kw       = (int32_t)w->dim[2 + at_w];
    c->window.sw       = (int32_t)geometry.stride[at_w];
    c->window.dw       = (int32_t)geometry.dilation[at_w];
    c->window.pw       = (int32_t)geometry.pad_begin[at_w];
    if (rank == 2) {
        c->window.kh = (int32_t)w->dim[2];
        c->window.sh = (int32_t)geometry.stride[0];
        c->window.dh = (int32_t)geometry.dilation[0];
        c->window.ph = (int32_t)geometry.pad_begin[0];
    }
    c->groups      = (int32_t)mxd_node_int(node, "group", 1);
    c->c_out       = w->dim[0];
    c->per_channel = w->dim[1] * c->window.kh * c->window.kw;
    c->depthwise   = c->groups > 1 && c->groups == x->dim[1] && c->c_out == c->groups;
    return MXD_OK;
}

static mxd_status check(const mxdi_tape *t, const mxd_node *node, const mxd_value *w,
                        mxd_error *err)
{
    const mxd_value *const x = &t->graph->value[node->in[0]];
    if (!w)
        return mxdi_tape_refuse(node, "constant float weights expected", err);
    if (mxdi_node_is(node, "Conv"))
        return x->rank == 3 || x->rank == 4
                   ? MXD_OK
                   : mxdi_tape_refuse(node, "convolutions over one or two dimensions only", err);
    if (x->rank != 2 || w->rank != 2 || mxd_node_int(node, "transA", 0) ||
        mxd_node_float(node, "alpha", 1.0f) != 1.0f || mxd_node_float(node, "beta", 1.0f) != 1.0f)
        return mxdi_tape_refuse(node, "a plain product of (N, K) with (K, M) expected", err);
    return MXD_OK;
}

/* Room for a step's weights, and the gradient's kernel. */
static mxd_status give_room(struct mxdi_train_conv *c, mxdi_tape *t, mxd_error *err)
{
    const size_t                   n = (size_t)(c->per_channel * c->c_out);
    const mxdi_conv_wgrad_f32_desc d = { t->value[c->x].layout, t->value[c->y].layout, c->window,
                                         c->groups, 0 };
    const bool as_they_are           = !c->wq && !c->transposed && t->value[c->x].half == MXD_NONE;
    c->real   = as_they_are ? c->weight->w : mxdi_arena_alloc(&t->arena, n, sizeof(float), 64);
    c->q      = c->wq ? mxdi_arena_alloc(&t->arena, n, sizeof(float), 64) : c->real;
    c->master = c->transposed ? mxdi_arena_alloc(&t->arena, n, sizeof(float), 64) : c->weight->w;
    c->grad   = c->transposed ? mxdi_arena_alloc(&t->arena, n, sizeof(float), 64) : c->weight->dw;
    c->bias_q = MXDI_NEW(&t->arena, float, (size_t)c->c_out);
    if (!c->real || !c->q || !c->master || !c->grad || !c->bias_q)
        return mxdi_nomem(err);
    MXD_TRY(mxdi_conv_wgrad_f32_create(&c->wgrad, &d, t->options.isa, t->arena.alloc, err));
    mxdi_tape_need_workspace(t, mxdi_conv_wgrad_f32_workspace(c->wgrad, mxdi_tape_blocks(t)));
    return mxdi_tape_grow_scratch(t, mxdi_conv_wgrad_f32_scratch(c->wgrad), err);
}

static mxd_status give_parameters(struct mxdi_train_conv *c, mxdi_tape *t, const mxd_node *node,
                                  const mxd_value *w, const mxd_value *b, mxd_error *err)
{
    int64_t n;
    c->weight_name = w->name;
    MXD_TRY(mxdi_tape_param(&c->weight, t, w->name, MXDI_PARAM_WEIGHT, w->data,
                            c->c_out * c->per_channel, err));
    c->weight->fan_in = c->per_channel;
    if (!b)
        return MXD_OK;
    if (!mxdi_shape_count(&n, b->dim, b->rank) || n != c->c_out)
        return mxdi_tape_refuse(node, "a bias for each output channel expected", err);
    c->bias_name = b->name;
    return mxdi_tape_param(&c->bias, t, b->name, MXDI_PARAM_BIAS, b->data, n, err);
}

static const mxd_node *dequantizer_of(const mxdi_tape *t, uint32_t value)
{
    const uint32_t n = t->links.producer[value];
    return n != MXD_NO_VALUE && mxdi_node_is(&t->graph->node[n], "DequantizeLinear")
               ? &t->graph->node[n]
               : NULL;
}

/* Integers times integers, when both sides are quantized and the bias, too; else x as reals. */
static mxd_status choose_form(uint32_t *x, struct mxdi_train_conv *c, mxdi_tape *t,
                              const mxd_node *node, mxd_error *err)
{
    const mxd_node *const         d = dequantizer_of(t, node->in[1]);
    const mxdi_train_value *const v = &t->value[node->in[0]];
    const bool                    float_bias =
        node->n_in > 2 && node->in[2] != MXD_NO_VALUE && !dequantizer_of(t, node->in[2]);
    *x = node->in[0];
    if (d) {
        MXD_TRY(mxdi_weight_quantizer_create(&c->wq, t, d, node, c->c_out, err));
        if (v->form == MXDI_FORM_STORED && !float_bias) {
            c->step = MXDI_NEW(&t->arena, double, (size_t)c->c_out);
            return c->step ? MXD_OK : mxdi_nomem(err);
        }
    }
    return mxdi_tape_real(x, t, *x, err);
}

mxd_status mxdi_train_build_conv(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    const mxd_node *const  from = node_named(t->origin, node->name);
    const mxd_value *const w = float_constant(t->origin, from, 1), *const b = float_constant(
                                                                       t->origin, from, 2);
    struct mxdi_train_conv c = { .y = node->out[0] };
    mxdi_train_op         *op;
    MXD_TRY(check(t, node, w, err));
    MXD_TRY(set_window(&c, t, node, w, err));
    MXD_TRY(choose_form(&c.x, &c, t, node, err));
    MXD_TRY(mxdi_tape_value(t, c.y, err));
    MXD_TRY(give_parameters(&c, t, node, w, b, err));
    mxd_status st = give_room(&c, t, err);
    if (st == MXD_OK)
        st = mxdi_tape_add(&op, t, &mxdi_train_conv_kind, node->name, &c.x, 1, c.y, sizeof(c), err);
    if (st != MXD_OK) {
        mxdi_conv_wgrad_f32_destroy(c.wgrad);
        return st;
    }
    memcpy(op->state, &c, sizeof(c));
    mxdi_train_value *const y = &t->value[c.y];
    y->step                   = c.step;
    y->n_step                 = c.c_out;
    y->form                   = c.step ? MXDI_FORM_SUMS : MXDI_FORM_OTHER;
    y->wants_grad             = true;
    return MXD_OK;
}

/* ---- export ---- */

static mxd_status replace_data(mxdi_graph *g, uint32_t value, const void *data, size_t bytes,
                               mxd_error *err)
{
    void *const copy = mxdi_arena_memdup(&g->arena, data, bytes, 64);
    if (!copy)
        return mxdi_nomem(err);
    g->value[value].data = copy;
    return MXD_OK;
}

static mxd_status export_floats(mxdi_graph *g, const char *name, const mxdi_param *p,
                                mxd_error *err)
{
    const uint32_t v = name ? mxdi_graph_find_value(g, name) : MXD_NO_VALUE;
    if (v == MXD_NO_VALUE || !g->value[v].data || g->value[v].bytes != (size_t)p->n * sizeof(float))
        return MXD_OK; /* a quantized layer's: written as integers */
    return replace_data(g, v, p->w, (size_t)p->n * sizeof(float), err);
}

/* Integers (c_out, per_channel) in the graph's order and stored type. */
static mxd_status export_integers(const struct mxdi_train_conv *c, mxdi_graph *g, uint32_t value,
                                  mxd_error *err)
{
    const int64_t  n      = c->c_out * c->per_channel;
    int8_t *const  q      = MXDI_NEW(&g->arena, int8_t, (size_t)n);
    uint8_t *const packed = MXDI_NEW(&g->arena, uint8_t, (size_t)(n + 1) / 2);
    if (!q || !packed)
        return mxdi_nomem(err);
    for (int64_t o = 0; o < c->c_out; o++)
        for (int64_t k = 0; k < c->per_channel; k++)
            q[c->transposed ? k * c->c_out + o : o * c->per_channel + k] =
                (int8_t)c->q[o * c->per_channel + k];
    for (int64_t k = 0; k < n; k++)
        packed[k / 2] = (uint8_t)(packed[k / 2] | (q[k] & 15) << (k % 2 * 4));
    g->value[value].data = g->value[value].dtype == MXD_S4 ? (const void *)packed : (const void *)q;
    return MXD_OK;
}

static mxd_status export_quantized(const mxdi_tape *t, const struct mxdi_train_conv *c,
                                   const mxd_node *layer, mxdi_graph *g, mxd_error *err)
{
    const mxd_node *const d = node_named(g, c->wq->dequantizer->name);
    if (!d)
        return mxdi_fail(err, MXD_E_INVAL, "'%s': not in the graph to export",
                         c->wq->dequantizer->name);
    MXD_TRY(export_integers(c, g, d->in[0], err));
    MXD_TRY(replace_data(g, d->in[1], c->wq->s, g->value[d->in[1]].bytes, err));
    if (!c->bias || !c->step || layer->n_in < 3)
        return MXD_OK;
    for (uint32_t n = 0; n < g->n_nodes; n++) { /* int32 at the step of the sums */
        const mxd_node *const db = &g->node[n];
        if (!mxdi_node_is(db, "DequantizeLinear") || db->out[0] != layer->in[2])
            continue;
        int32_t *const q = MXDI_NEW(&g->arena, int32_t, (size_t)c->c_out);
        float *const   s = MXDI_NEW(&g->arena, float, (size_t)c->c_out);
        if (!q || !s)
            return mxdi_nomem(err);
        for (int64_t o = 0; o < c->c_out; o++) {
            q[o] = (int32_t)c->bias_q[o];
            s[o] = (float)c->step[o];
        }
        g->value[db->in[0]].data = q;
        g->value[db->in[1]].data = s;
    }
    (void)t;
    return MXD_OK;
}

mxd_status mxdi_train_conv_export(const mxdi_tape *t, const mxdi_train_op *op, mxdi_graph *g,
                                  mxd_error *err)
{
    const struct mxdi_train_conv *const c     = op->state;
    const mxd_node *const               layer = node_named(g, op->name);
    if (!layer)
        return mxdi_fail(err, MXD_E_INVAL, "'%s': not in the graph to export", op->name);
    MXD_TRY(export_floats(g, c->bias_name, c->bias, err));
    return c->wq ? export_quantized(t, c, layer, g, err)
                 : export_floats(g, c->weight_name, c->weight, err);
}
