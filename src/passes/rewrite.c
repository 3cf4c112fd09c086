/* SPDX-License-Identifier: Apache-2.0
 *
 * The moves that rewrites are made of.
 */
#include "passes/rewrite.h"

mxd_status mxdi_rewrite_begin(mxdi_rewriter *r, mxdi_graph *g, mxd_error *err)
{
    *r = (mxdi_rewriter){ .g = g, .links = MXDI_LINKS_INIT, .n_values = g->n_values };
    return mxdi_links_build(&r->links, g, err);
}

mxd_status mxdi_rewrite_end(mxdi_rewriter *r, bool *changed, mxd_status st)
{
    mxdi_links_free(&r->links);
    *changed = r->changed;
    return st;
}

uint32_t mxdi_rewrite_maker(const mxdi_rewriter *r, uint32_t value)
{
    return value < r->n_values ? r->links.producer[value] : MXD_NO_VALUE;
}

uint32_t mxdi_rewrite_uses(const mxdi_rewriter *r, uint32_t value)
{
    return value < r->n_values ? r->links.n_uses[value] : 1;
}

uint32_t mxdi_rewrite_only_user(const mxdi_rewriter *r, uint32_t value)
{
    if (value >= r->n_values || r->links.n_uses[value] != 1)
        return MXD_NO_VALUE;
    for (uint32_t i = r->links.first_use[value]; i < r->links.first_use[value + 1]; i++) {
        const mxd_node *const node = &r->g->node[r->links.user[i]];
        for (uint32_t k = 0; node->op && k < node->n_in; k++)
            if (node->in[k] == value)
                return r->links.user[i];
    }
    return MXD_NO_VALUE;
}

uint32_t mxdi_rewrite_only_use(const mxdi_rewriter *r, uint32_t value, const char *op)
{
    const uint32_t n = mxdi_rewrite_maker(r, value);
    if (n == MXD_NO_VALUE || mxdi_rewrite_uses(r, value) != 1)
        return MXD_NO_VALUE;
    const mxd_node *const node = &r->g->node[n];
    return mxdi_node_is(node, op) && !*node->domain && node->out[0] == value ? n : MXD_NO_VALUE;
}

/* More nodes than any exporter writes for one operation; lists end there. */
enum { ORIGINS_MAX = 64 };

mxd_status mxdi_rewrite_origins(mxdi_graph *g, mxd_node *to, const mxd_node *from, mxd_error *err)
{
    if (to->n_origin == 0)
        MXD_TRY(mxdi_node_add_origins(g, to, &to->name, 1, err));
    const uint32_t room = to->n_origin < ORIGINS_MAX ? ORIGINS_MAX - to->n_origin : 0;
    if (from->n_origin == 0)
        return mxdi_node_add_origins(g, to, &from->name, room > 0 ? 1 : 0, err);
    return mxdi_node_add_origins(g, to, from->origin, from->n_origin < room ? from->n_origin : room,
                                 err);
}

static void drop_use(mxdi_rewriter *r, uint32_t value)
{
    if (value < r->n_values)
        r->links.n_uses[value]--;
}

void mxdi_rewrite_remove(mxdi_rewriter *r, uint32_t n)
{
    mxd_node *const node = &r->g->node[n];
    for (uint32_t k = 0; k < node->n_in; k++)
        drop_use(r, node->in[k]);
    mxdi_node_remove(node);
    r->changed = true;
}

void mxdi_rewrite_set_in(mxdi_rewriter *r, uint32_t node, uint32_t k, uint32_t value)
{
    drop_use(r, r->g->node[node].in[k]);
    if (value < r->n_values)
        r->links.n_uses[value]++;
    mxdi_node_set_in(&r->g->node[node], k, value);
    r->changed = true;
}

