/* SPDX-License-Identifier: Apache-2.0
 *
 * Who makes and who uses each value: counted, then filled in, in two passes over the nodes. Refuses
 * a graph in which the question has no answer: ids out of range, two producers of one value.
 */
#include "ir/graph.h"

static mxd_status count_node(mxdi_links *l, const mxdi_graph *g, uint32_t index, mxd_error *err)
{
    const mxd_node *const node = &g->node[index];
    for (uint32_t k = 0; k < node->n_in; k++) {
        const uint32_t v = node->in[k];
        if (v == MXD_NO_VALUE)
            continue;
        if (v >= g->n_values)
            return mxdi_fail(err, MXD_E_INVAL,
                             "%s '%s': input %u: expected a value below %u, got %u", node->op,
                             node->name, (unsigned)k, (unsigned)g->n_values, (unsigned)v);
        l->n_uses[v]++;
    }
    for (uint32_t k = 0; k < node->n_out; k++) {
        const uint32_t v = node->out[k];
        if (v == MXD_NO_VALUE)
            continue;
        if (v >= g->n_values)
            return mxdi_fail(err, MXD_E_INVAL,
                             "%s '%s': output %u: expected a value below %u, got %u", node->op,
                             node->name, (unsigned)k, (unsigned)g->n_values, (unsigned)v);
        if (l->producer[v] != MXD_NO_VALUE)
            return mxdi_fail(err, MXD_E_INVAL, "%s '%s': makes '%s', which '%s' makes already",
                             node->op, node->name, g->value[v].name, g->node[l->producer[v]].name);
        l->producer[v] = index;
    }
    return MXD_OK;
}

/* After the counts: offsets, then users in order of nodes. first_use[v] walks to the end of v's
 * list while it is filled, which is the start of the next one: moved up by one place it is right
 * again. */
static mxd_status fill_users(mxdi_links *l, const mxdi_graph *g, mxd_error *err)
{
    uint64_t total = 0;
    for (uint32_t v = 0; v < g->n_values; v++) {
        l->first_use[v] = (uint32_t)total;
        total += l->n_uses[v];
    }
    l->user = total > UINT32_MAX ? NULL : MXDI_ALLOC(l->alloc, uint32_t, (size_t)total);
    if (!l->user)
        return mxdi_nomem(err);
    for (uint32_t n = 0; n < g->n_nodes; n++)
        for (uint32_t k = 0; g->node[n].op && k < g->node[n].n_in; k++)
            if (g->node[n].in[k] != MXD_NO_VALUE)
                l->user[l->first_use[g->node[n].in[k]]++] = n;
    memmove(l->first_use + 1, l->first_use, g->n_values * sizeof(*l->first_use));
    l->first_use[0] = 0;
    return MXD_OK;
}

static mxd_status build(mxdi_links *l, const mxdi_graph *g, mxd_error *err)
{
    l->producer  = MXDI_ALLOC(l->alloc, uint32_t, g->n_values);
    l->n_uses    = MXDI_ALLOC(l->alloc, uint32_t, g->n_values);
    l->first_use = MXDI_ALLOC(l->alloc, uint32_t, (size_t)g->n_values + 1);
    if (!l->producer || !l->n_uses || !l->first_use)
        return mxdi_nomem(err);
    for (uint32_t v = 0; v < g->n_values; v++)
        l->producer[v] = MXD_NO_VALUE;
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (g->node[n].op)
            MXD_TRY(count_node(l, g, n, err));
    MXD_TRY(fill_users(l, g, err));
    for (uint32_t k = 0; k < g->n_outputs; k++) {
        if (g->output[k] >= g->n_values)
            return mxdi_fail(err, MXD_E_INVAL, "output %u: expected a value below %u, got %u",
                             (unsigned)k, (unsigned)g->n_values, (unsigned)g->output[k]);
        l->n_uses[g->output[k]]++;
    }
    return MXD_OK;
}

mxd_status mxdi_links_build(mxdi_links *out, const mxdi_graph *g, mxd_error *err)
{
    mxdi_links_free(out);
    out->alloc          = g->arena.alloc;
    const mxd_status st = build(out, g, err);
    if (st != MXD_OK)
        mxdi_links_free(out);
    return st;
}

void mxdi_links_free(mxdi_links *l)
{
    mxdi_free(l->alloc, l->producer);
    mxdi_free(l->alloc, l->n_uses);
    mxdi_free(l->alloc, l->first_use);
    mxdi_free(l->alloc, l->user);
    *l = (mxdi_links)MXDI_LINKS_INIT;
}
