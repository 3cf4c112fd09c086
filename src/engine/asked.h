/* SPDX-License-Identifier: Apache-2.0
 *
 * Which precision a QDQ graph asks of a Conv, Gemm or MatMul: read from what stands before its operands.
 */
#ifndef MXDI_ENGINE_ASKED_H
#define MXDI_ENGINE_ASKED_H

#include "ir/graph.h"

/* "w8a8", "w4-bf16", "bf16", "f32" ...: static text or on `arena`; NULL: out of memory. `links` of `g`. */
const char *mxdi_asked(mxdi_arena *arena, const mxdi_graph *g, const mxdi_links *links, const mxd_node *node);
/* From the types of both operands, floats being their compute type. */
const char *mxdi_precision_name(mxdi_arena *arena, mxd_dtype x, mxd_dtype w);
bool        mxdi_is_product(const mxd_node *node); /* Conv, Gemm, MatMul */
#endif
