/* SPDX-License-Identifier: Apache-2.0
 * Training behind the public handle: names become options, defaults are chosen here. */
#include <stdio.h>
#include <string.h>

#include "api/api_dataset.h"
#include "api/api_objects.h"
#include "api/api_recipe.h"
#include "base/text.h"
#include "train/trainer.h"

struct mxd_trainer {
    const mxd_context *ctx;
    mxd_model *
        base; /* owns the graph that exported ones share constants with; its parent the float one */
    mxdi_trainer         *trainer;
    mxd_train_progress_fn progress;
    void                 *user;
    int64_t               epochs;
};

static const char *const methods[]       = { "minmax", "lsq", "lsq+", "pact", "dorefa" };
static const char *const optimizers[]    = { "sgd", "adam" };
static const char *const schedules[]     = { "cosine", "step", "constant" };
static const char *const inits[]         = { "kaiming" };
static const char *const augmentations[] = { "none", "crop", "flip", "crop,flip" };

/* Index of `word` in names (n); NULL is `otherwise`. */
static mxd_status choose(int *out, const char *what, const char *word, const char *const *names,
                         size_t n, int otherwise, mxd_error *err)
{
    char list[128] = "";
    *out           = otherwise;
    for (size_t k = 0; word && k < n; k++) {
        if (strcmp(names[k], word) == 0) {
            *out = (int)k;
            return MXD_OK;
        }
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", k ? ", " : "", names[k]);
    }
    if (!word)
        return MXD_OK;
    const char *const near = mxdi_nearest(word, names, n);
    return mxdi_fail(err, MXD_E_USAGE, "%s '%s': one of %s expected%s%s", what, word, list,
                     near ? "; perhaps " : "", near ? near : "");
}

static int forward_progress(void *user, const mxdi_train_progress *p)
{
    const mxd_trainer *const t   = user;
    const mxd_train_progress out = {
        p->epoch,       p->epochs, p->step, p->steps, p->loss, p->top1, p->images_per_second,
        p->seconds_left
    };
    return t->progress ? t->progress(t->user, &out) : 0;
}

/* Pictures in colour are mirrored unless told otherwise, which digits must not be; shifts pay once
 * the same picture has come a few times. */
static int default_augmentation(const mxd_dataset *data, int64_t epochs)
{
    mxd_tensor s;
    mxd_dataset_sample(&s, data, 0);
    return s.rank == 3 && s.dim[0] == 3 && s.dim[1] >= 16 && s.dim[2] >= 16 ? (epochs < 5 ? 2 : 3)
                                                                            : 0;
}

static double given(double value, double otherwise)
{
    return value < 0.0 ? otherwise : value;
}

/* Below 8 bits weights have to move: a higher learning rate. */
static bool has_few_bits(const mxdi_recipe *r)
{
    for (uint32_t k = 0; k < r->n_rules; k++) {
        const mxdi_precision p = r->rule[k].setting.precision;
        if (!r->rule[k].exclude && ((p.w_bits && p.w_bits < 8) || (p.a_bits && p.a_bits < 8)))
            return true;
    }
    return false;
}

static bool has_normalization(const mxdi_graph *g)
{
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (mxdi_node_is(&g->node[n], "BatchNormalization"))
            return true;
    return false;
}

