/* SPDX-License-Identifier: Apache-2.0
 *
 * Scaling and shifting the output channels of a Conv, ConvTranspose or Gemm through its weights.
 * Private to src/passes.
 */
#ifndef MXDI_PASSES_CHANNELS_H
#define MXDI_PASSES_CHANNELS_H

#include "passes/rewrite.h"

/* Number of output channels of a node whose weight and bias are plain binary32 constants; 0: it is
 * no such node. */
int64_t mxdi_channels_of(const mxdi_graph *g, const mxd_node *node);

/* conv(x) -> conv(x) * scale[c] + shift[c], computed in binary64 and rounded once for each weight.
 * scale NULL: 1, and weights stay untouched. */
mxd_status mxdi_channels_affine(mxdi_rewriter *r, uint32_t node, const double *scale,
                                const double *shift, mxd_error *err);
#endif
