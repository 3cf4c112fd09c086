/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting a plan's graph into parts, each for one backend. The backend claims what it can run; the
 * reference interpreter takes the rest. A node's level grows by one each time its inputs come from
 * the other backend, so the nodes of one level and backend form a part, and parts run in order of
 * level. Dequantized weights and the like (nodes that depend on constants alone) go into every part
 * that uses them.
 */
#include "engine/engine.h"

struct cut {
    mxdi_plan   *plan;
    mxdi_engine *e;
    mxdi_links   links;
    mxdi_arena   arena;    /* for the arrays here */
    uint8_t     *taken;    /* (n_nodes) claimed by the engine's backend */
    uint8_t     *constant; /* (n_nodes) depends on constants alone */
    uint32_t    *level;    /* (n_nodes) */
    uint32_t    *mapped;   /* (n_values) value id in the part under construction, or MXD_NO_VALUE */
    uint32_t     n_levels;
};

static bool is_constant(const struct cut *c, uint32_t value)
{
    const uint32_t p = value == MXD_NO_VALUE ? MXD_NO_VALUE : c->links.producer[value];
    return value == MXD_NO_VALUE || c->plan->graph->value[value].data ||
           (p != MXD_NO_VALUE && c->constant[p]);
}

static mxd_status claim(const mxd_backend_api *api, mxd_device *dev, const mxd_graph_view *view,
                        uint8_t *taken, const char **reason, mxd_error *err)
{
    mxd_claim answer = { .struct_size = sizeof(answer), .taken = taken, .reason = reason };
    return api->claim(dev, view, &answer, err);
}

/* Who runs each node; what neither takes is refused with both reasons. */
static mxd_status claims(struct cut *c, mxd_error *err)
{
    const mxdi_graph *const g      = c->plan->graph;
    const mxd_graph_view    view   = mxdi_graph_view(g);
    const size_t            n      = g->n_nodes ? g->n_nodes : 1;
    uint8_t *const          second = MXDI_NEW(&c->arena, uint8_t, n);
    const char **const      why    = MXDI_NEW(&c->arena, const char *, n);
    c->plan->reason                = MXDI_NEW(&c->plan->graph->arena, const char *, n);
    if (!second || !why || !c->plan->reason)
        return mxdi_nomem(err);
    MXD_TRY(claim(c->e->api, c->e->device, &view, c->taken, c->plan->reason, err));
    if (c->e->fallback)
        MXD_TRY(claim(c->e->fallback, c->e->fallback_device, &view, second, why, err));
    for (uint32_t k = 0; k < g->n_nodes; k++)
        if (!c->taken[k] && !second[k])
            return mxdi_fail(err, MXD_E_UNSUPPORTED, "%s '%s': %s", g->node[k].op, g->node[k].name,
                             why[k]               ? why[k]
                             : c->plan->reason[k] ? c->plan->reason[k]
                                                  : "no backend runs it");
    return MXD_OK;
}

static void levels(struct cut *c)
{
    const mxdi_graph *const g = c->plan->graph;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        c->constant[n] = 1;
        for (uint32_t k = 0; k < g->node[n].n_in; k++)
            c->constant[n] = c->constant[n] && is_constant(c, g->node[n].in[k]);
        for (uint32_t k = 0; k < g->node[n].n_in; k++) {
            const uint32_t v = g->node[n].in[k], p = v == MXD_NO_VALUE ? v : c->links.producer[v];
            if (p == MXD_NO_VALUE || c->constant[p])
                continue;
            const uint32_t l = c->level[p] + (c->taken[p] != c->taken[n]);
            c->level[n]      = l > c->level[n] ? l : c->level[n];
        }
        if (c->level[n] + 1 > c->n_levels)
            c->n_levels = c->level[n] + 1;
    }
}

/* ---- one part ---- */

static mxd_status map_value(uint32_t *out, struct cut *c, mxdi_part *part, uint32_t value,
                            mxd_error *err)
{
    const mxd_value *const from = &c->plan->graph->value[value];
    if (c->mapped[value] == MXD_NO_VALUE) {
        MXD_TRY(mxdi_graph_add_value(&c->mapped[value], part->graph, from->name, NULL, err));
        mxd_value *const  to   = &part->graph->value[c->mapped[value]];
        const char *const name = to->name;
        *to                    = *from;
        to->name               = name;
    }
    *out = c->mapped[value];
    return MXD_OK;
}

static mxd_status copy_node(struct cut *c, mxdi_part *part, uint32_t n, mxd_error *err)
{
    const mxd_node *const from = &c->plan->graph->node[n];
    uint32_t *const       id   = MXDI_NEW(&part->graph->arena, uint32_t, from->n_in + from->n_out);
    if (!id)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < from->n_in + from->n_out; k++) {
        const uint32_t v = k < from->n_in ? from->in[k] : from->out[k - from->n_in];
        id[k]            = MXD_NO_VALUE;
        if (v == MXD_NO_VALUE)
            continue;
        const uint32_t p = c->links.producer[v];
        if (k < from->n_in && p != MXD_NO_VALUE && c->constant[p] && c->mapped[v] == MXD_NO_VALUE)
            MXD_TRY(copy_node(c, part, p, err)); /* its own copy of a dequantized weight */
        MXD_TRY(map_value(&id[k], c, part, v, err));
    }
    mxd_node *to;
    MXD_TRY(mxdi_graph_add_node(&to, part->graph, from->op, from->domain, from->name, id,
                                from->n_in, id + from->n_in, from->n_out, err));
    to->version  = from->version;
    to->n_origin = 0;
    MXD_TRY(mxdi_node_copy_attrs(part->graph, to, from, err));
    return mxdi_node_add_origins(part->graph, to, from->origin, from->n_origin, err);
}

