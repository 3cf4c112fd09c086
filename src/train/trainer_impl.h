/* SPDX-License-Identifier: Apache-2.0
 *
 * The trainer's inside, for trainer.c, trainer_graph.c, trainer_batch.c, trainer_eval.c and
 * checkpoint.c.
 */
#ifndef MXDI_TRAIN_TRAINER_IMPL_H
#define MXDI_TRAIN_TRAINER_IMPL_H

#include "base/text.h"
#include "engine/feed.h"
#include "train/trainer.h"

struct mxdi_trainer {
    const mxd_allocator *alloc;
    const mxdi_registry *registry;
    mxdi_train_options   options;
    mxdi_train_data      data, eval; /* eval.label NULL: none */
    const mxdi_graph    *imported;
    mxdi_graph          *canonical; /* float, batch-norm folded; NULL without a recipe */
    mxdi_graph          *exported;  /* what is written: quantized, or float; never changed */
    mxdi_graph          *bound;     /* exported, bound to the batch */
    bool                 lent;      /* canonical and exported are another's */
    mxdi_tape           *tape;
    mxdi_optimizer       optimizer;
    /* a batch */
    float        *sample;  /* (batch, features), dense */
    float        *teacher; /* (batch, classes) */
    int64_t      *label, *order;
    int64_t       features, classes;
    mxdi_engine  *teacher_engine;
    mxdi_session *teacher_session;
    char          identity[33];
    /* where it stands */
    int64_t           step, steps_of_epoch, resumed_from;
    double            loss_sum;
    int64_t           correct;
    mxdi_train_epoch *history;
    double            epoch_seconds; /* spent in steps of this epoch, by this process */
    int64_t           epoch_images;
    double            saved_at;     /* monotonic seconds */
    double            save_seconds; /* what the last checkpoint took */
    bool              stop;         /* progress asked for it */
    bool              fresh;        /* nothing learned since the last checkpoint */
};

/* trainer_graph.c: the graphs, by recipe and calibration. */
mxd_status mxdi_trainer_graphs(mxdi_trainer *t, const mxdi_recipe *recipe, mxd_error *err);
/* trainer_batch.c: samples of the step, moved and mirrored, into the tape's input; their labels,
 * and the teacher's logits. */
mxd_status mxdi_trainer_batch_init(mxdi_trainer *t, mxd_error *err);
mxd_status mxdi_trainer_batch_load(mxdi_trainer *t, mxd_error *err);
/* checkpoint.c */
mxd_status mxdi_checkpoint_write(mxdi_trainer *t, mxd_error *err);
mxd_status mxdi_checkpoint_read(mxdi_trainer *t, mxd_error *err);
/* Names the training that a checkpoint belongs to: network, first weights, samples and options.
 * Before the first step. */
mxd_status mxdi_checkpoint_identify(mxdi_trainer *t, mxd_error *err);

static inline double mxdi_trainer_now(void)
{
    return (double)mxdi_now_ns() * 1e-9;
}
#endif
