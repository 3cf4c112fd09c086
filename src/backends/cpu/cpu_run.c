/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions: opening binds every tensor that is not the caller's to memory; running binds the
 * caller's and walks the steps. Nothing is allocated while running. A step that takes less time
 * than handing it to other threads would, and a step of one piece, runs in place.
 */
#include <sys/mman.h>

#include "backends/cpu/cpu_impl.h"
#include "base/dtype.h"
#include "base/text.h"
#include "base/threads.h"

enum {
    HUGE_BYTES    = 2 << 20,
    WORTH_SHARING = 8000 /* ns of a step below which one thread is as fast */
};

/* ---- opening ---- */

static void *bound(const mxd_program *g, uint8_t *arena, uint32_t t)
{
    const mxdi_cpu_tensor *const root = &g->tensor[g->tensor[t].root];
    if (root->home == MXDI_CPU_CONSTANT)
        return (uint8_t *)(uintptr_t)root->data + g->tensor[t].offset;
    if (root->home == MXDI_CPU_ARENA)
        return arena + root->at + g->tensor[t].offset;
    return NULL; /* the caller's: bound by each run */
}

/* Memory of at least `bytes`; the kernel may back it by huge pages. */
static uint8_t *large_alloc(const mxd_allocator *alloc, size_t bytes)
{
    uint8_t *const p = mxdi_alloc(alloc, bytes, 1);
    if (p && bytes >= 2 * HUGE_BYTES) {
        const uintptr_t from = ((uintptr_t)p + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
        const uintptr_t to   = ((uintptr_t)p + bytes) / HUGE_BYTES * HUGE_BYTES;
        (void)madvise((void *)from, to - from, MADV_HUGEPAGE);
    }
    return p;
}

/* Some batch axis is not the first: a smaller batch runs on full-sized copies. */
static mxd_status stage(mxd_run *r, mxd_error *err)
{
    const mxd_program *const g = r->program;
    const uint32_t           n = g->part.n_inputs + g->part.n_outputs;
    if (!g->whole || g->samples == 1)
        return MXD_OK;
    r->staged = MXDI_ALLOC(g->alloc, void *, n);
    if (!r->staged)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t id =
            k < g->part.n_inputs ? g->part.input[k] : g->part.output[k - g->part.n_inputs];
        const mxd_value *const v = &g->part.value[id];
        int64_t                count;
        size_t                 bytes;
        if (!mxdi_shape_count(&count, v->dim, v->rank) ||
            !mxdi_dtype_bytes(&bytes, v->dtype, count))
            return mxdi_fail(err, MXD_E_RANGE, "'%s': too large", v->name);
        r->staged[k] = mxdi_alloc(g->alloc, bytes + 64, 1);
        if (!r->staged[k])
            return mxdi_nomem(err);
    }
    return MXD_OK;
}

/* A lane for each thread where a batch has chunks for all of them. */
static mxd_status open_lanes(mxd_run *r, mxd_error *err)
{
    const mxd_program *const g      = r->program;
    const int64_t            chunks = (g->samples + g->max_batch - 1) / g->max_batch;
    r->lanes                        = chunks >= (int64_t)r->threads ? r->threads : 1;
    r->lane                         = MXDI_ALLOC(g->alloc, mxdi_cpu_lane, r->lanes);
    if (!r->lane)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < r->lanes; k++) {
        r->lane[k].arena = large_alloc(g->alloc, g->arena_bytes + 64);
        r->lane[k].ptr   = MXDI_ALLOC(g->alloc, void *, g->n_tensors);
        if (!r->lane[k].arena || !r->lane[k].ptr)
            return mxdi_nomem(err);
        for (uint32_t t = 0; t < g->n_tensors; t++)
            r->lane[k].ptr[t] = bound(g, r->lane[k].arena, t);
    }
    return MXD_OK;
}

static mxd_status open_session(mxd_run *r, const mxd_run_options *options, mxd_error *err)
{
    const mxd_program *const g = r->program;
    r->threads                 = options->threads ? options->threads : mxdi_cores();
    if (r->threads > 1)
        MXD_TRY(mxdi_pool_create(&r->pool, r->threads, err));
    r->scratch = mxdi_alloc(g->alloc, r->threads, g->scratch_bytes + 64);
    if (!r->scratch)
        return mxdi_nomem(err);
    if (options->trace) {
        r->trace = mxdi_alloc(g->alloc, g->trace_bytes + 64, 1);
        if (!r->trace)
            return mxdi_nomem(err);
    }
    MXD_TRY(open_lanes(r, err));
    return stage(r, err);
}

