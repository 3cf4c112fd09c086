/* SPDX-License-Identifier: Apache-2.0
 *
 * Clip from 0 to no end is Relu. An end at the largest binary32 counts as none: it would change
 * nothing but an infinity.
 */
#include "passes/passes.h"
#include "passes/rewrite.h"

#include <float.h>
#include <math.h>

/* A bound of Clip: attribute of versions below 11, else a constant input; NaN when it is computed.
 */
static float bound(const mxdi_graph *g, const mxd_node *node, uint32_t k, const char *attr,
                   float otherwise)
{
    if (k >= node->n_in || node->in[k] == MXD_NO_VALUE)
        return mxd_node_float(node, attr, otherwise);
    const mxd_value *const v = &g->value[node->in[k]];
    return v->data && v->dtype == MXD_F32 ? *(const float *)v->data : NAN;
}

mxd_status mxdi_pass_clip_to_relu(mxdi_graph *g, bool *changed, mxd_error *err)
{
    mxdi_rewriter r;
    mxd_status    st = mxdi_rewrite_begin(&r, g, err);
    for (uint32_t n = 0; st == MXD_OK && n < g->n_nodes; n++) {
        mxd_node *const node = &g->node[n];
        if (!mxdi_node_is(node, "Clip") || *node->domain ||
            g->value[node->in[0]].dtype != MXD_F32 || bound(g, node, 1, "min", -INFINITY) != 0.0f ||
            !(bound(g, node, 2, "max", INFINITY) >= FLT_MAX))
            continue;
        st       = mxdi_rewrite_inputs(&r, n, node->in, 1, err);
        node->op = "Relu";
        mxdi_node_remove_attr(node, "min");
        mxdi_node_remove_attr(node, "max");
    }
    return mxdi_rewrite_end(&r, changed, st);
}
