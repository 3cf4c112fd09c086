/* SPDX-License-Identifier: Apache-2.0
 *
 * Concat of channels without copying: an input that a convolution makes for it alone is written
 * where the Concat's output wants it, a range of channels of a larger pitch. Other inputs are
 * copied by the Concat itself. */
#include "backends/cpu/cpu_plan.h"

enum { PANEL = 64 }; /* float kernels write whole panels of channels, of so many at most */

/* Whether the kernel of n writes the channels of a pixel and nothing behind them. */
static bool writes_exactly(const mxd_graph_view *g, const mxd_node *n)
{
    const bool integer = strcmp(n->op, "QConv") == 0, fused = strcmp(n->op, "FusedConv") == 0;
    if ((!integer && !fused && strcmp(n->op, "Conv") != 0) || mxd_node_int(n, "group", 1) != 1)
        return false;
    if (mxdi_cpu_has_in(n, integer ? 5 : 3)) /* a residual has the layout of its own value */
        return false;
    return integer || (mxdi_cpu_out(g, n, 0)->dim[1] % PANEL == 0 &&
                       strcmp(mxd_node_string(n, "compute", "f32"), "f16") != 0);
}

static const mxd_node *producer_of(const mxd_graph_view *g, uint32_t value, const mxd_node *before)
{
    for (const mxd_node *n = before; n-- > g->node;)
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k] == value)
                return n;
    return NULL;
}

static void plan_join(mxdi_cpu_plan *p, const mxd_node *n)
{
    const mxd_value *const y     = mxdi_cpu_out(p->g, n, 0);
    int64_t                first = 0;
    for (uint32_t k = 0; k < n->n_in; k++) {
        const mxd_value *const x = mxdi_cpu_in(p->g, n, k);
        if (!mxdi_cpu_can_block(x) || x->batch_axis != y->batch_axis || x->data)
            return;
    }
    for (uint32_t k = 0; k < n->n_in; k++) {
        mxdi_cpu_state *const s    = &p->value[n->in[k]];
        const mxd_node *const from = producer_of(p->g, n->in[k], n);
        if (from && s->n_uses == 1 && s->output == MXD_NO_VALUE && s->inside == MXD_NO_VALUE &&
            writes_exactly(p->g, from)) {
            s->inside        = n->out[0];
            s->first_channel = first;
        }
        first += p->g->value[n->in[k]].dim[1];
    }
}

void mxdi_cpu_plan_joins(mxdi_cpu_plan *p)
{
    for (uint32_t k = 0; k < p->g->n_nodes; k++) {
        const mxd_node *const  n = &p->g->node[k];
        const mxd_value *const y = mxdi_cpu_out(p->g, n, 0);
        if (strcmp(n->op, "Concat") != 0 || !y || y->rank < 3 || !mxdi_cpu_can_block(y))
            continue;
        const int64_t axis = mxd_node_int(n, "axis", 0);
        if (axis == 1 || axis + y->rank == 1)
            plan_join(p, n);
    }
}