mxd_status mxdi_cpu_session_open(mxd_run **out, const mxd_program *program,
                                 const mxd_run_options *options, mxd_error *err)
{
    *out             = NULL;
    mxd_run *const r = MXDI_ALLOC(program->alloc, mxd_run, 1);
    if (!r)
        return mxdi_nomem(err);
    r->program          = program;
    const mxd_status st = open_session(r, options, err);
    if (st != MXD_OK) {
        mxdi_cpu_session_close(r);
        return st;
    }
    *out = r;
    return MXD_OK;
}

void mxdi_cpu_session_close(mxd_run *r)
{
    if (!r)
        return;
    const mxd_program *const   g = r->program;
    const mxd_allocator *const a = g->alloc;
    mxdi_pool_destroy(r->pool);
    for (uint32_t k = 0; r->staged && k < g->part.n_inputs + g->part.n_outputs; k++)
        mxdi_free(a, r->staged[k]);
    mxdi_free(a, r->staged);
    for (uint32_t k = 0; r->lane && k < r->lanes; k++) {
        mxdi_free(a, r->lane[k].arena);
        mxdi_free(a, r->lane[k].ptr);
    }
    mxdi_free(a, r->lane);
    mxdi_free(a, r->scratch);
    mxdi_free(a, r->trace);
    mxdi_free(a, r->ns);
    mxdi_free(a, r);
}

/* ---- the caller's tensors ---- */

/* The batch that `t` holds of value v; -1: it does not grow. MXD_E_SHAPE when it cannot be v. */
static mxd_status batch_of(int64_t *batch, const mxd_program *g, const mxd_value *v,
                           const mxd_tensor *t, mxd_error *err)
{
    *batch    = -1;
    bool same = t->rank == v->rank && t->dtype == v->dtype;
    for (int32_t k = 0; same && k < v->rank; k++) {
        const int64_t each = k == v->batch_axis ? v->dim[k] / g->max_batch : 0;
        if (each > 0) {
            same   = t->dim[k] > 0 && t->dim[k] <= each * g->samples && t->dim[k] % each == 0;
            *batch = t->dim[k] / each;
        } else {
            same = t->dim[k] == v->dim[k];
        }
    }
    return same ? MXD_OK
                : mxdi_fail(err, MXD_E_SHAPE, "cpu: tensor for '%s' has another shape or type",
                            v->name);
}

static mxd_status check(int64_t *batch, const mxd_program *g, const mxd_tensor *in, uint32_t n_in,
                        const mxd_tensor *out, uint32_t n_out, mxd_error *err)
{
    *batch = -1;
    if (n_in != g->part.n_inputs || n_out != g->part.n_outputs)
        return mxdi_fail(err, MXD_E_INVAL, "cpu: expected %u inputs and %u outputs, got %u and %u",
                         g->part.n_inputs, g->part.n_outputs, n_in, n_out);
    for (uint32_t k = 0; k < n_in + n_out; k++) {
        const mxd_value *const v =
            &g->part.value[k < n_in ? g->part.input[k] : g->part.output[k - n_in]];
        int64_t b;
        MXD_TRY(batch_of(&b, g, v, k < n_in ? &in[k] : &out[k - n_in], err));
        if (b >= 0 && *batch >= 0 && b != *batch)
            return mxdi_fail(err, MXD_E_SHAPE, "cpu: '%s' holds %lld samples, others %lld", v->name,
                             (long long)b, (long long)*batch);
        *batch = b >= 0 ? b : *batch;
    }
    *batch = *batch < 0 ? g->samples : *batch;
    return MXD_OK;
}

