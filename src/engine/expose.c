/* SPDX-License-Identifier: Apache-2.0
 * An engine whose outputs are its layers'. */
#include "engine/asked.h"
#include "engine/compare.h"

/* The value to show of a layer: behind the clamps that alone read it, and behind the quantizer if one does. */
static uint32_t shown_value(const mxdi_graph *g, const mxdi_links *l, uint32_t v)
{
    while (l->n_uses[v] == 1 && l->first_use[v + 1] - l->first_use[v] == 1) {
        const mxd_node *const user = &g->node[l->user[l->first_use[v]]];
        if (!mxdi_node_is(user, "Relu") && !mxdi_node_is(user, "Clip") && !mxdi_node_is(user, "QuantizeLinear"))
            break;
        v = user->out[0];
        if (mxdi_node_is(user, "QuantizeLinear"))
            break;
    }
    return v;
}

static mxd_status expose_layers(mxdi_graph *g, const char ***node, uint32_t *n, mxdi_arena *arena, mxd_error *err)
{
    mxdi_links l = MXDI_LINKS_INIT;
    mxd_status st = mxdi_links_build(&l, g, err);
    *n = 0;
    *node = MXDI_NEW(arena, const char *, g->n_nodes + 1);
    if (st == MXD_OK && !*node)
        st = mxdi_nomem(err);
    g->n_outputs = 0;
    for (uint32_t k = 0; k < g->n_nodes && st == MXD_OK; k++) {
        if (!mxdi_is_product(&g->node[k]))
            continue;
        const uint32_t v = shown_value(g, &l, g->node[k].out[0]);
        if (mxdi_graph_is_output(g, v))
            continue;
        st = mxdi_graph_add_output(g, v, err);
        (*node)[*n] = mxdi_arena_strdup(arena, g->node[k].name);
        if (st == MXD_OK && !(*node)[(*n)++])
            st = mxdi_nomem(err);
    }
    mxdi_links_free(&l);
    return st;
}

mxd_status mxdi_engine_expose(mxdi_engine **out, const char ***node, uint32_t *n, mxdi_arena *arena, const mxdi_engine *e,
                              const mxdi_registry *registry, mxd_error *err)
{
    mxdi_graph *g = NULL;
    bool scalable;
    *out = NULL;
    MXD_TRY(mxdi_graph_clone(&g, e->graph, err));
    mxd_status st = mxdi_passes_prepare(g, e->options.shape, e->options.n_shapes, e->plan[0].batch, &scalable, err);
    if (st == MXD_OK)
        st = expose_layers(g, node, n, arena, err);
    if (st == MXD_OK && *n == 0)
        st = mxdi_fail(err, MXD_E_INVAL, "no Conv, Gemm or MatMul to compare");
    if (st != MXD_OK) {
        mxdi_graph_destroy(g);
        return st;
    }
    mxdi_build_options o = e->options;
    o.n_batches = 1;
    o.batch[0] = e->plan[0].batch < 32 ? e->plan[0].batch : 32;
    o.n_shapes = 0; /* bound already, but for the batch */
    return mxdi_engine_build(out, g, &o, registry, e->alloc, err);
}
