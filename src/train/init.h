/* SPDX-License-Identifier: Apache-2.0
 *
 * First weights of a network that is trained from the start.
 */
#ifndef MXDI_TRAIN_INIT_H
#define MXDI_TRAIN_INIT_H

#include "train/tape.h"

/* He et al. 2015 (arXiv:1502.01852), eq. 10: weights normal with variance 2/fan_in, 1/fan_in of the
 * layer that gives the logits, biases 0. Where a sum of two branches follows without a
 * normalization, the last layer of the longer one starts at zero, so that deep sums do not grow
 * (Zhang et al. 2019, arXiv:1901.09321). */
mxd_status mxdi_train_init_kaiming(mxdi_tape *t, uint64_t seed, mxd_error *err);
#endif
