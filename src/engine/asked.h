/* SPDX-License-Identifier: Apache-2.0
 *
 * Which precision a QDQ graph asks of a Conv, Gemm or MatMul: read from what stands before its
 * operands.
 */
#ifndef MXDI_ENGINE_ASKED_H
#define MXDI_ENGINE_ASKED_H

#include <jansson.h>

#include "ir/graph.h"

/* What quantizing noted of layers, an object by node (a new reference), or NULL where there is
 * none. mixdown.precision: precisions narrower than the types that hold them; mixdown.allow: higher
 * ones that may run instead. */
mxd_status mxdi_asked_notes(json_t **out, const mxdi_graph *g, const char *key, mxd_error *err);
/* "w8a8", "w4-bf16", "bf16", "f32" ...: static text or on `arena`; NULL: out of memory. `links` of
 * `g`. narrower: notes of mixdown.precision, believed where the graph's types can hold what they
 * say. */
const char *mxdi_asked(mxdi_arena *arena, const mxdi_graph *g, const mxdi_links *links,
                       const json_t *narrower, const mxd_node *node);
/* The bits and float type of a precision name, 0 and "" where it has none: "w3-bf16" has 3, 0,
 * "bf16". */
typedef struct mxdi_precision_parts {
    unsigned    weight, input;
    const char *compute;
} mxdi_precision_parts;
mxdi_precision_parts mxdi_precision_split(const char *name);
/* From the types of both operands, floats being their compute type. */
const char *mxdi_precision_name(mxdi_arena *arena, mxd_dtype x, mxd_dtype w);
bool        mxdi_is_product(const mxd_node *node); /* Conv, Gemm, MatMul */
#endif