static mxd_status read_options(mxdi_train_options *out, const mxd_train_options *o,
                               const mxd_dataset *data, const mxd_recipe *recipe,
                               const mxdi_graph *graph, mxd_error *err)
{
    int method, optimizer, schedule, init, augment;
    MXD_TRY(choose(&method, "method", o->method, methods, 5, 1, err));
    MXD_TRY(choose(&optimizer, "optimizer", o->optimizer, optimizers, 2, 0, err));
    MXD_TRY(choose(&schedule, "schedule", o->schedule, schedules, 3, 0, err));
    MXD_TRY(choose(&init, "init", o->init, inits, 1, -1, err));
    const int64_t epochs = o->epochs ? o->epochs : init == 0 ? 10 : 2;
    MXD_TRY(choose(&augment, "augment", o->augment, augmentations, 4,
                   default_augmentation(data, epochs), err));
    const bool anew = init == 0, adam = optimizer == 1, quantized = recipe != NULL,
               few_bits     = recipe && has_few_bits(mxdi_api_recipe(recipe));
    const bool   normalized = has_normalization(graph);
    const double lr         = adam         ? (anew ? 1e-3 : 1e-4)
                              : anew       ? (normalized ? 0.03 : 0.1)
                              : !quantized ? 0.01
                              : few_bits   ? 0.003
                                           : 0.002;
    if (o->label_smoothing < 0.0 || o->label_smoothing >= 1.0 || o->distill < 0.0 ||
        o->distill > 1.0 || o->lr < 0.0)
        return mxdi_fail(
            err, MXD_E_USAGE,
            "lr above 0, label smoothing from 0 up to 1 and distill from 0 to 1 expected");
    *out = (mxdi_train_options){ .epochs             = epochs,
                                 .batch              = o->batch ? o->batch : 64,
                                 .method             = (mxdi_train_method)method,
                                 .optimizer          = { .kind     = (mxdi_optimizer_kind)optimizer,
                                                         .lr       = o->lr > 0.0 ? o->lr : lr,
                                                         .momentum = given(o->momentum, 0.9),
                                                         .weight_decay =
                                                             given(o->weight_decay, quantized ? 1e-4 : 5e-4),
                                                         .step_lr   = given(o->step_lr, 1.0),
                                                         .clip_norm = given(o->clip_norm, 2.0) },
                                 .schedule           = (mxdi_schedule_kind)schedule,
                                 .warm_up            = given(o->warm_up, anew ? 0.15 : 0.1),
                                 .smoothing          = (float)o->label_smoothing,
                                 .distill            = (float)o->distill,
                                 .kaiming            = anew,
                                 .crop               = augment & 1,
                                 .flip               = augment & 2,
                                 .seed               = o->seed,
                                 .threads            = o->threads,
                                 .isa                = o->isa,
                                 .checkpoint         = o->checkpoint,
                                 .checkpoint_seconds = o->checkpoint_seconds,
                                 .progress           = forward_progress };
    return MXD_OK;
}

/* The graphs of the trainer become models, so that what it exports can outlive it. */
static mxd_status take_graphs(mxd_trainer *t, const mxd_model *model, mxd_error *err)
{
    mxdi_graph             *canonical, *exported;
    mxd_model *const        base   = MXDI_ALLOC(&t->ctx->allocator, mxd_model, 1),
                     *const folded = MXDI_ALLOC(&t->ctx->allocator, mxd_model, 1);
    if (!base || !folded) {
        mxdi_free(&t->ctx->allocator, base);
        mxdi_free(&t->ctx->allocator, folded);
        return mxdi_nomem(err);
    }
    mxdi_trainer_hand_over(t->trainer, &canonical, &exported);
    *folded = (mxd_model){
        .ctx = t->ctx, .parent = mxdi_api_retain(model), .references = 1, .graph = canonical
    };
    *base   = (mxd_model){ .ctx = t->ctx, .parent = folded, .references = 1, .graph = exported };
    t->base = base;
    return MXD_OK;
}

