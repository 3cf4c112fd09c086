/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the arena's tensors lie. A root lives from the first to the last step that uses it;
 * base/lifetimes places them. An element-wise step writes over an input that nobody reads after it.
 * Every range is 64-byte aligned and followed by 64 readable bytes.
 */
#include "backends/cpu/cpu_impl.h"
#include "base/alloc.h"
#include "base/lifetimes.h"

enum { ALIGN = 64 };

static void use(mxd_program *g, uint32_t t, uint32_t step)
{
    mxdi_cpu_tensor *const root = &g->tensor[g->tensor[t].root];
    if (root->born == MXD_NO_VALUE)
        root->born = step;
    root->dies = step;
}

static void lives(mxd_program *g)
{
    for (uint32_t t = 0; t < g->n_tensors; t++)
        g->tensor[t].born = g->tensor[t].dies = MXD_NO_VALUE;
    for (uint32_t s = 0; s < g->n_steps; s++) {
        for (uint32_t k = 0; k < g->step[s].n_in; k++)
            use(g, g->step[s].in[k], s);
        for (uint32_t k = 0; k < g->step[s].n_out; k++)
            use(g, g->step[s].out[k], s);
    }
}

/* The root whose memory `t` is, followed through steps that write over their inputs. */
static uint32_t memory_of(const mxd_program *g, const uint32_t *over, uint32_t t)
{
    t = g->tensor[t].root;
    while (over[t] != MXD_NO_VALUE)
        t = over[t];
    return t;
}

static void write_over(mxd_program *g, uint32_t *over, uint32_t s)
{
    const mxdi_cpu_step *const step = &g->step[s];
    const uint32_t             y    = g->tensor[step->out[0]].root;
    if (!step->in_place || g->tensor[y].home != MXDI_CPU_ARENA || g->tensor[y].born != s)
        return;
    for (uint32_t k = 0; k < step->n_in; k++) {
        const uint32_t         x = memory_of(g, over, step->in[k]);
        mxdi_cpu_tensor *const t = &g->tensor[x];
        if (t->home != MXDI_CPU_ARENA || t->dies != s || t->bytes != g->tensor[y].bytes ||
            t->born == s)
            continue;
        over[y] = x;
        t->dies = g->tensor[y].dies;
        return;
    }
}

static mxd_status place_all(mxd_program *g, const uint32_t *over, mxd_error *err)
{
    mxdi_lifetime *const r  = MXDI_ALLOC(g->alloc, mxdi_lifetime, g->n_tensors + 1);
    mxd_status           st = r ? MXD_OK : mxdi_nomem(err);
    uint32_t             n  = 0;
    for (uint32_t t = 0; st == MXD_OK && t < g->n_tensors; t++) {
        const mxdi_cpu_tensor *const x = &g->tensor[t];
        if (x->root == t && x->home == MXDI_CPU_ARENA && x->born != MXD_NO_VALUE &&
            over[t] == MXD_NO_VALUE)
            r[n++] = (mxdi_lifetime){ 0, (x->bytes + 2 * ALIGN - 1) / ALIGN * ALIGN, x->born,
                                      x->dies, t };
    }
    if (st == MXD_OK)
        st = mxdi_wrap(err, mxdi_lifetimes_place(&g->arena_bytes, r, n, g->alloc, err), "cpu");
    for (uint32_t k = 0; st == MXD_OK && k < n; k++)
        g->tensor[r[k].owner].at = r[k].at;
    for (uint32_t t = 0; st == MXD_OK && t < g->n_tensors; t++)
        if (g->tensor[t].root == t && g->tensor[t].home == MXDI_CPU_ARENA)
            g->tensor[t].at = g->tensor[memory_of(g, over, t)].at;
    mxdi_free(g->alloc, r);
    return st;
}

mxd_status mxdi_cpu_plan_memory(mxd_program *g, mxd_error *err)
{
    uint32_t *const over = MXDI_ALLOC(g->alloc, uint32_t, g->n_tensors + 1);
    if (!over)
        return mxdi_nomem(err);
    memset(over, 0xFF, (g->n_tensors + 1) * sizeof(over[0]));
    for (uint32_t t = 0; t < g->n_tensors; t++)
        g->tensor[t].home = g->tensor[g->tensor[t].root].home;
    lives(g);
    for (uint32_t s = 0; s < g->n_steps; s++)
        if (g->step[s].n_out)
            write_over(g, over, s);
    const mxd_status st = place_all(g, over, err);
    mxdi_free(g->alloc, over);
    return st;
}
