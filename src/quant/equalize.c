/* SPDX-License-Identifier: Apache-2.0
 * Cross-layer equalization. */
#include "quant/equalize.h"

#include <math.h>

#include "base/dtype.h"
#include "engine/asked.h"
#include "quant/layer.h"

enum { MOST_SWEEPS = 100 };
static const double settled = 1e-4; /* no channel is scaled by more than that any more */

/* Weights by the channels between two layers: element (g, o, c, i), channel g * channels + c. */
typedef struct side {
    float  *w;
    int64_t groups, outer, channels, inner;
} side;

typedef struct pair {
    uint32_t first, second; /* nodes */
    side     makes, reads;
    float   *bias; /* of the first; NULL: none */
    double   most; /* no bias grows beyond the largest there was */
} pair;

typedef struct equalizer {
    mxdi_graph         *g;
    const mxdi_setting *setting;
    mxdi_links          links;
    pair               *pair;
    uint32_t            n_pairs;
} equalizer;

/* ---- finding pairs ---- */

static bool is_layer(const equalizer *e, uint32_t n)
{
    const mxd_node *const node = &e->g->node[n];
    if (!mxdi_node_is(node, "Conv") && !mxdi_node_is(node, "Gemm"))
        return false;
    if (!mxdi_layer_is_constant(e->g, node) || e->links.n_uses[node->in[1]] != 1)
        return false;
    const bool bias = node->n_in > 2 && node->in[2] != MXD_NO_VALUE;
    if (bias && (!e->g->value[node->in[2]].data || e->g->value[node->in[2]].dtype != MXD_F32))
        return false;
    return mxdi_node_is(node, "Conv") || !mxd_node_int(node, "transA", 0);
}

/* The bias has one element for each channel. */
static bool has_plain_bias(const equalizer *e, uint32_t n)
{
    mxdi_weights_view     w;
    int64_t               count;
    const mxd_node *const node = &e->g->node[n];
    if (node->n_in < 3 || node->in[2] == MXD_NO_VALUE)
        return true;
    const mxd_value *const b = &e->g->value[node->in[2]];
    mxdi_layer_weights(&w, e->g, node);
    return mxdi_shape_count(&count, b->dim, b->rank) && count == w.channels;
}

/* f(a x) = a f(x) for a > 0, each channel by itself. */
static bool is_homogeneous(const equalizer *e, const mxd_node *n)
{
    static const char *const ops[]   = { "Relu",         "LeakyRelu",   "PRelu",
                                         "MaxPool",      "AveragePool", "GlobalAveragePool",
                                         "GlobalMaxPool" };
    static const char *const moves[] = { "Flatten", "Reshape", "Squeeze" };
    const mxd_value *const x = &e->g->value[n->in[0]], *const y = &e->g->value[n->out[0]];
    for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++)
        if (mxdi_node_is(n, ops[k]))
            return n->n_out == 1;
    bool flat = x->rank > 2 && y->rank == 2 && x->dim[0] == y->dim[0] && x->dim[1] == y->dim[1];
    for (int32_t d = 2; d < x->rank; d++)
        flat = flat && x->dim[d] == 1;
    for (size_t k = 0; flat && k < sizeof(moves) / sizeof(moves[0]); k++)
        if (mxdi_node_is(n, moves[k]))
            return true;
    return false;
}

/* The layer that alone reads what `first` makes, tensors on the way marked; MXD_NO_VALUE: none. */
static uint32_t find_second(const equalizer *e, uint32_t first, uint8_t *on_way)
{
    const mxdi_links *const l = &e->links;
    uint32_t                v = e->g->node[first].out[0];
    for (;;) {
        on_way[v] = 1;
        if (l->n_uses[v] != 1 || l->first_use[v + 1] - l->first_use[v] != 1)
            return MXD_NO_VALUE;
        const uint32_t        n    = l->user[l->first_use[v]];
        const mxd_node *const node = &e->g->node[n];
        if (node->in[0] != v)
            return MXD_NO_VALUE;
        if (is_layer(e, n))
            return n;
        if (!is_homogeneous(e, node))
            return MXD_NO_VALUE;
        v = node->out[0];
    }
}

static side made_by(const mxdi_graph *g, uint32_t n, float *w)
{
    mxdi_weights_view v;
    mxdi_layer_weights(&v, g, &g->node[n]);
    return (side){ w, 1, v.outer, v.channels, v.inner };
}

static side read_by(const mxdi_graph *g, uint32_t n, float *w)
{
    const mxd_node *const  node = &g->node[n];
    const mxd_value *const v    = &g->value[node->in[1]];
    if (mxdi_node_is(node, "Gemm"))
        return mxd_node_int(node, "transB", 0) ? (side){ w, 1, v->dim[0], v->dim[1], 1 }
                                               : (side){ w, 1, 1, v->dim[0], v->dim[1] };
    const int64_t groups = mxd_node_int(node, "group", 1);
    side          s      = { w, groups, v->dim[0] / groups, v->dim[1], 1 };
    for (int32_t k = 2; k < v->rank; k++)
        s.inner *= v->dim[k];
    return s;
}

