/* SPDX-License-Identifier: Apache-2.0
 *
 * The interpreter behind the backend table: values in plain buffers, nodes one after the other.
 * Everything is allocated when a program is compiled or a session opened; a run allocates nothing.
 */
#include <stdio.h>

#include "base/arena.h"
#include "base/text.h"
#include "interp/interp_impl.h"

struct mxd_device {
    const mxd_allocator *alloc;
};

struct mxd_program {
    const mxd_allocator *alloc;
    mxdi_arena           arena; /* steps and their texts */
    mxd_graph_view       part;
    mxd_step            *step;
    size_t               value_bytes, scratch_bytes;
    uint32_t             most; /* inputs or outputs of one node */
};

struct mxd_run {
    const mxd_program *program;
    mxd_tensor        *tensor;   /* (n_values), at the batch of the run */
    void             **buffer;   /* (n_values) owned; NULL for constants, inputs and outputs */
    mxd_tensor        *in, *out; /* room for one node's */
    uint8_t           *scratch;  /* a bump allocator for the nodes */
    size_t             used;
    uint64_t          *ns, runs;
    bool               timed;
};

/* ---- device ---- */

static mxd_status probe(uint32_t *n_devices, char *description, size_t description_bytes,
                        mxd_error *err)
{
    (void)err;
    *n_devices = 1;
    if (description)
        snprintf(description, description_bytes, "reference interpreter: plain C, one thread");
    return MXD_OK;
}

static mxd_status open_device(mxd_device **out, uint32_t index, const mxd_options *options,
                              const mxd_host_api *host, mxd_error *err)
{
    *out = NULL;
    if (index != 0)
        return mxdi_fail(err, MXD_E_RANGE, "interp: device 0 expected, got %u", index);
    for (uint32_t k = 0; options && k < options->n; k++)
        if (strcmp(options->option[k].key, "isa") !=
            0) /* plain C runs the same on every instruction set */
            return mxdi_fail(err, MXD_E_USAGE, "interp: unknown option '%s'; isa is known",
                             options->option[k].key);
    *out = MXDI_ALLOC(host->allocator, mxd_device, 1);
    if (!*out)
        return mxdi_nomem(err);
    (*out)->alloc = host->allocator;
    return MXD_OK;
}

static void close_device(mxd_device *dev)
{
    if (dev)
        mxdi_free(dev->alloc, dev);
}

static const char *describe(const mxd_device *dev)
{
    (void)dev;
    return "interp";
}

static void constraints(const mxd_device *dev, mxd_constraints *out)
{
    (void)dev;
    *out = (mxd_constraints){ .struct_size    = sizeof(*out),
                              .compute_dtypes = (1u << MXD_DTYPE_COUNT) - 2 };
}

static mxd_status claim(mxd_device *dev, const mxd_graph_view *graph, mxd_claim *out,
                        mxd_error *err)
{
    (void)dev;
    (void)err;
    for (uint32_t n = 0; n < graph->n_nodes; n++) {
        out->reason[n] = mxdi_interp_refuses(&graph->node[n], graph->value);
        out->taken[n]  = out->reason[n] == NULL;
    }
    return MXD_OK;
}

/* ---- compiling ---- */

static mxd_tensor tensor_of(const mxd_value *v)
{
    mxd_tensor t = { .data  = (void *)(uintptr_t)v->data,
                     .dtype = v->dtype,
                     .rank  = v->rank }; /* constants are only read */
    memcpy(t.dim, v->dim, sizeof(t.dim));
    return t;
}

/* Operand types of products, the compute type of fused float ones, else the output's type. */
static const char *computed(mxdi_arena *arena, const mxd_graph_view *g, const mxd_node *n)
{
    static const char *const products[] = { "QConv", "QMatMul", "ConvInteger", "MatMulInteger" };
    for (size_t k = 0; k < sizeof(products) / sizeof(products[0]); k++)
        if (strcmp(n->op, products[k]) == 0)
            return mxdi_arena_printf(arena, "%s%s", mxd_dtype_name(g->value[n->in[0]].dtype),
                                     mxd_dtype_name(g->value[n->in[1]].dtype));
    if (strcmp(n->op, "FusedConv") == 0 || strcmp(n->op, "FusedMatMul") == 0)
        return mxdi_arena_strdup(arena, mxd_node_string(n, "compute", "f32"));
    return mxd_dtype_name(g->value[n->out[0]].dtype);
}

