/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions: opening binds every tensor that is not the caller's to memory; running binds the caller's and walks the
 * steps. Nothing is allocated while running. A step that takes less time than handing it to other threads would, and a
 * step of one piece, runs in place.
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

static void *bound(const mxd_run *r, uint32_t t)
{
    const mxd_program *const     g    = r->program;
    const mxdi_cpu_tensor *const root = &g->tensor[g->tensor[t].root];
    if (root->home == MXDI_CPU_CONSTANT)
        return (uint8_t *)(uintptr_t)root->data + g->tensor[t].offset;
    if (root->home == MXDI_CPU_ARENA)
        return r->arena + root->at + g->tensor[t].offset;
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
    if (!g->whole || g->max_batch == 1)
        return MXD_OK;
    r->staged = MXDI_ALLOC(g->alloc, void *, n);
    if (!r->staged)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t         id = k < g->part.n_inputs ? g->part.input[k] : g->part.output[k - g->part.n_inputs];
        const mxd_value *const v  = &g->part.value[id];
        int64_t                count;
        size_t                 bytes;
        if (!mxdi_shape_count(&count, v->dim, v->rank) || !mxdi_dtype_bytes(&bytes, v->dtype, count))
            return mxdi_fail(err, MXD_E_RANGE, "'%s': too large", v->name);
        r->staged[k] = mxdi_alloc(g->alloc, bytes + 64, 1);
        if (!r->staged[k])
            return mxdi_nomem(err);
    }
    return MXD_OK;
}

static mxd_status open_session(mxd_run *r, const mxd_run_options *options, mxd_error *err)
{
    const mxd_program *const g = r->program;
    r->threads                 = options->threads ? options->threads : mxdi_cores();
    if (r->threads > 1)
        MXD_TRY(mxdi_pool_create(&r->pool, r->threads, err));
    r->arena   = large_alloc(g->alloc, g->arena_bytes + 64);
    r->scratch = mxdi_alloc(g->alloc, r->threads, g->scratch_bytes + 64);
    r->ptr     = MXDI_ALLOC(g->alloc, void *, g->n_tensors);
    if (!r->arena || !r->scratch || !r->ptr)
        return mxdi_nomem(err);
    if (options->trace) {
        r->trace = mxdi_alloc(g->alloc, g->trace_bytes + 64, 1);
        if (!r->trace)
            return mxdi_nomem(err);
    }
    for (uint32_t t = 0; t < g->n_tensors; t++)
        r->ptr[t] = bound(r, t);
    return stage(r, err);
}

mxd_status mxdi_cpu_session_open(mxd_run **out, const mxd_program *program, const mxd_run_options *options, mxd_error *err)
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
    mxdi_free(a, r->arena);
    mxdi_free(a, r->scratch);
    mxdi_free(a, r->ptr);
    mxdi_free(a, r->trace);
    mxdi_free(a, r->ns);
    mxdi_free(a, r);
}

/* ---- the caller's tensors ---- */

/* The batch that `t` holds of value v; -1: it does not grow. MXD_E_SHAPE when it cannot be v. */
static mxd_status batch_of(int64_t *batch, const mxd_program *g, const mxd_value *v, const mxd_tensor *t, mxd_error *err)
{
    *batch    = -1;
    bool same = t->rank == v->rank && t->dtype == v->dtype;
    for (int32_t k = 0; same && k < v->rank; k++) {
        const int64_t each = k == v->batch_axis ? v->dim[k] / g->max_batch : 0;
        if (each > 0) {
            same   = t->dim[k] > 0 && t->dim[k] <= v->dim[k] && t->dim[k] % each == 0;
            *batch = t->dim[k] / each;
        } else {
            same = t->dim[k] == v->dim[k];
        }
    }
    return same ? MXD_OK : mxdi_fail(err, MXD_E_SHAPE, "cpu: tensor for '%s' has another shape or type", v->name);
}

static mxd_status check(int64_t *batch, const mxd_program *g, const mxd_tensor *in, uint32_t n_in, const mxd_tensor *out,
                        uint32_t n_out, mxd_error *err)
{
    *batch = -1;
    if (n_in != g->part.n_inputs || n_out != g->part.n_outputs)
        return mxdi_fail(err, MXD_E_INVAL, "cpu: expected %u inputs and %u outputs, got %u and %u", g->part.n_inputs,
                         g->part.n_outputs, n_in, n_out);
    for (uint32_t k = 0; k < n_in + n_out; k++) {
        const mxd_value *const v = &g->part.value[k < n_in ? g->part.input[k] : g->part.output[k - n_in]];
        int64_t                b;
        MXD_TRY(batch_of(&b, g, v, k < n_in ? &in[k] : &out[k - n_in], err));
        if (b >= 0 && *batch >= 0 && b != *batch)
            return mxdi_fail(err, MXD_E_SHAPE, "cpu: '%s' holds %lld samples, others %lld", v->name, (long long)b,
                             (long long)*batch);
        *batch = b >= 0 ? b : *batch;
    }
    *batch = *batch < 0 ? g->max_batch : *batch;
    return MXD_OK;
}

