/* SPDX-License-Identifier: Apache-2.0
 *
 * Pieces of a graph: what lies between some of its values, as a graph of its own.
 */
#ifndef MXDI_QUANT_PIECE_H
#define MXDI_QUANT_PIECE_H

#include "ir/graph.h"

/* The value of `g` that has the name of `like`, and now its type and shape, is made by no node any
 * more, so that it can be an input: *id. */
mxd_status mxdi_piece_cut_at(uint32_t *id, mxdi_graph *g, const mxd_value *like, mxd_error *err);
/* `g` becomes what makes the value named `out` of the one that has the name of `in`, bound to
 * `batch` along the first axis of both. On failure `g` is half-changed: discard it. */
mxd_status mxdi_piece_between(mxdi_graph *g, const mxd_value *in, const char *out, int64_t batch,
                              mxd_error *err);
#endif
