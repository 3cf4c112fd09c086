/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes of a graph that stands: redirecting uses, removing what is dead, renumbering, ordering.
 * All of it linear in the size of the graph.
 */
#include "ir/graph.h"

void mxdi_graph_replace_uses(mxdi_graph *g, uint32_t from, uint32_t to)
{
    for (uint32_t n = 0; n < g->n_nodes; n++)
        for (uint32_t k = 0; g->node[n].op && k < g->node[n].n_in; k++)
            if (g->node[n].in[k] == from)
                mxdi_node_set_in(&g->node[n], k, to);
    for (uint32_t k = 0; k < g->n_outputs; k++)
        if (g->output[k] == from)
            g->output[k] = to;
}

void mxdi_node_remove(mxd_node *node)
{
    node->op = NULL;
}

/* ---- dead nodes ---- */

static uint32_t producer_of(const mxdi_links *l, uint32_t value)
{
    return value == MXD_NO_VALUE ? MXD_NO_VALUE : l->producer[value];
}

/* Marks in alive[] all nodes that outputs depend on; `stack` has room for every node. */
static void mark_alive(uint8_t *alive, uint32_t *stack, const mxdi_graph *g, const mxdi_links *l)
{
    uint32_t depth = 0;
    for (uint32_t k = 0; k < g->n_outputs; k++) {
        const uint32_t p = producer_of(l, g->output[k]);
        if (p != MXD_NO_VALUE && !alive[p]) {
            alive[p]       = 1;
            stack[depth++] = p;
        }
    }
    while (depth > 0) {
        const mxd_node *const node = &g->node[stack[--depth]];
        for (uint32_t k = 0; k < node->n_in; k++) {
            const uint32_t p = producer_of(l, node->in[k]);
            if (p != MXD_NO_VALUE && !alive[p]) {
                alive[p]       = 1;
                stack[depth++] = p;
            }
        }
    }
}

mxd_status mxdi_graph_remove_dead(mxdi_graph *g, mxd_error *err)
{
    const mxd_allocator *const alloc = g->arena.alloc;
    mxdi_links                 links = MXDI_LINKS_INIT;
    uint8_t *const             alive = MXDI_ALLOC(alloc, uint8_t, g->n_nodes);
    uint32_t *const            stack = MXDI_ALLOC(alloc, uint32_t, g->n_nodes);
    mxd_status                 st    = alive && stack ? MXD_OK : mxdi_nomem(err);
    if (st == MXD_OK)
        st = mxdi_links_build(&links, g, err);
    if (st == MXD_OK) {
        mark_alive(alive, stack, g, &links);
        for (uint32_t n = 0; n < g->n_nodes; n++)
            if (!alive[n])
                mxdi_node_remove(&g->node[n]);
    }
    mxdi_links_free(&links);
    mxdi_free(alloc, stack);
    mxdi_free(alloc, alive);
    return st;
}

/* ---- compact ---- */

static void mark_used(uint32_t *used, const uint32_t *ids, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        if (ids[k] != MXD_NO_VALUE)
            used[ids[k]] = 1;
}

static void renumber(uint32_t *ids, uint32_t n, const uint32_t *new_id)
{
    for (uint32_t k = 0; k < n; k++)
        if (ids[k] != MXD_NO_VALUE)
            ids[k] = new_id[ids[k]];
}

static void drop_removed_nodes(mxdi_graph *g)
{
    uint32_t kept = 0;
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (g->node[n].op)
            g->node[kept++] = g->node[n];
    g->n_nodes = kept;
}

/* Moves the values that new_id[] marks to the front, and turns the marks into their new ids. */
static void drop_unused_values(mxdi_graph *g, uint32_t *new_id)
{
    uint32_t kept = 0;
    for (uint32_t v = 0; v < g->n_values; v++) {
        const bool used = new_id[v] != 0;
        new_id[v]       = used ? kept : MXD_NO_VALUE;
        if (used)
            g->value[kept++] = g->value[v];
    }
    g->n_values = kept;
}

