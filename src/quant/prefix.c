/* SPDX-License-Identifier: Apache-2.0
 *
 * Engines of pieces of both graphs: from what is kept to what a layer reads. The kept values are
 * those of the float graph that are alive in front of a layer; the quantized graph has them under
 * the same names, in front of their quantizers.
 */
#include "quant/prefix.h"

#include "base/dtype.h"
#include "quant/piece.h"

enum { BATCH = 32, OBSERVED_BYTES = 64 << 20 };

/* One value over all samples, of the float and of the quantized graph. */
typedef struct kept {
    uint32_t value; /* of the float graph */
    size_t   bytes; /* of one sample */
    uint8_t *data[2];
} kept;

struct mxdi_prefix {
    const mxd_allocator *alloc;
    const mxdi_graph    *graph[2]; /* float, quantized */
    mxdi_prefix_options  o;
    mxdi_links           links;       /* of the float graph */
    kept                *keep, *next; /* (n_values) alive at the layer before, and at this one */
    uint32_t             n_keep, n_next;
    uint32_t             held; /* kept though nothing may read it; MXD_NO_VALUE: none */
};

/* The two sides while they run. */
typedef struct side {
    mxdi_engine       *engine;
    mxdi_feed          feed;
    const mxdi_prefix *prefix;
    int                which;
} side;

mxd_status mxdi_prefix_open(mxdi_prefix **out, const mxdi_graph *graph, const mxdi_graph *quantized,
                            const mxdi_prefix_options *options, mxd_error *err)
{
    const mxd_allocator *const alloc = graph->arena.alloc;
    mxdi_prefix *const         p     = MXDI_ALLOC(alloc, mxdi_prefix, 1);
    *out                             = NULL;
    if (!p)
        return mxdi_nomem(err);
    *p = (mxdi_prefix){ .alloc = alloc,
                        .graph = { graph, quantized },
                        .o     = *options,
                        .links = MXDI_LINKS_INIT,
                        .held  = MXD_NO_VALUE };
    if (p->o.samples > p->o.source->samples)
        p->o.samples = p->o.source->samples;
    p->keep       = MXDI_ALLOC(alloc, kept, graph->n_values);
    p->next       = MXDI_ALLOC(alloc, kept, graph->n_values);
    mxd_status st = p->keep && p->next ? MXD_OK : mxdi_nomem(err);
    if (st == MXD_OK)
        st = mxdi_links_build(&p->links, graph, err);
    if (st != MXD_OK) {
        mxdi_prefix_close(p);
        return st;
    }
    *out = p;
    return MXD_OK;
}

static void drop(mxdi_prefix *p, kept *k)
{
    mxdi_free(p->alloc, k->data[0]);
    mxdi_free(p->alloc, k->data[1]);
    *k = (kept){ .value = MXD_NO_VALUE };
}

void mxdi_prefix_close(mxdi_prefix *p)
{
    if (!p)
        return;
    for (uint32_t k = 0; p->keep && k < p->n_keep; k++)
        drop(p, &p->keep[k]);
    mxdi_links_free(&p->links);
    mxdi_free(p->alloc, p->keep);
    mxdi_free(p->alloc, p->next);
    mxdi_free(p->alloc, p);
}

int64_t mxdi_prefix_samples(const mxdi_prefix *p)
{
    return p->o.samples;
}

/* ---- what is alive ---- */

static const kept *find_kept(const mxdi_prefix *p, uint32_t value)
{
    for (uint32_t k = 0; k < p->n_keep; k++)
        if (p->keep[k].value == value)
            return &p->keep[k];
    return NULL;
}

/* One sample is a slice of the first axis, whatever the batch. */
static bool is_by_sample(const mxdi_graph *g, const mxd_value *v, size_t *bytes)
{
    mxd_tensor one = { .dtype = v->dtype, .rank = v->rank };
    if (v->rank < 1 || v->dim[0] != g->max_batch || v->batch_axis > 0 ||
        (g->n_symbols > 0 && v->batch_axis != 0))
        return false;
    memcpy(one.dim, v->dim, sizeof(one.dim));
    one.dim[0] = 1;
    return mxdi_tensor_bytes(bytes, &one);
}

