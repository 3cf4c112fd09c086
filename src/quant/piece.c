/* SPDX-License-Identifier: Apache-2.0
 * Cutting pieces out of graphs. */
#include "quant/piece.h"

#include "passes/passes.h"

static uint32_t producer_of(const mxdi_graph *g, uint32_t value, uint32_t *out)
{
    for (uint32_t n = 0; n < g->n_nodes; n++)
        for (uint32_t k = 0; g->node[n].op && k < g->node[n].n_out; k++)
            if (g->node[n].out[k] == value) {
                *out = k;
                return n;
            }
    return MXD_NO_VALUE;
}

mxd_status mxdi_piece_cut_at(uint32_t *id, mxdi_graph *g, const mxd_value *like, mxd_error *err)
{
    uint32_t k = 0, other;
    *id        = mxdi_graph_find_value(g, like->name);
    if (*id == MXD_NO_VALUE)
        return mxdi_fail(err, MXD_E_INVAL, "'%s': not in the quantized graph", like->name);
    const uint32_t n = producer_of(g, *id, &k);
    if (n != MXD_NO_VALUE) {
        MXD_TRY(mxdi_graph_add_value(&other, g, NULL, like->name, err));
        mxdi_node_set_out(&g->node[n], k, other);
    }
    g->value[*id].dtype = like->dtype;
    g->value[*id].rank  = like->rank;
    memcpy(g->value[*id].dim, like->dim, sizeof(like->dim));
    return MXD_OK;
}

mxd_status mxdi_piece_between(mxdi_graph *g, const mxd_value *in, const char *out, int64_t batch,
                              mxd_error *err)
{
    const uint32_t end = mxdi_graph_find_value(g, out);
    uint32_t       begin;
    bool           flag;
    if (end == MXD_NO_VALUE)
        return mxdi_fail(err, MXD_E_INVAL, "'%s': not in the quantized graph", out);
    MXD_TRY(mxdi_piece_cut_at(&begin, g, in, err));
    g->n_inputs = g->n_outputs = g->n_symbols = 0;
    MXD_TRY(mxdi_graph_add_output(g, end, err));
    MXD_TRY(mxdi_graph_remove_dead(g, err));
    MXD_TRY(mxdi_graph_add_input(g, begin, err));
    MXD_TRY(mxdi_graph_add_symbol(g, begin, 0, "batch", err));
    MXD_TRY(mxdi_graph_compact(g, err));
    MXD_TRY(mxdi_bind_shapes(g, NULL, 0, batch, &flag, err));
    return mxdi_pass_remove_dead(g, &flag, err);
}
