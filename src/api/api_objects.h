/* SPDX-License-Identifier: Apache-2.0
 * What the public handles are. */
#ifndef MXDI_API_API_OBJECTS_H
#define MXDI_API_API_OBJECTS_H

#include "engine/engine.h"
#include "engine/registry.h"
#include "engine/session.h"
#include "ir/graph.h"
#include "mixdown/mixdown.h"

struct mxd_context {
    mxd_allocator allocator;
    mxdi_registry registry;
};

/* Engines and models made from a model share its constants: each holds a reference, and the last
 * one frees. */
struct mxd_model {
    const mxd_context *ctx;
    mxd_model         *parent; /* whose constants `graph` shares, or NULL; a reference */
    unsigned           references;
    mxdi_graph        *graph;    /* as imported; never changed */
    char               hash[33]; /* of the file; "" for models made here */
    const struct mxdi_block_report
            *block; /* (n_blocks) that quantizing reported, on graph's arena */
    uint32_t n_blocks;
};

struct mxd_engine {
    const mxd_context *ctx;
    mxd_model         *model; /* whose constants the engine shares, or NULL; a reference */
    mxdi_engine       *engine;
    mxd_audit_row     *audit; /* the engine's rows in public form */
};

struct mxd_session {
    const mxd_engine *engine;
    mxdi_session     *session;
    uint32_t          threads;
};

/* One more reference to a model; the const is of what users see. */
mxd_model *mxdi_api_retain(const mxd_model *model);

/* Value `id` of a graph as the public struct; symbols by name where the file left dimensions open.
 */
void mxdi_api_value_info(mxd_value_info *out, const mxdi_graph *g, uint32_t id);
/* Public shapes as bindings, on `arena`. */
mxd_status mxdi_api_bindings(mxdi_shape_binding **out, mxdi_arena *arena, const mxd_shape *shape,
                             uint32_t n, mxd_error *err);
/* mxd_build_options' input_formats and preprocess into `out`, on `arena` (api_formats.c). */
mxd_status mxdi_api_input_formats(mxdi_build_options *out, mxdi_arena *arena, const char *formats,
                                  const char *preprocess, mxd_error *err);
/* True when the caller's struct is large enough to hold `field`; older callers get the default. */
#define MXDI_HAS_FIELD(o, type, field) \
    ((o) && (o)->struct_size >= offsetof(type, field) + sizeof((o)->field))
#endif
