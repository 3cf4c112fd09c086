/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest backend from outside, to be copied: it runs Relu of f32 and leaves everything else
 * to the reference interpreter. It shows what each entry of mixdown/backend.h owes its host:
 * reasons for what is not taken, shapes that grow with the batch, sessions that share nothing and
 * do not allocate while they run.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mixdown/backend.h"

struct mxd_device {
    mxd_allocator alloc;
};

struct mxd_program {
    mxd_allocator  alloc;
    mxd_graph_view part; /* the host keeps it as long as the program */
    mxd_step      *step; /* one for each node */
    size_t         inner_bytes;
};

struct mxd_run {
    const mxd_program *program;
    const float      **value; /* (n_values) where each lies in this run */
    float   **buffer;         /* (n_values) owned: of values that are neither given nor asked for */
    uint64_t *ns, runs;
    int       timed;
};

/* ---- small things that a backend brings itself ---- */

static mxd_status fail(mxd_error *err, mxd_status status, const char *format, ...) MXD_PRINTF(3, 4);
static mxd_status fail(mxd_error *err, mxd_status status, const char *format, ...)
{
    va_list args;
    if (err) {
        va_start(args, format);
        vsnprintf(err->msg, sizeof(err->msg), format, args);
        va_end(args);
        err->status = status;
    }
    return status;
}