mxd_status mxdi_rewrite_inputs(mxdi_rewriter *r, uint32_t n, const uint32_t *in, uint32_t n_in,
                               mxd_error *err)
{
    mxd_node *const node = &r->g->node[n];
    uint32_t *const copy =
        mxdi_arena_memdup(&r->g->arena, in, n_in * sizeof(*in), _Alignof(uint32_t));
    if (!copy)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < node->n_in; k++)
        drop_use(r, node->in[k]);
    for (uint32_t k = 0; k < n_in; k++)
        if (in[k] < r->n_values)
            r->links.n_uses[in[k]]++;
    node->in   = copy;
    node->n_in = n_in;
    r->changed = true;
    return MXD_OK;
}

mxd_status mxdi_rewrite_absorb(mxdi_rewriter *r, uint32_t into, uint32_t n, mxd_error *err)
{
    mxd_node *const to   = &r->g->node[into];
    mxd_node *const from = &r->g->node[n];
    const uint32_t  y    = from->out[0];
    MXD_TRY(mxdi_rewrite_origins(r->g, to, from, err));
    mxdi_node_set_out(to, 0, y);
    r->links.producer[y] = into;
    mxdi_rewrite_remove(r, n);
    return MXD_OK;
}

/* Nodes that read `from` read `to`. */
static void redirect(mxdi_rewriter *r, uint32_t from, uint32_t to)
{
    for (uint32_t i = r->links.first_use[from]; i < r->links.first_use[from + 1]; i++) {
        const uint32_t user = r->links.user[i];
        for (uint32_t k = 0; r->g->node[user].op && k < r->g->node[user].n_in; k++)
            if (r->g->node[user].in[k] == from)
                mxdi_rewrite_set_in(r, user, k, to);
    }
}

mxd_status mxdi_rewrite_bypass(mxdi_rewriter *r, uint32_t n, mxd_error *err)
{
    mxd_node *const node  = &r->g->node[n];
    const uint32_t  x     = node->in[0];
    const uint32_t  y     = node->out[0];
    const uint32_t  maker = mxdi_rewrite_maker(r, x);
    if (x >= r->n_values)
        return MXD_OK;
    if (mxdi_graph_is_output(r->g, y)) {
        mxd_node *const made = maker == MXD_NO_VALUE ? NULL : &r->g->node[maker];
        uint32_t        k    = 0;
        if (!made || mxdi_graph_is_output(r->g, x))
            return MXD_OK; /* both names are the network's */
        while (made->out[k] != x)
            k++;
        MXD_TRY(mxdi_rewrite_origins(r->g, made, node, err));
        mxdi_rewrite_remove(r, n);
        mxdi_node_set_out(made, k, y);
        r->links.producer[y] = maker;
        r->links.producer[x] = MXD_NO_VALUE;
        redirect(r, x, y);
        return MXD_OK;
    }
    const uint32_t first = r->links.first_use[y] < r->links.first_use[y + 1]
                               ? r->links.user[r->links.first_use[y]]
                               : MXD_NO_VALUE;
    const uint32_t heir  = maker != MXD_NO_VALUE ? maker : first;
    if (heir != MXD_NO_VALUE && r->g->node[heir].op)
        MXD_TRY(mxdi_rewrite_origins(r->g, &r->g->node[heir], node, err));
    redirect(r, y, x);
    mxdi_rewrite_remove(r, n);
    return MXD_OK;
}

mxd_status mxdi_rewrite_floats(mxdi_rewriter *r, uint32_t *value, const float *data,
                               const int64_t *dim, int32_t rank, mxd_error *err)
{
    mxd_tensor t = { .data = (void *)(uintptr_t)data, .dtype = MXD_F32, .rank = rank };
    size_t     n = 1;
    for (int32_t d = 0; d < rank; d++) {
        t.dim[d] = dim[d];
        n *= (size_t)dim[d];
    }
    r->changed = true;
    if (mxdi_rewrite_uses(r, *value) != 1)
        return mxdi_graph_add_constant(value, r->g, NULL, r->g->value[*value].name, &t, false, err);
    mxd_value *const v = &r->g->value[*value];
    v->rank            = rank;
    memcpy(v->dim, t.dim, sizeof(v->dim));
    v->data  = data;
    v->bytes = n * sizeof(float);
    return MXD_OK;
}
