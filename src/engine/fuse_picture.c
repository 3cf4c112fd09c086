/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures that enter as bytes: Transpose, Cast to f32, arithmetic with constants and the quantizer
 * behind them are, for each channel, a function of one byte. Followed forwards from each u8 value
 * of rank 4, every value behind it carries its table so far, computed as the nodes compute, one
 * rounding each, so that no number changes. Where the chain ends, at a quantizer or at a reader
 * that is no part of it, one LookupChannels stands for all of it.
 */
#include "base/dtype.h"
#include "engine/fuse_emit.h"

enum { RANK = 4, MOST_CHANNELS = 16, MOST_NODES = 16, BYTES = 256 };

/* What a value is of the bytes that it comes from. */
struct picture {
    uint32_t source;     /* the u8 value */
    int32_t  perm[RANK]; /* its axis that each axis of this value is */
    int32_t  axis;       /* that the rows of the table go along; meaningless with one row */
    int64_t  rows;       /* 1: the same for all channels; 0: still bytes */
    float   *table;      /* (rows, 256) */
    uint32_t node[MOST_NODES], n_nodes; /* from the source to here */
    bool     kept; /* the node that makes it stays, and reads what is before it */
};

struct finder {
    mxdi_fuser       f;
    struct picture **of; /* (n_values) NULL: no function of bytes */
};

/* ---- what a node makes of a picture ---- */

static mxd_status make_rows(struct picture *p, mxdi_graph *g, int64_t rows, mxd_error *err)
{
    p->rows  = rows;
    p->table = MXDI_NEW(&g->arena, float, (size_t)rows *BYTES);
    return p->table ? MXD_OK : mxdi_nomem(err);
}

static mxd_status cast(bool *known, struct picture *p, mxdi_graph *g, const mxd_node *node,
                       mxd_error *err)
{
    *known = p->rows == 0 && g->value[node->out[0]].dtype == MXD_F32;
    if (!*known)
        return MXD_OK;
    MXD_TRY(make_rows(p, g, 1, err));
    for (int q = 0; q < BYTES; q++)
        p->table[q] = (float)q;
    return MXD_OK;
}

static bool transpose(struct picture *p, const mxd_node *node)
{
    uint32_t             n;
    const int64_t *const perm = mxd_node_ints(node, "perm", &n);
    const struct picture x    = *p;
    if (n != RANK)
        return false;
    for (int32_t k = 0; k < RANK; k++) {
        const int64_t axis = perm[k] < 0 ? perm[k] + RANK : perm[k];
        p->perm[k]         = x.perm[axis];
        if (axis == x.axis)
            p->axis = k;
    }
    return true;
}

static float combine(const mxd_node *node, float a, float b)
{
    return mxdi_node_is(node, "Mul")   ? a * b
           : mxdi_node_is(node, "Add") ? a + b
           : mxdi_node_is(node, "Sub") ? a - b
                                       : a / b;
}

/* The axis of `like` that constant `c` varies along, or -1: it is one number; false: along more,
 * or it would make the value larger. */
static bool varies_along(int32_t *axis, const mxd_value *c, const mxd_value *like)
{
    *axis = -1;
    if (c->rank > like->rank)
        return false;
    for (int32_t k = 0; k < c->rank; k++) {
        const int32_t at = k + like->rank - c->rank;
        if (c->dim[k] == 1)
            continue;
        if (*axis >= 0 || c->dim[k] != like->dim[at] || c->dim[k] > MOST_CHANNELS)
            return false;
        *axis = at;
    }
    return true;
}

/* x op constant or constant op x, where x is input `at`. */
static mxd_status arithmetic(bool *known, struct picture *p, mxdi_graph *g, const mxd_node *node,
                             uint32_t at, mxd_error *err)
{
    const mxd_value *const x = &g->value[node->in[at]], *const c = &g->value[node->in[1 - at]];
    int32_t axis;
    *known = p->rows > 0 && c->data && c->dtype == MXD_F32 && varies_along(&axis, c, x) &&
             (axis < 0 || p->rows == 1 || axis == p->axis);
    if (!*known)
        return MXD_OK;
    const struct picture before = *p;
    const float *const   number = c->data;
    MXD_TRY(make_rows(p, g, axis < 0 ? p->rows : x->dim[axis], err));
    p->axis = axis < 0 ? p->axis : axis;
    for (int64_t i = 0; i < p->rows * BYTES; i++) {
        const float v = before.table[before.rows == 1 ? i % BYTES : i];
        const float k = number[axis < 0 ? 0 : i / BYTES];
        p->table[i]   = at == 0 ? combine(node, v, k) : combine(node, k, v);
    }
    return MXD_OK;
}

