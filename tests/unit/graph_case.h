/* SPDX-License-Identifier: Apache-2.0
 *
 * Small graphs in few lines, for unit tests. Everything here asserts that it works.
 */
#ifndef TESTS_UNIT_GRAPH_CASE_H
#define TESTS_UNIT_GRAPH_CASE_H

/* cmocka.h needs these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/dtype.h"
#include "ir/ops.h"

#define DIMS(...)                       \
    ((const int64_t[]){ __VA_ARGS__ }), \
        (int32_t)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#define SCALAR NULL, 0
#define VALUES(...)                      \
    ((const uint32_t[]){ __VA_ARGS__ }), \
        (uint32_t)(sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static inline mxdi_graph *graph_new(int32_t opset)
{
    mxdi_graph *g = NULL;
    assert_int_equal(mxdi_graph_create(&g, NULL, NULL), MXD_OK);
    g->opset = opset;
    return g;
}

static inline uint32_t graph_value(mxdi_graph *g, const char *name, mxd_dtype dtype,
                                   const int64_t *dim, int32_t rank)
{
    uint32_t id = 0;
    assert_int_equal(mxdi_graph_add_value(&id, g, name, "v", NULL), MXD_OK);
    g->value[id].dtype = dtype;
    g->value[id].rank  = rank;
    for (int32_t k = 0; k < rank; k++)
        g->value[id].dim[k] = dim[k];
    return id;
}

/* A value that a node will make. */
static inline uint32_t graph_open(mxdi_graph *g, const char *name)
{
    uint32_t id = 0;
    assert_int_equal(mxdi_graph_add_value(&id, g, name, "y", NULL), MXD_OK);
    return id;
}

/* A network input; -1 in dims: open, with symbol "N" for the first axis and "S" for the others. */
static inline uint32_t graph_input(mxdi_graph *g, const char *name, mxd_dtype dtype,
                                   const int64_t *dim, int32_t rank)
{
    const uint32_t id = graph_value(g, name, dtype, dim, rank);
    assert_int_equal(mxdi_graph_add_input(g, id, NULL), MXD_OK);
    for (int32_t k = 0; k < rank; k++)
        if (dim[k] < 0)
            assert_int_equal(mxdi_graph_add_symbol(g, id, k, k == 0 ? "N" : "S", NULL), MXD_OK);
    return id;
}

static inline uint32_t graph_constant(mxdi_graph *g, const char *name, mxd_dtype dtype,
                                      const void *data, const int64_t *dim, int32_t rank)
{
    mxd_tensor t  = { (void *)(uintptr_t)data, dtype, rank, { 0 } };
    uint32_t   id = 0;
    for (int32_t k = 0; k < rank; k++)
        t.dim[k] = dim[k];
    assert_int_equal(mxdi_graph_add_constant(&id, g, name, "c", &t, true, NULL), MXD_OK);
    return id;
}

#define INTS(g, ...)                                                   \
    graph_constant(g, NULL, MXD_S64, (const int64_t[]){ __VA_ARGS__ }, \
                   DIMS(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)))
#define FLOATS(g, ...)                                               \
    graph_constant(g, NULL, MXD_F32, (const float[]){ __VA_ARGS__ }, \
                   DIMS(sizeof((float[]){ __VA_ARGS__ }) / sizeof(float)))

/* A node of domain ""; its index. */
static inline uint32_t graph_node(mxdi_graph *g, const char *op, const char *name,
                                  const uint32_t *in, uint32_t n_in, const uint32_t *out,
                                  uint32_t n_out)
{
    mxd_node *node = NULL;
    assert_int_equal(mxdi_graph_add_node(&node, g, op, "", name, in, n_in, out, n_out, NULL),
                     MXD_OK);
    const char *const origin = node->name;
    assert_int_equal(mxdi_node_add_origins(g, node, &origin, 1, NULL), MXD_OK);
    return g->n_nodes - 1;
}

static inline void graph_int(mxdi_graph *g, uint32_t node, const char *name, int64_t i)
{
    assert_int_equal(mxdi_node_set_int(g, &g->node[node], name, i, NULL), MXD_OK);
}

static inline void graph_ints(mxdi_graph *g, uint32_t node, const char *name, const int64_t *v,
                              int32_t n)
{
    assert_int_equal(mxdi_node_set_ints(g, &g->node[node], name, v, (uint32_t)n, NULL), MXD_OK);
}

static inline void graph_string(mxdi_graph *g, uint32_t node, const char *name, const char *s)
{
    assert_int_equal(mxdi_node_set_string(g, &g->node[node], name, s, NULL), MXD_OK);
}

static inline void graph_output(mxdi_graph *g, uint32_t value)
{
    assert_int_equal(mxdi_graph_add_output(g, value, NULL), MXD_OK);
}

/* The node of that name; asserts that there is one. */
static inline const mxd_node *graph_find(const mxdi_graph *g, const char *name)
{
    for (uint32_t k = 0; k < g->n_nodes; k++)
        if (g->node[k].op && strcmp(g->node[k].name, name) == 0)
            return &g->node[k];
    fail_msg("no node '%s'", name);
    return NULL;
}

static inline uint32_t graph_count(const mxdi_graph *g, const char *op)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < g->n_nodes; k++)
        n += mxdi_node_is(&g->node[k], op);
    return n;
}

static inline void assert_dims(const mxd_value *v, const int64_t *dim, int32_t rank)
{
    assert_string_equal(mxdi_dims(v->dim, v->rank).text, mxdi_dims(dim, rank).text);
}
#endif
