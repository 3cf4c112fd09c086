/* SPDX-License-Identifier: Apache-2.0
 *
 * AdaRound (Nagel et al. 2020, arXiv:2004.10568): each weight is rounded down or up so that a
 * layer's outputs come closest to the float layer's, rather than each weight to its own.
 */
#ifndef MXDI_TRAIN_ADAROUND_H
#define MXDI_TRAIN_ADAROUND_H

#include "quant/rounding.h"

/* Results do not depend on the number of threads. */
extern const mxdi_rounding mxdi_adaround;
#endif