/* Whether part `level`, `taken` makes the value (or it is constant there). */
static bool inside(const struct cut *c, uint32_t value, uint32_t level, uint8_t taken)
{
    const uint32_t p = c->links.producer[value];
    return p != MXD_NO_VALUE && !c->constant[p] && c->level[p] == level && c->taken[p] == taken;
}

static bool used_outside(const struct cut *c, uint32_t value, uint32_t level, uint8_t taken)
{
    const mxdi_links *const l = &c->links;
    if (mxdi_graph_is_output(c->plan->graph, value))
        return true;
    for (uint32_t k = l->first_use[value]; k < l->first_use[value + 1]; k++)
        if (c->level[l->user[k]] != level || c->taken[l->user[k]] != taken)
            return true;
    return false;
}

static mxd_status add_boundary(struct cut *c, mxdi_part *part, uint32_t level, uint8_t taken,
                               mxd_error *err)
{
    const mxdi_graph *const g = c->plan->graph;
    part->input  = MXDI_NEW(&c->plan->graph->arena, uint32_t, g->n_values ? g->n_values : 1);
    part->output = MXDI_NEW(&c->plan->graph->arena, uint32_t, g->n_values ? g->n_values : 1);
    if (!part->input || !part->output)
        return mxdi_nomem(err);
    for (uint32_t v = 0; v < g->n_values; v++) {
        if (c->mapped[v] == MXD_NO_VALUE || is_constant(c, v))
            continue;
        if (!inside(c, v, level, taken)) {
            part->input[part->graph->n_inputs] = v;
            MXD_TRY(mxdi_graph_add_input(part->graph, c->mapped[v], err));
        } else if (used_outside(c, v, level, taken)) {
            part->output[part->graph->n_outputs] = v;
            MXD_TRY(mxdi_graph_add_output(part->graph, c->mapped[v], err));
        }
    }
    return MXD_OK;
}

static mxd_status make_part(struct cut *c, uint32_t level, uint8_t taken, mxd_error *err)
{
    const mxdi_graph *const g    = c->plan->graph;
    mxdi_part              *part = NULL;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (c->constant[n] || c->level[n] != level || c->taken[n] != taken)
            continue;
        if (!part) {
            part      = &c->plan->part[c->plan->n_parts++];
            part->api = taken ? c->e->api : c->e->fallback;
            MXD_TRY(mxdi_graph_create(&part->graph, c->e->alloc, err));
            part->graph->opset     = g->opset;
            part->graph->max_batch = g->max_batch;
            memset(c->mapped, 0xFF, g->n_values * sizeof(c->mapped[0]));
        }
        MXD_TRY(copy_node(c, part, n, err));
    }
    return part ? add_boundary(c, part, level, taken, err) : MXD_OK;
}

/* Outputs of the network that depend on constants alone belong to level 0 of the backend. */
static void place_constant_outputs(struct cut *c)
{
    const mxdi_graph *const g = c->plan->graph;
    for (uint32_t n = 0; n < g->n_nodes; n++)
        for (uint32_t k = 0; k < g->node[n].n_out; k++)
            if (g->node[n].out[k] != MXD_NO_VALUE && mxdi_graph_is_output(g, g->node[n].out[k]))
                c->constant[n] = 0;
}

mxd_status mxdi_engine_partition(mxdi_plan *plan, mxdi_engine *e, mxd_error *err)
{
    const mxdi_graph *const g = plan->graph;
    struct cut              c = { .plan = plan, .e = e, .links = MXDI_LINKS_INIT };
    mxdi_arena_init(&c.arena, e->alloc);
    mxd_status   st = mxdi_links_build(&c.links, g, err);
    const size_t n = g->n_nodes ? g->n_nodes : 1, v = g->n_values ? g->n_values : 1;
    c.taken    = MXDI_NEW(&c.arena, uint8_t, n);
    c.constant = MXDI_NEW(&c.arena, uint8_t, n);
    c.level    = MXDI_NEW(&c.arena, uint32_t, n);
    c.mapped   = MXDI_NEW(&c.arena, uint32_t, v);
    if (st == MXD_OK && (!c.taken || !c.constant || !c.level || !c.mapped))
        st = mxdi_nomem(err);
    if (st == MXD_OK)
        st = claims(&c, err);
    if (st == MXD_OK) {
        levels(&c);
        place_constant_outputs(&c);
        plan->part = mxdi_alloc(e->alloc, (size_t)c.n_levels * 2 + 1, sizeof(plan->part[0]));
        st         = plan->part ? MXD_OK : mxdi_nomem(err);
    }
    for (uint32_t l = 0; l < c.n_levels && st == MXD_OK; l++)
        for (uint8_t taken = 0; taken < 2 && st == MXD_OK; taken++)
            st = make_part(&c, l, taken, err);
    mxdi_links_free(&c.links);
    mxdi_arena_fini(&c.arena);
    return st;
}
