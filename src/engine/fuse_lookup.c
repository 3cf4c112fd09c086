/* SPDX-License-Identifier: Apache-2.0
 *
 * What is a function of one 8-bit integer, and perhaps of its channel, becomes a table: a
 * dequantized value, through functions of one value and arithmetic with constants, into a
 * quantizer. A constant along the last axis makes it a table for each channel.
 */
#include "base/dtype.h"
#include "engine/fuse_emit.h"
#include "ir/ops.h"

enum { MOST_STEPS = 16 };

typedef enum arithmetic { NONE, ADD, SUB, MUL, DIV } arithmetic;

/* A node on the way, from the quantizer upwards. */
struct step {
    uint32_t     node;
    arithmetic   op;       /* NONE: a function of one value */
    const float *constant; /* the other operand, of one element or of one for each channel */
    bool         by_channel, constant_first;
};

struct chain {
    struct step step[MOST_STEPS];
    uint32_t    n;
    int64_t     channels; /* 1: the same table for all */
};

static arithmetic arithmetic_of(const mxd_node *node)
{
    static const char *const name[] = {
        [ADD] = "Add", [SUB] = "Sub", [MUL] = "Mul", [DIV] = "Div"
    };
    for (arithmetic k = ADD; k <= DIV; k++)
        if (mxdi_node_is(node, name[k]))
            return k;
    return NONE;
}

/* The operand `value` of a node that gives y: one f32, or one for each element of y's last axis. */
static bool is_constant(bool *by_channel, const mxdi_graph *g, uint32_t value, const mxd_value *y)
{
    const mxd_value *const v = &g->value[value];
    int64_t                count;
    if (!v->data || v->dtype != MXD_F32 || v->rank > y->rank ||
        !mxdi_shape_count(&count, v->dim, v->rank))
        return false;
    *by_channel = count != 1;
    return count == 1 || (count == v->dim[v->rank - 1] && count == y->dim[y->rank - 1] &&
                          y->batch_axis != y->rank - 1 && count <= INT32_MAX / 256);
}

/* Node n as a step; *from: what it takes. */
static bool match_step(struct step *s, uint32_t *from, const mxdi_graph *g, uint32_t n)
{
    const mxd_node *const  node = &g->node[n];
    const mxd_value *const y    = &g->value[node->out[0]];
    *s                          = (struct step){ .node = n, .op = arithmetic_of(node) };
    *from                       = node->in[0];
    if (s->op == NONE)
        return mxdi_fuse_unary(node);
    s->constant_first = is_constant(&s->by_channel, g, node->in[0], y);
    if (!s->constant_first && !is_constant(&s->by_channel, g, node->in[1], y))
        return false;
    *from                    = node->in[s->constant_first ? 1 : 0];
    s->constant              = g->value[node->in[s->constant_first ? 0 : 1]].data;
    const mxd_value *const x = &g->value[*from];
    return x->rank == y->rank && memcmp(x->dim, y->dim, (size_t)x->rank * sizeof(x->dim[0])) == 0;
}

/* All steps above `value`; *source: what goes into the first. */
static bool match_chain(struct chain *c, uint32_t *source, const mxdi_fuser *f, uint32_t value)
{
    const mxdi_graph *const g = f->g;
    uint32_t                from;
    *c      = (struct chain){ .channels = 1 };
    *source = value;
    while (*source < f->n_values && f->links.producer[*source] != MXD_NO_VALUE &&
           match_step(&c->step[c->n], &from, g, f->links.producer[*source])) {
        *source = from;
        if (c->step[c->n].by_channel)
            c->channels = g->value[from].dim[g->value[from].rank - 1];
        if (++c->n == MOST_STEPS)
            return false;
    }
    return true;
}

