/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph that everything before the backends works on. Values and nodes are the public structs
 * of mixdown/graph.h in growing arrays, referred to by index; strings, attributes and index lists
 * live in the graph's arena. Nodes stand in topological order whenever a function here returns
 * (add_* excepted: call sort). One owner, one thread. A graph never reads files and never executes.
 */
#ifndef MXDI_IR_GRAPH_H
#define MXDI_IR_GRAPH_H

#include "base/arena.h"
#include "base/error.h"
#include "mixdown/graph.h"

/* A dimension of a network input or output that the file leaves open: "N", "batch" or "" (no name).
 */
typedef struct mxdi_symbol {
    uint32_t    value;
    int32_t     axis;
    const char *name;
} mxdi_symbol;
typedef struct mxdi_meta {
    const char *key, *text;
} mxdi_meta; /* ONNX metadata_props */

typedef struct mxdi_graph {
    mxdi_arena   arena;
    mxd_value   *value;
    mxd_node    *node;
    uint32_t    *input, *output; /* value ids */
    mxdi_symbol *symbol;
    mxdi_meta   *meta;
    uint32_t     n_values, n_nodes, n_inputs, n_outputs, n_symbols, n_meta;
    uint32_t     cap_values, cap_nodes, cap_inputs, cap_outputs, cap_symbols, cap_meta;
    int32_t      opset;     /* of domain ""; what nodes are written with */
    int64_t      max_batch; /* 0 until shapes are bound */
    const char  *name;      /* of the ONNX graph; for messages and export */
    uint32_t     next_name; /* for fresh names */
    void *backing; /* what constants may point into (a mapped file), released with the graph */
    void (*release_backing)(void *backing);
} mxdi_graph;

mxd_status mxdi_graph_create(mxdi_graph **out, const mxd_allocator *alloc, mxd_error *err);
void       mxdi_graph_destroy(mxdi_graph *g); /* NULL is fine */
/* A deep copy, except that constants' bytes are shared: `g` must outlive it. */
mxd_status     mxdi_graph_clone(mxdi_graph **out, const mxdi_graph *g, mxd_error *err);
mxd_graph_view mxdi_graph_view(
    const mxdi_graph *g); /* borrowed; valid until the graph is changed */

/* ---- building. Ids are stable until compact. `name` is copied; NULL makes a fresh unique one from
 * `hint`. ---- */
mxd_status mxdi_graph_add_value(uint32_t *out, mxdi_graph *g, const char *name, const char *hint,
                                mxd_error *err);
/* Constant of `t`; copy: the bytes move to the arena, else they are borrowed. */
mxd_status mxdi_graph_add_constant(uint32_t *out, mxdi_graph *g, const char *name, const char *hint,
                                   const mxd_tensor *t, bool copy, mxd_error *err);
/* A node with room for its inputs and outputs, ids copied. name NULL: its first output's. version:
 * g->opset (1 for domain "mixdown"). The pointer is valid until the next add. */
mxd_status mxdi_graph_add_node(mxd_node **out, mxdi_graph *g, const char *op, const char *domain,
                               const char *name, const uint32_t *in, uint32_t n_in,
                               const uint32_t *value_out, uint32_t n_out, mxd_error *err);
mxd_status mxdi_node_set_int(mxdi_graph *g, mxd_node *node, const char *name, int64_t i,
                             mxd_error *err); /* add or replace */
mxd_status mxdi_node_set_float(mxdi_graph *g, mxd_node *node, const char *name, float f,
                               mxd_error *err);
mxd_status mxdi_node_set_string(mxdi_graph *g, mxd_node *node, const char *name, const char *s,
                                mxd_error *err);
mxd_status mxdi_node_set_ints(mxdi_graph *g, mxd_node *node, const char *name, const int64_t *v,
                              uint32_t n, mxd_error *err);