static int64_t macs_of(const mxd_graph_view *g, const mxd_node *n)
{
    static const char *const products[] = { "Conv",        "QConv",       "FusedConv",
                                            "ConvInteger", "Gemm",        "MatMul",
                                            "QMatMul",     "FusedMatMul", "MatMulInteger" };
    for (size_t k = 0; k < sizeof(products) / sizeof(products[0]); k++) {
        if (strcmp(n->op, products[k]) != 0)
            continue;
        const mxd_tensor w = tensor_of(&g->value[n->in[1]]), y = tensor_of(&g->value[n->out[0]]),
                         x = tensor_of(&g->value[n->in[0]]);
        if (k < 4)
            return w.dim[0] ? mxdi_interp_count(&y) * (mxdi_interp_count(&w) / w.dim[0]) : 0;
        return x.rank ? mxdi_interp_count(&y) * x.dim[x.rank - 1] : 0;
    }
    return 0;
}

/* All shapes are known, and all values together fit an address space. */
static mxd_status check_values(mxd_program *p, mxd_error *err)
{
    for (uint32_t v = 0; v < p->part.n_values; v++) {
        const mxd_value *const value = &p->part.value[v];
        const mxd_tensor       t     = tensor_of(value);
        size_t                 bytes;
        if (!mxdi_tensor_bytes(&bytes, &t))
            return mxdi_fail(err, MXD_E_SHAPE, "value '%s': expected a known shape", value->name);
        if (!value->data && bytes > PTRDIFF_MAX - p->value_bytes)
            return mxdi_nomem(err);
        p->value_bytes += value->data ? 0 : bytes;
    }
    return MXD_OK;
}

/* Tensors of a node's values, and how many bytes they are. */
static int64_t tensors_of(mxd_tensor *t, const mxd_graph_view *g, const uint32_t *id, uint32_t n)
{
    int64_t bytes = 0;
    size_t  one;
    for (uint32_t k = 0; k < n; k++) {
        t[k] = id[k] == MXD_NO_VALUE ? (mxd_tensor){ .data = NULL } : tensor_of(&g->value[id[k]]);
        bytes += id[k] != MXD_NO_VALUE && mxdi_tensor_bytes(&one, &t[k]) ? (int64_t)one : 0;
    }
    return bytes;
}

static mxd_status plan(mxd_program *p, mxd_error *err)
{
    const mxd_graph_view *const g = &p->part;
    p->most                       = 1;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        p->most = g->node[n].n_in > p->most ? g->node[n].n_in : p->most;
        p->most = g->node[n].n_out > p->most ? g->node[n].n_out : p->most;
    }
    mxd_tensor *const in  = MXDI_NEW(&p->arena, mxd_tensor, p->most);
    mxd_tensor *const out = MXDI_NEW(&p->arena, mxd_tensor, p->most);
    if (!in || !out)
        return mxdi_nomem(err);
    MXD_TRY(check_values(p, err));
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const mxd_node *const node = &g->node[n];
        const int64_t         bytes =
            tensors_of(in, g, node->in, node->n_in) + tensors_of(out, g, node->out, node->n_out);
        const size_t scratch = mxdi_interp_scratch(node, in, out);
        p->scratch_bytes     = scratch > p->scratch_bytes ? scratch : p->scratch_bytes;
        p->step[n]           = (mxd_step){ .kernel   = "interp",
                                           .origin   = node->origin,
                                           .n_origin = node->n_origin,
                                           .computed = computed(&p->arena, g, node),
                                           .macs     = macs_of(g, node),
                                           .bytes    = bytes };
        if (!p->step[n].computed)
            return mxdi_nomem(err);
    }
    return MXD_OK;
}

static void program_destroy(mxd_program *p)
{
    if (!p)
        return;
    const mxd_allocator *const alloc = p->alloc;
    mxdi_arena_fini(&p->arena);
    mxdi_free(alloc, p);
}

static mxd_status compile(mxd_program **out, mxd_device *dev, const mxd_graph_view *part,
                          const mxd_compile_options *options, mxd_error *err)
{
    (void)options;
    *out = NULL;
    for (uint32_t n = 0; n < part->n_nodes; n++) {
        const char *const reason = mxdi_interp_refuses(&part->node[n], part->value);
        if (reason)
            return mxdi_fail(err, MXD_E_UNSUPPORTED, "%s '%s': %s", part->node[n].op,
                             part->node[n].name, reason);
    }
    mxd_program *const p = MXDI_ALLOC(dev->alloc, mxd_program, 1);
    if (!p)
        return mxdi_nomem(err);
    p->alloc = dev->alloc;
    p->part  = *part;
    mxdi_arena_init(&p->arena, dev->alloc);
    p->step             = MXDI_NEW(&p->arena, mxd_step, part->n_nodes + 1);
    const mxd_status st = p->step ? plan(p, err) : mxdi_nomem(err);
    if (st != MXD_OK) {
        program_destroy(p);
        return st;
    }
    *out = p;
    return MXD_OK;
}

