/* SPDX-License-Identifier: Apache-2.0
 *
 * MaxPool, AveragePool, GlobalAveragePool and ReduceMean over the image in training. Maxima and
 * means of whole windows of integers stay integers: the mean as a sum, whose step is a share of
 * x's.
 */
#include <math.h>

#include "ir/ops.h"
#include "kernels/pool_grad_f32/pool_grad_f32.h"
#include "train/tape.h"

struct pool {
    mxdi_pool_desc desc;
    bool           is_max;
    float          sum_of; /* y is the sum of so many instead of the mean; 0: the mean */
};

struct pool_job {
    const struct pool      *p;
    const mxdi_train_value *x, *y;
    uint32_t                isa;
    bool                    add;
};

static void forward_lines(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct pool_job *const   j = arg;
    const mxdi_pool_blocked *const k = mxdi_pool_blocked_select(j->isa);
    const mxdi_blocked *const      l = &j->p->desc.y;
    (void)thread;
    if (j->p->is_max)
        k->max_f32(j->y->x, j->x->x, &j->p->desc, (int64_t)begin, (int64_t)end);
    else
        k->average_f32(j->y->x, j->x->x, &j->p->desc, (int64_t)begin, (int64_t)end);
    if (j->p->sum_of == 0.0f)
        return;
    for (size_t line = begin; line < end;
         line++) { /* the mean of n integers times n is off by less than 1/2 */
        float *const y = j->y->x + (int64_t)line / l->h * l->block_stride +
                         (int64_t)line % l->h * mxdi_blocked_row(l);
        for (int64_t i = 0; i < mxdi_blocked_row(l); i++)
            y[i] = rintf(y[i] * j->p->sum_of);
    }
}

static mxd_status pool_forward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct pool_job j = { op->state, &t->value[op->in[0]], &t->value[op->out], t->options.isa,
                          false };
    (void)err;
    mxdi_parallel_for(t->pool, forward_lines, &j, (size_t)(mxdi_tape_blocks(t) * j.p->desc.y.h));
    return MXD_OK;
}

static void backward_blocks(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct pool_job *const    j = arg;
    const mxdi_pool_grad_f32 *const k = mxdi_pool_grad_f32_select(j->isa);
    (void)thread;
    if (j->p->is_max)
        k->max(j->x->dx, j->y->dx, j->x->x, j->y->x, &j->p->desc, j->add, (int64_t)begin,
               (int64_t)end);
    else
        k->average(j->x->dx, j->y->dx, &j->p->desc, j->add, (int64_t)begin, (int64_t)end);
}

static mxd_status pool_backward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct pool_job j = { op->state, &t->value[op->in[0]], &t->value[op->out], t->options.isa,
                          op->add[0] };
    (void)err;
    mxdi_parallel_for(t->pool, backward_blocks, &j, (size_t)mxdi_tape_blocks(t));
    return MXD_OK;
}

static const mxdi_train_kind pool_kind = { "pool", NULL, pool_forward, pool_backward, NULL, NULL };

/* A window as large as the image. */
static mxdi_window2d whole_image(const mxdi_blocked *x)
{
    return (mxdi_window2d){ x->h, x->w, 1, 1, 1, 1, 0, 0 };
}

static bool reduces_image(const mxdi_tape *t, const mxd_node *node)
{
    const mxd_value *const x = &t->graph->value[node->in[0]];
    uint32_t               n_axes;
    const int64_t         *axes = mxd_node_ints(node, "axes", &n_axes);
    if (!axes && node->n_in > 1 && node->in[1] != MXD_NO_VALUE &&
        t->graph->value[node->in[1]].data) {
        axes   = t->graph->value[node->in[1]].data;
        n_axes = (uint32_t)(t->graph->value[node->in[1]].bytes / sizeof(int64_t));
    }
    if (!axes || x->rank < 3 || n_axes != (uint32_t)x->rank - 2)
        return false;
    for (uint32_t k = 0; k < n_axes; k++)
        if ((axes[k] < 0 ? axes[k] + x->rank : axes[k]) < 2)
            return false;
    return true;
}

