/* SPDX-License-Identifier: Apache-2.0
 *
 * Copying a graph. Ids stay what they were, removed nodes included; only the bytes of constants are
 * shared.
 */
#include "ir/graph.h"

static mxd_status clone_values(mxdi_graph *to, const mxdi_graph *g, mxd_error *err)
{
    for (uint32_t k = 0; k < g->n_values; k++) {
        uint32_t id = 0;
        MXD_TRY(mxdi_graph_add_value(&id, to, g->value[k].name, NULL, err));
        const char *const name = to->value[id].name;
        to->value[id]          = g->value[k];
        to->value[id].name     = name;
        to->value[id].q        = NULL;
        if (g->value[k].q)
            MXD_TRY(mxdi_value_set_qparams(to, id, g->value[k].q, err));
    }
    return MXD_OK;
}

static mxd_status clone_nodes(mxdi_graph *to, const mxdi_graph *g, mxd_error *err)
{
    for (uint32_t k = 0; k < g->n_nodes; k++) {
        const mxd_node *const from = &g->node[k];
        mxd_node             *node = NULL;
        MXD_TRY(mxdi_graph_add_node(&node, to, from->op ? from->op : "", from->domain, from->name,
                                    from->in, from->n_in, from->out, from->n_out, err));
        node->version = from->version;
        if (!from->op)
            mxdi_node_remove(node);
        MXD_TRY(mxdi_node_copy_attrs(to, node, from, err));
        MXD_TRY(mxdi_node_add_origins(to, node, from->origin, from->n_origin, err));
    }
    return MXD_OK;
}

static mxd_status clone_interface(mxdi_graph *to, const mxdi_graph *g, mxd_error *err)
{
    for (uint32_t k = 0; k < g->n_inputs; k++)
        MXD_TRY(mxdi_graph_add_input(to, g->input[k], err));
    for (uint32_t k = 0; k < g->n_outputs; k++)
        MXD_TRY(mxdi_graph_add_output(to, g->output[k], err));
    for (uint32_t k = 0; k < g->n_symbols; k++)
        MXD_TRY(mxdi_graph_add_symbol(to, g->symbol[k].value, g->symbol[k].axis, g->symbol[k].name,
                                      err));
    for (uint32_t k = 0; k < g->n_meta; k++)
        MXD_TRY(mxdi_graph_set_meta(to, g->meta[k].key, g->meta[k].text, err));
    return MXD_OK;
}

mxd_status mxdi_graph_clone(mxdi_graph **out, const mxdi_graph *g, mxd_error *err)
{
    mxdi_graph *to = NULL;
    *out           = NULL;
    MXD_TRY(mxdi_graph_create(&to, g->arena.alloc, err));
    mxd_status st = MXD_OK;
    to->opset     = g->opset;
    to->max_batch = g->max_batch;
    to->name      = mxdi_arena_strdup(&to->arena, g->name);
    if (!to->name)
        st = mxdi_nomem(err);
    if (st == MXD_OK)
        st = clone_values(to, g, err);
    if (st == MXD_OK)
        st = clone_nodes(to, g, err);
    if (st == MXD_OK)
        st = clone_interface(to, g, err);
    if (st != MXD_OK) {
        mxdi_graph_destroy(to);
        return st;
    }
    to->next_name = g->next_name;
    *out          = to;
    return MXD_OK;
}