static void steps(const mxd_program *p, mxd_steps *out)
{
    *out = (mxd_steps){ .step       = p->step,
                        .n          = p->part.n_nodes,
                        .peak_bytes = p->value_bytes + p->scratch_bytes };
}

/* ---- sessions ---- */

static void session_close(mxd_run *r)
{
    if (!r)
        return;
    const mxd_allocator *const alloc = r->program->alloc;
    for (uint32_t v = 0; r->buffer && v < r->program->part.n_values; v++)
        mxdi_free(alloc, r->buffer[v]);
    mxdi_free(alloc, r->tensor);
    mxdi_free(alloc, r->buffer);
    mxdi_free(alloc, r->in);
    mxdi_free(alloc, r->out);
    mxdi_free(alloc, r->scratch);
    mxdi_free(alloc, r->ns);
    mxdi_free(alloc, r);
}

static bool is_end(const mxd_graph_view *g, uint32_t v)
{
    for (uint32_t k = 0; k < g->n_inputs; k++)
        if (g->input[k] == v)
            return true;
    for (uint32_t k = 0; k < g->n_outputs; k++)
        if (g->output[k] == v)
            return true;
    return false;
}

static mxd_status allocate(mxd_run *r, mxd_error *err)
{
    const mxd_program *const    p = r->program;
    const mxd_graph_view *const g = &p->part;
    r->tensor                     = MXDI_ALLOC(p->alloc, mxd_tensor, g->n_values);
    r->buffer                     = MXDI_ALLOC(p->alloc, void *, g->n_values);
    r->in                         = MXDI_ALLOC(p->alloc, mxd_tensor, p->most);
    r->out                        = MXDI_ALLOC(p->alloc, mxd_tensor, p->most);
    r->scratch                    = MXDI_ALLOC(p->alloc, uint8_t, p->scratch_bytes);
    r->ns                         = MXDI_ALLOC(p->alloc, uint64_t, g->n_nodes);
    if (!r->tensor || !r->buffer || !r->in || !r->out || !r->scratch || !r->ns)
        return mxdi_nomem(err);
    for (uint32_t v = 0; v < g->n_values; v++) {
        size_t bytes;
        r->tensor[v] = tensor_of(&g->value[v]);
        if (g->value[v].data || is_end(g, v) || !mxdi_tensor_bytes(&bytes, &r->tensor[v]))
            continue;
        r->buffer[v] = mxdi_alloc(p->alloc, bytes + 64, 1);
        if (!r->buffer[v])
            return mxdi_nomem(err);
        r->tensor[v].data = r->buffer[v];
    }
    return MXD_OK;
}

static mxd_status session_open(mxd_run **out, const mxd_program *program,
                               const mxd_run_options *options, mxd_error *err)
{
    (void)options;
    *out             = NULL;
    mxd_run *const r = MXDI_ALLOC(program->alloc, mxd_run, 1);
    if (!r)
        return mxdi_nomem(err);
    r->program          = program;
    const mxd_status st = allocate(r, err);
    if (st != MXD_OK) {
        session_close(r);
        return st;
    }
    *out = r;
    return MXD_OK;
}

/* A node's scratch: taken from the front, given back as a whole when the node is done. */
static void *bump(void *user, size_t bytes)
{
    mxd_run *const r       = user;
    const size_t   rounded = (bytes + 63) & ~(size_t)63;
    if (rounded < bytes || rounded > r->program->scratch_bytes - r->used)
        return NULL;
    void *const p = r->scratch + r->used;
    r->used += rounded;
    return p;
}

static void bump_free(void *user, void *p)
{
    (void)user;
    (void)p;
}

/* Batch dimensions at `batch` samples. */
static void set_batch(mxd_run *r, int64_t batch)
{
    const mxd_graph_view *const g = &r->program->part;
    for (uint32_t v = 0; v < g->n_values; v++) {
        const int32_t axis = g->value[v].batch_axis;
        if (axis >= 0 && g->max_batch > 0)
            r->tensor[v].dim[axis] = g->value[v].dim[axis] / g->max_batch * batch;
    }
}

