/* SPDX-License-Identifier: Apache-2.0
 *
 * Training a network on labelled samples: batches, loss, steps, epochs, evaluation on the engine,
 * checkpoints and export. With a recipe the network is quantized first and learns in the arithmetic
 * that the engine has (tape.h).
 *
 * Everything that comes out follows from the graph, the samples, the options and the seed alone:
 * not from time, the number of threads, or interruptions.
 */
#ifndef MXDI_TRAIN_TRAINER_H
#define MXDI_TRAIN_TRAINER_H

#include "engine/feed.h"
#include "quant/recipe.h"
#include "train/optimizer.h"

/* Labelled samples: one input, floats. Both outlive the trainer. */
typedef struct mxdi_train_data {
    mxdi_source    source;
    const int64_t *label; /* (samples) */
} mxdi_train_data;

typedef struct mxdi_train_progress {
    int64_t epoch, epochs, step, steps; /* of the epoch */
    double  loss, top1;                 /* of the epoch so far, on the samples trained on */
    double  images_per_second;          /* of the epoch so far */
    double  seconds_left;               /* of the whole training */
} mxdi_train_progress;
/* Non-zero: stop with MXD_E_CANCELLED after the step, checkpoint written. */
typedef int (*mxdi_train_progress_fn)(void *user, const mxdi_train_progress *p);

typedef struct mxdi_train_options {
    int64_t                epochs, batch; /* batch: a multiple of 8 */
    mxdi_train_method      method;
    mxdi_optimizer_options optimizer;
    mxdi_schedule_kind     schedule;
    double                 warm_up; /* epochs */
    float    smoothing, distill;    /* of the loss; distill: the float network is the teacher */
    bool     kaiming;               /* new weights */
    bool     crop, flip; /* shifts by up to 4 pixels, repeating the edge; mirrors left to right */
    uint64_t seed;
    uint32_t threads;               /* 0: the machine's cores */
    const char *isa;                /* cap, NULL: what the CPU has */
    bool        keep_values;        /* of every step, for who looks at them (mxdi_tape_options) */
    const char *checkpoint;         /* folder, NULL: none */
    double      checkpoint_seconds; /* between two checkpoints */
    mxdi_train_progress_fn progress;
    void                  *user;
} mxdi_train_options;

/* What one epoch came to. */
typedef struct mxdi_train_epoch {
    double loss, train_top1;  /* means over the epoch */
    double top1;              /* on the evaluation samples by the engine; NaN without any */
    double images_per_second; /* of training alone */
} mxdi_train_epoch;

typedef struct mxdi_trainer mxdi_trainer;

/* `graph` as imported, shared: it must outlive the trainer and what it exports. recipe NULL: float.
 */
mxd_status mxdi_trainer_create(mxdi_trainer **out, const mxdi_graph *graph,
                               const mxdi_recipe *recipe, const mxdi_train_data *data,
                               const mxdi_train_data *eval, const mxdi_train_options *options,
                               const mxdi_registry *registry, const mxd_allocator *alloc,
                               mxd_error *err);
void       mxdi_trainer_destroy(mxdi_trainer *t);
/* Continue where the folder's checkpoint stands, if it has one. MXD_E_STALE: it belongs to another
 * training. */
mxd_status mxdi_trainer_resume(mxdi_trainer *t, mxd_error *err);
mxd_status mxdi_trainer_save(mxdi_trainer *t, mxd_error *err);
/* One batch: forward, backward, update. *epoch_ended after the last one of an epoch. */
mxd_status mxdi_trainer_step(mxdi_trainer *t, bool *epoch_ended, mxd_error *err);
/* Steps up to the end of the epoch, then evaluation. */
mxd_status mxdi_trainer_epoch(mxdi_trainer *t, mxdi_train_epoch *out, mxd_error *err);
/* Accuracy of what export would give, on its engine. */
mxd_status mxdi_trainer_evaluate(mxdi_trainer *t, double *top1, mxd_error *err);
/* The network with what was learned; shares constants with the trainer's graphs. */
mxd_status mxdi_trainer_export(mxdi_trainer *t, mxdi_graph **out, mxd_error *err);

int64_t mxdi_trainer_epochs_done(const mxdi_trainer *t);
int64_t mxdi_trainer_resumed_from(const mxdi_trainer *t); /* the step; 0: from the start */
const mxdi_train_epoch *mxdi_trainer_history(const mxdi_trainer *t); /* (epochs_done) */
/* The float (NULL without a recipe) and the exported graph, whose constants exported graphs share,
 * are the caller's from now on; they must outlive the trainer. */
void mxdi_trainer_hand_over(mxdi_trainer *t, mxdi_graph **canonical, mxdi_graph **exported);
#endif
