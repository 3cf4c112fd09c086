/* SPDX-License-Identifier: Apache-2.0
 *
 * Training on an ONNX graph: from new or given weights, in float or with a recipe
 * (quantization-aware, in the arithmetic that engines have). docs/training.md explains methods,
 * defaults and checkpoints.
 */
#ifndef MIXDOWN_TRAIN_H
#define MIXDOWN_TRAIN_H

#include "mixdown/dataset.h"
#include "mixdown/quantize.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mxd_trainer mxd_trainer;

/** How far training is; images per second of this epoch so far, seconds left of everything. */
typedef struct mxd_train_progress {
    int64_t epoch, epochs, step, steps; /* from 0; step: done in this epoch */
    double  loss, top1;                 /* of this epoch so far, on the samples trained on */
    double  images_per_second, seconds_left;
} mxd_train_progress;
/** After every step, in the caller's thread. Non-zero: stop; the call ends with MXD_E_CANCELLED,
 * the checkpoint is written. */
typedef int (*mxd_train_progress_fn)(void *user, const mxd_train_progress *progress);

typedef struct mxd_train_options {
    uint32_t    struct_size;
    int64_t     epochs;    /* 0: 10 for new weights, else 2 */
    int64_t     batch;     /* a multiple of 8; 0: 64 */
    const char *method;    /* "minmax", "lsq", "lsq+", "pact", "dorefa"; NULL: lsq */
    const char *optimizer; /* "sgd", "adam"; NULL: sgd */
    double      lr;        /* 0: a default for the case (docs/training.md) */
    double      momentum, weight_decay, step_lr, clip_norm; /* negative: the default */
    const char *schedule;                 /* "cosine", "step", "constant"; NULL: cosine */
    double      warm_up;                  /* epochs; negative: the default */
    double      label_smoothing, distill; /* 0 .. 1 */
    const char *init;                     /* "kaiming": new weights; NULL: those of the model */
    const char *augment; /* "crop", "flip", "crop,flip", "none"; NULL: flip for colour pictures,
                            both from 5 epochs on */
    uint64_t              seed;
    uint32_t              threads;            /* 0: the machine's cores */
    const char           *isa;                /* cap, NULL: what the CPU has */
    const char           *checkpoint;         /* folder; NULL: none */
    double                checkpoint_seconds; /* between two of them, at most */
    mxd_train_progress_fn progress;           /* may be NULL */
    void                 *user;
} mxd_train_options;
#define MXD_TRAIN_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(mxd_train_options), 0, 0, NULL, NULL, 0.0, -1.0, -1.0, -1.0, -1.0, NULL, -1.0, 0.0, \
            0.0, NULL, NULL, 1, 0, NULL, NULL, 10.0, NULL, NULL                                    \
    }

/** What one epoch came to. */
typedef struct mxd_train_epoch {
    double loss, train_top1;  /* means over the epoch */
    double top1;              /* of the exported network's engine on `eval`; NaN without */
    double images_per_second; /* of training alone */
} mxd_train_epoch;

/**
 * Prepare a training. With a recipe the network is calibrated on the first 512 samples of `data`
 * and quantized.
 *
 * @param recipe  NULL: train in float.
 * @param data    labelled samples of the network's one input; at least a batch.
 * @param eval    NULL, or labelled samples that each epoch is evaluated on.
 * @retval MXD_E_UNSUPPORTED  an operation without a gradient; the message names the node.
 * @retval MXD_E_USAGE  an unknown method, optimizer, schedule, init or augmentation; the nearest
 * name is told.
 *
 * model, recipe (until the call returns), data and eval (until destroy) stay the caller's. One
 * thread at a time.
 */
MXD_API mxd_status mxd_trainer_create(mxd_trainer **out, const mxd_model *model,
                                      const mxd_recipe *recipe, const mxd_dataset *data,
                                      const mxd_dataset *eval, const mxd_train_options *options,
                                      mxd_error *err);
MXD_API void       mxd_trainer_destroy(mxd_trainer *trainer);
/** Continue from the checkpoint of options.checkpoint, when there is one. @retval MXD_E_STALE it is
 * of another training. */
MXD_API mxd_status mxd_trainer_resume(mxd_trainer *trainer, mxd_error *err);
/** Write a checkpoint now. */
MXD_API mxd_status mxd_trainer_checkpoint(mxd_trainer *trainer, mxd_error *err);
/** One batch. *epoch_ended: it was the last of its epoch (mxd_trainer_epoch is the one that
 * evaluates). */
MXD_API mxd_status mxd_trainer_step(mxd_trainer *trainer, int *epoch_ended, mxd_error *err);
/** The rest of the current epoch, and its evaluation. @retval MXD_E_RANGE  a value became NaN; the
 * message names step and layer. */
MXD_API mxd_status mxd_trainer_epoch(mxd_trainer *trainer, mxd_train_epoch *out, mxd_error *err);
/** Top-1 on `eval` of what export would give now, on its engine. */
MXD_API mxd_status mxd_trainer_evaluate(mxd_trainer *trainer, double *top1, mxd_error *err);
/** The network with what was learned: float, or QDQ with a recipe. The trainer may be destroyed
 * before it. */
MXD_API mxd_status mxd_trainer_export(mxd_model **out, mxd_trainer *trainer, mxd_error *err);

MXD_API int64_t mxd_trainer_epochs(const mxd_trainer *trainer); /**< in all */
MXD_API int64_t mxd_trainer_epochs_done(const mxd_trainer *trainer);
/** The step; 0: from the start. */
MXD_API int64_t mxd_trainer_resumed_from(const mxd_trainer *trainer);
/** Epoch `index` below epochs_done. */
MXD_API void mxd_trainer_history(mxd_train_epoch *out, const mxd_trainer *trainer, int64_t index);

#ifdef __cplusplus
}
#endif
#endif
