/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv, Gemm and MatMul with constant weights in training. Three forms: float; float with the
 * weights rounded to integers of a step; and integers times integers, whose sums stay integers with
 * a step for each output channel.
 */
#include "train/op_conv.h"
#include "train/clones.h"

#include <math.h>

#include "base/half.h"
#include "kernels/channel_sum_f32/channel_sum_f32.h"

/* ---- a step's weights ---- */

/* (K, N) of the graph to (N, K) of the kernels, or back. */
static void transpose(float *to, const float *from, int64_t rows, int64_t cols)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            to[c * rows + r] = from[r * cols + c];
}

static float round_half(float v, mxd_dtype half)
{
    return half == MXD_BF16 ? mxdi_bf16_to_f32(mxdi_f32_to_bf16(v))
                            : mxdi_f16_to_f32(mxdi_f32_to_f16(v));
}

/* Fills w (what the kernel multiplies with), real (what it stands for), bias and step. */
static void set_weights(struct mxdi_train_conv *c, const mxdi_tape *t)
{
    const mxdi_train_value *const x      = &t->value[c->x];
    const float                  *master = c->weight->w;
    const int64_t                 n      = c->per_channel * c->c_out;
    if (c->transposed) {
        transpose(c->real, master, c->per_channel, c->c_out);
        memcpy(c->master, c->real, (size_t)n * sizeof(float));
        master = c->master;
    }
    if (!c->wq) {
        for (int64_t k = 0; k < n && c->real != master; k++)
            c->real[k] = x->half == MXD_NONE ? master[k] : round_half(master[k], x->half);
        return;
    }
    const float *const b   = c->bias ? c->bias->w : NULL;
    const double       s_x = x->step ? x->step[0] : 1.0;
    mxdi_weight_quantizer_forward(c->wq, c->q, master, c->per_channel, b, s_x, 256);
    for (int64_t o = 0; o < c->c_out; o++) {
        const double s = s_x * (double)c->wq->s[o];
        for (int64_t k = 0; k < c->per_channel; k++)
            c->real[o * c->per_channel + k] = c->q[o * c->per_channel + k] * c->wq->s[o];
        if (c->step)
            c->step[o] = s;
        if (c->step && b)
            c->bias_q[o] =
                mxdi_fake_clamp((float)rint((double)b[o] / s), -1073741824.0f, 1073741824.0f);
    }
}

static mxd_status create_kernels(mxdi_tape *t, mxdi_train_op *op, const float *w, const float *bias,
                                 mxd_error *err)
{
    struct mxdi_train_conv *const c = op->state;
    const mxdi_train_value *const x = &t->value[c->x], *const y = &t->value[op->out];
    const float low = c->relu ? 0.0f : -INFINITY;
    if (c->depthwise) {
        const mxdi_dwconv_f32_desc d = { .x      = x->layout,
                                         .y      = y->layout,
                                         .window = c->window,
                                         .w      = w,
                                         .bias   = bias,
                                         .y_min  = low,
                                         .y_max  = INFINITY };
        MXD_TRY(mxdi_dwconv_f32_create(&c->dw, &d, t->options.isa, t->arena.alloc, err));
    } else {
        const mxdi_conv_f32_desc d = {
            .x         = x->layout,
            .y         = y->layout,
            .window    = c->window,
            .groups    = c->groups,
            .w         = w,
            .bias      = bias,
            .y_min     = low,
            .y_max     = INFINITY, /* Winograd rounds: sums of integers stay exact only directly */
            .algorithm = c->step ? MXDI_CONV_F32_DIRECT : MXDI_CONV_F32_AUTO
        };
        MXD_TRY(mxdi_conv_f32_create(&c->fwd, &d, t->options.isa, t->arena.alloc, err));
    }
    if (!x->wants_grad)
        return MXD_OK;
    const mxdi_conv_dgrad_f32_desc d = { .x          = x->layout,
                                         .y          = y->layout,
                                         .window     = c->window,
                                         .groups     = c->groups,
                                         .w          = c->real,
                                         .accumulate = op->add[0] };
    return mxdi_conv_dgrad_f32_create(&c->dgrad, &d, t->options.isa, t->arena.alloc, err);
}

static mxd_status conv_prepare(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct mxdi_train_conv *const c    = op->state;
    const float *const            bias = !c->bias ? NULL : c->step ? c->bias_q : c->bias->w;
    set_weights(c, t);
    const float *const w = c->step ? c->q : c->real;
    if (!c->dw && !c->fwd)
        return create_kernels(t, op, w, bias, err);
    if (c->dw)
        mxdi_dwconv_f32_set_weights(c->dw, w, bias);
    else
        mxdi_conv_f32_set_weights(c->fwd, w, bias);
    if (c->dgrad)
        mxdi_conv_dgrad_f32_set_weights(c->dgrad, c->real);
    return MXD_OK;
}

static void conv_destroy(mxdi_tape *t, mxdi_train_op *op)
{
    struct mxdi_train_conv *const c = op->state;
    (void)t;
    mxdi_conv_f32_destroy(c->fwd);
    mxdi_dwconv_f32_destroy(c->dw);
    mxdi_conv_dgrad_f32_destroy(c->dgrad);
    mxdi_conv_wgrad_f32_destroy(c->wgrad);
}

/* ---- forward and backward ---- */

struct job {
    mxdi_tape              *t;
    struct mxdi_train_conv *c;
    const float            *x, *dy;
    float                  *y, *dx;
};

