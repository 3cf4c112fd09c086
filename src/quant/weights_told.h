/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights at the scales that a file tells, so that a network runs with the integers it was trained
 * with.
 */
#ifndef MXDI_QUANT_WEIGHTS_TOLD_H
#define MXDI_QUANT_WEIGHTS_TOLD_H

#include "quant/qdq.h"
#include "quant/weights.h"

/* *used: the calibration tells scales of node n's weights for the bits that are asked, and they can
 * be had. They are not where a bias or an accumulator could wrap with zero points other than 0, nor
 * where something was folded into the weights and the scales no longer fit them. */
mxd_status mxdi_weights_told(mxdi_weights_q *out, bool *used, const mxdi_qdq_plan *p, uint32_t n,
                             const mxdi_weights_view *w, mxd_error *err);
#endif
