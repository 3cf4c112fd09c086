/* SPDX-License-Identifier: Apache-2.0
 * First weights. */
#include "train/init.h"

#include <math.h>

#include "train/op_conv.h"

/* The convolution that makes `value`, or NULL. */
static struct mxdi_train_conv *conv_of(const mxdi_tape *t, uint32_t value)
{
    for (uint32_t k = 0; k < t->n_ops; k++)
        if (t->op[k].kind == &mxdi_train_conv_kind && t->op[k].out == value)
            return t->op[k].state;
    return NULL;
}

/* Operations on the longest way from the input to `value`. */
static uint32_t depth_of(const mxdi_tape *t, uint32_t value, uint32_t *memo)
{
    for (uint32_t k = 0; k < t->n_ops && !memo[value]; k++) {
        if (t->value[t->op[k].out].root != t->value[value].root)
            continue;
        uint32_t d = 0;
        for (uint32_t i = 0; i < t->op[k].n_in; i++) {
            const uint32_t in = depth_of(t, t->op[k].in[i], memo);
            d                 = in > d ? in : d;
        }
        memo[value] = d + 1;
    }
    return memo[value];
}

static void quieten_branches(mxdi_tape *t, uint32_t *memo)
{
    for (uint32_t k = 0; k < t->n_ops; k++) {
        if (strcmp(t->op[k].kind->name, "add") != 0)
            continue;
        const uint32_t a = t->op[k].in[0], b = t->op[k].in[1];
        const uint32_t longer = depth_of(t, a, memo) >= depth_of(t, b, memo) ? a : b;
        const struct mxdi_train_conv *const c = conv_of(t, longer);
        if (c)
            memset(c->weight->w, 0, (size_t)c->weight->n * sizeof(float));
    }
}

mxd_status mxdi_train_init_kaiming(mxdi_tape *t, uint64_t seed, mxd_error *err)
{
    uint32_t *const memo = MXDI_NEW(&t->arena, uint32_t, t->n_values);
    if (!memo)
        return mxdi_nomem(err);
    const struct mxdi_train_conv *const last = conv_of(t, t->output);
    for (uint32_t k = 0; k < t->n_params; k++) {
        mxdi_param *const p   = t->param[k];
        mxdi_rng          rng = mxdi_rng_stream(seed, k);
        const double      deviation =
            sqrt((last && p == last->weight ? 1.0 : 2.0) / (double)(p->fan_in ? p->fan_in : 1));
        for (int64_t i = 0; i < p->n; i++)
            if (p->kind == MXDI_PARAM_WEIGHT)
                p->w[i] = (float)(mxdi_rng_normal(&rng) * deviation);
            else if (p->kind == MXDI_PARAM_BIAS)
                p->w[i] = 0.0f;
    }
    quieten_branches(t, memo);
    return MXD_OK;
}
