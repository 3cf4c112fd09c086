/* SPDX-License-Identifier: Apache-2.0
 *
 * The integer domain of a graph. Quantizers stand where integer layers read, behind clamps (never
 * between an Add or Conv and its Relu), and behind pooling and moves rather than before them;
 * between a convolution and the Add that takes its result there is none unless a backend wants one,
 * since the sum is rounded once that way (docs/recipe.md).
 */
#include "quant/domain.h"

#include "base/dtype.h"
#include "engine/asked.h"
#include "engine/fuse.h"

struct builder {
    const mxdi_graph      *g;
    const mxdi_setting    *setting;
    const mxd_constraints *backend;
    mxdi_domain           *d;
    mxdi_links             links;
    const uint8_t         *known; /* (n_values) or NULL */
    uint8_t *rooted; /* (n_values) comes from integer nodes through clamps, moves and maxima */
    uint8_t *asked;  /* (n_values) bits that products read it with */
};

static bool is_one_of(const mxd_node *n, const char *const *list, size_t count)
{
    for (size_t k = 0; n->op && n->domain[0] == '\0' && k < count; k++)
        if (strcmp(n->op, list[k]) == 0)
            return true;
    return false;
}

bool mxdi_domain_is_clamp(const mxd_node *n)
{
    static const char *const list[] = { "Relu", "Clip" };
    return is_one_of(n, list, 2);
}

bool mxdi_domain_is_move(const mxd_node *n)
{
    static const char *const list[] = { "MaxPool",   "Reshape", "Flatten",  "Squeeze", "Unsqueeze",
                                        "Transpose", "Slice",   "Identity", "Dropout" };
    return is_one_of(n, list, sizeof(list) / sizeof(list[0]));
}

/* Functions of one stored tensor that have an integer form and keep their accuracy in 8 bits. */
static bool is_function(const mxd_node *n)
{
    static const char *const list[] = {
        "AveragePool", "GlobalAveragePool", "ReduceMean", "Sigmoid", "Tanh",
        "HardSigmoid", "HardSwish",         "LeakyRelu",  "Elu"
    };
    return is_one_of(n, list, sizeof(list) / sizeof(list[0]));
}

static bool is_float_value(const mxdi_graph *g, uint32_t v)
{
    return v != MXD_NO_VALUE && g->value[v].dtype == MXD_F32 && !g->value[v].data;
}

bool mxdi_domain_can_be_integer(const mxdi_graph *g, const mxd_node *n)
{
    if (!mxdi_is_product(n) || !is_float_value(g, n->in[0]) || !is_float_value(g, n->out[0]))
        return false;
    const mxd_value *const x = &g->value[n->in[0]], *const w = &g->value[n->in[1]];
    if (mxdi_node_is(n, "Conv"))
        return w->data && w->dtype == MXD_F32 && w->rank >= 3 && w->rank <= 4 &&
               (n->n_in < 3 || n->in[2] == MXD_NO_VALUE || g->value[n->in[2]].data);
    if (w->dtype != MXD_F32 || w->rank < 2 || x->rank < 2)
        return false;
    if (mxdi_node_is(n, "MatMul"))
        return !w->data || w->rank == 2;
    const uint32_t b        = n->n_in > 2 ? n->in[2] : MXD_NO_VALUE;
    const int64_t  channels = w->dim[mxd_node_int(n, "transB", 0) ? 0 : 1];
    int64_t        count;
    return w->data && !mxd_node_int(n, "transA", 0) && mxd_node_float(n, "alpha", 1.0f) == 1.0f &&
           mxd_node_float(n, "beta", 1.0f) == 1.0f &&
           (b == MXD_NO_VALUE ||
            (g->value[b].data && mxdi_shape_count(&count, g->value[b].dim, g->value[b].rank) &&
             count == channels));
}

/* The value behind the clamps that alone read `v`. */
static uint32_t behind_clamps(const struct builder *b, uint32_t v)
{
    const mxdi_links *const l = &b->links;
    while (l->n_uses[v] == 1 && l->first_use[v + 1] - l->first_use[v] == 1 &&
           mxdi_domain_is_clamp(&b->g->node[l->user[l->first_use[v]]]))
        v = b->g->node[l->user[l->first_use[v]]].out[0];
    return v;
}

