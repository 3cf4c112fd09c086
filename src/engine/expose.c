/* SPDX-License-Identifier: Apache-2.0
 * An engine whose outputs are its layers'. */
#include "engine/asked.h"
#include "engine/compare.h"

/* The only node that reads `v`; MXD_NO_VALUE: none or several. */
static uint32_t only_user(const mxdi_links *l, uint32_t v)
{
    return l->n_uses[v] == 1 && l->first_use[v + 1] - l->first_use[v] == 1
               ? l->user[l->first_use[v]]
               : MXD_NO_VALUE;
}

static bool is_user(const mxdi_graph *g, const mxdi_links *l, uint32_t v, const char *op)
{
    const uint32_t n = only_user(l, v);
    return n != MXD_NO_VALUE && mxdi_node_is(&g->node[n], op);
}

/* The value behind a pair of nodes that round `v` and give it back as a float; `v`: there is none.
 */
static uint32_t behind_rounding(const mxdi_graph *g, const mxdi_links *l, uint32_t v)
{
    static const char *const pair[][2] = { { "Cast", "Cast" },
                                           { "QuantizeLinear", "DequantizeLinear" } };
    for (size_t k = 0; k < sizeof(pair) / sizeof(pair[0]); k++) {
        if (!is_user(g, l, v, pair[k][0]))
            continue;
        const uint32_t rounded = g->node[only_user(l, v)].out[0];
        if (is_user(g, l, rounded, pair[k][1]))
            return g->node[only_user(l, rounded)].out[0];
    }
    return v;
}

/* The value behind the first `most` clamps that alone read `v`, whether it is rounded between them
 * or not; *clamps: how many they are. A Clip in front of a quantizer that is one too many only
 * keeps it within its bits. */
static uint32_t behind_clamps(const mxdi_graph *g, const mxdi_links *l, uint32_t v, uint32_t most,
                              uint32_t *clamps)
{
    *clamps = 0;
    for (;;) {
        const uint32_t x =
            is_user(g, l, v, "Relu") || is_user(g, l, v, "Clip") ? v : behind_rounding(g, l, v);
        const bool clip = is_user(g, l, x, "Clip");
        if (!clip && !is_user(g, l, x, "Relu"))
            return v;
        const uint32_t y = g->node[only_user(l, x)].out[0];
        if (*clamps >= most && !(clip && x == v && is_user(g, l, y, "QuantizeLinear")))
            return v;
        *clamps += 1;
        v = y;
    }
}

/* What there is of a layer on both sides: behind the clamps that both have, as it is rounded there.
 */
static uint32_t shown_value(const mxdi_graph *g, const mxdi_links *l, uint32_t v, uint32_t most)
{
    uint32_t clamps;
    v = behind_clamps(g, l, v, most, &clamps);
    if (is_user(g, l, v, "QuantizeLinear"))
        return g->node[only_user(l, v)].out[0];
    return is_user(g, l, v, "Cast") ? behind_rounding(g, l, v) : v;
}

/* Clamps behind the layer of that name; UINT32_MAX: there is no such layer, or its integers end
 * where a clamp would. */
static uint32_t clamps_of(const mxdi_graph *g, const mxdi_links *l, const char *name)
{
    uint32_t clamps;
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (mxdi_is_product(&g->node[n]) && strcmp(g->node[n].name, name) == 0) {
            const uint32_t v = behind_clamps(g, l, g->node[n].out[0], UINT32_MAX, &clamps);
            return is_user(g, l, v, "QuantizeLinear") ? UINT32_MAX : clamps;
        }
    return UINT32_MAX;
}

static mxd_status expose_layers(mxdi_graph *g, const char ***node, uint32_t *n, mxdi_arena *arena,
                                const mxdi_graph *other, mxd_error *err)
{
    mxdi_links l = MXDI_LINKS_INIT, there = MXDI_LINKS_INIT;
    mxd_status st = mxdi_links_build(&l, g, err);
    if (st == MXD_OK)
        st = mxdi_links_build(&there, other, err);
    *n    = 0;
    *node = MXDI_NEW(arena, const char *, g->n_nodes + 1);
    if (st == MXD_OK && !*node)
        st = mxdi_nomem(err);
    g->n_outputs = 0;
    for (uint32_t k = 0; k < g->n_nodes && st == MXD_OK; k++) {
        if (!mxdi_is_product(&g->node[k]))
            continue;
        const uint32_t v =
            shown_value(g, &l, g->node[k].out[0], clamps_of(other, &there, g->node[k].name));
        if (mxdi_graph_is_output(g, v))
            continue;
        st          = mxdi_graph_add_output(g, v, err);
        (*node)[*n] = mxdi_arena_strdup(arena, g->node[k].name);
        if (st == MXD_OK && !(*node)[(*n)++])
            st = mxdi_nomem(err);
    }
    mxdi_links_free(&l);
    mxdi_links_free(&there);
    return st;
}

mxd_status mxdi_engine_expose(mxdi_engine **out, const char ***node, uint32_t *n, mxdi_arena *arena,
                              const mxdi_engine *e, const mxdi_engine *other,
                              const mxdi_registry *registry, mxd_error *err)
{
    mxdi_graph *g = NULL;
    bool        scalable;
    *out = NULL;
    MXD_TRY(mxdi_graph_clone(&g, e->graph, err));
    mxd_status st = mxdi_passes_prepare(g, e->options.shape, e->options.n_shapes, e->plan[0].batch,
                                        &scalable, err);
    if (st == MXD_OK)
        st = expose_layers(g, node, n, arena, other->graph, err);
    if (st == MXD_OK && *n == 0)
        st = mxdi_fail(err, MXD_E_INVAL, "no Conv, Gemm or MatMul to compare");
    if (st != MXD_OK) {
        mxdi_graph_destroy(g);
        return st;
    }
    mxdi_build_options o = e->options;
    o.n_batches          = 1;
    o.batch[0]           = e->plan[0].batch < 32 ? e->plan[0].batch : 32;
    o.n_shapes           = 0; /* bound already, but for the batch */
    return mxdi_engine_build(out, g, &o, registry, e->alloc, err);
}
