/* SPDX-License-Identifier: Apache-2.0
 * Weights of layers by channel, and constants of their own. */
#include "quant/layer.h"

int32_t mxdi_layer_weights(mxdi_weights_view *out, const mxdi_graph *g, const mxd_node *node)
{
    const mxd_value *const w    = &g->value[node->in[1]];
    const bool             rows = mxdi_node_is(node, "Conv") ||
                      (mxdi_node_is(node, "Gemm") && mxd_node_int(node, "transB", 0));
    const int32_t axis = rows ? 0 : w->rank - 1;
    *out               = (mxdi_weights_view){ w->data, 1, w->dim[axis], 1 };
    for (int32_t k = 0; k < axis; k++)
        out->outer *= w->dim[k];
    for (int32_t k = axis + 1; k < w->rank; k++)
        out->inner *= w->dim[k];
    return axis;
}

bool mxdi_layer_is_constant(const mxdi_graph *g, const mxd_node *node)
{
    if (node->n_in < 2 || node->in[1] == MXD_NO_VALUE)
        return false;
    const mxd_value *const w = &g->value[node->in[1]];
    return w->data && w->dtype == MXD_F32 && w->rank >= 2;
}

mxd_status mxdi_layer_own(float **out, mxdi_graph *g, const mxdi_links *links, uint32_t n,
                          uint32_t k, mxd_error *err)
{
    const uint32_t   id = g->node[n].in[k];
    const mxd_value  v  = g->value[id];
    const mxd_tensor t  = { .data = (void *)(uintptr_t)v.data, .dtype = MXD_F32, .rank = v.rank };
    uint32_t         copy;
    if (links->n_uses[id] == 1) {
        *out = mxdi_arena_memdup(&g->arena, v.data, v.bytes, 64);
        if (!*out)
            return mxdi_nomem(err);
        g->value[id].data = *out;
        return MXD_OK;
    }
    mxd_tensor shaped = t;
    memcpy(shaped.dim, v.dim, sizeof(shaped.dim));
    MXD_TRY(mxdi_graph_add_constant(&copy, g, NULL, v.name, &shaped, true, err));
    mxdi_node_set_in(&g->node[n], k, copy);
    *out = (float *)(uintptr_t)g->value[copy].data;
    return MXD_OK;
}
