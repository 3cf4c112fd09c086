/* SPDX-License-Identifier: Apache-2.0
 *
 * The training loop.
 */
#include <math.h>

#include "base/cpu.h"
#include "train/init.h"
#include "train/loss.h"
#include "train/trainer_impl.h"

enum { SAVE_SHARE = 200 /* a checkpoint may cost that part of the time */ };
static const double FIRST_SAVE = 1.0; /* seconds until it is known what one costs */

static mxd_status make_tape(mxdi_trainer *t, mxd_error *err)
{
    mxdi_tape_options o = { .batch       = t->options.batch,
                            .threads     = t->options.threads,
                            .method      = t->options.method,
                            .seed        = t->options.seed,
                            .keep_values = t->options.keep_values };
    o.isa               = mxdi_cpu_isa();
    if (t->options.isa)
        MXD_TRY(mxdi_isa_cap(&o.isa, t->options.isa, err));
    MXD_TRY(mxdi_tape_create(&t->tape, t->bound, t->canonical, &o, t->alloc, err));
    t->tape->training = true;
    if (t->options.kaiming)
        MXD_TRY(mxdi_train_init_kaiming(t->tape, t->options.seed, err));
    return mxdi_optimizer_init(&t->optimizer, t->tape, &t->options.optimizer, err);
}

/* What is in front of a final Softmax becomes the output: the loss wants logits. */
static mxd_status end_at_logits(mxdi_graph *g, mxd_error *err)
{
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (mxdi_node_is(&g->node[n], "Softmax") && g->node[n].out[0] == g->output[0])
            g->output[0] = g->node[n].in[0];
    return mxdi_graph_remove_dead(g, err);
}

/* The float network as it came, for distillation. */
static mxd_status make_teacher(mxdi_trainer *t, mxd_error *err)
{
    mxdi_graph        *g = NULL;
    mxdi_build_options o = { .isa       = t->options.isa,
                             .threads   = t->options.threads,
                             .batch     = { t->options.batch },
                             .n_batches = 1 };
    MXD_TRY(mxdi_graph_clone(&g, t->imported, err));
    const mxd_status st = end_at_logits(g, err);
    if (st != MXD_OK) {
        mxdi_graph_destroy(g);
        return st;
    }
    MXD_TRY(mxdi_engine_build(&t->teacher_engine, g, &o, t->registry, t->alloc, err));
    return mxdi_session_open(&t->teacher_session, t->teacher_engine, t->options.threads, false,
                             err);
}

static mxd_status check(const mxdi_train_options *o, const mxdi_train_data *data, mxd_error *err)
{
    if (o->batch < MXDI_TRAIN_BLOCK || o->batch % MXDI_TRAIN_BLOCK)
        return mxdi_fail(err, MXD_E_USAGE, "batch %lld: a multiple of %d expected",
                         (long long)o->batch, MXDI_TRAIN_BLOCK);
    if (o->epochs < 1)
        return mxdi_fail(err, MXD_E_USAGE, "epochs %lld: 1 or more expected", (long long)o->epochs);
    if (!data->label)
        return mxdi_fail(err, MXD_E_USAGE, "data: labels expected, it has none");
    return MXD_OK;
}

static mxd_status create(mxdi_trainer *t, const mxdi_recipe *recipe, mxd_error *err)
{
    MXD_TRY(mxdi_trainer_graphs(t, recipe, err));
    MXD_TRY(make_tape(t, err));
    MXD_TRY(mxdi_trainer_batch_init(t, err));
    t->history = MXDI_NEW(&t->tape->arena, mxdi_train_epoch, (size_t)t->options.epochs);
    if (!t->history)
        return mxdi_nomem(err);
    MXD_TRY(mxdi_checkpoint_identify(t, err));
    return t->options.distill > 0.0f ? make_teacher(t, err) : MXD_OK;
}

