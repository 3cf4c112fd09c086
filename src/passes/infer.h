/* SPDX-License-Identifier: Apache-2.0
 *
 * Shape inference with constant folding in between, in two steps, so that two inferences of one
 * graph can be compared before either is final. Private to src/passes.
 */
#ifndef MXDI_PASSES_INFER_H
#define MXDI_PASSES_INFER_H

#include "ir/graph.h"

#define MXDI_FOLD_BYTES_MAX ((size_t)64 << 20) /* of one constant */

/* What one inference may spend on folding: bytes that it reads and writes. */
typedef struct mxdi_fold_budget {
    size_t bytes_left;
} mxdi_fold_budget;

/* Computes the outputs of a node whose inputs are constants (or whose result follows from shapes)
 * and sets them as data of its output values; the node stays. *done = false: it is not one that
 * folds, and nothing was changed. */
mxd_status mxdi_fold_node(mxdi_graph *g, const mxd_node *node, mxdi_fold_budget *budget, bool *done,
                          mxd_error *err);

/* Shapes of all values from the inputs', which are known. A graph that is bound already keeps what
 * it computes from the batch. folded[n] (n_nodes): node n was folded. */
mxd_status mxdi_infer(mxdi_graph *g, uint8_t *folded, mxd_error *err);
/* Takes back what folding set. */
void mxdi_infer_undo(mxdi_graph *g, uint8_t *folded, uint32_t n);
/* Removes the nodes that were folded. One that makes a network output stays, and makes it at run
 * time; whoever else reads that value reads a constant. */
mxd_status mxdi_infer_commit(mxdi_graph *g, const uint8_t *folded, mxd_error *err);
#endif