mxd_status mxdi_node_set_floats(mxdi_graph *g, mxd_node *node, const char *name, const float *v,
                                uint32_t n, mxd_error *err);
mxd_status mxdi_node_set_tensor(mxdi_graph *g, mxd_node *node, const char *name,
                                const mxd_tensor *t, mxd_error *err);
void       mxdi_node_remove_attr(mxd_node *node, const char *name);
/* Copy all attributes of `from` (this graph's or another's). */
mxd_status mxdi_node_copy_attrs(mxdi_graph *g, mxd_node *node, const mxd_node *from,
                                mxd_error *err);
/* Append names of ONNX nodes whose work `node` does. */
mxd_status  mxdi_node_add_origins(mxdi_graph *g, mxd_node *node, const char *const *origin,
                                  uint32_t n, mxd_error *err);
void        mxdi_node_set_in(mxd_node *node, uint32_t k, uint32_t value);
void        mxdi_node_set_out(mxd_node *node, uint32_t k, uint32_t value);
mxd_status  mxdi_graph_add_input(mxdi_graph *g, uint32_t value, mxd_error *err);
mxd_status  mxdi_graph_add_output(mxdi_graph *g, uint32_t value, mxd_error *err);
mxd_status  mxdi_graph_add_symbol(mxdi_graph *g, uint32_t value, int32_t axis, const char *name,
                                  mxd_error *err);
mxd_status  mxdi_graph_set_meta(mxdi_graph *g, const char *key, const char *text, mxd_error *err);
const char *mxdi_graph_meta(const mxdi_graph *g, const char *key); /* NULL: none */
mxd_status  mxdi_value_set_qparams(mxdi_graph *g, uint32_t value, const mxd_qparams *q,
                                   mxd_error *err); /* copied */

/* ---- rewriting ---- */
/* Every use of `from` (nodes, network outputs) becomes `to`. */
void mxdi_graph_replace_uses(mxdi_graph *g, uint32_t from, uint32_t to);
/* Mark a node for removal; compact removes it. A removed node has op NULL and is skipped by
 * everything here. */
void mxdi_node_remove(mxd_node *node);
/* Nodes that no network output depends on are removed. */
mxd_status mxdi_graph_remove_dead(mxdi_graph *g, mxd_error *err);
/* Drop removed nodes, and values that nothing refers to (network inputs stay): ids change. */
mxd_status mxdi_graph_compact(mxdi_graph *g, mxd_error *err);
/* Stable topological order; a cycle is MXD_E_INVAL naming a node on it. */
mxd_status mxdi_graph_sort(mxdi_graph *g, mxd_error *err);
/* Ids in range, one producer per value, names unique, order topological, constants' sizes fit their
 * shapes. */
mxd_status mxdi_graph_verify(const mxdi_graph *g, mxd_error *err);
uint32_t   mxdi_graph_find_value(const mxdi_graph *g, const char *name); /* MXD_NO_VALUE: none */

/* ---- who makes and who uses each value; a snapshot, stale after any change ---- */
typedef struct mxdi_links {
    uint32_t            *producer; /* (n_values) node index, or MXD_NO_VALUE */
    uint32_t            *n_uses;   /* (n_values) node inputs; each network output counts one more */
    uint32_t            *first_use; /* (n_values + 1) offsets into user */
    uint32_t            *user;      /* node indices, ascending for each value */
    const mxd_allocator *alloc;
} mxdi_links;
#define MXDI_LINKS_INIT              \
    {                                \
        NULL, NULL, NULL, NULL, NULL \
    }
mxd_status mxdi_links_build(mxdi_links *out, const mxdi_graph *g,
                            mxd_error *err); /* replaces what `out` held */
void       mxdi_links_free(mxdi_links *l);
bool       mxdi_graph_is_output(const mxdi_graph *g, uint32_t value);

static inline bool mxdi_node_is(const mxd_node *n, const char *op)
{
    return n->op && strcmp(n->op, op) == 0;
}
#endif
