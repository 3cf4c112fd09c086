/* SPDX-License-Identifier: Apache-2.0
 *
 * AdaRound (Nagel et al. 2020, arXiv:2004.10568): each weight is rounded down or up so that a
 * layer's outputs come closest to the float layer's, rather than each weight to its own.
 */
#ifndef MXDI_TRAIN_ADAROUND_H
#define MXDI_TRAIN_ADAROUND_H

#include "quant/rounding.h"

/* Results of both do not depend on the number of threads. */
extern const mxdi_rounding mxdi_adaround;
/* The layers of a block together (BRECQ: Li et al. 2021, arXiv:2102.05426, eq. 10 with the plain
 * mean square), from where the above stands. */
extern const mxdi_reconstruction mxdi_adaround_blocks;
#endif