mxd_status mxdi_graph_compact(mxdi_graph *g, mxd_error *err)
{
    uint32_t *const new_id = MXDI_ALLOC(g->arena.alloc, uint32_t, g->n_values);
    uint32_t        kept   = 0;
    if (!new_id)
        return mxdi_nomem(err);
    drop_removed_nodes(g);
    mark_used(new_id, g->input, g->n_inputs);
    mark_used(new_id, g->output, g->n_outputs);
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        mark_used(new_id, g->node[n].in, g->node[n].n_in);
        mark_used(new_id, g->node[n].out, g->node[n].n_out);
    }
    drop_unused_values(g, new_id);
    renumber(g->input, g->n_inputs, new_id);
    renumber(g->output, g->n_outputs, new_id);
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        renumber((uint32_t *)g->node[n].in, g->node[n].n_in, new_id);
        renumber((uint32_t *)g->node[n].out, g->node[n].n_out, new_id);
    }
    for (uint32_t k = 0; k < g->n_symbols; k++) {
        const mxdi_symbol s = g->symbol[k];
        if (new_id[s.value] != MXD_NO_VALUE)
            g->symbol[kept++] = (mxdi_symbol){ new_id[s.value], s.axis, s.name };
    }
    g->n_symbols = kept;
    mxdi_free(g->arena.alloc, new_id);
    return MXD_OK;
}

/* ---- topological order: depth first from each node in turn, so that a graph in order stays as it
 * is ---- */

enum { UNSEEN, OPEN, DONE };
typedef struct frame {
    uint32_t node, next_in;
} frame;
typedef struct sorting {
    const mxdi_graph *g;
    mxdi_links        links;
    uint8_t          *state; /* (n_nodes) */
    frame            *stack; /* (n_nodes) */
    uint32_t         *order; /* (n_nodes) */
    uint32_t          n_order;
} sorting;

static mxd_status visit(sorting *s, uint32_t root, mxd_error *err)
{
    uint32_t depth    = 0;
    s->stack[depth++] = (frame){ root, 0 };
    s->state[root]    = OPEN;
    while (depth > 0) {
        frame *const          top  = &s->stack[depth - 1];
        const mxd_node *const node = &s->g->node[top->node];
        if (!node->op || top->next_in == node->n_in) {
            s->state[top->node]    = DONE;
            s->order[s->n_order++] = top->node;
            depth--;
            continue;
        }
        const uint32_t p = producer_of(&s->links, node->in[top->next_in++]);
        if (p == MXD_NO_VALUE || s->state[p] == DONE)
            continue;
        if (s->state[p] == OPEN)
            return mxdi_fail(err, MXD_E_INVAL, "%s '%s': depends on its own output",
                             s->g->node[p].op, s->g->node[p].name);
        s->state[p]       = OPEN;
        s->stack[depth++] = (frame){ p, 0 };
    }
    return MXD_OK;
}

/* g->node in the order found. */
static mxd_status reorder(mxdi_graph *g, const uint32_t *order, mxd_error *err)
{
    mxd_node *const old = MXDI_ALLOC(g->arena.alloc, mxd_node, g->n_nodes);
    if (!old)
        return mxdi_nomem(err);
    if (g->n_nodes > 0)
        memcpy(old, g->node, g->n_nodes * sizeof(*old));
    for (uint32_t n = 0; n < g->n_nodes; n++)
        g->node[n] = old[order[n]];
    mxdi_free(g->arena.alloc, old);
    return MXD_OK;
}

mxd_status mxdi_graph_sort(mxdi_graph *g, mxd_error *err)
{
    const mxd_allocator *const alloc = g->arena.alloc;
    sorting                    s     = {
                               .g     = g,
                               .links = MXDI_LINKS_INIT,
                               .state = MXDI_ALLOC(alloc, uint8_t, g->n_nodes),
                               .stack = MXDI_ALLOC(alloc, frame, g->n_nodes),
                               .order = MXDI_ALLOC(alloc, uint32_t, g->n_nodes),
    };
    mxd_status st = s.state && s.stack && s.order ? MXD_OK : mxdi_nomem(err);
    if (st == MXD_OK)
        st = mxdi_links_build(&s.links, g, err);
    for (uint32_t n = 0; st == MXD_OK && n < g->n_nodes; n++)
        if (s.state[n] == UNSEEN)
            st = visit(&s, n, err);
    if (st == MXD_OK)
        st = reorder(g, s.order, err);
    mxdi_links_free(&s.links);
    mxdi_free(alloc, s.order);
    mxdi_free(alloc, s.stack);
    mxdi_free(alloc, s.state);
    return st;
}
