/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses of a batch and their gradients, which are written into the output's dx.
 */
#ifndef MXDI_TRAIN_LOSS_H
#define MXDI_TRAIN_LOSS_H

#include "train/tape.h"

typedef struct mxdi_loss {
    double  sum;     /* over the batch's samples */
    int64_t correct; /* whose largest logit (the first of equal ones) is the label's */
} mxdi_loss;

/* Softmax and cross-entropy against labels (batch), smoothed: a share `smoothing` of each target is
 * spread over all classes (Szegedy et al. 2016, arXiv:1512.00567, section 7). With `teacher`
 * (batch, classes), logits of the float network, a share `distill` of the target is the teacher's
 * softmax (Hinton et al. 2015, arXiv:1503.02531, temperature 1). dx = (p - target)/batch.
 * MXD_E_RANGE: a label outside the classes. */
mxd_status mxdi_loss_cross_entropy(mxdi_loss *out, mxdi_tape *t, const int64_t *label,
                                   float smoothing, const float *teacher, float distill,
                                   mxd_error *err);
/* Mean over the outputs of the squared difference to `target` (batch, H, W, C), which is (batch, C)
 * of logits. dx = 2*(y - target)/(outputs*batch). */
void mxdi_loss_squared(mxdi_loss *out, mxdi_tape *t, const float *target);
#endif
