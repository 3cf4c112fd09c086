/* SPDX-License-Identifier: Apache-2.0
 *
 * Cross-layer equalization (Nagel et al. 2019, arXiv:1906.04721, section 4.1): channels between two
 * layers are scaled so that the weights of both reach equally far in each.
 */
#ifndef MXDI_QUANT_EQUALIZE_H
#define MXDI_QUANT_EQUALIZE_H

#include "quant/recipe.h"

/* Of a canonical float graph with inferred shapes, whose outputs stay what they are but for
 * rounding. Pairs are two Conv or Gemm of which one at least has integer weights, the second the
 * only reader of the first through functions with f(a x) = a f(x) for a > 0 that keep channels
 * apart: Relu, LeakyRelu, PRelu, pools. Others (Clip with an upper bound) end a pair.
 * scaled[v] (n_values) becomes 1 for every tensor whose channels were scaled. */
mxd_status mxdi_equalize(mxdi_graph *g, const mxdi_setting *setting, uint8_t *scaled,
                         mxd_error *err);
#endif
