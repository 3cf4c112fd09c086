/* SPDX-License-Identifier: Apache-2.0
 *
 * The blocks of a network, found from its paths alone: what lies between two values that every path
 * from the inputs to the output passes, as a residual branch and its shortcut do.
 */
#ifndef MXDI_QUANT_BLOCKS_H
#define MXDI_QUANT_BLOCKS_H

#include "ir/graph.h"

/* Nodes [first, last], from value `in` to value `out`; Relu, LeakyRelu or Clip behind it belong to
 * it. Nothing else of the network reads or makes a value between the two. */
typedef struct mxdi_block_span {
    uint32_t in, out, first, last;
    uint32_t layers; /* of those that were counted */
} mxdi_block_span;

/* Blocks of two layers or more, in graph order, on `arena`; counts[n] (n_nodes): node n is a layer
 * that counts. */
mxd_status mxdi_blocks_find(mxdi_block_span **out, uint32_t *n_out, mxdi_arena *arena,
                            const mxdi_graph *g, const bool *counts, mxd_error *err);
#endif