mxd_status mxd_trainer_create(mxd_trainer **out, const mxd_model *model, const mxd_recipe *recipe,
                              const mxd_dataset *data, const mxd_dataset *eval,
                              const mxd_train_options *options, mxd_error *err)
{
    const mxd_train_options        defaults = MXD_TRAIN_OPTIONS_INIT;
    const mxd_train_options *const o        = options ? options : &defaults;
    const mxd_context *const       ctx      = model->ctx;
    mxdi_train_options             inner;
    *out = NULL;
    MXD_TRY(read_options(&inner, o, data, recipe, model->graph, err));
    if (eval && !mxd_dataset_labels(eval))
        return mxdi_fail(err, MXD_E_USAGE, "eval: labels expected, it has none");
    mxd_trainer *const t = MXDI_ALLOC(&ctx->allocator, mxd_trainer, 1);
    if (!t)
        return mxdi_nomem(err);
    *t = (mxd_trainer){
        .ctx = ctx, .progress = o->progress, .user = o->user, .epochs = inner.epochs
    };
    inner.user                       = t;
    const mxdi_train_data train_data = { mxdi_api_source(data), mxd_dataset_labels(data) };
    mxdi_train_data       eval_data;
    if (eval)
        eval_data = (mxdi_train_data){ mxdi_api_source(eval), mxd_dataset_labels(eval) };
    mxd_status st = mxdi_trainer_create(
        &t->trainer, model->graph, recipe ? mxdi_api_recipe(recipe) : NULL, &train_data,
        eval ? &eval_data : NULL, &inner, &ctx->registry, &ctx->allocator, err);
    if (st == MXD_OK)
        st = take_graphs(t, model, err);
    if (st != MXD_OK) {
        mxd_trainer_destroy(t);
        return st;
    }
    *out = t;
    return MXD_OK;
}

void mxd_trainer_destroy(mxd_trainer *trainer)
{
    if (!trainer)
        return;
    mxdi_trainer_destroy(trainer->trainer);
    mxd_model_destroy(trainer->base);
    mxdi_free(&trainer->ctx->allocator, trainer);
}

mxd_status mxd_trainer_resume(mxd_trainer *trainer, mxd_error *err)
{
    return mxdi_trainer_resume(trainer->trainer, err);
}
mxd_status mxd_trainer_checkpoint(mxd_trainer *trainer, mxd_error *err)
{
    return mxdi_trainer_save(trainer->trainer, err);
}
mxd_status mxd_trainer_evaluate(mxd_trainer *trainer, double *top1, mxd_error *err)
{
    return mxdi_trainer_evaluate(trainer->trainer, top1, err);
}

mxd_status mxd_trainer_step(mxd_trainer *trainer, int *epoch_ended, mxd_error *err)
{
    bool             ended;
    const mxd_status st = mxdi_trainer_step(trainer->trainer, &ended, err);
    *epoch_ended        = ended;
    return st;
}

static void copy_epoch(mxd_train_epoch *out, const mxdi_train_epoch *e)
{
    *out = (mxd_train_epoch){ e->loss, e->train_top1, e->top1, e->images_per_second };
}

mxd_status mxd_trainer_epoch(mxd_trainer *trainer, mxd_train_epoch *out, mxd_error *err)
{
    mxdi_train_epoch e  = { 0 };
    const mxd_status st = mxdi_trainer_epoch(trainer->trainer, &e, err);
    copy_epoch(out, &e);
    return st;
}

mxd_status mxd_trainer_export(mxd_model **out, mxd_trainer *trainer, mxd_error *err)
{
    mxdi_graph *g = NULL;
    *out          = NULL;
    MXD_TRY(mxdi_trainer_export(trainer->trainer, &g, err));
    *out = MXDI_ALLOC(&trainer->ctx->allocator, mxd_model, 1);
    if (!*out) {
        mxdi_graph_destroy(g);
        return mxdi_nomem(err);
    }
    **out = (mxd_model){
        .ctx = trainer->ctx, .parent = mxdi_api_retain(trainer->base), .references = 1, .graph = g
    };
    return MXD_OK;
}

int64_t mxd_trainer_epochs(const mxd_trainer *trainer)
{
    return trainer->epochs;
}
int64_t mxd_trainer_epochs_done(const mxd_trainer *trainer)
{
    return mxdi_trainer_epochs_done(trainer->trainer);
}
int64_t mxd_trainer_resumed_from(const mxd_trainer *trainer)
{
    return mxdi_trainer_resumed_from(trainer->trainer);
}

void mxd_trainer_history(mxd_train_epoch *out, const mxd_trainer *trainer, int64_t index)
{
    copy_epoch(out, &mxdi_trainer_history(trainer->trainer)[index]);
}