/* From the node; *uniform: every output sees n values. */
static mxd_status set_window(struct pool *p, float *n, const mxdi_tape *t, const mxd_node *node,
                             mxd_error *err)
{
    const mxd_value *const x = &t->graph->value[node->in[0]];
    mxdi_window            g;
    const bool             global = mxdi_node_is(node, "GlobalAveragePool");
    *n                            = (float)p->desc.x.h * (float)p->desc.x.w;
    p->desc.window                = whole_image(&p->desc.x);
    if (mxdi_node_is(node, "ReduceMean") && !reduces_image(t, node))
        return mxdi_tape_refuse(node, "a mean over the image expected", err);
    if (global || mxdi_node_is(node, "ReduceMean"))
        return MXD_OK;
    if (x->rank < 3 || x->rank > 4 || (node->n_out > 1 && node->out[1] != MXD_NO_VALUE))
        return mxdi_tape_refuse(node, "a pool over one or two dimensions with one output expected",
                                err);
    MXD_TRY(mxdi_window_of(&g, node, x->dim + 2, NULL, x->rank - 2, err));
    const int32_t        w = x->rank - 3;
    mxdi_window2d *const d = &p->desc.window;
    *d                     = (mxdi_window2d){ 1, (int32_t)g.kernel[w],   1, (int32_t)g.stride[w],
                                              1, (int32_t)g.dilation[w], 0, (int32_t)g.pad_begin[w] };
    p->desc.pw_end         = (int32_t)g.pad_end[w];
    bool inside            = g.pad_begin[w] == 0 &&
                  (g.out[w] - 1) * g.stride[w] + (g.kernel[w] - 1) * g.dilation[w] < g.in[w];
    if (w == 1) {
        d->kh          = (int32_t)g.kernel[0];
        d->sh          = (int32_t)g.stride[0];
        d->dh          = (int32_t)g.dilation[0];
        d->ph          = (int32_t)g.pad_begin[0];
        p->desc.ph_end = (int32_t)g.pad_end[0];
        inside         = inside && g.pad_begin[0] == 0 &&
                 (g.out[0] - 1) * g.stride[0] + (g.kernel[0] - 1) * g.dilation[0] < g.in[0];
    }
    p->desc.count_include_pad = (int32_t)mxd_node_int(node, "count_include_pad", 0);
    *n                        = inside ? (float)d->kh * (float)d->kw : 0.0f;
    return MXD_OK;
}

mxd_status mxdi_train_build_pool(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    struct pool    p = { .is_max = mxdi_node_is(node, "MaxPool") };
    uint32_t       x = node->in[0];
    const uint32_t y = node->out[0];
    float          n;
    mxdi_train_op *op;
    p.desc.x = t->value[x].layout;
    MXD_TRY(set_window(&p, &n, t, node, err));
    const mxdi_train_value *v        = &t->value[x];
    const bool              integers = v->form == MXDI_FORM_STORED && n > 0.0f;
    if (!p.is_max && !integers)
        MXD_TRY(mxdi_tape_real(&x, t, x, err));
    MXD_TRY(mxdi_tape_value(t, y, err));
    p.desc.y          = t->value[y].layout;
    p.desc.x.channels = (int32_t)p.desc.x.pitch; /* whole pixels at once */
    p.desc.y.channels = (int32_t)p.desc.y.pitch;
    p.sum_of          = !p.is_max && integers ? n : 0.0f;
    MXD_TRY(mxdi_tape_add(&op, t, &pool_kind, node->name, &x, 1, y, sizeof(p), err));
    memcpy(op->state, &p, sizeof(p));
    op->reads_in = op->reads_out = p.is_max;
    v                            = &t->value[x];
    t->value[y].step             = v->step;
    t->value[y].n_step           = v->n_step;
    t->value[y].count            = p.sum_of != 0.0f ? (double)n : v->count;
    t->value[y].lo               = v->lo;
    t->value[y].hi               = v->hi;
    t->value[y].form             = p.is_max ? mxdi_form_changed(v->form) : MXDI_FORM_OTHER;
    return MXD_OK;
}