static mxd_status run_node(mxd_run *r, const mxd_node *n, mxd_error *err)
{
    const mxd_graph_view *const g       = &r->program->part;
    const mxd_allocator         scratch = { bump, bump_free, r };
    for (uint32_t k = 0; k < n->n_in; k++)
        r->in[k] = n->in[k] == MXD_NO_VALUE ? (mxd_tensor){ .data = NULL } : r->tensor[n->in[k]];
    for (uint32_t k = 0; k < n->n_out; k++)
        r->out[k] = n->out[k] == MXD_NO_VALUE ? (mxd_tensor){ .data = NULL } : r->tensor[n->out[k]];
    r->used = 0;
    return mxdi_interp_node(n, g->value, r->in, r->out, &scratch, err);
}

static mxd_status trace_node(mxd_run *r, const mxd_node *n, mxd_trace_fn trace, void *user,
                             mxd_error *err)
{
    const mxd_graph_view *const g = &r->program->part;
    for (uint32_t k = 0; trace && k < n->n_out; k++)
        if (n->out[k] != MXD_NO_VALUE && g->value[n->out[k]].q)
            MXD_TRY(trace(user, g->value[n->out[k]].name, &r->tensor[n->out[k]], err));
    return MXD_OK;
}

static mxd_status bind_ends(mxd_run *r, const mxd_tensor *in, uint32_t n_in, const mxd_tensor *out,
                            uint32_t n_out, mxd_error *err)
{
    const mxd_graph_view *const g = &r->program->part;
    if (n_in != g->n_inputs || n_out != g->n_outputs)
        return mxdi_fail(err, MXD_E_INVAL,
                         "interp: %u inputs and %u outputs expected, got %u and %u", g->n_inputs,
                         g->n_outputs, n_in, n_out);
    int64_t batch = g->max_batch;
    for (uint32_t k = 0; k < n_in; k++) {
        const mxd_value *const v = &g->value[g->input[k]];
        const int64_t          each =
            v->batch_axis >= 0 && g->max_batch > 0 ? v->dim[v->batch_axis] / g->max_batch : 0;
        if (each > 0)
            batch = in[k].dim[v->batch_axis] / each;
    }
    if (batch > g->max_batch)
        return mxdi_fail(err, MXD_E_SHAPE, "interp: a batch of at most %lld expected, got %lld",
                         (long long)g->max_batch, (long long)batch);
    set_batch(r, batch);
    for (uint32_t k = 0; k < n_out; k++)
        r->tensor[g->output[k]].data = out[k].data;
    for (uint32_t k = 0; k < n_in; k++)
        r->tensor[g->input[k]].data = in[k].data;
    return MXD_OK;
}

static mxd_status session_run(mxd_run *r, const mxd_tensor *in, uint32_t n_in,
                              const mxd_tensor *out, uint32_t n_out, mxd_trace_fn trace,
                              void *trace_user, mxd_error *err)
{
    const mxd_graph_view *const g = &r->program->part;
    MXD_TRY(bind_ends(r, in, n_in, out, n_out, err));
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const uint64_t start = r->timed ? mxdi_now_ns() : 0;
        MXD_TRY(run_node(r, &g->node[n], err));
        r->ns[n] += r->timed ? mxdi_now_ns() - start : 0;
        MXD_TRY(trace_node(r, &g->node[n], trace, trace_user, err));
    }
    r->runs++;
    return MXD_OK;
}

static mxd_status session_profile(mxd_run *r, uint64_t *ns, uint32_t n, uint64_t *runs,
                                  mxd_error *err)
{
    if (n != r->program->part.n_nodes)
        return mxdi_fail(err, MXD_E_INVAL, "interp: room for %u steps expected, got %u",
                         r->program->part.n_nodes, n);
    memcpy(ns, r->ns, n * sizeof(ns[0]));
    memset(r->ns, 0, n * sizeof(ns[0]));
    *runs    = r->timed ? r->runs : 0;
    r->runs  = 0;
    r->timed = true;
    return MXD_OK;
}

const mxd_backend_api *mxdi_interp_backend(void)
{
    static const mxd_backend_api api = {
        .abi             = MXD_BACKEND_ABI,
        .struct_size     = sizeof(mxd_backend_api),
        .name            = "interp",
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