/* Between a dense tensor of a smaller batch and one of the largest. */
static void restage(const mxd_value *v, const mxd_tensor *t, void *full, bool in)
{
    const size_t bits  = mxd_dtype_bits(v->dtype);
    size_t       inner = bits, outer = 1;
    for (int32_t k = 0; k < v->rank; k++) {
        if (k >= v->batch_axis)
            inner *= (size_t)t->dim[k];
        else
            outer *= (size_t)t->dim[k];
    }
    const size_t small = inner / 8, large = v->batch_axis < 0
                                                ? small
                                                : small / (size_t)t->dim[v->batch_axis] *
                                                      (size_t)v->dim[v->batch_axis];
    for (size_t o = 0; o < outer; o++) {
        if (in)
            memcpy((uint8_t *)full + o * large, (const uint8_t *)t->data + o * small, small);
        else
            memcpy((uint8_t *)t->data + o * small, (const uint8_t *)full + o * large, small);
    }
}

/* What one run is about. */
struct call {
    mxd_run          *r;
    const mxd_tensor *in, *out;
    int64_t           batch;
    bool              staged, traced;
    atomic_llong      next; /* sample that the next chunk begins at */
};

/* The caller's memory of tensor x from sample `first` on. */
static void *callers(const struct call *c, const mxdi_cpu_tensor *x, int64_t first)
{
    const mxd_program *const g    = c->r->program;
    const bool               in   = x->home == MXDI_CPU_INPUT;
    const uint32_t           id   = in ? g->part.input[x->index] : g->part.output[x->index];
    const mxd_value *const   v    = &g->part.value[id];
    int64_t                  each = v->batch_axis == 0 ? v->dim[0] / g->max_batch : 0;
    for (int32_t k = 1; k < v->rank; k++)
        each *= v->dim[k];
    uint8_t *const base = c->staged ? c->r->staged[in ? x->index : g->part.n_inputs + x->index]
                          : in      ? c->in[x->index].data
                                    : c->out[x->index].data;
    return base + (size_t)(first * each) * (mxd_dtype_bits(v->dtype) / 8) + x->offset;
}

static void bind(const struct call *c, mxdi_cpu_lane *lane, int64_t first)
{
    const mxd_program *const g = c->r->program;
    for (uint32_t t = 0; t < g->n_tensors; t++)
        if (g->tensor[t].home == MXDI_CPU_INPUT || g->tensor[t].home == MXDI_CPU_OUTPUT)
            lane->ptr[t] = callers(c, &g->tensor[t], first);
}

/* ---- running ---- */

struct shared {
    const mxdi_cpu_step  *step;
    const mxdi_cpu_frame *frame;
};

static void run_share(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct shared *const s = arg;
    s->step->kind->run(s->step->op, s->frame, begin, end, thread);
}

/* pool NULL: by this thread, number `thread`. */
static void run_step(mxdi_pool *pool, unsigned thread, const mxdi_cpu_step *step,
                     const mxdi_cpu_frame *f)
{
    const size_t tasks = step->kind->tasks ? step->kind->tasks(step->op, f) : 1;
    if (!pool || tasks < 2 ||
        step->ns * (double)f->batch < (double)WORTH_SHARING * (double)f->max_batch) {
        step->kind->run(step->op, f, 0, tasks, thread);
        return;
    }
    struct shared s = { step, f };
    mxdi_parallel_for(pool, run_share, &s, tasks);
}

/* The samples from `first` on, at most a chunk, on one lane; alone: no other lane runs beside it.
 */
static void run_chunk(const struct call *c, uint32_t lane, int64_t first, bool alone)
{
    mxd_run *const           r    = c->r;
    const mxd_program *const g    = r->program;
    const int64_t            left = c->batch - first;
    const mxdi_cpu_frame     f    = {
               g->tensor,    r->lane[lane].ptr, left < g->max_batch ? left : g->max_batch,
               g->max_batch, r->scratch,        g->scratch_bytes,
               &r->fault
    };
    uint32_t shown = 0;
    uint64_t then  = r->ns ? mxdi_now_ns() : 0;
    bind(c, &r->lane[lane], first);
    for (uint32_t s = 0; s < g->n_steps; s++) {
        run_step(alone ? r->pool : NULL, alone ? 0 : lane, &g->step[s], &f);
        if (atomic_load_explicit(&r->fault, memory_order_relaxed)) {
            atomic_store_explicit(&r->faulty, s, memory_order_relaxed);
            return;
        }
        if (r->ns) {
            const uint64_t now = mxdi_now_ns();
            atomic_fetch_add_explicit(&r->ns[s], now - then, memory_order_relaxed);
            then = now;
        }
        for (; c->traced && shown < g->n_shown && g->shown[shown].step == s; shown++)
            mxdi_cpu_trace_keep(r, &g->shown[shown], &f, first);
    }
}

