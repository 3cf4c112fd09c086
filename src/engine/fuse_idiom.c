/* SPDX-License-Identifier: Apache-2.0
 *
 * Two functions that older ONNX writes out in many nodes: GELU by Erf, and the normalization of
 * rows. They become Gelu and LayerNormalization, which run in one pass, round once, and can be
 * tables between quantizers. Values that anyone else reads stay as they are written.
 */
#include <math.h>

#include "base/dtype.h"
#include "engine/fuse.h"
#include "engine/fuse_links.h"

enum { MOST_NODES = 12 };

struct idiom {
    const mxdi_graph *g;
    const mxdi_links *l;
    uint32_t          node[MOST_NODES], n_nodes; /* the last one makes y */
    uint32_t          x, y;
};

static bool found(struct idiom *m, uint32_t n)
{
    if (n == MXD_NO_VALUE)
        return false;
    m->node[m->n_nodes++] = n;
    return true;
}

/* The next node below y, when only that reads y; y is its output then. *other: what it takes beside
 * y. */
static bool down(struct idiom *m, uint32_t *other, const char *op)
{
    const uint32_t u = mxdi_fuse_used_by(m->g, m->l, m->y, op);
    if (!found(m, u))
        return false;
    const mxd_node *const n = &m->g->node[u];
    *other                  = n->n_in < 2 ? MXD_NO_VALUE : n->in[n->in[0] == m->y ? 1 : 0];
    m->y                    = n->out[0];
    return true;
}

static bool is_f32(const mxdi_graph *g, uint32_t value)
{
    return value != MXD_NO_VALUE && g->value[value].dtype == MXD_F32;
}

/* One constant f32. */
static bool is_number(float *v, const mxdi_graph *g, uint32_t value)
{
    int64_t count;
    if (!is_f32(g, value) || !g->value[value].data ||
        !mxdi_shape_count(&count, g->value[value].dim, g->value[value].rank) || count != 1)
        return false;
    memcpy(v, g->value[value].data, sizeof(*v));
    return true;
}

/* A number that stands for `want`: as binary32 has it, or written with seven digits and more. */
static bool is_about(const mxdi_graph *g, uint32_t value, double want)
{
    float v;
    return is_number(&v, g, value) && fabs((double)v - want) <= 2e-7 * want;
}

static bool same_shape(const mxd_value *a, const mxd_value *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof(a->dim[0])) == 0;
}

/* Only this idiom reads `value`, in n places. */
static bool is_inside(const struct idiom *m, uint32_t value, uint32_t n)
{
    return m->l->n_uses[value] == n;
}

/* ---- x * (erf(x / sqrt(2)) + 1) * 0.5, in any order ---- */

/* x / sqrt(2) above the Erf. */
static bool match_root_half(struct idiom *m, uint32_t scaled)
{
    const mxdi_graph *const g       = m->g;
    const uint32_t          divides = mxdi_fuse_made_by(g, m->l, scaled, "Div"),
                   times            = mxdi_fuse_made_by(g, m->l, scaled, "Mul");
    if (!is_inside(m, scaled, 1) || !found(m, divides != MXD_NO_VALUE ? divides : times))
        return false;
    const mxd_node *const n = &g->node[m->node[m->n_nodes - 1]];
    m->x                    = n->in[0];
    if (divides != MXD_NO_VALUE)
        return is_about(g, n->in[1], 1.4142135623730951);
    if (is_about(g, n->in[1], 0.70710678118654752))
        return true;
    m->x = n->in[1];
    return is_about(g, n->in[0], 0.70710678118654752);
}

/* `value` is x * 0.5 that only this idiom reads. */
static bool match_half_x(struct idiom *m, uint32_t value)
{
    const mxdi_graph *const g     = m->g;
    const uint32_t          times = mxdi_fuse_made_by(g, m->l, value, "Mul");
    if (times == MXD_NO_VALUE || !is_inside(m, value, 1))
        return false;
    const uint32_t *const in = g->node[times].in;
    return ((in[0] == m->x && is_about(g, in[1], 0.5)) ||
            (in[1] == m->x && is_about(g, in[0], 0.5))) &&
           found(m, times);
}

static bool match_gelu(struct idiom *m, uint32_t erf)
{
    const mxdi_graph *const g = m->g;
    uint32_t                other;
    if (!match_root_half(m, g->node[erf].in[0]) || !is_f32(g, m->x) || !found(m, erf))
        return false;
    m->y = g->node[erf].out[0];
    if (!down(m, &other, "Add") || !is_about(g, other, 1.0) || !down(m, &other, "Mul"))
        return false;
    if (match_half_x(m, other))
        return same_shape(&g->value[m->x], &g->value[m->y]);
    const bool half = is_about(g, other, 0.5);
    if (!half && other != m->x)
        return false;
    return down(m, &other, "Mul") && (half ? other == m->x : is_about(g, other, 0.5)) &&
           same_shape(&g->value[m->x], &g->value[m->y]);
}

static mxd_status add_node(mxd_node **out, mxdi_graph *g, const struct idiom *m, const char *op,
                           const uint32_t *in, uint32_t n_in, mxd_error *err)
{
    MXD_TRY(mxdi_graph_add_node(out, g, op, "", NULL, in, n_in, &m->y, 1, err));
    (*out)->n_origin = 0;
    for (uint32_t k = 0; k < m->n_nodes; k++) {
        MXD_TRY(mxdi_node_add_origins(g, *out, g->node[m->node[k]].origin,
                                      g->node[m->node[k]].n_origin, err));
        mxdi_node_remove(&g->node[m->node[k]]);
    }
    return MXD_OK;
}