/* A product reads `v`: as wide as the recipe says, the widest of several. */
static void ask(struct builder *b, uint32_t v, uint8_t bits)
{
    b->asked[v]   = bits > b->asked[v] ? bits : b->asked[v];
    b->d->bits[v] = b->asked[v];
}

/* Integers only pass through `v`: so wide, where no product says otherwise. */
static void demand(struct builder *b, uint32_t v, uint8_t bits)
{
    if (!b->asked[v])
        b->d->bits[v] = bits > b->d->bits[v] ? bits : b->d->bits[v];
}

static bool has_range(const struct builder *b, uint32_t v)
{
    return !b->known || b->known[v];
}

static bool from_network_input(const struct builder *b, uint32_t v)
{
    while (b->links.producer[v] != MXD_NO_VALUE &&
           mxdi_domain_is_move(&b->g->node[b->links.producer[v]]))
        v = b->g->node[b->links.producer[v]].in[0];
    return b->links.producer[v] == MXD_NO_VALUE;
}

static bool rooted(const struct builder *b, uint32_t v)
{
    return is_float_value(b->g, v) && (b->rooted[v] || b->d->bits[v]);
}

/* The integer product whose result `v` is, used by nothing else; MXD_NO_VALUE: it is none. */
static uint32_t direct_product(const struct builder *b, uint32_t v)
{
    const uint32_t p = b->links.producer[v];
    return p != MXD_NO_VALUE && b->d->node[p] && mxdi_is_product(&b->g->node[p]) &&
                   b->links.n_uses[v] == 1 && !b->d->bits[v]
               ? p
               : MXD_NO_VALUE;
}

static bool add_product(struct builder *b, uint32_t n)
{
    const mxd_node *const node = &b->g->node[n];
    const mxdi_precision  p    = b->setting[n].precision;
    if (!mxdi_precision_is_integer(p) || !mxdi_domain_can_be_integer(b->g, node))
        return false;
    ask(b, node->in[0], p.a_bits < 8 && from_network_input(b, node->in[0]) ? 8 : p.a_bits);
    if (!b->g->value[node->in[1]].data)
        ask(b, node->in[1], p.w_bits);
    return true;
}

static bool add_sum(struct builder *b, uint32_t n)
{
    const mxd_node *const  node = &b->g->node[n];
    const mxd_value *const y    = &b->g->value[node->out[0]];
    if (node->n_in != 2 || node->in[0] == node->in[1] || !rooted(b, node->in[0]) ||
        !rooted(b, node->in[1]))
        return false;
    uint32_t product[2], skip = 2;
    for (uint32_t k = 0; k < 2; k++) {
        const mxd_value *const x = &b->g->value[node->in[k]], *const r =
                                                                  &b->g->value[node->in[1 - k]];
        const bool same = x->rank == y->rank && r->rank == y->rank &&
                          memcmp(x->dim, y->dim, (size_t)y->rank * sizeof(y->dim[0])) == 0 &&
                          memcmp(r->dim, y->dim, (size_t)y->rank * sizeof(y->dim[0])) == 0;
        product[k] = same ? direct_product(b, node->in[k]) : MXD_NO_VALUE;
    }
    if (product[0] != MXD_NO_VALUE ||
        product[1] != MXD_NO_VALUE) /* the later one adds the other's result in place */
        skip = product[0] == MXD_NO_VALUE || (product[1] != MXD_NO_VALUE && product[1] > product[0])
                   ? 1
                   : 0;
    for (uint32_t k = 0; k < 2; k++)
        if ((k != skip || b->backend->quantize_every_output) && !has_range(b, node->in[k]))
            return false;
    for (uint32_t k = 0; k < 2; k++)
        if (k != skip || b->backend->quantize_every_output)
            demand(b, node->in[k], 8);
    return true;
}

