/* SPDX-License-Identifier: Apache-2.0
 *
 * Reshape, Flatten, Squeeze and Unsqueeze in a row move nothing: the last one alone, as a Reshape
 * of the first one's input, gives the same. Its shape is a constant with -1 for the batch.
 */
#include "passes/passes.h"
#include "passes/rewrite.h"

static bool is_reshape(const mxd_node *node)
{
    return node->op && !*node->domain &&
           (mxdi_node_is(node, "Reshape") || mxdi_node_is(node, "Flatten") ||
            mxdi_node_is(node, "Squeeze") || mxdi_node_is(node, "Unsqueeze"));
}

/* The shape of `y` as Reshape's second input; false when 0 or unknown dims stand in the way. */
static bool target_of(int64_t *shape, const mxd_value *y)
{
    for (int32_t k = 0; k < y->rank; k++) {
        if (y->dim[k] <= 0)
            return false;
        shape[k] = k == y->batch_axis ? -1 : y->dim[k];
    }
    return y->rank >= 0;
}

static bool same_shape(const mxd_value *x, const mxd_value *y)
{
    return x->rank == y->rank && x->batch_axis == y->batch_axis &&
           memcmp(x->dim, y->dim, (size_t)x->rank * sizeof(*x->dim)) == 0;
}

static mxd_status merge(mxdi_rewriter *r, uint32_t n, mxd_error *err)
{
    mxdi_graph *const g     = r->g;
    const uint32_t    first = mxdi_rewrite_maker(r, g->node[n].in[0]);
    int64_t           shape[MXD_MAX_RANK];
    if (first == MXD_NO_VALUE || !is_reshape(&g->node[first]) ||
        !target_of(shape, &g->value[g->node[n].out[0]]))
        return MXD_OK;
    const uint32_t   between = g->node[n].in[0];
    const mxd_tensor t       = { shape, MXD_S64, 1, { g->value[g->node[n].out[0]].rank } };
    uint32_t         in[2]   = { g->node[first].in[0], 0 };
    MXD_TRY(mxdi_graph_add_constant(&in[1], g, NULL, g->node[n].name, &t, true, err));
    MXD_TRY(mxdi_rewrite_inputs(r, n, in, 2, err));
    mxd_node *const node = &g->node[n];
    node->op             = "Reshape";
    mxdi_node_remove_attr(node, "axis");
    mxdi_node_remove_attr(node, "axes");
    mxdi_node_remove_attr(node, "allowzero");
    if (mxdi_rewrite_uses(r, between) == 0) {
        MXD_TRY(mxdi_rewrite_origins(g, node, &g->node[first], err));
        mxdi_rewrite_remove(r, first);
    }
    if (same_shape(&g->value[in[0]], &g->value[node->out[0]]))
        return mxdi_rewrite_bypass(r, n, err);
    return MXD_OK;
}

mxd_status mxdi_pass_merge_reshape(mxdi_graph *g, bool *changed, mxd_error *err)
{
    mxdi_rewriter r;
    mxd_status    st = mxdi_rewrite_begin(&r, g, err);
    for (uint32_t n = 0; st == MXD_OK && n < g->n_nodes; n++)
        if (is_reshape(&g->node[n]))
            st = merge(&r, n, err);
    return mxdi_rewrite_end(&r, changed, st);
}