/* Chunks until none is left: a lane that the machine slows down takes fewer. */
static void run_lane(void *arg, size_t begin, size_t end, unsigned thread)
{
    struct call *const c    = arg;
    const int64_t      each = c->r->program->max_batch;
    (void)begin;
    (void)end;
    for (int64_t first; (first = atomic_fetch_add(&c->next, each)) < c->batch;)
        run_chunk(c, thread, first, false);
}

static mxd_status run_all(struct call *c, mxd_error *err)
{
    mxd_run *const           r      = c->r;
    const mxd_program *const g      = r->program;
    const int64_t            chunks = (c->batch + g->max_batch - 1) / g->max_batch;
    const uint64_t           then   = r->ns ? mxdi_now_ns() : 0;
    atomic_store_explicit(&r->fault, false, memory_order_relaxed);
    if (r->lanes > 1 && chunks >= (int64_t)r->lanes) {
        mxdi_parallel_for(r->pool, run_lane, c, r->lanes);
    } else {
        for (int64_t k = 0; k < chunks; k++)
            run_chunk(c, 0, k * g->max_batch, true);
    }
    r->runs++;
    r->wall += r->ns ? mxdi_now_ns() - then : 0;
    if (!atomic_load_explicit(&r->fault, memory_order_relaxed))
        return MXD_OK;
    const mxd_step *const step = &g->info[atomic_load_explicit(&r->faulty, memory_order_relaxed)];
    return mxdi_fail(err, MXD_E_RANGE, "cpu: %s '%s': an index or a divisor is out of range",
                     step->kernel, step->n_origin ? step->origin[0] : "");
}

mxd_status mxdi_cpu_session_run(mxd_run *r, const mxd_tensor *in, uint32_t n_in,
                                const mxd_tensor *out, uint32_t n_out, mxd_trace_fn trace,
                                void *trace_user, mxd_error *err)
{
    const mxd_program *const g = r->program;
    struct call              c = { .r = r, .in = in, .out = out, .traced = trace != NULL };
    MXD_TRY(check(&c.batch, g, in, n_in, out, n_out, err));
    if (trace && !r->trace)
        return mxdi_fail(err, MXD_E_USAGE, "cpu: this session was not opened for a trace");
    c.staged = r->staged && c.batch < g->samples;
    for (uint32_t k = 0; c.staged && k < n_in; k++)
        restage(&g->part.value[g->part.input[k]], &in[k], r->staged[k], true);
    c.batch = c.staged ? g->samples : c.batch;
    MXD_TRY(run_all(&c, err));
    for (uint32_t k = 0; c.staged && k < n_out; k++)
        restage(&g->part.value[g->part.output[k]], &out[k], r->staged[n_in + k], false);
    return trace ? mxdi_cpu_trace_show(r, c.batch, trace, trace_user, err) : MXD_OK;
}

/* Lanes run beside each other, and one that ends early waits: shares of the time that has passed.
 */
static void share_wall(uint64_t *ns, uint32_t n, uint64_t wall)
{
    double sum = 0.0;
    for (uint32_t k = 0; k < n; k++)
        sum += (double)ns[k];
    for (uint32_t k = 0; k < n && sum > 0.0; k++)
        ns[k] = (uint64_t)((double)ns[k] / sum * (double)wall);
}

mxd_status mxdi_cpu_session_profile(mxd_run *r, uint64_t *ns, uint32_t n, uint64_t *runs,
                                    mxd_error *err)
{
    const uint32_t n_steps = r->program->n_steps;
    if (n != n_steps)
        return mxdi_fail(err, MXD_E_INVAL, "cpu: profile of %u steps asked, there are %u", n,
                         n_steps);
    memset(ns, 0, n * sizeof(ns[0]));
    *runs = 0;
    if (!r->ns) {
        r->ns = MXDI_ALLOC(r->program->alloc, atomic_ullong, n_steps);
        if (!r->ns)
            return mxdi_nomem(err);
    } else {
        for (uint32_t k = 0; k < n; k++)
            ns[k] = atomic_exchange(&r->ns[k], 0);
        share_wall(ns, n, r->wall);
        *runs = r->runs;
    }
    r->runs = 0;
    r->wall = 0;
    return MXD_OK;
}
