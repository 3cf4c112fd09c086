/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a tape: preparation of all operations side by side, then forward and backward in order.
 */
#include <math.h>

#include "train/quantizer.h"

struct each_block {
    mxdi_tape_block_fn fn;
    void              *arg;
};

static void run_blocks(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct each_block *const e = arg;
    for (size_t b = begin; b < end; b++)
        e->fn(e->arg, (int64_t)b, thread);
}

void mxdi_tape_each_block(mxdi_tape *t, mxdi_tape_block_fn fn, void *arg)
{
    struct each_block e = { fn, arg };
    mxdi_parallel_for(t->pool, run_blocks, &e, (size_t)mxdi_tape_blocks(t));
}

void mxdi_tape_sum_blocks(const mxdi_tape *t, double *out, int64_t width)
{
    for (int64_t k = 0; k < width; k++)
        out[k] = 0.0;
    for (int64_t b = 0; b < mxdi_tape_blocks(t); b++)
        for (int64_t k = 0; k < width; k++)
            out[k] += t->partial[b * t->partial_width + k];
}

struct prepare {
    mxdi_tape  *t;
    mxd_status *status;
    mxd_error  *error;
};

static void prepare_ops(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct prepare *const p = arg;
    for (size_t k = begin; k < end; k++) {
        mxdi_train_op *const op = &p->t->op[k];
        if (op->kind->prepare && p->status[thread] == MXD_OK)
            p->status[thread] = op->kind->prepare(p->t, op, &p->error[thread]);
    }
}

static mxd_status prepare(mxdi_tape *t, mxd_error *err)
{
    struct prepare p  = { t, MXDI_ALLOC(t->arena.alloc, mxd_status, t->options.threads),
                          MXDI_ALLOC(t->arena.alloc, mxd_error, t->options.threads) };
    mxd_status     st = p.status && p.error ? MXD_OK : mxdi_nomem(err);
    if (st == MXD_OK)
        mxdi_parallel_for(t->pool, prepare_ops, &p, t->n_ops);
    for (unsigned k = 0; k < t->options.threads && st == MXD_OK; k++)
        if (p.status[k] != MXD_OK) {
            st = p.status[k];
            if (err)
                *err = p.error[k];
        }
    mxdi_free(t->arena.alloc, p.status);
    mxdi_free(t->arena.alloc, p.error);
    return st;
}

static bool is_finite(const mxdi_tape *t, uint32_t value)
{
    const mxdi_train_value *const v = &t->value[value];
    for (int64_t r = 0; r < mxdi_tape_blocks(t) * v->layout.block_stride; r += v->layout.pitch)
        for (int32_t c = 0; c < v->layout.channels; c++)
            if (!isfinite(v->x[r + c]))
                return false;
    return true;
}

mxd_status mxdi_tape_blame(mxdi_tape *t, mxd_error *err)
{
    if (!is_finite(t, t->input))
        return mxdi_fail(err, MXD_E_RANGE,
                         "step %lld: a sample of '%s' holds values that are no finite numbers",
                         (long long)t->step, t->value[t->input].name);
    for (uint32_t k = 0; k < t->n_ops; k++) {
        if (t->op[k].kind->forward)
            MXD_TRY(t->op[k].kind->forward(t, &t->op[k], err));
        if (!is_finite(t, t->op[k].out))
            return mxdi_fail(
                err, MXD_E_RANGE,
                "step %lld: '%s' gives values that are no finite numbers; a lower --lr may help",
                (long long)t->step, t->op[k].name);
    }
    return mxdi_fail(err, MXD_E_RANGE,
                     "step %lld: gradients are no finite numbers; a lower --lr may help",
                     (long long)t->step);
}

mxd_status mxdi_tape_refresh(mxdi_tape *t, mxd_error *err)
{
    mxdi_act_quantizers_prepare(t);
    return prepare(t, err);
}

mxd_status mxdi_tape_forward(mxdi_tape *t, mxd_error *err)
{
    t->step += t->training;
    MXD_TRY(mxdi_tape_refresh(t, err));
    for (uint32_t k = 0; k < t->n_ops; k++)
        if (t->op[k].kind->forward)
            MXD_TRY(
                mxdi_wrap(err, t->op[k].kind->forward(t, &t->op[k], err), "'%s'", t->op[k].name));
    return is_finite(t, t->output) ? MXD_OK : mxdi_tape_blame(t, err);
}

mxd_status mxdi_tape_backward(mxdi_tape *t, mxd_error *err)
{
    for (uint32_t k = 0; k < t->n_params; k++) /* operations that share a quantizer add up */
        if (t->param[k]->kind == MXDI_PARAM_STEP)
            memset(t->param[k]->dw, 0, (size_t)t->param[k]->n * sizeof(float));
    for (uint32_t k = t->n_ops; k-- > 0;)
        if (t->op[k].kind->backward && t->value[t->op[k].out].wants_grad)
            MXD_TRY(
                mxdi_wrap(err, t->op[k].kind->backward(t, &t->op[k], err), "'%s'", t->op[k].name));
    return MXD_OK;
}

mxd_status mxdi_tape_export(const mxdi_tape *t, mxdi_graph *g, mxd_error *err)
{
    for (uint32_t k = 0; k < t->n_ops; k++)
        if (t->op[k].kind->export)
            MXD_TRY(t->op[k].kind->export(t, &t->op[k], g, err));
    return mxdi_act_quantizers_export(t, g, err);
}
