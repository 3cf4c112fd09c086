/* SPDX-License-Identifier: Apache-2.0
 *
 * Nodes stand in topological order. A value that every path passes has all that computes it in
 * front of its node and all that is computed from it behind, so that between the two it alone is
 * alive; and where one value alone is alive, every path passes it.
 */
#include "quant/blocks.h"

typedef struct scan {
    const mxdi_graph *g;
    bool             *varies;      /* (n_values) depends on an input */
    uint32_t         *last_use;    /* (n_values) the node that reads it last; n_nodes: an output */
    uint32_t         *passed, *at; /* values that every path passes, each alive alone behind node
                                      at - 1 */
    uint32_t n_passed;
} scan;

static void find_uses(scan *s)
{
    const mxdi_graph *const g = s->g;
    for (uint32_t k = 0; k < g->n_inputs; k++)
        s->varies[g->input[k]] = !g->value[g->input[k]].data;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const mxd_node *const node   = &g->node[n];
        bool                  varies = false;
        for (uint32_t k = 0; k < node->n_in; k++)
            if (node->in[k] != MXD_NO_VALUE) {
                varies                   = varies || s->varies[node->in[k]];
                s->last_use[node->in[k]] = n;
            }
        for (uint32_t k = 0; k < node->n_out; k++)
            if (node->out[k] != MXD_NO_VALUE)
                s->varies[node->out[k]] = varies;
    }
    for (uint32_t k = 0; k < g->n_outputs; k++)
        s->last_use[g->output[k]] = g->n_nodes;
}

/* Drops what no node from n on reads; the value that is left if it is only one. */
static uint32_t alone_at(const scan *s, uint32_t *alive, uint32_t *n_alive, uint32_t n)
{
    uint32_t left = 0;
    for (uint32_t k = 0; k < *n_alive; k++)
        if (s->last_use[alive[k]] >= n)
            alive[left++] = alive[k];
    *n_alive = left;
    return left == 1 ? alive[0] : MXD_NO_VALUE;
}

static void scan_cuts(scan *s, uint32_t *alive)
{
    const mxdi_graph *const g       = s->g;
    uint32_t                n_alive = 0;
    for (uint32_t k = 0; k < g->n_inputs; k++)
        if (s->varies[g->input[k]])
            alive[n_alive++] = g->input[k];
    for (uint32_t n = 0; n <= g->n_nodes; n++) {
        const uint32_t v = alone_at(s, alive, &n_alive, n);
        if (v != MXD_NO_VALUE && (!s->n_passed || s->passed[s->n_passed - 1] != v)) {
            s->passed[s->n_passed] = v;
            s->at[s->n_passed++]   = n;
        }
        for (uint32_t k = 0; n < g->n_nodes && k < g->node[n].n_out; k++) {
            const uint32_t out = g->node[n].out[k];
            if (out != MXD_NO_VALUE && s->varies[out])
                alive[n_alive++] = out;
        }
    }
}

static uint32_t count_layers(const bool *counts, uint32_t first, uint32_t end)
{
    uint32_t layers = 0;
    for (uint32_t n = first; n < end; n++)
        layers += counts[n];
    return layers;
}

/* The step from passed value k to the next is an activation function. */
static bool is_activation(const scan *s, uint32_t k)
{
    const mxd_node *const node = &s->g->node[s->at[k]];
    return s->at[k + 1] == s->at[k] + 1 &&
           (mxdi_node_is(node, "Relu") || mxdi_node_is(node, "LeakyRelu") ||
            mxdi_node_is(node, "Clip"));
}

mxd_status mxdi_blocks_find(mxdi_block_span **out, uint32_t *n_out, mxdi_arena *arena,
                            const mxdi_graph *g, const bool *counts, mxd_error *err)
{
    const size_t    n     = (size_t)g->n_values + 1;
    uint32_t *const alive = MXDI_NEW(arena, uint32_t, n);
    scan            s     = { g,
                              MXDI_NEW(arena, bool, n),
                              MXDI_NEW(arena, uint32_t, n),
                              MXDI_NEW(arena, uint32_t, n),
                              MXDI_NEW(arena, uint32_t, n),
                              0 };
    *out                  = MXDI_NEW(arena, mxdi_block_span, n);
    *n_out                = 0;
    if (!alive || !s.varies || !s.last_use || !s.passed || !s.at || !*out)
        return mxdi_nomem(err);
    find_uses(&s);
    scan_cuts(&s, alive);
    for (uint32_t k = 0; k + 1 < s.n_passed; k++) {
        const uint32_t first = s.at[k], layers = count_layers(counts, first, s.at[k + 1]);
        if (layers < 2)
            continue;
        const uint32_t in = s.passed[k];
        while (k + 2 < s.n_passed && is_activation(&s, k + 1))
            k++;
        (*out)[(*n_out)++] =
            (mxdi_block_span){ in, s.passed[k + 1], first, s.at[k + 1] - 1, layers };
    }
    return MXD_OK;
}