static void forward_tasks(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct job *const j      = arg;
    const int64_t           blocks = mxdi_tape_blocks(j->t);
    if (j->c->dw)
        mxdi_dwconv_f32_run(j->c->dw, j->x, NULL, j->y, blocks, begin, end);
    else
        mxdi_conv_f32_run(j->c->fwd, j->x, NULL, j->y, mxdi_tape_scratch(j->t, thread), blocks,
                          begin, end);
}

static mxd_status conv_forward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct mxdi_train_conv *const c = op->state;
    struct job    j      = { .t = t, .c = c, .x = t->value[c->x].x, .y = t->value[op->out].x };
    const int64_t blocks = mxdi_tape_blocks(t);
    const size_t  need   = c->dw ? 0 : mxdi_conv_f32_scratch(c->fwd),
                 back    = c->dgrad ? mxdi_conv_dgrad_f32_scratch(c->dgrad) : 0;
    MXD_TRY(mxdi_tape_grow_scratch(t, need > back ? need : back, err));
    mxdi_parallel_for(t->pool, forward_tasks, &j,
                      c->dw ? mxdi_dwconv_f32_tasks(c->dw, blocks)
                            : mxdi_conv_f32_tasks(c->fwd, blocks));
    return MXD_OK;
}

MXDI_CLONES static void relu_block(void *arg, int64_t block, unsigned thread)
{
    const mxdi_train_value *const y = arg;
    const int64_t                 n = y->layout.block_stride, at = block * n;
    (void)thread;
    for (int64_t k = at; k < at + n; k++)
        y->dx[k] = y->x[k] > 0.0f ? y->dx[k] : 0.0f;
}

static void wgrad_tasks(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct job *const j = arg;
    mxdi_conv_wgrad_f32_run(j->c->wgrad, j->x, j->dy, j->t->workspace,
                            mxdi_tape_scratch(j->t, thread), mxdi_tape_blocks(j->t), begin, end);
}

static void finish_tasks(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct job *const j = arg;
    (void)thread;
    mxdi_conv_wgrad_f32_finish(j->c->wgrad, j->c->grad, j->t->workspace, mxdi_tape_blocks(j->t),
                               begin, end);
}

static void dgrad_tasks(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct job *const j = arg;
    mxdi_conv_dgrad_f32_run(j->c->dgrad, j->dy, j->dx, mxdi_tape_scratch(j->t, thread),
                            mxdi_tape_blocks(j->t), begin, end);
}

/* c->grad (c_out, per_channel), of what the kernel multiplied with x's steps, becomes the
 * parameters' gradients. */
static void weight_gradient(struct mxdi_train_conv *c, const mxdi_train_value *x)
{
    const int64_t n   = c->per_channel * c->c_out;
    const float   s_x = x->step ? (float)x->step[0] : 1.0f;
    for (int64_t k = 0; k < n && x->step; k++)
        c->grad[k] *= s_x;
    if (c->wq)
        mxdi_weight_quantizer_backward(c->wq, c->grad, c->transposed ? c->master : c->weight->w,
                                       c->per_channel);
    if (c->transposed)
        transpose(c->weight->dw, c->grad, c->c_out, c->per_channel);
}

static void bias_lanes(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct job *const       j     = arg;
    const mxdi_train_value *const y     = &j->t->value[j->c->y];
    const int32_t                 first = (int32_t)begin * 16, last = (int32_t)end * 16;
    (void)thread;
    mxdi_channel_sum_f32_select(j->t->options.isa)
        ->run(j->c->bias->dw, j->dy, &y->layout, mxdi_tape_blocks(j->t), first,
              last < y->layout.channels ? last : y->layout.channels);
}

static mxd_status conv_backward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct mxdi_train_conv *const c = op->state;
    mxdi_train_value *const x = &t->value[c->x], *const y = &t->value[op->out];
    struct job    j      = { .t = t, .c = c, .x = x->x, .dy = y->dx, .dx = x->dx };
    const int64_t blocks = mxdi_tape_blocks(t);
    (void)err;
    if (c->relu)
        mxdi_tape_each_block(t, relu_block, y);
    mxdi_parallel_for(t->pool, wgrad_tasks, &j, mxdi_conv_wgrad_f32_tasks(c->wgrad, blocks));
    mxdi_parallel_for(t->pool, finish_tasks, &j, mxdi_conv_wgrad_f32_finish_tasks(c->wgrad));
    weight_gradient(c, x);
    if (c->bias)
        mxdi_parallel_for(t->pool, bias_lanes, &j, ((size_t)c->c_out + 15) / 16);
    if (c->dgrad)
        mxdi_parallel_for(t->pool, dgrad_tasks, &j, mxdi_conv_dgrad_f32_tasks(c->dgrad, blocks));
    return MXD_OK;
}

const mxdi_train_kind mxdi_train_conv_kind = {
    "conv", conv_prepare, conv_forward, conv_backward, mxdi_train_conv_export, conv_destroy
};

bool mxdi_train_conv_take_relu(mxdi_tape *t, uint32_t value)
{
    for (uint32_t k = 0; k < t->n_ops; k++)
        if (t->op[k].out == value && t->op[k].kind == &mxdi_train_conv_kind) {
            ((struct mxdi_train_conv *)t->op[k].state)->relu = true;
            t->op[k].reads_out                               = true;
            return true;
        }
    return false;
}