/* One rounding for each step: arithmetic in binary32, functions in binary64. */
static float chain_value(const struct chain *c, const mxdi_graph *g, float v, int64_t channel)
{
    for (uint32_t k = c->n; k-- > 0;) {
        const struct step *const s = &c->step[k];
        const float constant = s->op == NONE ? 0.0f : s->constant[s->by_channel ? channel : 0];
        const float a = s->constant_first ? constant : v, b = s->constant_first ? v : constant;
        switch (s->op) {
        case ADD:
            v = a + b;
            break;
        case SUB:
            v = a - b;
            break;
        case MUL:
            v = a * b;
            break;
        case DIV:
            v = a / b;
            break;
        default:
            v = (float)mxdi_fuse_unary_value(&g->node[s->node], (double)v);
        }
    }
    return v;
}

/* (channels, 256) entries by the number of x's integer from its type's lowest. */
static void fill(uint8_t *table, const struct chain *c, const mxdi_graph *g, const mxdi_affine *x,
                 const mxdi_qspec *spec)
{
    for (int64_t channel = 0; channel < c->channels; channel++)
        for (int32_t k = 0; k < 256; k++) {
            const int32_t q          = x->lo + k < x->hi ? x->lo + k : x->hi;
            const float   real       = (float)(q - x->zero_point[0]) * x->scale[0];
            table[channel * 256 + k] = (uint8_t)mxdi_fuse_clampq(
                chain_value(c, g, real, channel) / spec->s, spec->z, spec->q_min, spec->q_max);
        }
}

static mxd_status emit_table(uint32_t *out, mxdi_fuser *f, const struct chain *c,
                             const mxdi_affine *x, const mxdi_qspec *spec, mxd_error *err)
{
    mxdi_graph *const g      = f->g;
    const bool        single = c->channels == 1;
    mxd_tensor        t      = { .dtype = mxdi_dtype_is_signed(spec->dtype) ? MXD_S8 : MXD_U8,
                                 .rank  = single ? 1 : 2,
                                 .dim   = { single ? 256 : c->channels, single ? 0 : 256 } };
    uint8_t *const    table  = mxdi_arena_alloc(&g->arena, (size_t)c->channels, 256, 64);
    if (!table)
        return mxdi_nomem(err);
    fill(table, c, g, x, spec);
    t.data = table;
    return mxdi_graph_add_constant(out, g, NULL, "table", &t, false, err);
}

static bool same_integers(const mxdi_affine *x, const mxdi_qspec *spec)
{
    return x->scale[0] == spec->s && x->zero_point[0] == spec->z && x->dtype == spec->dtype &&
           spec->q_min <= x->lo && spec->q_max >= x->hi;
}

mxd_status mxdi_fuse_lookup(uint32_t *out, mxdi_fuser *f, uint32_t value, const mxdi_qspec *spec,
                            uint32_t target, mxd_error *err)
{
    struct chain   c;
    mxdi_stored    x;
    uint32_t       source, table, y;
    mxd_node      *node;
    const uint32_t n_path = f->n_path;
    if (!match_chain(&c, &source, f, value) || n_path + c.n > MXDI_FUSE_DEPTH)
        return MXD_OK;
    MXD_TRY(mxdi_fuse_stored(&x, f, source, err));
    if (!mxdi_stored_is_small(&x))
        return MXD_OK;
    if (c.n == 0 && same_integers(&x.affine, spec)) {
        *out = x.value; /* no work */
        return MXD_OK;
    }
    MXD_TRY(emit_table(&table, f, &c, &x.affine, spec, err));
    MXD_TRY(mxdi_emit_value(&y, f, value, spec, target, err));
    for (uint32_t k = 0; k < c.n; k++)
        f->path[f->n_path++] = c.step[k].node;
    const mxd_status st = mxdi_emit_node(&node, f, "Lookup8", "mixdown",
                                         (uint32_t[]){ x.value, table }, 2, y, MXD_NO_VALUE, err);
    f->n_path           = n_path;
    *out                = y;
    return st;
}
