/* SPDX-License-Identifier: Apache-2.0
 *
 * What was asked of each ONNX node, and what ran. Asked is read from the QDQ graph, stored from the
 * fused parts, computed from the backend's steps: three sources, so that none can repeat another's
 * mistake.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/dtype.h"
#include "engine/asked.h"
#include "engine/engine.h"

/* One ONNX node name found among the origins of a canonical node, a fused node or a step. */
struct entry {
    const char *name;
    uint32_t    part, index;
};

struct index {
    struct entry *entry;
    uint32_t      n;
};

struct auditor {
    mxdi_engine     *e;
    const mxdi_plan *plan;
    mxdi_links       links; /* of the plan's graph */
    mxdi_arena       arena;
    struct index     canonical, fused, steps;
    json_t *narrower, *allowed; /* notes of quantize: where storage is wider than asked, and what
                                   may run instead */
};

static int by_name(const void *a, const void *b)
{
    const struct entry *const x = a, *const y = b;
    const int order = strcmp(x->name, y->name);
    return order                ? order
           : x->part != y->part ? (x->part < y->part ? -1 : 1)
                                : (x->index > y->index) - (x->index < y->index);
}

/* First entry of that name, or n. */
static uint32_t find(const struct index *i, const char *name)
{
    uint32_t lo = 0, hi = i->n;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (strcmp(i->entry[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < i->n && strcmp(i->entry[lo].name, name) == 0 ? lo : i->n;
}

static mxd_status push(struct index *i, uint32_t *cap, struct auditor *a, const char *const *name,
                       uint32_t n, uint32_t part, uint32_t at, mxd_error *err)
{
    if (i->n + n > *cap) {
        const uint32_t      grown = 2 * (i->n + n) + 64;
        struct entry *const e     = MXDI_NEW(&a->arena, struct entry, grown);
        if (!e)
            return mxdi_nomem(err);
        if (i->n)
            memcpy(e, i->entry, i->n * sizeof(*e));
        i->entry = e;
        *cap     = grown;
    }
    for (uint32_t k = 0; k < n; k++)
        i->entry[i->n++] = (struct entry){ name[k], part, at };
    return MXD_OK;
}

static void sort_index(struct index *i)
{
    if (i->n)
        qsort(i->entry, i->n, sizeof(i->entry[0]), by_name);
}

static mxd_status build_indices(struct auditor *a, mxd_error *err)
{
    uint32_t                cap[3] = { 0, 0, 0 };
    const mxdi_graph *const g      = a->plan->graph;
    for (uint32_t n = 0; n < g->n_nodes; n++)
        MXD_TRY(push(&a->canonical, &cap[0], a, g->node[n].origin, g->node[n].n_origin, 0, n, err));
    for (uint32_t p = 0; p < a->plan->n_parts; p++) {
        const mxdi_part *const part  = &a->plan->part[p];
        mxd_steps              steps = { 0 };
        part->api->steps(part->program, &steps);
        for (uint32_t n = 0; n < part->graph->n_nodes; n++)
            MXD_TRY(push(&a->fused, &cap[1], a, part->graph->node[n].origin,
                         part->graph->node[n].n_origin, p, n, err));
        for (uint32_t s = 0; s < steps.n; s++)
            MXD_TRY(push(&a->steps, &cap[2], a, steps.step[s].origin, steps.step[s].n_origin, p, s,
                         err));
    }
    sort_index(&a->canonical);
    sort_index(&a->fused);
    sort_index(&a->steps);
    return MXD_OK;
}

static bool is_integer_product(const mxd_node *n)
{
    return mxdi_node_is(n, "ConvInteger") || mxdi_node_is(n, "MatMulInteger");
}

/* ---- asked ---- */

static const char *asked_of(struct auditor *a, const mxd_node *n)
{
    if (is_integer_product(n))
        return "w8a8";
    return mxdi_asked(&a->e->arena, a->plan->graph, &a->links, a->narrower, n);
}

/* ---- stored ---- */

static const char *stored_of(struct auditor *a, const mxdi_graph *g, const mxd_node *n)
{
    if (is_integer_product(n))
        return "w8a8";
    if (mxdi_node_is(n, "QConv") || mxdi_node_is(n, "QMatMul"))
        return mxdi_precision_name(&a->e->arena, g->value[n->in[0]].dtype,
                                   g->value[n->in[1]].dtype);
    if (!mxdi_node_is(n, "FusedConv") && !mxdi_node_is(n, "FusedMatMul"))
        return mxdi_is_product(n) ? "f32" : NULL;
    const char *const compute = mxd_node_string(n, "compute", "f32");
    const mxd_dtype   w       = g->value[n->in[1]].dtype;
    return mxdi_dtype_is_float(w)
               ? mxd_dtype_name(w)
               : mxdi_arena_printf(&a->e->arena, "w%u-%s", mxd_dtype_bits(w), compute);
}

/* ---- verdict ---- */

static bool same_word(const char *text, const char *word)
{
    return text && strncmp(text, word, strlen(word)) == 0;
}

/* The verdict on what is stored and computed. */
static const char *compared(const mxdi_audit_row *r)
{
    const mxdi_precision_parts asked  = mxdi_precision_split(r->asked),
                               stored = mxdi_precision_split(r->stored);
    if (asked.weight && !stored.weight)
        return "higher precision";
    if (stored.weight < asked.weight || stored.input < asked.input)
        return "lower";
    if (asked.input)
        return !stored.input                           ? "higher precision"
               : asked.weight == 8 && asked.input == 8 ? "as asked"
                                                       : "same integers, wider instruction";
    if (same_word(r->computed, asked.compute) && strcmp(stored.compute, asked.compute) == 0)
        return stored.weight == asked.weight ? "as asked" : "same integers, wider instruction";
    return same_word(r->computed, "f32") && strcmp(asked.compute, "f32") != 0 ? "higher precision"
                                                                              : "lower";
}

/* Sets verdict and reason; true: a mismatch. */
static bool judge(mxdi_audit_row *r, const char *allowed)
{
    r->verdict = "as asked";
    if (!r->asked)
        return false;
    if (!r->stored || !r->computed) {
        r->verdict = "lower";
        r->reason  = "no step of the engine does this node's work";
        return true;
    }
    r->verdict = compared(r);
    if (strcmp(r->verdict, "higher precision") == 0) {
        if (!r->reason)
            r->reason =
                mxdi_precision_split(r->asked).input
                    ? "no integer definition for what stands between this node and the next quantizer"
                    : "no kernel takes this node in the form that was asked";
        return !allowed || !same_word(r->computed, mxdi_precision_split(allowed).compute);
    }
    return strcmp(r->verdict, "lower") == 0;
}

/* The step that does a node's work: of several, as where values are rounded before and after, the
 * one that multiplies. */
static const mxd_step *step_of(const struct auditor *a, const char *node)
{
    const mxd_step *best = NULL;
    for (uint32_t k = find(&a->steps, node);
         k < a->steps.n && strcmp(a->steps.entry[k].name, node) == 0; k++) {
        const mxdi_part *const part  = &a->plan->part[a->steps.entry[k].part];
        mxd_steps              steps = { 0 };
        part->api->steps(part->program, &steps);
        const mxd_step *const step = &steps.step[a->steps.entry[k].index];
        if (!best || step->macs > best->macs)
            best = step;
    }
    return best;
}

static mxd_status audit_node(mxdi_audit_row *r, struct auditor *a, const mxd_node *n,
                             mxd_error *err)
{
    *r                        = (mxdi_audit_row){ .node = n->name, .op = n->op };
    const uint32_t          c = find(&a->canonical, n->name), f = find(&a->fused, n->name);
    const mxdi_graph *const g       = a->plan->graph;
    const bool              product = mxdi_is_product(n) || is_integer_product(n) ||
                         mxdi_node_is(n, "QLinearConv") || mxdi_node_is(n, "QLinearMatMul");
    for (uint32_t k = c;
         k < a->canonical.n && strcmp(a->canonical.entry[k].name, n->name) == 0 && !r->asked; k++) {
        const mxd_node *const m = &g->node[a->canonical.entry[k].index];
        const char *const     left =
            a->plan->reason ? a->plan->reason[a->canonical.entry[k].index] : NULL;
        const bool decides = product && (mxdi_is_product(m) || is_integer_product(m));
        r->reason          = decides || !r->reason ? left : r->reason;
        if (decides) {
            r->asked = asked_of(a, m);
            if (!r->asked)
                return mxdi_nomem(err);
        }
    }
    for (uint32_t k = f;
         product && k < a->fused.n && strcmp(a->fused.entry[k].name, n->name) == 0 && !r->stored;
         k++) {
        const mxdi_graph *const part = a->plan->part[a->fused.entry[k].part].graph;
        r->stored                    = stored_of(a, part, &part->node[a->fused.entry[k].index]);
    }
    const mxd_step *const step = step_of(a, n->name);
    if (step) {
        r->kernel = step->kernel;
        r->reason = r->reason ? r->reason : step->reason;
    }
    r->computed = step ? step->computed : product ? NULL : "folded at build";
    a->e->mismatches += judge(r, json_string_value(json_object_get(a->allowed, n->name)));
    return MXD_OK;
}

mxd_status mxdi_engine_audit(mxdi_engine *e, mxd_error *err)
{
    struct auditor a = { .e = e, .plan = &e->plan[0], .links = MXDI_LINKS_INIT };
    mxdi_arena_init(&a.arena, e->alloc);
    mxd_status st = mxdi_asked_notes(&a.narrower, e->graph, "mixdown.precision", err);
    if (st == MXD_OK)
        st = mxdi_asked_notes(&a.allowed, e->graph, "mixdown.allow", err);
    if (st == MXD_OK)
        st = mxdi_links_build(&a.links, a.plan->graph, err);
    if (st == MXD_OK)
        st = build_indices(&a, err);
    e->audit = MXDI_NEW(&e->arena, mxdi_audit_row, e->graph->n_nodes ? e->graph->n_nodes : 1);
    if (st == MXD_OK && !e->audit)
        st = mxdi_nomem(err);
    e->mismatches = 0;
    for (e->n_audit = 0; st == MXD_OK && e->n_audit < e->graph->n_nodes; e->n_audit++)
        st = audit_node(&e->audit[e->n_audit], &a, &e->graph->node[e->n_audit], err);
    json_decref(a.narrower);
    json_decref(a.allowed);
    mxdi_links_free(&a.links);
    mxdi_arena_fini(&a.arena);
    return st;
}
