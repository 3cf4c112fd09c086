/* SPDX-License-Identifier: Apache-2.0
 *
 * What was learned as a graph, and how good that is on the engine that will run it.
 */
#include <math.h>

#include "train/trainer_impl.h"

enum { EVAL_BATCH = 100 };

static mxd_status check_params(const mxdi_trainer *t, mxd_error *err)
{
    for (uint32_t k = 0; k < t->tape->n_params; k++)
        for (int64_t i = 0; i < t->tape->param[k]->n; i++)
            if (!isfinite(t->tape->param[k]->w[i]))
                return mxdi_fail(
                    err, MXD_E_RANGE,
                    "step %lld: '%s' holds values that are no finite numbers; a lower --lr may help",
                    (long long)t->step, t->tape->param[k]->name);
    return MXD_OK;
}

mxd_status mxdi_trainer_export(mxdi_trainer *t, mxdi_graph **out, mxd_error *err)
{
    mxdi_graph *g = NULL;
    *out          = NULL;
    MXD_TRY(check_params(t, err));
    MXD_TRY(mxdi_graph_clone(&g, t->exported, err));
    mxd_status st = mxdi_tape_refresh(t->tape, err);
    if (st == MXD_OK)
        st = mxdi_tape_export(t->tape, g, err);
    if (st != MXD_OK) {
        mxdi_graph_destroy(g);
        return st;
    }
    *out = g;
    return MXD_OK;
}

static int64_t count_correct(const mxdi_feed *f, const int64_t *label, int64_t n)
{
    const int64_t      classes = f->out[0].dim[f->out[0].rank - 1];
    const float *const y       = f->out[0].data;
    int64_t            correct = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t best = 0;
        for (int64_t c = 1; c < classes; c++)
            best = y[i * classes + c] > y[i * classes + best] ? c : best;
        correct += best == label[i];
    }
    return correct;
}

static mxd_status evaluate(double *top1, const mxdi_trainer *t, const mxdi_engine *e,
                           mxd_error *err)
{
    mxdi_feed  f       = MXDI_FEED_INIT;
    int64_t    correct = 0;
    mxd_status st      = mxdi_feed_open(&f, e, &t->eval.source, 0, t->options.threads, err);
    for (int64_t i = 0; i < t->eval.source.samples && st == MXD_OK; i += f.batch) {
        const int64_t n =
            t->eval.source.samples - i < f.batch ? t->eval.source.samples - i : f.batch;
        st = mxdi_feed_run(&f, i, n, err);
        if (st == MXD_OK)
            correct += count_correct(&f, t->eval.label + i, n);
    }
    mxdi_feed_close(&f);
    *top1 = (double)correct / (double)t->eval.source.samples;
    return st;
}

mxd_status mxdi_trainer_evaluate(mxdi_trainer *t, double *top1, mxd_error *err)
{
    mxdi_graph              *g = NULL;
    mxdi_engine             *e = NULL;
    const mxdi_build_options o = { .isa       = t->options.isa,
                                   .threads   = t->options.threads,
                                   .batch     = { EVAL_BATCH },
                                   .n_batches = 1 };
    MXD_TRY(mxdi_trainer_export(t, &g, err));
    mxdi_tape_release(t->tape); /* batch_load takes it again */
    mxd_status st = mxdi_engine_build(&e, g, &o, t->registry, t->alloc, err);
    if (st == MXD_OK)
        st = evaluate(top1, t, e, err);
    mxdi_engine_destroy(e);
    return st;
}