/* Values made in front of node n and read from there on, into p->next; false: they cannot be kept,
 * or there is no room. */
static bool find_alive(mxdi_prefix *p, uint32_t n)
{
    const mxdi_graph *const g     = p->graph[0];
    size_t                  total = 0;
    p->n_next                     = 0;
    for (uint32_t v = 0; v < g->n_values; v++) {
        const uint32_t from = p->links.first_use[v], to = p->links.first_use[v + 1];
        if (p->links.producer[v] == MXD_NO_VALUE || p->links.producer[v] >= n)
            continue;
        if (v != p->held && (from == to || p->links.user[to - 1] < n))
            continue;
        kept *const k = &p->next[p->n_next++];
        *k            = (kept){ .value = v };
        if (!is_by_sample(g, &g->value[v], &k->bytes))
            return false;
        total += k->bytes * 2;
        if (total > p->o.kept_bytes / (size_t)(p->o.samples > 0 ? p->o.samples : 1))
            return false;
    }
    return true;
}

/* ---- pieces of graphs ---- */

static bool is_used(const mxdi_graph *g, uint32_t value)
{
    for (uint32_t n = 0; n < g->n_nodes; n++)
        for (uint32_t k = 0; g->node[n].op && k < g->node[n].n_in; k++)
            if (g->node[n].in[k] == value)
                return true;
    return mxdi_graph_is_output(g, value);
}

/* Inputs of a piece: of the network's and the kept ones, those that something reads. */
static mxd_status add_inputs(mxdi_graph *g, const mxdi_prefix *p, const uint32_t *was,
                             uint32_t n_was, mxd_error *err)
{
    g->n_inputs = 0;
    for (uint32_t k = 0; k < n_was; k++)
        if (is_used(g, was[k]))
            MXD_TRY(mxdi_graph_add_input(g, was[k], err));
    for (uint32_t k = 0; k < p->n_keep; k++) {
        const mxd_value *const v  = &p->graph[0]->value[p->keep[k].value];
        const uint32_t         id = mxdi_graph_find_value(g, v->name);
        if (!is_used(g, id))
            continue;
        MXD_TRY(mxdi_graph_add_input(g, id, err));
        if (p->graph[0]->n_symbols)
            MXD_TRY(mxdi_graph_add_symbol(g, id, 0, "batch", err));
    }
    return MXD_OK;
}

/* The piece of one side from what is kept to `target` and the values of p->next that are new. */
static mxd_status cut(mxdi_graph *g, const mxdi_prefix *p, uint32_t target, bool keep,
                      mxd_error *err)
{
    uint32_t *const was   = g->input;
    const uint32_t  n_was = g->n_inputs;
    g->input              = NULL; /* a list of its own grows below */
    g->n_inputs = g->cap_inputs = 0;
    g->n_outputs                = 0;
    mxd_status st               = MXD_OK;
    uint32_t   id;
    for (uint32_t k = 0; k < p->n_keep && st == MXD_OK; k++)
        st = mxdi_piece_cut_at(&id, g, &p->graph[0]->value[p->keep[k].value], err);
    if (st == MXD_OK)
        st = mxdi_graph_add_output(g, target, err);
    for (uint32_t k = 0; keep && k < p->n_next && st == MXD_OK; k++) {
        const char *const name = p->graph[0]->value[p->next[k].value].name;
        id                     = mxdi_graph_find_value(g, name);
        if (id == MXD_NO_VALUE)
            st = mxdi_fail(err, MXD_E_INVAL, "'%s': not in the quantized graph", name);
        else if (!find_kept(p, p->next[k].value) && !mxdi_graph_is_output(g, id))
            st = mxdi_graph_add_output(g, id, err);
    }
    if (st == MXD_OK)
        st = mxdi_graph_remove_dead(g, err);
    if (st == MXD_OK)
        st = add_inputs(g, p, was, n_was, err);
    mxdi_free(g->arena.alloc, was);
    return st == MXD_OK ? mxdi_graph_compact(g, err) : st;
}

/* ---- feeding a piece: its inputs by the network's name, from the data or from what is kept ----
 */

static const mxdi_graph *piece_of(const side *s)
{
    return s->engine->plan[s->engine->n_plans - 1].graph;
}