/* Between a dense tensor of a smaller batch and one of the largest. */
static void restage(const mxd_value *v, const mxd_tensor *t, void *full, bool in)
{
    const size_t bits = mxd_dtype_bits(v->dtype);
    size_t       inner = bits, outer = 1;
    for (int32_t k = 0; k < v->rank; k++) {
        if (k >= v->batch_axis)
            inner *= (size_t)t->dim[k];
        else
            outer *= (size_t)t->dim[k];
    }
    const size_t small = inner / 8, large = v->batch_axis < 0 ? small : small / (size_t)t->dim[v->batch_axis] * (size_t)v->dim[v->batch_axis];
    for (size_t o = 0; o < outer; o++) {
        if (in)
            memcpy((uint8_t *)full + o * large, (const uint8_t *)t->data + o * small, small);
        else
            memcpy((uint8_t *)t->data + o * small, (const uint8_t *)full + o * large, small);
    }
}

static void bind(mxd_run *r, const mxd_tensor *in, const mxd_tensor *out, bool staged)
{
    const mxd_program *const g = r->program;
    for (uint32_t t = 0; t < g->n_tensors; t++) {
        const mxdi_cpu_tensor *const x = &g->tensor[t];
        if (x->home == MXDI_CPU_INPUT)
            r->ptr[t] = (uint8_t *)(staged ? r->staged[x->index] : in[x->index].data) + x->offset;
        else if (x->home == MXDI_CPU_OUTPUT)
            r->ptr[t] = (uint8_t *)(staged ? r->staged[g->part.n_inputs + x->index] : out[x->index].data) + x->offset;
    }
}

/* ---- running ---- */

struct shared { const mxdi_cpu_step *step; const mxdi_cpu_frame *frame; };

static void run_share(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct shared *const s = arg;
    s->step->kind->run(s->step->op, s->frame, begin, end, thread);
}

static void run_step(mxd_run *r, const mxdi_cpu_step *step, const mxdi_cpu_frame *f)
{
    const size_t tasks = step->kind->tasks ? step->kind->tasks(step->op, f) : 1;
    if (!r->pool || tasks < 2 || step->ns * (double)f->batch < (double)WORTH_SHARING * (double)f->max_batch) {
        step->kind->run(step->op, f, 0, tasks, 0);
        return;
    }
    struct shared s = { step, f };
    mxdi_parallel_for(r->pool, run_share, &s, tasks);
}

static mxd_status run_steps(mxd_run *r, const mxdi_cpu_frame *f, mxd_trace_fn trace, void *user, mxd_error *err)
{
    const mxd_program *const g     = r->program;
    uint32_t                 shown = 0;
    uint64_t                 then  = r->ns ? mxdi_now_ns() : 0;
    for (uint32_t s = 0; s < g->n_steps; s++) {
        run_step(r, &g->step[s], f);
        if (atomic_load_explicit(f->fault, memory_order_relaxed))
            return mxdi_fail(err, MXD_E_RANGE, "cpu: %s '%s': an index or a divisor is out of range", g->info[s].kernel,
                             g->info[s].n_origin ? g->info[s].origin[0] : "");
        if (r->ns) {
            const uint64_t now = mxdi_now_ns();
            r->ns[s] += now - then;
            then = now;
        }
        for (; trace && shown < g->n_shown && g->shown[shown].step == s; shown++)
            MXD_TRY(mxdi_cpu_trace(r, &g->shown[shown], f, trace, user, err));
    }
    r->runs++;
    return MXD_OK;
}

mxd_status mxdi_cpu_session_run(mxd_run *r, const mxd_tensor *in, uint32_t n_in, const mxd_tensor *out, uint32_t n_out,
                                mxd_trace_fn trace, void *trace_user, mxd_error *err)
{
    const mxd_program *const g = r->program;
    int64_t                  batch;
    MXD_TRY(check(&batch, g, in, n_in, out, n_out, err));
    if (trace && !r->trace)
        return mxdi_fail(err, MXD_E_USAGE, "cpu: this session was not opened for a trace");
    const bool staged = r->staged && batch < g->max_batch;
    for (uint32_t k = 0; staged && k < n_in; k++)
        restage(&g->part.value[g->part.input[k]], &in[k], r->staged[k], true);
    bind(r, in, out, staged);
    const mxdi_cpu_frame f = { g->tensor, r->ptr, staged ? g->max_batch : batch, g->max_batch, r->scratch, g->scratch_bytes, &r->fault };
    atomic_store_explicit(&r->fault, false, memory_order_relaxed);
    const mxd_status     st = run_steps(r, &f, trace, trace_user, err);
    mxdi_pool_rest(r->pool);
    for (uint32_t k = 0; staged && k < n_out; k++)
        restage(&g->part.value[g->part.output[k]], &out[k], r->staged[n_in + k], false);
    return st;
}

mxd_status mxdi_cpu_session_profile(mxd_run *r, uint64_t *ns, uint32_t n, uint64_t *runs, mxd_error *err)
{
    const uint32_t n_steps = r->program->n_steps;
    if (n != n_steps)
        return mxdi_fail(err, MXD_E_INVAL, "cpu: profile of %u steps asked, there are %u", n, n_steps);
    memset(ns, 0, n * sizeof(ns[0]));
    *runs = 0;
    if (!r->ns) {
        r->ns = MXDI_ALLOC(r->program->alloc, uint64_t, n_steps);
        if (!r->ns)
            return mxdi_nomem(err);
    } else {
        memcpy(ns, r->ns, n * sizeof(ns[0]));
        memset(r->ns, 0, n * sizeof(ns[0]));
        *runs = r->runs;
    }
    r->runs = 0;
    return MXD_OK;
}