/* Zeroed; counts are of a graph that the host has checked. */
static void *get(const mxd_allocator *a, size_t count, size_t size)
{
    const size_t bytes = count * size + 1;
    void *const  p     = a->alloc(a->user, bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

static void put(const mxd_allocator *a, const void *p)
{
    a->free(a->user, (void *)(uintptr_t)p);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Elements of a graph may be larger than those of the header that this file was compiled with. */
static const mxd_node *node_at(const mxd_graph_view *g, uint32_t k)
{
    return (const mxd_node *)(const void *)((const char *)g->node + (size_t)k * g->node_size);
}

static const mxd_value *value_at(const mxd_graph_view *g, uint32_t k)
{
    return (const mxd_value *)(const void *)((const char *)g->value + (size_t)k * g->value_size);
}

/* Elements of a value for `batch` samples. */
static size_t elements(const mxd_graph_view *g, uint32_t value, int64_t batch)
{
    const mxd_value *const v = value_at(g, value);
    size_t                 n = 1;
    for (int32_t d = 0; d < v->rank; d++)
        n *= (size_t)(d == v->batch_axis ? v->dim[d] / g->max_batch * batch : v->dim[d]);
    return n;
}

/* ---- the device ---- */

static mxd_status probe(uint32_t *n_devices, char *description, size_t description_bytes,
                        mxd_error *err)
{
    (void)err;
    *n_devices = 1;
    if (description)
        snprintf(description, description_bytes, "template: Relu of f32 in plain C, one thread");
    return MXD_OK;
}

static mxd_status open_device(mxd_device **out, uint32_t index, const mxd_options *options,
                              const mxd_host_api *host, mxd_error *err)
{
    *out = NULL;
    if (index != 0)
        return fail(err, MXD_E_RANGE, "template: device 0 expected, got %u", index);
    for (uint32_t k = 0; options && k < options->n; k++)
        if (strcmp(options->option[k].key, "isa") != 0) /* plain C is the same on all of them */
            return fail(err, MXD_E_USAGE, "template: unknown option '%s'; isa is known",
                        options->option[k].key);
    *out = get(host->allocator, 1, sizeof(**out));
    if (!*out)
        return fail(err, MXD_E_NOMEM, "out of memory");
    (*out)->alloc = *host->allocator;
    return MXD_OK;
}

static void close_device(mxd_device *dev)
{
    if (dev) {
        const mxd_allocator alloc = dev->alloc;
        put(&alloc, dev);
    }
}

static const char *describe(const mxd_device *dev)
{
    (void)dev;
    return "template"; /* goes into engine files: a real device names its model */
}

static void constraints(const mxd_device *dev, mxd_constraints *out)
{
    (void)dev;
    *out = (mxd_constraints){ .struct_size = sizeof(*out), .compute_dtypes = 1u << MXD_F32 };
}

/* NULL: it is run here. */
static const char *refusal(const mxd_graph_view *g, const mxd_node *n)
{
    if (strcmp(n->op, "Relu") != 0 || *n->domain)
        return "the template runs Relu only";
    return value_at(g, n->in[0])->dtype == MXD_F32 ? NULL : "the template runs Relu of f32 only";
}

static mxd_status claim(mxd_device *dev, const mxd_graph_view *graph, mxd_claim *out,
                        mxd_error *err)
{
    (void)dev;
    (void)err;
    for (uint32_t k = 0; k < graph->n_nodes; k++) {
        out->reason[k] = refusal(graph, node_at(graph, k));
        out->taken[k]  = out->reason[k] == NULL;
    }
    return MXD_OK;
}

/* ---- programs ---- */

static int is_among(const uint32_t *list, uint32_t n, uint32_t value)
{
    for (uint32_t k = 0; k < n; k++)
        if (list[k] == value)
            return 1;
    return 0;
}

/* Whether a session has to find room for the value. */
static int is_inner(const mxd_graph_view *g, uint32_t value)
{
    return !value_at(g, value)->data && !is_among(g->input, g->n_inputs, value) &&
           !is_among(g->output, g->n_outputs, value);
}

static void program_destroy(mxd_program *p)
{
    if (!p)
        return;
    const mxd_allocator alloc = p->alloc;
    put(&alloc, p->step);
    put(&alloc, p);
}

static mxd_status compile(mxd_program **out, mxd_device *dev, const mxd_graph_view *part,
                          const mxd_compile_options *options, mxd_error *err)
{
    (void)options; /* nothing to cap, to time or to cancel */
    *out                 = NULL;
    mxd_program *const p = get(&dev->alloc, 1, sizeof(*p));
    if (!p)
        return fail(err, MXD_E_NOMEM, "out of memory");
    *p      = (mxd_program){ .alloc = dev->alloc, .part = *part };
    p->step = get(&p->alloc, part->n_nodes, sizeof(p->step[0]));
    for (uint32_t k = 0; p->step && k < part->n_nodes; k++) {
        const mxd_node *const n     = node_at(part, k);
        const char *const     why   = refusal(part, n);
        const size_t          bytes = elements(part, n->out[0], part->max_batch) * sizeof(float);
        if (why) { /* a part is fused before it is compiled: look again */
            program_destroy(p);
            return fail(err, MXD_E_UNSUPPORTED, "%s '%s': %s", n->op, n->name, why);
        }
        p->step[k] = (mxd_step){ .kernel   = "relu_template",
                                 .origin   = n->origin,
                                 .n_origin = n->n_origin,
                                 .computed = "f32",
                                 .bytes    = (int64_t)(2 * bytes) };
        p->inner_bytes += is_inner(part, n->out[0]) ? bytes : 0;
    }
    if (!p->step) {
        program_destroy(p);
        return fail(err, MXD_E_NOMEM, "out of memory");
    }
    *out = p;
    return MXD_OK;
}

static void steps(const mxd_program *p, mxd_steps *out)
{
    *out = (mxd_steps){ .step = p->step, .n = p->part.n_nodes, .peak_bytes = p->inner_bytes };
}

/* ---- sessions ---- */

static void session_close(mxd_run *r)
{
    if (!r)
        return;
    const mxd_allocator alloc = r->program->alloc;
    for (uint32_t v = 0; r->buffer && v < r->program->part.n_values; v++)
        put(&alloc, r->buffer[v]);
    put(&alloc, r->value);
    put(&alloc, r->buffer);
    put(&alloc, r->ns);
    put(&alloc, r);
}

/* Everything that runs will need. */
static int allocate(mxd_run *r)
{
    const mxd_graph_view *const g     = &r->program->part;
    const mxd_allocator *const  alloc = &r->program->alloc;
    r->value                          = get(alloc, g->n_values, sizeof(r->value[0]));
    r->buffer                         = get(alloc, g->n_values, sizeof(r->buffer[0]));
    r->ns                             = get(alloc, g->n_nodes, sizeof(r->ns[0]));
    if (!r->value || !r->buffer || !r->ns)
        return 0;
    for (uint32_t k = 0; k < g->n_nodes; k++) {
        const uint32_t y = node_at(g, k)->out[0];
        if (!is_inner(g, y))
            continue;
        r->buffer[y] = get(alloc, elements(g, y, g->max_batch), sizeof(float));
        if (!r->buffer[y])
            return 0;
    }
    return 1;
}

static mxd_status session_open(mxd_run **out, const mxd_program *program,
                               const mxd_run_options *options, mxd_error *err)
{
    (void)options; /* one thread, and no quantized values to trace */
    *out             = NULL;
    mxd_run *const r = get(&program->alloc, 1, sizeof(*r));
    if (!r)
        return fail(err, MXD_E_NOMEM, "out of memory");
    r->program = program;
    if (!allocate(r)) {
        session_close(r);
        return fail(err, MXD_E_NOMEM, "out of memory");
    }
    *out = r;
    return MXD_OK;
}

/* ONNX Relu: max(0, x); NaN stays. */
static void relu(float *y, const float *x, size_t n)
{
    for (size_t k = 0; k < n; k++)
        y[k] = x[k] < 0.0f ? 0.0f : x[k];
}

/* Of the input that says it; the largest where none grows with the batch. */
static int64_t batch_of(const mxd_graph_view *g, const mxd_tensor *in)
{
    for (uint32_t k = 0; k < g->n_inputs; k++) {
        const mxd_value *const v = value_at(g, g->input[k]);
        if (v->batch_axis >= 0 && v->dim[v->batch_axis] > 0)
            return in[k].dim[v->batch_axis] / (v->dim[v->batch_axis] / g->max_batch);
    }
    return g->max_batch;
}

static mxd_status session_run(mxd_run *r, const mxd_tensor *in, uint32_t n_in,
                              const mxd_tensor *out, uint32_t n_out, mxd_trace_fn trace,
                              void *trace_user, mxd_error *err)
{
    const mxd_graph_view *const g     = &r->program->part;
    const int64_t               batch = batch_of(g, in);
    (void)trace;
    (void)trace_user;
    if (n_in != g->n_inputs || n_out != g->n_outputs)
        return fail(err, MXD_E_INVAL, "template: %u inputs and %u outputs expected, got %u and %u",
                    g->n_inputs, g->n_outputs, n_in, n_out);
    for (uint32_t v = 0; v < g->n_values; v++)
        r->value[v] = r->buffer[v] ? r->buffer[v] : value_at(g, v)->data;
    for (uint32_t k = 0; k < n_in; k++)
        r->value[g->input[k]] = in[k].data;
    for (uint32_t k = 0; k < n_out; k++)
        r->value[g->output[k]] = out[k].data;
    for (uint32_t k = 0; k < g->n_nodes; k++) {
        const mxd_node *const n     = node_at(g, k);
        const uint64_t        start = r->timed ? now_ns() : 0;
        relu((float *)(uintptr_t)r->value[n->out[0]], r->value[n->in[0]],
             elements(g, n->out[0], batch));
        r->ns[k] += r->timed ? now_ns() - start : 0;
    }
    r->runs++;
    return MXD_OK;
}

static mxd_status session_profile(mxd_run *r, uint64_t *ns, uint32_t n, uint64_t *runs,
                                  mxd_error *err)
{
    if (n != r->program->part.n_nodes)
        return fail(err, MXD_E_INVAL, "template: room for %u steps expected, got %u",
                    r->program->part.n_nodes, n);
    memcpy(ns, r->ns, n * sizeof(ns[0]));
    memset(r->ns, 0, n * sizeof(ns[0]));
    *runs    = r->timed ? r->runs : 0;
    r->runs  = 0;
    r->timed = 1;
    return MXD_OK;
}

/* ---- the one symbol ---- */

MXD_API const mxd_backend_api *mxd_backend_entry_v1(void);
MXD_API const mxd_backend_api *mxd_backend_entry_v1(void)
{
    static const mxd_backend_api api = {
        .abi             = MXD_BACKEND_ABI,
        .struct_size     = sizeof(api),
        .name            = "template",
        .probe           = probe,
        .open            = open_device,
        .close           = close_device,
        .describe        = describe,
        .constraints     = constraints,
        .claim           = claim,
        .compile         = compile,
        .program_destroy = program_destroy,
        .steps           = steps,
        .session_open    = session_open,
        .session_close   = session_close,
        .session_run     = session_run,
        .session_profile = session_profile,
    };
    return &api;
}