static const char *name_of(const void *data, uint32_t k)
{
    const mxdi_graph *const g = piece_of(data);
    return g->value[g->input[k]].name;
}

/* What feeds input k: a kept value, or else *array of the source. */
static const kept *origin_of(const side *s, uint32_t k, uint32_t *array)
{
    const mxdi_graph *const  g      = s->prefix->graph[0];
    const mxdi_source *const source = s->prefix->o.source;
    const uint32_t           value  = mxdi_graph_find_value(g, name_of(s, k));
    *array                          = 0;
    for (uint32_t i = 0; i < g->n_inputs; i++)
        for (uint32_t a = 0; g->input[i] == value && a < source->n_inputs; a++) {
            const char *const name = source->name(source->data, a);
            if (name ? strcmp(name, g->value[value].name) == 0 : a == i)
                *array = a;
        }
    return find_kept(s->prefix, value);
}

static void sample_of(mxd_tensor *out, const void *data, uint32_t k)
{
    const side *const side_ = data;
    uint32_t          array;
    const kept *const from = origin_of(side_, k, &array);
    if (!from) {
        side_->prefix->o.source->sample(out, side_->prefix->o.source->data, array);
        return;
    }
    const mxd_value *const v = &side_->prefix->graph[0]->value[from->value];
    *out                     = (mxd_tensor){ .dtype = v->dtype, .rank = v->rank - 1 };
    for (int32_t d = 1; d < v->rank; d++)
        out->dim[d - 1] = v->dim[d];
}

static mxd_status read_samples(const void *data, uint32_t k, int64_t first, int64_t count,
                               void *out, mxd_error *err)
{
    const side *const s = data;
    uint32_t          array;
    const kept *const from = origin_of(s, k, &array);
    if (!from)
        return s->prefix->o.source->read(s->prefix->o.source->data, array, first, count, out, err);
    memcpy(out, from->data[s->which] + (size_t)first * from->bytes, (size_t)count * from->bytes);
    return MXD_OK;
}

static mxd_status open_side(side *s, mxdi_prefix *p, int which, uint32_t target, bool keep,
                            int64_t batch, mxd_error *err)
{
    mxdi_graph              *g     = NULL;
    const mxdi_build_options build = { .threads   = p->o.threads,
                                       .batch     = { batch },
                                       .n_batches = 1 };
    *s                             = (side){ .prefix = p, .which = which, .feed = MXDI_FEED_INIT };
    MXD_TRY(mxdi_graph_clone(&g, p->graph[which], err));
    const mxd_status st = cut(g, p, target, keep, err);
    if (st != MXD_OK) {
        mxdi_graph_destroy(g);
        return st;
    }
    MXD_TRY(mxdi_engine_build(&s->engine, g, &build, p->o.registry, p->alloc, err));
    const mxdi_source source = { .samples  = p->o.samples,
                                 .n_inputs = piece_of(s)->n_inputs,
                                 .name     = name_of,
                                 .sample   = sample_of,
                                 .read     = read_samples,
                                 .data     = s };
    return mxdi_feed_open(&s->feed, s->engine, &source, 0, p->o.threads, err);
}

static void close_side(side *s)
{
    mxdi_feed_close(&s->feed);
    mxdi_engine_destroy(s->engine);
}

/* ---- running ---- */

static int64_t batch_for(const mxdi_prefix *p, uint32_t target, bool keep)
{
    const mxdi_graph *const g = p->graph[0];
    int64_t                 elements, bytes = 4;
    if (mxdi_shape_count(&elements, g->value[target].dim, g->value[target].rank))
        bytes += elements / (g->max_batch > 0 ? g->max_batch : 1) * (int64_t)sizeof(float);
    for (uint32_t k = 0; keep && k < p->n_next; k++)
        bytes += (int64_t)p->next[k].bytes;
    const int64_t fit = OBSERVED_BYTES / bytes;
    return fit < 1 ? 1 : fit > BATCH ? BATCH : fit;
}