/* The picture that comes in at input `at` of a node: a value known to be one, or any bytes. */
static bool enters(struct picture *p, const struct finder *s, const mxd_node *node, uint32_t at)
{
    const uint32_t v = at < node->n_in ? node->in[at] : MXD_NO_VALUE;
    if (v == MXD_NO_VALUE)
        return false;
    const mxd_value *const x = &s->f.g->value[v];
    if (s->of[v])
        *p = *s->of[v];
    else
        *p = (struct picture){ .source = v, .perm = { 0, 1, 2, 3 } };
    return s->of[v] || (x->dtype == MXD_U8 && x->rank == RANK && !x->data);
}

static mxd_status follow(struct finder *s, uint32_t n, mxd_error *err)
{
    mxdi_graph *const     g     = s->f.g;
    const mxd_node *const node  = &g->node[n];
    struct picture        p     = { .source = MXD_NO_VALUE };
    bool                  known = false;
    if (!node->op || node->domain[0] != '\0' || node->n_out != 1)
        return MXD_OK;
    const bool two = mxdi_node_is(node, "Mul") || mxdi_node_is(node, "Add") ||
                     mxdi_node_is(node, "Sub") || mxdi_node_is(node, "Div");
    const uint32_t at = two && !enters(&p, s, node, 0) ? 1 : 0;
    if (!enters(&p, s, node, at) || p.n_nodes == MOST_NODES)
        return MXD_OK;
    if (mxdi_node_is(node, "Cast"))
        MXD_TRY(cast(&known, &p, g, node, err));
    else if (mxdi_node_is(node, "Transpose"))
        known = transpose(&p, node);
    else if (two && node->n_in == 2)
        MXD_TRY(arithmetic(&known, &p, g, node, at, err));
    if (!known)
        return MXD_OK;
    p.node[p.n_nodes++]       = n;
    struct picture *const out = MXDI_NEW(&g->arena, struct picture, 1);
    if (!out)
        return mxdi_nomem(err);
    *out                = p;
    s->of[node->out[0]] = out;
    return MXD_OK;
}

/* ---- where chains end ---- */

/* Whether this value is (N, C, H, W) of a source that is laid out so too, or (N, H, W, C): then
 * *last. */
static bool is_laid_out(bool *last, const mxdi_graph *g, uint32_t value, const struct picture *p)
{
    static const int32_t as_is[RANK] = { 0, 1, 2, 3 }, moved[RANK] = { 0, 3, 1, 2 };
    *last = memcmp(p->perm, moved, sizeof(moved)) == 0;
    return (*last || memcmp(p->perm, as_is, sizeof(as_is)) == 0) && p->rows > 0 &&
           (p->rows == 1 || p->axis == 1) && g->value[value].dim[1] >= 1 &&
           g->value[value].dim[1] <= MOST_CHANNELS;
}

/* `table` (channels, 256) for `value`, into `target`: of spec's integers, or floats. */
static mxd_status emit_lookup(struct finder *s, uint32_t value, const mxdi_qspec *spec,
                              const void *table, bool last, uint32_t target, mxd_error *err)
{
    mxdi_graph *const           g = s->f.g;
    const struct picture *const p = s->of[value];
    mxd_tensor                  t = { .data  = (void *)(uintptr_t)table,
                                      .dtype = spec->dtype,
                                      .rank  = 2,
                                      .dim   = { g->value[value].dim[1], BYTES } };
    uint32_t                    constant, y;
    mxd_node                   *node;
    MXD_TRY(mxdi_graph_add_constant(&constant, g, NULL, "table", &t, true, err));
    MXD_TRY(mxdi_emit_value(&y, &s->f, value, spec, target, err));
    for (uint32_t k = 0; k < p->n_nodes; k++) /* mxdi_emit_node names the last of the path first */
        s->f.path[p->n_nodes - 1 - k] = p->node[k];
    s->f.n_path = p->n_nodes;
    MXD_TRY(mxdi_emit_node(&node, &s->f, "LookupChannels", "mixdown",
                           (uint32_t[]){ p->source, constant }, 2, y, MXD_NO_VALUE, err));
    return mxdi_node_set_int(g, node, "channels_last", last, err);
}

