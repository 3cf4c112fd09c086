/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of all values, node by node in order, folding constants on the way: shapes that are
 * computed in the graph (Shape, Gather, Concat, Reshape ...) resolve themselves like that.
 */
#include "passes/infer.h"

#include "ir/ops.h"
#include "passes/passes.h"

/* Weights that are transposed, cast and the like are read and written this often at most; what a
 * hostile file can make of folding stays in proportion to its size. */
enum { FOLD_WORK = 8 };

static bool is_known(const mxd_value *v)
{
    for (int32_t k = 0; k < v->rank; k++)
        if (v->dim[k] < 0)
            return false;
    return v->rank >= 0 && v->dtype != MXD_NONE;
}

/* An output of `node` has no shape: its inputs have one, so it is their elements that decide. */
static mxd_status depends_on_data(const mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxdi_op *const op = mxdi_op_find(node->op, node->domain);
    for (uint32_t k = 0; k < node->n_in && k < 8; k++)
        if ((op->shape_in & (1u << k)) && node->in[k] != MXD_NO_VALUE &&
            !g->value[node->in[k]].data)
            return mxdi_fail(err, MXD_E_UNSUPPORTED,
                             "%s '%s': its shape depends on the values of '%s', which only a run "
                             "knows",
                             node->op, node->name, g->value[node->in[k]].name);
    return mxdi_fail(err, MXD_E_UNSUPPORTED, "%s '%s': its shape is not known before a run",
                     node->op, node->name);
}

/* An output whose shape is computed from the batch keeps the shape that binding found. */
static mxd_status infer_node(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    MXD_TRY(mxdi_op_check(node, err)); /* there is an output 0 */
    const mxd_value before = g->value[node->out[0]];
    MXD_TRY(mxdi_op_infer(g, node, err));
    mxd_value *const first = &g->value[node->out[0]];
    if (!is_known(first) && is_known(&before)) {
        first->rank = before.rank;
        memcpy(first->dim, before.dim, sizeof(first->dim));
    }
    for (uint32_t k = 0; k < node->n_out; k++)
        if (node->out[k] != MXD_NO_VALUE && !is_known(&g->value[node->out[k]]))
            return depends_on_data(g, node, err);
    return MXD_OK;
}

mxd_status mxdi_infer(mxdi_graph *g, uint8_t *folded, mxd_error *err)
{
    mxdi_fold_budget budget = { MXDI_FOLD_BYTES_MAX };
    for (uint32_t v = 0; v < g->n_values; v++)
        budget.bytes_left += FOLD_WORK * g->value[v].bytes;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const mxd_node *const node = &g->node[n];
        bool                  done = false;
        if (!node->op)
            continue;
        MXD_TRY(infer_node(g, node, err));
        MXD_TRY(mxdi_fold_node(g, node, &budget, &done, err));
        folded[n] = done;
    }
    return MXD_OK;
}

void mxdi_infer_undo(mxdi_graph *g, uint8_t *folded, uint32_t n)
{
    const mxd_node *const node = &g->node[n];
    for (uint32_t k = 0; folded[n] && k < node->n_out; k++)
        if (node->out[k] != MXD_NO_VALUE) {
            g->value[node->out[k]].data  = NULL;
            g->value[node->out[k]].bytes = 0;
        }
    folded[n] = 0;
}

/* A network output that was folded: nodes that read it read a constant instead. */
static mxd_status split_output(mxdi_graph *g, uint32_t value, mxd_error *err)
{
    const mxd_value v    = g->value[value];
    mxd_tensor      t    = { .data = (void *)(uintptr_t)v.data, .dtype = v.dtype, .rank = v.rank };
    uint32_t        twin = 0;
    memcpy(t.dim, v.dim, sizeof(t.dim));
    MXD_TRY(mxdi_graph_add_constant(&twin, g, NULL, v.name, &t, false, err));
    for (uint32_t n = 0; n < g->n_nodes; n++)
        for (uint32_t k = 0; g->node[n].op && k < g->node[n].n_in; k++)
            if (g->node[n].in[k] == value)
                mxdi_node_set_in(&g->node[n], k, twin);
    return MXD_OK;
}

mxd_status mxdi_infer_commit(mxdi_graph *g, const uint8_t *folded, mxd_error *err)
{
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        bool stays = false;
        if (!g->node[n].op || !folded[n])
            continue;
        for (uint32_t k = 0; k < g->node[n].n_out; k++) {
            const uint32_t v = g->node[n].out[k];
            if (v == MXD_NO_VALUE || !mxdi_graph_is_output(g, v))
                continue;
            stays = true;
            MXD_TRY(split_output(g, v, err));
        }
        if (!stays)
            mxdi_node_remove(&g->node[n]);
        for (uint32_t k = 0; stays && k < g->node[n].n_out; k++) {
            if (g->node[n].out[k] == MXD_NO_VALUE)
                continue;
            if (!mxdi_graph_is_output(g, g->node[n].out[k]))
                MXD_TRY(split_output(g, g->node[n].out[k], err));
            g->value[g->node[n].out[k]].data  = NULL;
            g->value[g->node[n].out[k]].bytes = 0;
        }
    }
    return MXD_OK;
}

mxd_status mxdi_pass_infer(mxdi_graph *g, bool *changed, mxd_error *err)
{
    uint8_t *const folded = MXDI_ALLOC(g->arena.alloc, uint8_t, g->n_nodes);
    mxd_status     st     = folded ? mxdi_infer(g, folded, err) : mxdi_nomem(err);
    if (st == MXD_OK)
        st = mxdi_infer_commit(g, folded, err);
    mxdi_free(g->arena.alloc, folded);
    *changed = true;
    return st;
}