static mxd_status fuse_gelu(mxdi_graph *g, const mxdi_links *l, uint32_t n, mxd_error *err)
{
    struct idiom m = { .g = g, .l = l };
    mxd_node    *node;
    return match_gelu(&m, n) ? add_node(&node, g, &m, "Gelu", &m.x, 1, err) : MXD_OK;
}

/* ---- (x - mean) / sqrt(mean of (x - mean)^2 + epsilon) * scale + shift over the last axis ---- */

static bool is_mean_of_rows(const mxdi_graph *g, const mxd_node *n)
{
    const int64_t  last  = g->value[n->in[0]].rank - 1;
    uint32_t       count = 0;
    const int64_t *axes  = mxd_node_ints(n, "axes", &count);
    if (n->n_in > 1 && n->in[1] != MXD_NO_VALUE) {
        const mxd_value *const v = &g->value[n->in[1]];
        axes                     = v->dtype == MXD_S64 ? v->data : NULL;
        count                    = v->rank == 1 && v->dim[0] == 1;
    }
    return axes && count == 1 && (axes[0] == -1 || axes[0] == last) &&
           mxd_node_int(n, "keepdims", 1);
}

/* The square of d, or nothing. */
static uint32_t square_of(const struct idiom *m, uint32_t d)
{
    for (uint32_t k = m->l->first_use[d]; k < m->l->first_use[d + 1]; k++) {
        const mxd_node *const n = &m->g->node[m->l->user[k]];
        if ((mxdi_node_is(n, "Pow") && n->in[0] == d && is_about(m->g, n->in[1], 2.0)) ||
            (mxdi_node_is(n, "Mul") && n->in[0] == d && n->in[1] == d))
            return m->l->user[k];
    }
    return MXD_NO_VALUE;
}

/* From d = x - mean to its deviation; y is that. */
static bool match_deviation(struct idiom *m, float *epsilon, uint32_t d)
{
    const mxdi_graph *const g      = m->g;
    const uint32_t          square = square_of(m, d);
    uint32_t                other;
    if (!found(m, square) || !is_inside(m, d, mxdi_node_is(&g->node[square], "Mul") ? 3 : 2))
        return false;
    m->y = g->node[square].out[0];
    return down(m, &other, "ReduceMean") && is_mean_of_rows(g, &g->node[m->node[m->n_nodes - 1]]) &&
           down(m, &other, "Add") && is_number(epsilon, g, other) && *epsilon > 0 &&
           down(m, &other, "Sqrt");
}

/* A constant for each element of x's rows. */
static bool is_row(const mxdi_graph *g, uint32_t value, const mxd_value *x)
{
    const mxd_value *const v = &g->value[value];
    return v->data && v->dtype == MXD_F32 && v->rank == 1 && v->dim[0] == x->dim[x->rank - 1];
}

/* Sub at node `sub` begins one. */
static bool match_layer_norm(struct idiom *m, uint32_t in[3], float *epsilon, uint32_t sub)
{
    const mxdi_graph *const g = m->g;
    const mxd_node *const   n = &g->node[sub];
    const uint32_t mean = mxdi_fuse_made_by(g, m->l, n->in[1], "ReduceMean"), d = n->out[0];
    uint32_t       other;
    m->x                     = n->in[0];
    const mxd_value *const x = &g->value[m->x];
    if (!found(m, mean) || !found(m, sub) || g->node[mean].in[0] != m->x || !is_f32(g, m->x) ||
        x->rank < 2 || x->batch_axis > 0 || !is_inside(m, n->in[1], 1) ||
        !is_mean_of_rows(g, &g->node[mean]) || !match_deviation(m, epsilon, d) ||
        !down(m, &other, "Div") || g->node[m->node[m->n_nodes - 1]].in[0] != d)
        return false;
    in[0] = m->x;
    return down(m, &in[1], "Mul") && is_row(g, in[1], x) && down(m, &in[2], "Add") &&
           is_row(g, in[2], x);
}

static mxd_status fuse_layer_norm(mxdi_graph *g, const mxdi_links *l, uint32_t n, mxd_error *err)
{
    struct idiom m = { .g = g, .l = l };
    mxd_node    *node;
    uint32_t     in[3];
    float        epsilon;
    if (!match_layer_norm(&m, in, &epsilon, n))
        return MXD_OK;
    MXD_TRY(add_node(&node, g, &m, "LayerNormalization", in, 3, err));
    MXD_TRY(mxdi_node_set_int(g, node, "axis", -1, err));
    return mxdi_node_set_float(g, node, "epsilon", epsilon, err);
}

mxd_status mxdi_fuse_idiom(mxdi_graph *g, mxd_error *err)
{
    mxdi_links     l       = MXDI_LINKS_INIT;
    mxd_status     st      = mxdi_links_build(&l, g, err);
    const uint32_t n_nodes = g->n_nodes;
    for (uint32_t n = 0; n < n_nodes && st == MXD_OK; n++)
        if (g->node[n].op && g->node[n].domain[0] == '\0') {
            if (mxdi_node_is(&g->node[n], "Erf"))
                st = fuse_gelu(g, &l, n, err);
            else if (mxdi_node_is(&g->node[n], "Sub"))
                st = fuse_layer_norm(g, &l, n, err);
        }
    mxdi_links_free(&l);
    if (st == MXD_OK)
        st = mxdi_graph_sort(g, err);
    return st == MXD_OK ? mxdi_graph_compact(g, err) : st;
}