/* QuantizeLinear of a picture: its integers from the bytes. */
static mxd_status end_quantizer(struct finder *s, uint32_t n, mxd_error *err)
{
    mxdi_graph *const g     = s->f.g;
    const uint32_t    value = g->node[n].in[0], y = g->node[n].out[0];
    mxdi_affine       a;
    bool              found, last;
    if (!s->of[value] || !is_laid_out(&last, g, value, s->of[value]))
        return MXD_OK;
    MXD_TRY(mxdi_fuse_affine(&a, &found, g, &g->node[n], err));
    if (!found || a.n != 1 || mxd_dtype_bits(a.dtype) != 8)
        return MXD_OK;
    const struct picture *const p    = s->of[value];
    const mxdi_qspec            spec = { a.scale[0], a.zero_point[0], a.lo, a.hi, a.dtype };
    uint8_t                     table[MOST_CHANNELS * BYTES];
    for (int64_t i = 0; i < g->value[value].dim[1] * BYTES; i++)
        table[i] = (uint8_t)mxdi_fuse_clampq(p->table[p->rows == 1 ? i % BYTES : i] / spec.s,
                                             spec.z, spec.q_min, spec.q_max);
    MXD_TRY(emit_lookup(s, value, &spec, table, last, y, err));
    mxd_node *const node = &g->node[g->n_nodes - 1];
    MXD_TRY(mxdi_node_add_origins(g, node, g->node[n].origin, g->node[n].n_origin, err));
    mxdi_node_remove(&g->node[n]);
    return MXD_OK;
}

/* Whether someone reads the value who is no part of the chain, or a part that stays. */
static bool is_read(const struct finder *s, uint32_t value)
{
    const mxdi_links *const l = &s->f.links;
    if (mxdi_graph_is_output(s->f.g, value))
        return true;
    for (uint32_t k = l->first_use[value]; k < l->first_use[value + 1]; k++) {
        const mxd_node *const       user = &s->f.g->node[l->user[k]];
        const struct picture *const p = user->op && user->n_out == 1 ? s->of[user->out[0]] : NULL;
        if (user->op && (!p || p->kept))
            return true;
    }
    return false;
}

static mxd_status end_float(struct finder *s, uint32_t n, mxd_error *err)
{
    mxdi_graph *const g     = s->f.g;
    const uint32_t    value = g->node[n].n_out == 1 ? g->node[n].out[0] : MXD_NO_VALUE;
    bool              last;
    if (value == MXD_NO_VALUE || !s->of[value] || !is_read(s, value))
        return MXD_OK;
    if (!is_laid_out(&last, g, value, s->of[value])) {
        s->of[value]->kept = true;
        return MXD_OK;
    }
    const struct picture *const p    = s->of[value];
    const mxdi_qspec            real = { .s = 1.0f, .dtype = MXD_F32 };
    float                       table[MOST_CHANNELS * BYTES];
    for (int64_t i = 0; i < g->value[value].dim[1] * BYTES; i++)
        table[i] = p->table[p->rows == 1 ? i % BYTES : i];
    MXD_TRY(emit_lookup(s, value, &real, table, last, value, err));
    mxdi_node_remove(&g->node[n]);
    return MXD_OK;
}

static mxd_status find(struct finder *s, mxd_error *err)
{
    mxdi_graph *const g       = s->f.g;
    const uint32_t    n_nodes = g->n_nodes;
    for (uint32_t n = 0; n < n_nodes; n++)
        MXD_TRY(follow(s, n, err));
    for (uint32_t n = 0; n < n_nodes; n++)
        if (mxdi_node_is(&g->node[n], "QuantizeLinear"))
            MXD_TRY(end_quantizer(s, n, err));
    for (uint32_t n = n_nodes; n-- > 0;)
        MXD_TRY(end_float(s, n, err));
    if (g->n_nodes == n_nodes)
        return MXD_OK;
    MXD_TRY(mxdi_graph_sort(g, err));
    MXD_TRY(mxdi_graph_remove_dead(g, err));
    return mxdi_graph_compact(g, err);
}

mxd_status mxdi_fuse_picture(mxdi_graph *g, mxd_error *err)
{
    struct finder s = { .f = { .g = g, .links = MXDI_LINKS_INIT, .n_values = g->n_values } };
    s.of            = MXDI_NEW(&g->arena, struct picture *, g->n_values ? g->n_values : 1);
    mxd_status st   = s.of ? mxdi_links_build(&s.f.links, g, err) : mxdi_nomem(err);
    if (st == MXD_OK)
        st = find(&s, err);
    mxdi_links_free(&s.f.links);
    return st;
}