static bool add_concat(struct builder *b, uint32_t n)
{
    for (uint32_t k = 0; k < b->g->node[n].n_in; k++)
        if (!rooted(b, b->g->node[n].in[k]))
            return false;
    return true;
}

static void visit(struct builder *b, uint32_t n)
{
    const mxd_node *const node = &b->g->node[n];
    const uint32_t        y    = node->n_out ? node->out[0] : MXD_NO_VALUE;
    if (!is_float_value(b->g, y))
        return;
    if (mxdi_is_product(node)) {
        b->d->node[n] = add_product(b, n);
    } else if (mxdi_domain_is_move(node) || mxdi_domain_is_clamp(node)) {
        b->rooted[y] = rooted(b, node->in[0]);
        return;
    } else if (!mxdi_graph_is_output(b->g, behind_clamps(b, y)) &&
               has_range(b, behind_clamps(b, y))) {
        if (mxdi_node_is(node, "Add"))
            b->d->node[n] = add_sum(b, n);
        else if (mxdi_node_is(node, "Concat"))
            b->d->node[n] = add_concat(b, n);
        else if (is_function(node) && rooted(b, node->in[0]) && has_range(b, node->in[0]))
            b->d->node[n] = 1;
        if (b->d->node[n] && is_function(node))
            demand(b, node->in[0], 8);
        if (b->d->node[n])
            demand(b, behind_clamps(b, y), 8);
    }
    b->rooted[y] = b->d->node[n];
}

/* A value of which several moved or pooled copies are quantized is quantized itself, so that it is
 * made once. */
static void share(struct builder *b)
{
    for (uint32_t v = 0; v < b->g->n_values; v++) {
        uint32_t copies = 0;
        uint8_t  bits   = 0;
        for (uint32_t k = b->links.first_use[v]; k < b->links.first_use[v + 1]; k++) {
            const mxd_node *const user = &b->g->node[b->links.user[k]];
            if (mxdi_domain_is_move(user) && b->d->bits[user->out[0]]) {
                copies++;
                bits = b->d->bits[user->out[0]] > bits ? b->d->bits[user->out[0]] : bits;
            }
        }
        if (copies > 1 && is_float_value(b->g, v) && has_range(b, v))
            demand(b, v, bits);
    }
    for (uint32_t n = 0; n < b->g->n_nodes; n++) {
        const mxd_node *const node = &b->g->node[n];
        if (!mxdi_domain_is_move(node) || !is_float_value(b->g, node->in[0]) ||
            !is_float_value(b->g, node->out[0]))
            continue;
        const uint32_t x = node->in[0], y = node->out[0];
        if (b->d->bits[x] && b->d->bits[x] == b->d->bits[y])
            b->d->same[y] = b->d->same[x] != MXD_NO_VALUE ? b->d->same[x] : x;
    }
}

mxd_status mxdi_domain_of(mxdi_domain *out, mxdi_arena *arena, const mxdi_graph *g,
                          const mxdi_setting *setting, const mxd_constraints *backend,
                          const uint8_t *known, mxd_error *err)
{
    struct builder b = { .g       = g,
                         .setting = setting,
                         .backend = backend,
                         .d       = out,
                         .known   = known,
                         .links   = MXDI_LINKS_INIT };
    out->node        = MXDI_NEW(arena, uint8_t, g->n_nodes + 1);
    out->bits        = MXDI_NEW(arena, uint8_t, g->n_values + 1);
    out->same        = MXDI_NEW(arena, uint32_t, g->n_values + 1);
    b.rooted         = MXDI_NEW(arena, uint8_t, g->n_values + 1);
    b.asked          = MXDI_NEW(arena, uint8_t, g->n_values + 1);
    if (!out->node || !out->bits || !out->same || !b.rooted || !b.asked)
        return mxdi_nomem(err);
    memset(out->same, 0xFF, g->n_values * sizeof(out->same[0]));
    MXD_TRY(mxdi_links_build(&b.links, g, err));
    for (uint32_t n = 0; n < g->n_nodes; n++)
        visit(&b, n);
    share(&b);
    mxdi_links_free(&b.links);
    return MXD_OK;
}
