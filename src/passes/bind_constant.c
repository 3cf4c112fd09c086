/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks that take shapes as inputs, as operator tests do: which inputs those are, and giving
 * them their elements before shapes are bound.
 */
#include "passes/passes.h"

#include "base/dtype.h"
#include "ir/ops.h"

/* Marks in wanted[] the values whose elements decide shapes, and what those are computed from. */
static void mark_wanted(uint8_t *wanted, const mxdi_graph *g)
{
    for (uint32_t n = g->n_nodes; n-- > 0;) { /* topological order: users come before makers */
        const mxd_node *const node = &g->node[n];
        const mxdi_op *const  op   = node->op ? mxdi_op_find(node->op, node->domain) : NULL;
        const bool shape_only = op && (mxdi_node_is(node, "Shape") || mxdi_node_is(node, "Size"));
        bool       all        = false;
        if (!op)
            continue;
        for (uint32_t k = 0; k < node->n_out; k++)
            all = all || (node->out[k] != MXD_NO_VALUE && wanted[node->out[k]]);
        for (uint32_t k = 0; k < node->n_in; k++)
            if (node->in[k] != MXD_NO_VALUE &&
                ((all && !shape_only) || (k < 8 && (op->shape_in & (1u << k)))))
                wanted[node->in[k]] = 1;
    }
}

mxd_status mxdi_inputs_of_shapes(bool *needs, const mxdi_graph *g, mxd_error *err)
{
    uint8_t *const wanted = MXDI_ALLOC(g->arena.alloc, uint8_t, g->n_values);
    if (!wanted)
        return mxdi_nomem(err);
    mark_wanted(wanted, g);
    for (uint32_t k = 0; k < g->n_inputs; k++)
        needs[k] = wanted[g->input[k]] != 0;
    mxdi_free(g->arena.alloc, wanted);
    return MXD_OK;
}

mxd_status mxdi_bind_constant(mxdi_graph *g, uint32_t k, const mxd_tensor *t, mxd_error *err)
{
    if (k >= g->n_inputs)
        return mxdi_fail(err, MXD_E_USAGE, "input %u: the network has %u", (unsigned)k,
                         (unsigned)g->n_inputs);
    mxd_value *const v     = &g->value[g->input[k]];
    size_t           bytes = 0;
    if (v->dtype != t->dtype)
        return mxdi_fail(err, MXD_E_DTYPE, "input '%s': expected %s, got %s", v->name,
                         mxd_dtype_name(v->dtype), mxd_dtype_name(t->dtype));
    bool fits = v->rank < 0 || v->rank == t->rank;
    for (int32_t d = 0; fits && v->rank >= 0 && d < t->rank; d++)
        fits = v->dim[d] < 0 || v->dim[d] == t->dim[d];
    if (!fits || !mxdi_tensor_bytes(&bytes, t))
        return mxdi_fail(err, MXD_E_SHAPE, "input '%s': expected %s, got %s", v->name,
                         mxdi_dims(v->dim, v->rank).text, mxdi_dims(t->dim, t->rank).text);
    void *const data = mxdi_arena_alloc(&g->arena, bytes > 0 ? bytes : 1, 1, 64);
    if (!data)
        return mxdi_nomem(err);
    if (bytes > 0)
        memcpy(data, t->data, bytes);
    v->rank = t->rank;
    memcpy(v->dim, t->dim, sizeof(v->dim));
    v->data  = data;
    v->bytes = bytes;
    memmove(g->input + k, g->input + k + 1, (g->n_inputs - k - 1) * sizeof(*g->input));
    g->n_inputs--;
    return MXD_OK;
}
