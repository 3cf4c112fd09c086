/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes of nodes. A node's array has room for the power of two at or above n_attr, so that it
 * is moved only when n_attr is a power of two; the arena keeps what was moved from.
 */
#include "ir/graph.h"

#include "base/dtype.h"

static mxd_attr *find(const mxd_node *node, const char *name)
{
    for (uint32_t k = 0; k < node->n_attr; k++)
        if (strcmp(node->attr[k].name, name) == 0)
            return (mxd_attr *)&node->attr[k]; /* the arena's memory, const only for readers */
    return NULL;
}

/* Add `a`, or replace the one of that name. The name is copied here, what `a` points to by the
 * caller. */
static mxd_status put(mxdi_graph *g, mxd_node *node, const char *name, mxd_attr a, mxd_error *err)
{
    mxd_attr *const old = find(node, name);
    if (old) {
        a.name = old->name;
        *old   = a;
        return MXD_OK;
    }
    const uint32_t n = node->n_attr;
    a.name           = mxdi_arena_strdup(&g->arena, name);
    if (!a.name)
        return mxdi_nomem(err);
    if ((n & (n - 1)) == 0) {
        mxd_attr *const moved = MXDI_NEW(&g->arena, mxd_attr, n > 0 ? 2 * (size_t)n : 1);
        if (!moved)
            return mxdi_nomem(err);
        if (n > 0)
            memcpy(moved, node->attr, n * sizeof(*moved));
        node->attr = moved;
    }
    ((mxd_attr *)node->attr)[n] = a;
    node->n_attr                = n + 1;
    return MXD_OK;
}

/* As memdup, with an address for an empty list too. */
static const void *copy_list(mxdi_graph *g, const void *list, size_t bytes)
{
    void *const copy = mxdi_arena_alloc(&g->arena, bytes > 0 ? bytes : 1, 1, 8);
    if (copy && bytes > 0)
        memcpy(copy, list, bytes);
    return copy;
}

mxd_status mxdi_node_set_int(mxdi_graph *g, mxd_node *node, const char *name, int64_t i,
                             mxd_error *err)
{
    return put(g, node, name, (mxd_attr){ .kind = MXD_ATTR_INT, .i = i }, err);
}

mxd_status mxdi_node_set_float(mxdi_graph *g, mxd_node *node, const char *name, float f,
                               mxd_error *err)
{
    return put(g, node, name, (mxd_attr){ .kind = MXD_ATTR_FLOAT, .f = f }, err);
}

mxd_status mxdi_node_set_string(mxdi_graph *g, mxd_node *node, const char *name, const char *s,
                                mxd_error *err)
{
    const char *const copy = mxdi_arena_strdup(&g->arena, s);
    if (!copy)
        return mxdi_nomem(err);
    return put(g, node, name,
               (mxd_attr){ .kind = MXD_ATTR_STRING, .s = copy, .n = (uint32_t)strlen(copy) }, err);
}

mxd_status mxdi_node_set_ints(mxdi_graph *g, mxd_node *node, const char *name, const int64_t *v,
                              uint32_t n, mxd_error *err)
{
    const int64_t *const copy = copy_list(g, v, n * sizeof(*v));
    if (!copy)
        return mxdi_nomem(err);
    return put(g, node, name, (mxd_attr){ .kind = MXD_ATTR_INTS, .ints = copy, .n = n }, err);
}

mxd_status mxdi_node_set_floats(mxdi_graph *g, mxd_node *node, const char *name, const float *v,
                                uint32_t n, mxd_error *err)
{
    const float *const copy = copy_list(g, v, n * sizeof(*v));
    if (!copy)
        return mxdi_nomem(err);
    return put(g, node, name, (mxd_attr){ .kind = MXD_ATTR_FLOATS, .floats = copy, .n = n }, err);
}

mxd_status mxdi_node_set_tensor(mxdi_graph *g, mxd_node *node, const char *name,
                                const mxd_tensor *t, mxd_error *err)
{
    size_t bytes = 0;
    if (!mxdi_tensor_bytes(&bytes, t) || (bytes > 0 && !t->data))
        return mxdi_fail(err, MXD_E_INVAL,
                         "%s '%s': attribute '%s': expected a tensor with data that fits in memory",
                         node->op, node->name, name);
    mxd_tensor *const copy = MXDI_NEW(&g->arena, mxd_tensor, 1);
    if (!copy)
        return mxdi_nomem(err);
    *copy      = *t;
    copy->data = mxdi_arena_alloc(&g->arena, bytes > 0 ? bytes : 1, 1, 64);
    if (!copy->data)
        return mxdi_nomem(err);
    if (bytes > 0)
        memcpy(copy->data, t->data, bytes);
    return put(g, node, name, (mxd_attr){ .kind = MXD_ATTR_TENSOR, .tensor = copy }, err);
}

void mxdi_node_remove_attr(mxd_node *node, const char *name)
{
    mxd_attr *const a = find(node, name);
    if (!a)
        return;
    const size_t after = (size_t)(node->attr + node->n_attr - (a + 1));
    memmove(a, a + 1, after * sizeof(*a));
    node->n_attr--;
}

static mxd_status copy_attr(mxdi_graph *g, mxd_node *node, const mxd_attr *a, mxd_error *err)
{
    switch (a->kind) {
    case MXD_ATTR_INT:
        return mxdi_node_set_int(g, node, a->name, a->i, err);
    case MXD_ATTR_FLOAT:
        return mxdi_node_set_float(g, node, a->name, a->f, err);
    case MXD_ATTR_STRING:
        return mxdi_node_set_string(g, node, a->name, a->s, err);
    case MXD_ATTR_INTS:
        return mxdi_node_set_ints(g, node, a->name, a->ints, a->n, err);
    case MXD_ATTR_FLOATS:
        return mxdi_node_set_floats(g, node, a->name, a->floats, a->n, err);
    case MXD_ATTR_TENSOR:
        return mxdi_node_set_tensor(g, node, a->name, a->tensor, err);
    }
    return mxdi_fail(err, MXD_E_INVAL, "%s '%s': attribute '%s': unknown kind %d", node->op,
                     node->name, a->name, (int)a->kind);
}

mxd_status mxdi_node_copy_attrs(mxdi_graph *g, mxd_node *node, const mxd_node *from, mxd_error *err)
{
    for (uint32_t k = 0; k < from->n_attr; k++)
        MXD_TRY(copy_attr(g, node, &from->attr[k], err));
    return MXD_OK;
}
