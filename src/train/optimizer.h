/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers and learning-rate schedules over the parameters of a tape.
 */
#ifndef MXDI_TRAIN_OPTIMIZER_H
#define MXDI_TRAIN_OPTIMIZER_H

#include "train/tape.h"

typedef enum mxdi_optimizer_kind { MXDI_SGD, MXDI_ADAM } mxdi_optimizer_kind;
typedef enum mxdi_schedule_kind { MXDI_COSINE, MXDI_STEP, MXDI_CONSTANT } mxdi_schedule_kind;

typedef struct mxdi_optimizer_options {
    mxdi_optimizer_kind kind;
    double              lr, momentum; /* momentum: of SGD; Adam has 0.9 and 0.999 */
    double weight_decay; /* of weights only; Adam's is decoupled (Loshchilov and Hutter 2019,
                            arXiv:1711.05101) */
    double step_lr;      /* the learning rate of quantizers' parameters, in lr */
    double clip_norm;    /* gradients together are at most so long; 0: as they are */
} mxdi_optimizer_options;

typedef struct mxdi_optimizer {
    mxdi_optimizer_options options;
    mxdi_tape             *tape;
    float                **m, **v; /* (n_params) moments; v of Adam only */
    int64_t                updates;
    double                 norm; /* of the last gradients, before clipping */
} mxdi_optimizer;

mxd_status mxdi_optimizer_init(mxdi_optimizer *o, mxdi_tape *t,
                               const mxdi_optimizer_options *options,
                               mxd_error                    *err); /* on the tape's arena */
/* One step with learning rate lr. SGD as PyTorch has it: m = momentum*m + g; w -= lr*m.
 * MXD_E_RANGE: gradients are no finite numbers, and nothing is changed. */
mxd_status mxdi_optimizer_step(mxdi_optimizer *o, double lr, mxd_error *err);

/* The factor of the learning rate at `step` of `steps`: linear warm-up over the first `warm_up`
 * steps, then a half cosine down to 0.01, or a tenth at each of 1/2 and 3/4, or 1. */
double mxdi_schedule_factor(mxdi_schedule_kind kind, int64_t step, int64_t steps, int64_t warm_up);
#endif
