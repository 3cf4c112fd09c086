/* SPDX-License-Identifier: Apache-2.0
 *
 * Promise 4 of docs/architecture.md, checked on one run: every integer value that the engine holds
 * equals what the reference interpreter makes of the integers that the engine holds before it.
 */
#include "base/dtype.h"
#include "engine/compare.h"
#include "interp/interp.h"

/* Values of one run, by name. */
struct held {
    const char *name;
    mxd_tensor  tensor;
};

struct checker {
    mxdi_arena   arena;
    struct held *held;
    uint32_t     n, cap;
};

static mxd_status keep(void *user, const char *value, const mxd_tensor *tensor, mxd_error *err)
{
    struct checker *const c = user;
    size_t                bytes;
    if (c->n == c->cap) {
        struct held *const grown = MXDI_NEW(&c->arena, struct held, 2 * (size_t)c->cap + 64);
        if (!grown)
            return mxdi_nomem(err);
        if (c->n)
            memcpy(grown, c->held, c->n * sizeof(*grown));
        c->held = grown;
        c->cap  = 2 * c->cap + 64;
    }
    struct held *const h = &c->held[c->n];
    h->tensor            = *tensor;
    h->name              = mxdi_arena_strdup(&c->arena, value);
    if (!mxdi_tensor_bytes(&bytes, tensor) || !h->name)
        return mxdi_nomem(err);
    h->tensor.data = mxdi_arena_memdup(&c->arena, tensor->data, bytes, 64);
    c->n++;
    return h->tensor.data ? MXD_OK : mxdi_nomem(err);
}

static const mxd_tensor *find(const struct checker *c, const char *name)
{
    for (uint32_t k = 0; k < c->n; k++)
        if (strcmp(c->held[k].name, name) == 0)
            return &c->held[k].tensor;
    return NULL;
}

/* Integers that the network is fed are held like those that it makes. */
static mxd_status keep_inputs(struct checker *c, const mxdi_graph *g, const mxd_tensor *in,
                              uint32_t n_in, mxd_error *err)
{
    for (uint32_t k = 0; k < n_in && k < g->n_inputs; k++)
        if (!mxdi_dtype_is_float(in[k].dtype))
            MXD_TRY(keep(c, g->value[g->input[k]].name, &in[k], err));
    return MXD_OK;
}

enum { MAX_ENDS = 32 };

/* All inputs of the node as tensors; false when one is not held. */
static bool gather(mxd_tensor *in, const struct checker *c, const mxd_graph_view *g,
                   const mxd_node *n)
{
    for (uint32_t k = 0; k < n->n_in; k++) {
        in[k] = (mxd_tensor){ .data = NULL };
        if (n->in[k] == MXD_NO_VALUE)
            continue;
        const mxd_value *const  v = &g->value[n->in[k]];
        const mxd_tensor *const t = v->data ? NULL : find(c, v->name);
        if (t)
            in[k] = *t;
        else if (v->data) {
            in[k] = (mxd_tensor){ .data  = (void *)(uintptr_t)v->data,
                                  .dtype = v->dtype,
                                  .rank  = v->rank }; /* only read */
            memcpy(in[k].dim, v->dim, sizeof(v->dim));
        } else
            return false;
    }
    return true;
}

static mxd_status check_node(struct checker *c, uint32_t *checked, uint32_t *differing,
                             const mxd_graph_view *g, const mxd_node *n, const mxd_allocator *alloc,
                             mxd_error *err)
{
    mxd_tensor              in[MAX_ENDS];
    size_t                  bytes;
    const mxd_tensor *const got =
        n->n_out == 1 && n->n_in <= MAX_ENDS ? find(c, g->value[n->out[0]].name) : NULL;
    if (!got || !gather(in, c, g, n) || mxdi_interp_refuses(n, g->value) ||
        !mxdi_tensor_bytes(&bytes, got))
        return MXD_OK;
    mxd_tensor want = *got;
    want.data       = mxdi_alloc(alloc, bytes, 1);
    if (!want.data)
        return mxdi_nomem(err);
    const mxd_status st = mxdi_interp_node(n, g->value, in, &want, alloc, err);
    if (st == MXD_OK) {
        ++*checked;
        *differing += memcmp(want.data, got->data, bytes) != 0;
    }
    mxdi_free(alloc, want.data);
    return st;
}

mxd_status mxdi_engine_check(uint32_t *checked, uint32_t *differing, const mxdi_engine *e,
                             uint32_t threads, const mxd_tensor *in, uint32_t n_in,
                             const mxd_tensor *out, uint32_t n_out, mxd_error *err)
{
    struct checker         c = { .held = NULL };
    mxdi_session          *s = NULL;
    const mxdi_plan *const p = &e->plan[e->n_plans - 1];
    mxdi_arena_init(&c.arena, e->alloc);
    *checked = *differing = 0;
    mxd_status st         = keep_inputs(&c, p->graph, in, n_in, err);
    if (st == MXD_OK)
        st = mxdi_session_open(&s, e, threads, true, err);
    if (st == MXD_OK)
        st = mxdi_session_trace(s, in, n_in, out, n_out, keep, &c, err);
    for (uint32_t k = 0; k < p->n_parts && st == MXD_OK; k++) {
        const mxd_graph_view g = mxdi_graph_view(p->part[k].graph);
        for (uint32_t n = 0; n < g.n_nodes && st == MXD_OK; n++)
            st = check_node(&c, checked, differing, &g, &g.node[n], e->alloc, err);
    }
    mxdi_session_close(s);
    mxdi_arena_fini(&c.arena);
    return st;
}