/* What the pieces have made of p->next goes into it. */
static void store(mxdi_prefix *p, const side *s, int64_t first, int64_t count)
{
    for (uint32_t k = 0; k < p->n_next; k++) {
        kept *const       next = &p->next[k];
        const char *const name = p->graph[0]->value[next->value].name;
        for (uint32_t i = 0; !find_kept(p, next->value) && i < s->feed.n_out; i++)
            if (strcmp(piece_of(s)->value[piece_of(s)->output[i]].name, name) == 0)
                memcpy(next->data[s->which] + (size_t)first * next->bytes, s->feed.out[i].data,
                       (size_t)count * next->bytes);
    }
}

static mxd_status run_pieces(mxdi_prefix *p, side *s, bool keep, mxdi_prefix_fn fn, void *user,
                             mxd_error *err)
{
    for (int64_t first = 0; first < p->o.samples; first += s[0].feed.batch) {
        const int64_t left = p->o.samples - first;
        const int64_t n    = left < s[0].feed.batch ? left : s[0].feed.batch;
        for (int k = 0; k < 2; k++) {
            MXD_TRY(mxdi_feed_run(&s[k].feed, first, n, err));
            if (keep)
                store(p, &s[k], first, n);
        }
        MXD_TRY(fn(user, &s[0].feed.out[0], &s[1].feed.out[0], first, n, err));
    }
    return MXD_OK;
}

/* Room for the new values of p->next. */
static mxd_status make_room(mxdi_prefix *p, mxd_error *err)
{
    for (uint32_t k = 0; k < p->n_next; k++)
        for (int i = 0; i < 2 && !find_kept(p, p->next[k].value); i++) {
            p->next[k].data[i] = mxdi_alloc(p->alloc, (size_t)p->o.samples, p->next[k].bytes);
            if (!p->next[k].data[i])
                return mxdi_nomem(err);
        }
    return MXD_OK;
}

/* p->next is what is kept from now on (or what was new in it is dropped, after a failure). */
static void move_on(mxdi_prefix *p, bool ok)
{
    for (uint32_t k = 0; k < p->n_next; k++)
        for (uint32_t i = 0; i < p->n_keep; i++)
            if (p->keep[i].value == p->next[k].value && ok) {
                p->next[k]         = p->keep[i];
                p->keep[i].data[0] = p->keep[i].data[1] = NULL;
            }
    kept *const    old   = ok ? p->keep : p->next;
    const uint32_t n_old = ok ? p->n_keep : p->n_next;
    for (uint32_t k = 0; k < n_old; k++)
        drop(p, &old[k]);
    if (ok) {
        p->keep   = p->next;
        p->n_keep = p->n_next;
        p->next   = old;
    }
    p->n_next = 0;
}

void mxdi_prefix_hold(mxdi_prefix *p, uint32_t value)
{
    p->held = value;
}

mxd_status mxdi_prefix_values(mxdi_prefix *p, uint32_t n, uint32_t x, uint32_t xq,
                              mxdi_prefix_fn fn, void *user, mxd_error *err)
{
    side          s[2]  = { { .engine = NULL }, { .engine = NULL } };
    const bool    keep  = find_alive(p, n);
    mxd_status    st    = keep ? make_room(p, err) : MXD_OK;
    const int64_t batch = batch_for(p, x, keep);
    if (st == MXD_OK)
        st = open_side(&s[0], p, 0, x, keep, batch, err);
    if (st == MXD_OK)
        st = open_side(&s[1], p, 1, xq, keep, batch, err);
    if (st == MXD_OK)
        st = run_pieces(p, s, keep, fn, user, err);
    close_side(&s[0]);
    close_side(&s[1]);
    move_on(p, st == MXD_OK && keep);
    return st;
}

mxd_status mxdi_prefix_run(mxdi_prefix *p, uint32_t n, mxdi_prefix_fn fn, void *user,
                           mxd_error *err)
{
    const mxd_node *const node = &p->graph[0]->node[n];
    const mxd_node       *twin = NULL;
    for (uint32_t k = 0; k < p->graph[1]->n_nodes; k++)
        if (strcmp(p->graph[1]->node[k].name, node->name) == 0)
            twin = &p->graph[1]->node[k];
    if (!twin)
        return mxdi_fail(err, MXD_E_INVAL, "'%s': not in the quantized graph", node->name);
    return mxdi_prefix_values(p, n, node->in[0], twin->in[0], fn, user, err);
}