mxd_status mxdi_trainer_create(mxdi_trainer **out, const mxdi_graph *graph,
                               const mxdi_recipe *recipe, const mxdi_train_data *data,
                               const mxdi_train_data *eval, const mxdi_train_options *options,
                               const mxdi_registry *registry, const mxd_allocator *alloc,
                               mxd_error *err)
{
    *out = NULL;
    MXD_TRY(check(options, data, err));
    mxdi_trainer *const t = MXDI_ALLOC(alloc, mxdi_trainer, 1);
    if (!t)
        return mxdi_nomem(err);
    t->alloc    = alloc;
    t->registry = registry;
    t->options  = *options;
    t->data     = *data;
    if (eval)
        t->eval = *eval;
    t->imported         = graph;
    t->resumed_from     = -1;
    t->saved_at         = mxdi_trainer_now();
    t->save_seconds     = FIRST_SAVE / SAVE_SHARE;
    const mxd_status st = create(t, recipe, err);
    if (st != MXD_OK) {
        mxdi_trainer_destroy(t);
        return st;
    }
    *out = t;
    return MXD_OK;
}

void mxdi_trainer_destroy(mxdi_trainer *t)
{
    if (!t)
        return;
    mxdi_session_close(t->teacher_session);
    mxdi_engine_destroy(t->teacher_engine);
    mxdi_tape_destroy(t->tape);
    mxdi_graph_destroy(t->bound);
    if (!t->lent) {
        mxdi_graph_destroy(t->exported);
        mxdi_graph_destroy(t->canonical);
    }
    mxdi_free(t->alloc, t);
}

mxd_status mxdi_trainer_resume(mxdi_trainer *t, mxd_error *err)
{
    return t->options.checkpoint ? mxdi_checkpoint_read(t, err) : MXD_OK;
}

mxd_status mxdi_trainer_save(mxdi_trainer *t, mxd_error *err)
{
    return t->options.checkpoint && !t->fresh ? mxdi_checkpoint_write(t, err) : MXD_OK;
}

static mxd_status learn(mxdi_trainer *t, mxd_error *err)
{
    mxdi_loss                       loss;
    const mxdi_train_options *const o      = &t->options;
    const int64_t                   steps  = o->epochs * t->steps_of_epoch;
    const double                    factor = mxdi_schedule_factor(o->schedule, t->step, steps,
                                                                  (int64_t)(o->warm_up * (double)t->steps_of_epoch));
    t->tape->step                          = t->step;
    MXD_TRY(mxdi_trainer_batch_load(t, err));
    MXD_TRY(mxdi_tape_forward(t->tape, err));
    MXD_TRY(mxdi_loss_cross_entropy(&loss, t->tape, t->label, o->smoothing,
                                    t->teacher_session ? t->teacher : NULL, o->distill, err));
    MXD_TRY(mxdi_tape_backward(t->tape, err));
    MXD_TRY(mxdi_optimizer_step(&t->optimizer, o->optimizer.lr * factor, err));
    t->loss_sum += loss.sum;
    t->correct += loss.correct;
    t->step++;
    t->fresh = false;
    return MXD_OK;
}

static int report(const mxdi_trainer *t)
{
    const int64_t done = (t->step - 1) % t->steps_of_epoch + 1, images = done * t->options.batch;
    const double  rate = t->epoch_seconds > 0.0 ? (double)t->epoch_images / t->epoch_seconds : 0.0;
    const int64_t left = (t->options.epochs * t->steps_of_epoch - t->step) * t->options.batch;
    const mxdi_train_progress p = { .epoch             = (t->step - 1) / t->steps_of_epoch,
                                    .epochs            = t->options.epochs,
                                    .step              = done,
                                    .steps             = t->steps_of_epoch,
                                    .loss              = t->loss_sum / (double)images,
                                    .top1              = (double)t->correct / (double)images,
                                    .images_per_second = rate,
                                    .seconds_left      = rate > 0.0 ? (double)left / rate : 0.0 };
    return t->options.progress ? t->options.progress(t->options.user, &p) : 0;
}

