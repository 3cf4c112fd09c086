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

mxd_status mxdi_layer_own_bias(mxdi_graph *g, const mxdi_links *links, uint32_t n, mxd_error *err)
{
    mxdi_weights_view w;
    float            *bias;
    mxd_node *const   node = &g->node[n];
    if (node->n_in > 2 && node->in[2] != MXD_NO_VALUE)
        return mxdi_layer_own(&bias, g, links, n, 2, err);
    mxdi_layer_weights(&w, g, node);
    float *const     zeros = MXDI_NEW(&g->arena, float, (size_t)w.channels);
    uint32_t *const  in    = MXDI_NEW(&g->arena, uint32_t, 3);
    char *const      name  = mxdi_arena_printf(&g->arena, "%s_bias", node->name);
    const mxd_tensor t     = { .data = zeros, .dtype = MXD_F32, .rank = 1, .dim = { w.channels } };
    if (!zeros || !in || !name)
        return mxdi_nomem(err);
    in[0] = node->in[0];
    in[1] = node->in[1];
    MXD_TRY(mxdi_graph_add_constant(&in[2], g, NULL, name, &t, false, err));
    g->node[n].in   = in;
    g->node[n].n_in = 3;
    return MXD_OK;
}
