/* SPDX-License-Identifier: Apache-2.0
 *
 * An engine: a QDQ graph compiled for one backend and device. Immutable and shareable between
 * threads once made. It keeps the canonical QDQ graph (what an engine file holds), and for each
 * batch class a plan: the graph with shapes bound, cut into parts by who claims what, each part
 * fused and compiled.
 */
#ifndef MXDI_ENGINE_ENGINE_H
#define MXDI_ENGINE_ENGINE_H

#include "base/bytes.h"
#include "engine/choices.h"
#include "engine/registry.h"
#include "ir/graph.h"
#include "passes/passes.h"

enum { MXDI_MAX_PLANS = 8 };

/* What a network input holds, for inputs whose values decide shapes (the second input of Reshape
 * ...). */
typedef struct mxdi_input_value {
    const char       *name;
    const mxd_tensor *tensor;
} mxdi_input_value;

typedef struct mxdi_build_options {
    const char *backend;               /* NULL: "cpu" */
    const char *isa;                   /* cap, NULL: what the CPU has */
    uint32_t    threads;               /* that the engine is tuned for; 0: the machine's cores */
    int64_t     batch[MXDI_MAX_PLANS]; /* ascending, one plan each; none: 1, or the model's own */
    uint32_t    n_batches;
    const mxdi_shape_binding *shape; /* of inputs, by name */
    uint32_t                  n_shapes;
    const mxdi_input_value
            *value; /* inputs that shapes depend on become constants of these; others are ignored */
    uint32_t n_values;
    const mxdi_input_format *format; /* of inputs by position; the rest is as in the model */
    uint32_t                 n_formats;
    mxdi_scaling             scaling; /* of those that become bytes of pictures */
    const char              *scaling_text;
    size_t                   workspace_cap; /* bytes; 0: none */
    bool                     exact, timed;
    const char              *timing_cache; /* file, NULL: none */
    const mxdi_choices
        *choices; /* of an engine file: known from there, and nothing is timed; NULL: a new build */
} mxdi_build_options;

/* One run of a backend over a piece of the graph. */
typedef struct mxdi_part {
    const mxd_backend_api *api;
    mxdi_graph            *graph; /* fused; what `program` was compiled from */
    mxd_program           *program;
    uint32_t              *input; /* value ids of the plan's graph, in the part's input order */
    uint32_t              *output;
} mxdi_part;

typedef struct mxdi_plan {
    mxdi_graph *graph; /* canonical QDQ graph with this batch's shapes */
    mxdi_part  *part;  /* in execution order */
    const char *
        *reason; /* (n_nodes of graph) why the engine's backend left a node to the interpreter */
    uint32_t n_parts;
    int64_t  batch;   /* largest batch; fixed networks: their own first dimension */
    bool     batched; /* inputs have a batch dimension that may be smaller */
} mxdi_plan;

/* One row of the audit; strings live as long as the engine. */
typedef struct mxdi_audit_row {
    const char *node, *op;
    const char *asked; /* precision name, NULL: nothing was asked */
    const char
        *stored; /* precision name or type of what the weights are held in; NULL: no weights */
    const char *computed;        /* of the kernel */
    const char *verdict;         /* one of the words of docs/architecture.md */
    const char *kernel, *reason; /* NULL: none */
} mxdi_audit_row;

typedef struct mxdi_engine {
    const mxd_allocator   *alloc;
    mxdi_arena             arena; /* strings and audit rows */
    mxdi_graph            *graph; /* canonical, shapes as far as the model gives them */
    const mxd_backend_api *api,
        *fallback; /* fallback runs what api does not claim; NULL when api is the interpreter */
    mxd_device     *device, *fallback_device;
    mxd_host_api    host;
    mxdi_plan       plan[MXDI_MAX_PLANS];
    uint32_t        n_plans;
    mxdi_audit_row *audit;
    uint32_t        n_audit, mismatches;
    size_t          peak_bytes; /* panels and one session's buffers */
    double          build_seconds;
    char
        model_hash[33]; /* XXH3-128 of the ONNX file that it was built from, hex; "" when unknown */
    mxdi_build_options
        options; /* backend and isa point into the arena; shapes are bound, not kept */
    mxdi_shape_binding *shape; /* owned copy in the arena */
    mxdi_choices        known,
        used;         /* timed choices that were there, and those that this engine was built with */
    bool choice_lost; /* out of memory while one was kept */
} mxdi_engine;

/* Who answers a backend on one device. */
struct mxdi_chooser {
    mxdi_engine *engine;
    const char  *device;
};

/* `graph` as imported; consumed in any case (destroyed on failure). */
mxd_status mxdi_engine_build(mxdi_engine **out, mxdi_graph *graph,
                             const mxdi_build_options *options, const mxdi_registry *registry,
                             const mxd_allocator *alloc, mxd_error *err);
void       mxdi_engine_destroy(mxdi_engine *e);

/* ---- engine files (docs/engine-format.md) ---- */
mxd_status mxdi_engine_save(const mxdi_engine *e, const char *path, uint64_t *bytes,
                            mxd_error *err);
/* backend and isa (NULL: as built) may differ from what it was built for: kernels are derived anew.
 */
mxd_status mxdi_engine_load(mxdi_engine **out, const char *path, const char *backend,
                            const char *isa, const mxdi_registry *registry,
                            const mxd_allocator *alloc, mxd_error *err);
/* The bytes of the file; what save writes and load reads. `file` must outlive the graph. */
mxd_status mxdi_engine_write(mxdi_bytes *out, const mxdi_engine *e, mxd_error *err);
mxd_status mxdi_engine_parse(mxdi_graph **out, mxdi_build_options *options, char model_hash[33],
                             mxdi_view file, const mxd_allocator *alloc,
                             mxd_error *err);     /* what options point to is the graph's */
bool       mxdi_engine_is_file(const char *path); /* begins with the magic of engine files */

/* ---- the steps of a build, each in its own file ---- */
/* Cut plan->graph into parts (partition.c), fuse each (fuse.c), compile (build.c). */
/* Timed choices: those known before the first plan is compiled; what a backend asks and tells; the
 * cache written (choose.c). */
mxd_status mxdi_engine_take_choices(mxdi_engine *e, mxd_error *err);
void       mxdi_engine_choices_of(mxd_choices *out, struct mxdi_chooser *user, mxdi_engine *e,
                                  const char *device);
mxd_status mxdi_engine_keep_choices(mxdi_engine *e, mxd_error *err);
mxd_status mxdi_engine_partition(mxdi_plan *plan, mxdi_engine *e, mxd_error *err);
mxd_status mxdi_engine_audit(mxdi_engine *e,
                             mxd_error   *err); /* fills e->audit from the first plan */
#endif
