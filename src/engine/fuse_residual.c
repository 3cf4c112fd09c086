/* SPDX-License-Identifier: Apache-2.0
 *
 * QConv or QMatMul followed by QAdd becomes one node: the quantizer between them is executed inside
 * (mid = 1), so the integers stay those of the two nodes.
 */
#include "engine/fuse.h"

static bool can_take(const mxdi_graph *g, const mxdi_links *l, uint32_t value, uint32_t other)
{
    const uint32_t p = l->producer[value];
    if (p == MXD_NO_VALUE || l->n_uses[value] != 1 ||
        (!mxdi_node_is(&g->node[p], "QConv") && !mxdi_node_is(&g->node[p], "QMatMul")))
        return false;
    const mxd_value *const y = &g->value[value], *const r = &g->value[other];
    return g->node[p].in[5] == MXD_NO_VALUE && y->dtype != MXD_F32 && !r->data &&
           y->rank == r->rank && memcmp(y->dim, r->dim, (size_t)y->rank * sizeof(y->dim[0])) == 0;
}

/* QAdd's input that is the convolution to extend: the later one, so that the other is there when it
 * runs. */
static uint32_t pick(const mxdi_graph *g, const mxdi_links *l, const mxd_node *add)
{
    const bool a = can_take(g, l, add->in[0], add->in[1]),
               b = can_take(g, l, add->in[1], add->in[0]);
    if (a && b)
        return l->producer[add->in[0]] > l->producer[add->in[1]] ? 0 : 1;
    return a ? 0 : b ? 1 : MXD_NO_VALUE;
}

static mxd_status merge(mxdi_graph *g, const mxdi_links *l, uint32_t n, uint32_t k, mxd_error *err)
{
    const uint32_t  p   = l->producer[g->node[n].in[k]];
    mxd_node *const add = &g->node[n], *const conv = &g->node[p];
    const bool first = k == 0; /* the convolution is Add's first input */
    const struct {
        const char *to, *from;
        mxd_node   *node;
    } ints[] = {
        { "mid_zero_point", "y_zero_point", conv },
        { "mid_q_min", "q_min", conv },
        { "mid_q_max", "q_max", conv },
        { "y_zero_point", "y_zero_point", add },
        { "q_min", "q_min", add },
        { "q_max", "q_max", add },
        { "r_zero_point", first ? "b_zero_point" : "a_zero_point", add },
    };
    for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++)
        MXD_TRY(mxdi_node_set_int(g, conv, ints[i].to, mxd_node_int(ints[i].node, ints[i].from, 0),
                                  err));
    MXD_TRY(mxdi_node_set_int(g, conv, "mid", 1, err));
    MXD_TRY(mxdi_node_set_int(g, conv, "residual_first", !first, err));
    MXD_TRY(mxdi_node_set_float(
        g, conv, "y_scale_ratio",
        mxd_node_float(add, first ? "a_scale_ratio" : "b_scale_ratio", 0.0f), err));
    MXD_TRY(mxdi_node_set_float(
        g, conv, "r_scale_ratio",
        mxd_node_float(add, first ? "b_scale_ratio" : "a_scale_ratio", 0.0f), err));
    MXD_TRY(mxdi_node_add_origins(g, conv, add->origin, add->n_origin, err));
    mxdi_node_set_in(conv, 5, add->in[1 - k]);
    mxdi_node_set_out(conv, 0, add->out[0]);
    mxdi_node_remove(add);
    return MXD_OK;
}

mxd_status mxdi_fuse_residual(mxdi_graph *g, mxd_error *err)
{
    mxdi_links l  = MXDI_LINKS_INIT;
    mxd_status st = mxdi_links_build(&l, g, err);
    for (uint32_t n = 0; n < g->n_nodes && st == MXD_OK; n++) {
        if (!mxdi_node_is(&g->node[n], "QAdd") || g->node[n].in[0] == g->node[n].in[1])
            continue;
        const uint32_t k = pick(g, &l, &g->node[n]);
        if (k == MXD_NO_VALUE)
            continue;
        const uint32_t p = l.producer[g->node[n].in[k]], y = g->node[n].out[0];
        st            = merge(g, &l, n, k, err);
        l.producer[y] = p;
    }
    mxdi_links_free(&l);
    if (st == MXD_OK)
        st = mxdi_graph_sort(g, err);
    return st == MXD_OK ? mxdi_graph_compact(g, err) : st;
}