static void begin_epoch(mxdi_trainer *t)
{
    t->loss_sum      = 0.0;
    t->correct       = 0;
    t->epoch_seconds = 0.0;
    t->epoch_images  = 0;
}

/* What the steps of the epoch that has just ended came to. */
static void end_epoch(mxdi_trainer *t)
{
    const double images = (double)(t->steps_of_epoch * t->options.batch);
    t->history[t->step / t->steps_of_epoch - 1] =
        (mxdi_train_epoch){ t->loss_sum / images, (double)t->correct / images, (double)NAN,
                            t->epoch_seconds > 0.0 ? (double)t->epoch_images / t->epoch_seconds
                                                   : 0.0 };
}

static mxd_status one_step(mxdi_trainer *t, bool *epoch_ended, mxd_error *err)
{
    const double start = mxdi_trainer_now();
    *epoch_ended       = false;
    if (t->step == t->options.epochs * t->steps_of_epoch)
        return mxdi_fail(err, MXD_E_INVAL, "training has ended after %lld epochs",
                         (long long)t->options.epochs);
    if (t->step % t->steps_of_epoch == 0)
        begin_epoch(t);
    MXD_TRY(learn(t, err));
    *epoch_ended = t->step % t->steps_of_epoch == 0;
    t->epoch_seconds += mxdi_trainer_now() - start;
    t->epoch_images += t->options.batch;
    if (*epoch_ended)
        end_epoch(t);
    t->stop = report(t) != 0;
    return MXD_OK;
}

/* Where a checkpoint costs little, the next one comes soon. */
static bool checkpoint_is_due(const mxdi_trainer *t)
{
    const double since = mxdi_trainer_now() - t->saved_at;
    return since > t->options.checkpoint_seconds || since > SAVE_SHARE * t->save_seconds;
}

/* When progress asked for it; else only a checkpoint that is due. */
static mxd_status stop_or_go(mxdi_trainer *t, mxd_error *err)
{
    if (t->stop || checkpoint_is_due(t))
        MXD_TRY(mxdi_trainer_save(t, err));
    return t->stop
               ? mxdi_fail(err, MXD_E_CANCELLED, "cancelled after step %lld", (long long)t->step)
               : MXD_OK;
}

mxd_status mxdi_trainer_step(mxdi_trainer *t, bool *epoch_ended, mxd_error *err)
{
    MXD_TRY(one_step(t, epoch_ended, err));
    return stop_or_go(t, err);
}

mxd_status mxdi_trainer_epoch(mxdi_trainer *t, mxdi_train_epoch *out, mxd_error *err)
{
    bool ended = false;
    while (!ended) {
        MXD_TRY(one_step(t, &ended, err));
        if (!ended) /* at its end the epoch is evaluated first */
            MXD_TRY(stop_or_go(t, err));
    }
    mxdi_train_epoch *const e = &t->history[t->step / t->steps_of_epoch - 1];
    if (t->eval.label)
        MXD_TRY(mxdi_trainer_evaluate(t, &e->top1, err));
    *out = *e;
    MXD_TRY(mxdi_trainer_save(t, err));
    return stop_or_go(t, err);
}

int64_t mxdi_trainer_epochs_done(const mxdi_trainer *t)
{
    return t->step / t->steps_of_epoch;
}
int64_t mxdi_trainer_resumed_from(const mxdi_trainer *t)
{
    return t->resumed_from > 0 ? t->resumed_from : 0;
}
const mxdi_train_epoch *mxdi_trainer_history(const mxdi_trainer *t)
{
    return t->history;
}

void mxdi_trainer_hand_over(mxdi_trainer *t, mxdi_graph **canonical, mxdi_graph **exported)
{
    *canonical = t->canonical;
    *exported  = t->exported;
    t->lent    = true;
}
