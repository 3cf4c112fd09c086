/* SPDX-License-Identifier: Apache-2.0
 *
 * The moves that rewrites are made of. A rewriter holds who makes and who uses each value, as of
 * its begin, and keeps both right under its own moves as long as nodes are visited in order, makers
 * before users. Private to src/passes.
 */
#ifndef MXDI_PASSES_REWRITE_H
#define MXDI_PASSES_REWRITE_H

#include "ir/graph.h"

typedef struct mxdi_rewriter {
    mxdi_graph *g;
    mxdi_links  links;
    uint32_t    n_values; /* that links knows; later ones are constants of one use */
    bool        changed;
} mxdi_rewriter;

mxd_status mxdi_rewrite_begin(mxdi_rewriter *r, mxdi_graph *g, mxd_error *err);
/* Frees what r holds and tells *changed; passes `st` through. */
mxd_status mxdi_rewrite_end(mxdi_rewriter *r, bool *changed, mxd_status st);

/* Index of the node that makes `value`, or MXD_NO_VALUE. */
uint32_t mxdi_rewrite_maker(const mxdi_rewriter *r, uint32_t value);
/* The same when that node is an ONNX `op` and `value` has no other use than the one at hand. */
uint32_t mxdi_rewrite_only_use(const mxdi_rewriter *r, uint32_t value, const char *op);
/* Index of the node that alone reads `value`, which is no network output; else MXD_NO_VALUE. */
uint32_t mxdi_rewrite_only_user(const mxdi_rewriter *r, uint32_t value);
/* Times that nodes and network outputs use `value`. */
uint32_t mxdi_rewrite_uses(const mxdi_rewriter *r, uint32_t value);

/* Node `into`, whose first output only `node` reads, does the work of both: it makes node's first
 * output, and `node` is removed. */
mxd_status mxdi_rewrite_absorb(mxdi_rewriter *r, uint32_t into, uint32_t node, mxd_error *err);
/* Node y = x, input 0, is removed where names allow it: uses of y read x, or x's maker makes y when
 * y is a network output. */
mxd_status mxdi_rewrite_bypass(mxdi_rewriter *r, uint32_t node, mxd_error *err);
/* `node` is removed, and reads nothing any more. */
void mxdi_rewrite_remove(mxdi_rewriter *r, uint32_t node);
/* Input k reads `value` instead. */
void mxdi_rewrite_set_in(mxdi_rewriter *r, uint32_t node, uint32_t k, uint32_t value);
/* `node` gets these inputs. */
mxd_status mxdi_rewrite_inputs(mxdi_rewriter *r, uint32_t node, const uint32_t *in, uint32_t n,
                               mxd_error *err);
/* `to` does the work of `from` as well; the list ends at 64. */
mxd_status mxdi_rewrite_origins(mxdi_graph *g, mxd_node *to, const mxd_node *from, mxd_error *err);

/* Constant `value` of one use gets this shape and these f32 elements, which live in the graph's
 * arena; one of more uses stays, and *value becomes a new constant. */
mxd_status mxdi_rewrite_floats(mxdi_rewriter *r, uint32_t *value, const float *data,
                               const int64_t *dim, int32_t rank, mxd_error *err);
#endif