static mxd_status add_pair(equalizer *e, uint32_t first, uint32_t second, mxd_error *err)
{
    float       *a, *b;
    mxdi_graph  *g    = e->g;
    pair *const  p    = &e->pair[e->n_pairs];
    const size_t n_in = g->node[first].n_in;
    *p                = (pair){ .first = first, .second = second };
    MXD_TRY(mxdi_layer_own(&a, g, &e->links, first, 1, err));
    MXD_TRY(mxdi_layer_own(&b, g, &e->links, second, 1, err));
    if (n_in > 2 && g->node[first].in[2] != MXD_NO_VALUE)
        MXD_TRY(mxdi_layer_own(&p->bias, g, &e->links, first, 2, err));
    p->makes = made_by(g, first, a);
    for (int64_t c = 0; p->bias && c < p->makes.channels; c++)
        p->most = fmax(p->most, fabs((double)p->bias[c]));
    p->reads = read_by(g, second, b);
    e->n_pairs++;
    return MXD_OK;
}

/* Copies made for a later pair are what earlier ones have to work on. */
static void refresh(equalizer *e)
{
    for (uint32_t k = 0; k < e->n_pairs; k++) {
        const mxd_node *const a = &e->g->node[e->pair[k].first], *const b =
                                                                     &e->g->node[e->pair[k].second];
        e->pair[k].makes.w = (float *)(uintptr_t)e->g->value[a->in[1]].data;
        e->pair[k].reads.w = (float *)(uintptr_t)e->g->value[b->in[1]].data;
    }
}

static mxd_status find_pairs(equalizer *e, uint8_t *scaled, uint8_t *on_way, mxd_error *err)
{
    mxdi_graph *const g        = e->g;
    const uint32_t    n_values = g->n_values;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (!is_layer(e, n) || !has_plain_bias(e, n))
            continue;
        memset(on_way, 0, n_values);
        const uint32_t second = find_second(e, n, on_way);
        if (second == MXD_NO_VALUE ||
            (!e->setting[n].precision.w_bits && !e->setting[second].precision.w_bits))
            continue;
        MXD_TRY(add_pair(e, n, second, err));
        const pair *const p = &e->pair[e->n_pairs - 1];
        if (p->makes.channels != p->reads.groups * p->reads.channels) {
            e->n_pairs--; /* a broken graph; shape inference tells */
            continue;
        }
        for (uint32_t v = 0; v < n_values; v++)
            scaled[v] |= on_way[v];
    }
    refresh(e);
    return MXD_OK;
}

/* ---- scaling ---- */

static float *element(const side *s, int64_t channel, int64_t o)
{
    const int64_t group = channel / s->channels, c = channel % s->channels;
    return s->w + ((group * s->outer + o) * s->channels + c) * s->inner;
}

static double reach(const side *s, int64_t channel)
{
    float largest = 0.0f;
    for (int64_t o = 0; o < s->outer; o++) {
        const float *const w = element(s, channel, o);
        for (int64_t i = 0; i < s->inner; i++)
            largest = fmaxf(largest, fabsf(w[i]));
    }
    return (double)largest;
}

static void multiply(const side *s, int64_t channel, double by)
{
    for (int64_t o = 0; o < s->outer; o++) {
        float *const w = element(s, channel, o);
        for (int64_t i = 0; i < s->inner; i++)
            w[i] = (float)((double)w[i] * by);
    }
}

/* Both sides of a channel reach sqrt(r1 r2) afterwards, unless its bias would stand out: a channel
 * of hardly any weights and a bias is a constant, and must not set the range of the tensor. Returns
 * how far the scales are from 1. */
static double equalize_pair(const pair *p)
{
    double most = 0.0;
    for (int64_t c = 0; c < p->makes.channels; c++) {
        const double r1 = reach(&p->makes, c), r2 = reach(&p->reads, c);
        if (!(r1 > 1e-30 && r2 > 1e-30 && isfinite(r1) && isfinite(r2)))
            continue; /* a dead channel */
        const double least = p->bias ? fabs((double)p->bias[c]) / p->most : 0.0;
        const double s     = fmax(sqrt(r1 / r2), least > 0.0 ? least : 0.0); /* NaN: all biases 0 */
        multiply(&p->makes, c, 1.0 / s);
        multiply(&p->reads, c, s);
        if (p->bias)
            p->bias[c] = (float)((double)p->bias[c] / s);
        most = fmax(most, fabs(s - 1.0));
    }
    return most;
}

mxd_status mxdi_equalize(mxdi_graph *g, const mxdi_setting *setting, uint8_t *scaled,
                         mxd_error *err)
{
    const mxd_allocator *const alloc  = g->arena.alloc;
    equalizer                  e      = { .g = g, .setting = setting, .links = MXDI_LINKS_INIT };
    uint8_t *const             on_way = MXDI_ALLOC(alloc, uint8_t, g->n_values);
    e.pair                            = MXDI_ALLOC(alloc, pair, g->n_nodes);
    mxd_status st                     = on_way && e.pair ? MXD_OK : mxdi_nomem(err);
    if (st == MXD_OK)
        st = mxdi_links_build(&e.links, g, err);
    if (st == MXD_OK)
        st = find_pairs(&e, scaled, on_way, err);
    double most = 1.0;
    for (int sweep = 0; st == MXD_OK && most > settled && sweep < MOST_SWEEPS; sweep++) {
        most = 0.0;
        for (uint32_t k = 0; k < e.n_pairs; k++)
            most = fmax(most, equalize_pair(&e.pair[k]));
    }
    mxdi_links_free(&e.links);
    mxdi_free(alloc, e.pair);
    mxdi_free(alloc, on_way);
    return st;
}
