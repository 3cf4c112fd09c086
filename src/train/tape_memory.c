/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a tape's values and gradients lie. In one step of training the operations run forward and
 * then backward, so a value lives from the operation that makes it to the last that reads it, which
 * for many is the one behind it, and a gradient from its first reader's backward pass to its
 * maker's. base/lifetimes places them.
 */
#include "base/alloc.h"
#include "base/lifetimes.h"
#include "train/tape.h"

enum { ALIGN = 64 };

/* Step 0 fills the input, operation k runs in step 1 + k, the loss in step 1 + n_ops. */
static uint32_t step_back(const mxdi_tape *t, uint32_t op)
{
    return 2 * t->n_ops + 1 - op;
}

static void use(mxdi_lifetime *r, uint32_t step)
{
    r->born  = r->bytes == 0 || step < r->born ? step : r->born;
    r->dies  = r->bytes == 0 || step > r->dies ? step : r->dies;
    r->bytes = 1;
}

/* x[v] and dx[v] of each root v: when it is used, and bytes other than 0 where it is. */
static void lives(mxdi_lifetime *x, mxdi_lifetime *dx, const mxdi_tape *t)
{
    for (uint32_t k = 0; k < t->n_ops; k++) {
        const mxdi_train_op *const op   = &t->op[k];
        const uint32_t             out  = t->value[op->out].root;
        const bool                 back = t->value[op->out].wants_grad;
        use(&x[out], 1 + k);
        if (back)
            use(&dx[out], step_back(t, k));
        if (back && op->reads_out)
            use(&x[out], step_back(t, k));
        for (uint32_t i = 0; i < op->n_in; i++) {
            const uint32_t in = t->value[op->in[i]].root;
            use(&x[in], 1 + k);
            if (back && op->reads_in)
                use(&x[in], step_back(t, k));
            if (back && t->value[op->in[i]].wants_grad)
                use(&dx[in], step_back(t, k));
        }
    }
}

/* Lanes behind the last channel stay 0 for good: kernels multiply them by 0. */
static bool shares(const mxdi_tape *t, uint32_t v)
{
    return !t->options.keep_values && v != t->input && v != t->value[t->output].root &&
           t->value[v].layout.channels == t->value[v].layout.pitch;
}

static mxd_status place(mxdi_tape *t, mxdi_lifetime *all, mxd_error *err)
{
    const uint32_t       n        = t->n_values;
    mxdi_lifetime *const placed   = MXDI_NEW(&t->arena, mxdi_lifetime, 2 * (size_t)n + 1);
    uint32_t             n_placed = 0;
    if (!placed)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < 2 * n; k++) {
        const uint32_t v = k % n;
        if (!all[k].bytes)
            continue;
        all[k].bytes = ((size_t)t->value[v].floats * sizeof(float) + 2 * ALIGN - 1) / ALIGN * ALIGN;
        all[k].owner = k;
        if (!shares(t, v)) {
            all[k].born = 0;
            all[k].dies = UINT32_MAX;
        }
        placed[n_placed++] = all[k];
    }
    MXD_TRY(mxdi_lifetimes_place(&t->memory_bytes, placed, n_placed, t->arena.alloc, err));
    for (uint32_t k = 0; k < n_placed; k++) {
        mxdi_train_value *const v                     = &t->value[placed[k].owner % n];
        *(placed[k].owner < n ? &v->x_at : &v->dx_at) = placed[k].at;
    }
    return MXD_OK;
}

mxd_status mxdi_tape_place(mxdi_tape *t, mxd_error *err)
{
    mxdi_lifetime *const all = MXDI_NEW(&t->arena, mxdi_lifetime, 2 * (size_t)t->n_values + 1);
    if (!all)
        return mxdi_nomem(err);
    use(&all[t->value[t->input].root], 0);
    use(&all[t->n_values + t->value[t->output].root], 1 + t->n_ops);
    lives(all, all + t->n_values, t);
    MXD_TRY(place(t, all, err));
    return mxdi_tape_hold(t, err);
}

mxd_status mxdi_tape_hold(mxdi_tape *t, mxd_error *err)
{
    if (t->memory)
        return MXD_OK;
    t->memory = mxdi_alloc(t->arena.alloc, t->memory_bytes + ALIGN, 1); /* of zeros */
    if (!t->memory)
        return mxdi_nomem(err);
    uint8_t *const start = t->memory + (ALIGN - (uintptr_t)t->memory % ALIGN) % ALIGN;
    for (uint32_t v = 0; v < t->n_values; v++) {
        mxdi_train_value *const       x    = &t->value[v];
        const mxdi_train_value *const root = &t->value[x->root];
        x->x                               = x->floats ? (float *)(start + root->x_at) : NULL;
        x->dx = x->floats && x->wants_grad ? (float *)(start + root->dx_at) : NULL;
    }
    return MXD_OK;
}

void mxdi_tape_release(mxdi_tape *t)
{
    if (!t->memory)
        return;
    mxdi_free(t->arena.alloc, t->memory);
    t->memory = NULL;
    for (uint32_t v = 0; v < t->n_values; v++)
        t->value[v].x = t->value[v].dx = NULL;
}
