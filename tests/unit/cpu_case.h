/* SPDX-License-Identifier: Apache-2.0
 *
 * Small graph parts for the tests of the CPU backend: built by hand, run by it on every instruction
 * set, on one and two threads and at several batches, and compared with the reference interpreter:
 * integers equal, f32 within a bound. */
#ifndef MXDI_TESTS_UNIT_CPU_CASE_H
#define MXDI_TESTS_UNIT_CPU_CASE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backends/cpu/cpu_backend.h"
#include "base/cpu.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "interp/interp.h"
#include "ir/graph.h"

enum { CASE_VALUES = 128, CASE_TRACED = 64 };

typedef struct cpu_case {
    mxdi_graph *g;
    mxdi_rng    rng;
    mxd_node   *node;      /* the last one added */
    float       tolerance; /* of an f32 output, relative to its largest magnitude */
} cpu_case;

static inline void case_begin(cpu_case *c, uint64_t seed, int64_t max_batch)
{
    mxd_error err = MXD_ERROR_INIT;
    *c            = (cpu_case){ .rng = mxdi_rng_seed(seed), .tolerance = 2e-6f };
    assert_int_equal(mxdi_graph_create(&c->g, NULL, &err), MXD_OK);
    c->g->max_batch = max_batch;
    c->g->opset     = 13;
}

/* dims: "rank, d0, d1, ..."; batched: axis 0 grows with the batch. */
static inline uint32_t case_value(cpu_case *c, mxd_dtype dtype, bool batched, int32_t rank,
                                  const int64_t *dim)
{
    uint32_t v;
    assert_int_equal(mxdi_graph_add_value(&v, c->g, NULL, "v", NULL), MXD_OK);
    mxd_value *const value = &c->g->value[v];
    value->dtype           = dtype;
    value->rank            = rank;
    value->batch_axis      = batched ? 0 : -1;
    for (int32_t k = 0; k < rank; k++)
        value->dim[k] = dim[k];
    return v;
}
#define DIMS(...)                                                                      \
    (int32_t)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (const int64_t[]) \
    {                                                                                  \
        __VA_ARGS__                                                                    \
    }

/* Quantization parameters, so that the value is shown in a trace. */
static inline void case_quantized(cpu_case *c, uint32_t v, float scale, int32_t zero_point)
{
    int64_t lo = 0, hi = 0;
    assert_true(mxdi_dtype_range(c->g->value[v].dtype, &lo, &hi));
    const mxd_qparams q = { .scale      = &scale,
                            .zero_point = &zero_point,
                            .n          = 1,
                            .q_min      = (int32_t)lo,
                            .q_max      = (int32_t)hi };
    assert_int_equal(mxdi_value_set_qparams(c->g, v, &q, NULL), MXD_OK);
}

static inline uint32_t case_input(cpu_case *c, mxd_dtype dtype, bool batched, int32_t rank,
                                  const int64_t *dim)
{
    const uint32_t v = case_value(c, dtype, batched, rank, dim);
    assert_int_equal(mxdi_graph_add_input(c->g, v, NULL), MXD_OK);
    return v;
}

static inline void case_fill(cpu_case *c, void *data, mxd_dtype dtype, int64_t n)
{
    int64_t lo, hi;
    for (int64_t i = 0; i < n; i++) {
        if (!mxdi_dtype_range(dtype, &lo, &hi))
            mxdi_store_f64(data, dtype, i, 2.0 * mxdi_rng_f64(&c->rng) - 1.0);
        else if (mxd_dtype_bits(dtype) > 8)
            mxdi_store_s64(data, dtype, i, (int64_t)mxdi_rng_below(&c->rng, 2001) - 1000);
        else
            mxdi_store_s64(data, dtype, i,
                           lo + (int64_t)mxdi_rng_below(&c->rng, (uint64_t)(hi - lo + 1)));
    }
}

/* A constant of random elements, or of those given. */
static inline uint32_t case_constant(cpu_case *c, mxd_dtype dtype, int32_t rank, const int64_t *dim,
                                     const void *data)
{
    mxd_tensor t = { .dtype = dtype, .rank = rank };
    size_t     bytes;
    int64_t    count;
    uint32_t   v;
    for (int32_t k = 0; k < rank; k++)
        t.dim[k] = dim[k];
    assert_true(mxdi_tensor_bytes(&bytes, &t) && mxdi_shape_count(&count, dim, rank));
    t.data = mxdi_arena_alloc(&c->g->arena, bytes + 8, 1, 64);
    if (data)
        memcpy(t.data, data, bytes);
    else
        case_fill(c, t.data, dtype, count);
    assert_int_equal(mxdi_graph_add_constant(&v, c->g, NULL, "k", &t, false, NULL), MXD_OK);
    return v;
}

/* `count` floats around `value`. */
static inline uint32_t case_floats(cpu_case *c, int64_t count, float value)
{
    float *const x = mxdi_arena_alloc(&c->g->arena, (size_t)count, sizeof(float), 64);
    for (int64_t i = 0; i < count; i++)
        x[i] = value * (0.5f + mxdi_rng_f32(&c->rng));
    return case_constant(c, MXD_F32, 1, &count, x);
}

static inline uint32_t case_scalar(cpu_case *c, mxd_dtype dtype, double v)
{
    int64_t x = 0;
    mxdi_store_f64(&x, dtype, 0, v);
    return case_constant(c, dtype, 0, NULL, &x);
}

static inline mxd_node *case_node(cpu_case *c, const char *op, uint32_t y, uint32_t n_in,
                                  const uint32_t *in)
{
    static const char *const mixed[] = { "QConv",        "QMatMul",       "QAdd",     "Lookup8",
                                         "QAveragePool", "QReduceMean",   "QSoftmax", "FusedConv",
                                         "FusedMatMul",  "LookupChannels" };
    const char              *domain  = "";
    for (size_t k = 0; k < sizeof(mixed) / sizeof(mixed[0]); k++)
        domain = strcmp(mixed[k], op) == 0 ? "mixdown" : domain;
    assert_int_equal(mxdi_graph_add_node(&c->node, c->g, op, domain, NULL, in, n_in, &y, 1, NULL),
                     MXD_OK);
    return c->node;
}
#define INS(...)                                                                           \
    (uint32_t)(sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t)), (const uint32_t[]) \
    {                                                                                      \
        __VA_ARGS__                                                                        \
    }

static inline void case_int(cpu_case *c, const char *name, int64_t i)
{
    assert_int_equal(mxdi_node_set_int(c->g, c->node, name, i, NULL), MXD_OK);
}

static inline void case_float(cpu_case *c, const char *name, float f)
{
    assert_int_equal(mxdi_node_set_float(c->g, c->node, name, f, NULL), MXD_OK);
}

static inline void case_string(cpu_case *c, const char *name, const char *s)
{
    assert_int_equal(mxdi_node_set_string(c->g, c->node, name, s, NULL), MXD_OK);
}

static inline void case_ints(cpu_case *c, const char *name, int32_t n, const int64_t *v)
{
    assert_int_equal(mxdi_node_set_ints(c->g, c->node, name, v, (uint32_t)n, NULL), MXD_OK);
}

static inline void case_output(cpu_case *c, uint32_t v)
{
    assert_int_equal(mxdi_graph_add_output(c->g, v, NULL), MXD_OK);
}

/* ---- running ---- */

typedef struct case_trace {
    uint32_t   n;
    char       name[CASE_TRACED][64];
    mxd_tensor tensor[CASE_TRACED];
} case_trace;

static inline mxd_status case_traced(void *user, const char *value, const mxd_tensor *t,
                                     mxd_error *err)
{
    case_trace *const trace = user;
    size_t            bytes = 0;
    (void)err;
    assert_true(trace->n < CASE_TRACED && mxdi_tensor_bytes(&bytes, t));
    (void)strncpy(trace->name[trace->n], value, 63);
    trace->tensor[trace->n]      = *t;
    trace->tensor[trace->n].data = malloc(bytes + 1);
    memcpy(trace->tensor[trace->n++].data, t->data, bytes);
    return MXD_OK;
}

static inline void case_drop(case_trace *t)
{
    for (uint32_t k = 0; k < t->n; k++)
        free(t->tensor[k].data);
    free(t);
}

/* Tensors of the part's inputs or outputs for a batch, exactly as large as they are. */
static inline void case_tensors(mxd_tensor *t, const cpu_case *c, const uint32_t *id, uint32_t n,
                                int64_t batch)
{
    for (uint32_t k = 0; k < n; k++) {
        const mxd_value *const v = &c->g->value[id[k]];
        size_t                 bytes;
        t[k] = (mxd_tensor){ .dtype = v->dtype, .rank = v->rank };
        for (int32_t d = 0; d < v->rank; d++)
            t[k].dim[d] = d == v->batch_axis ? v->dim[d] / c->g->max_batch * batch : v->dim[d];
        assert_true(mxdi_tensor_bytes(&bytes, &t[k]));
        t[k].data = malloc(bytes ? bytes : 1);
        memset(t[k].data, 0x5A, bytes);
    }
}

static inline void case_free(mxd_tensor *t, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        free(t[k].data);
}

static inline void case_compare(const cpu_case *c, const mxd_tensor *got, const mxd_tensor *want,
                                const char *what)
{
    int64_t n;
    double  most = 0, largest = 0;
    assert_true(mxdi_shape_count(&n, want->dim, want->rank));
    assert_int_equal(got->dtype, want->dtype);
    assert_int_equal(got->rank, want->rank);
    for (int32_t d = 0; d < want->rank; d++)
        assert_int_equal(got->dim[d], want->dim[d]);
    for (int64_t i = 0; i < n; i++) {
        const double a = mxdi_load_f64(got->data, got->dtype, i),
                     b = mxdi_load_f64(want->data, want->dtype, i);
        const double d = a == b || (isnan(a) && isnan(b)) ? 0 : fabs(a - b);
        if (want->dtype != MXD_F32 && d != 0)
            fail_msg("%s: element %lld is %g, expected %g", what, (long long)i, a, b);
        if (isnan(d))
            fail_msg("%s: element %lld is %g, expected %g", what, (long long)i, a, b);
        most    = d > most ? d : most;
        largest = fabs(b) > largest && isfinite(b) ? fabs(b) : largest;
    }
    if (most > (double)c->tolerance * (largest + 1e-30))
        fail_msg("%s: off by %g of %g", what, most, largest);
}

/* One engine over the part: device, program and session. */
typedef struct case_engine {
    const mxd_backend_api *api;
    mxd_device            *dev;
    mxd_program           *program;
    mxd_run               *run;
} case_engine;

static inline void case_open(case_engine *e, const cpu_case *c, const mxd_backend_api *api,
                             const char *isa, uint32_t threads)
{
    const mxd_host_api        host    = { .struct_size = sizeof(host),
                                          .allocator   = mxdi_default_allocator() };
    const mxd_option          option  = { "isa", isa };
    const mxd_options         options = { &option, isa ? 1 : 0 };
    const mxd_compile_options compile = { .struct_size = sizeof(compile), .threads = threads };
    const mxd_run_options     run  = { .struct_size = sizeof(run), .threads = threads, .trace = 1 };
    const mxd_graph_view      view = mxdi_graph_view(c->g);
    mxd_error                 err  = MXD_ERROR_INIT;
    *e                             = (case_engine){ .api = api };
    if (api->open(&e->dev, 0, &options, &host, &err) != MXD_OK ||
        api->compile(&e->program, e->dev, &view, &compile, &err) != MXD_OK ||
        api->session_open(&e->run, e->program, &run, &err) != MXD_OK)
        fail_msg("%s %s: %s", api->name, isa ? isa : "", err.msg);
}

static inline void case_close(case_engine *e)
{
    e->api->session_close(e->run);
    e->api->program_destroy(e->program);
    e->api->close(e->dev);
}

static inline case_trace *case_run(case_engine *e, const mxd_tensor *in, const mxd_tensor *out,
                                   const cpu_case *c)
{
    mxd_error         err = MXD_ERROR_INIT;
    case_trace *const t   = calloc(1, sizeof(*t));
    if (e->api->session_run(e->run, in, c->g->n_inputs, out, c->g->n_outputs, case_traced, t,
                            &err) != MXD_OK)
        fail_msg("%s: %s", e->api->name, err.msg);
    return t;
}

static inline void case_compare_traces(const cpu_case *c, const case_trace *got,
                                       const case_trace *want, const char *what)
{
    for (uint32_t k = 0; k < got->n; k++)
        for (uint32_t i = 0; i < want->n; i++)
            if (strcmp(got->name[k], want->name[i]) == 0) {
                char text[128];
                (void)snprintf(text, sizeof(text), "%s, trace of %s", what, got->name[k]);
                case_compare(c, &got->tensor[k], &want->tensor[i], text);
            }
}

/* One batch: the interpreter, then the CPU on `isa`. */
static inline uint32_t case_batch(cpu_case *c, case_engine *interp, const char *isa,
                                  uint32_t threads, int64_t batch)
{
    mxd_tensor  in[8], got[8], want[8];
    case_engine cpu;
    char        what[64];
    (void)snprintf(what, sizeof(what), "isa %s, %u threads, batch %d", isa, threads, (int)batch);
    case_open(&cpu, c, mxdi_cpu_backend(), isa, threads);
    case_tensors(in, c, c->g->input, c->g->n_inputs, batch);
    case_tensors(got, c, c->g->output, c->g->n_outputs, batch);
    case_tensors(want, c, c->g->output, c->g->n_outputs, batch);
    for (uint32_t k = 0; k < c->g->n_inputs; k++) {
        int64_t n = 0;
        assert_true(mxdi_shape_count(&n, in[k].dim, in[k].rank));
        case_fill(c, in[k].data, in[k].dtype, n);
    }
    case_trace *const t = case_run(interp, in, want, c);
    for (int again = 0; again < 2; again++) { /* a session may be run again and gives the same */
        case_trace *const u = case_run(&cpu, in, got, c);
        for (uint32_t k = 0; k < c->g->n_outputs; k++)
            case_compare(c, &got[k], &want[k], what);
        case_compare_traces(c, u, t, what);
        if (again == 1) {
            const uint32_t traced = u->n;
            case_drop(u);
            case_drop(t);
            case_close(&cpu);
            case_free(in, c->g->n_inputs);
            case_free(got, c->g->n_outputs);
            case_free(want, c->g->n_outputs);
            return traced;
        }
        case_drop(u);
    }
    return 0;
}

/* Everything, then the part is gone. Returns how many values a trace showed. */
static inline uint32_t case_check(cpu_case *c)
{
    static const char *const isas[] = { "scalar",     "avx2", "avxvnni", "avx512",  "avx512vnni",
                                        "avx512bf16", "amx",  "neon",    "dotprod", "i8mm" };
    case_engine              interp;
    uint32_t                 traced = 0;
    case_open(&interp, c, mxdi_interp_backend(), NULL, 1);
    for (size_t k = 0; k < sizeof(isas) / sizeof(isas[0]); k++) {
        uint32_t isa;
        if (mxdi_isa_cap(&isa, isas[k], NULL) != MXD_OK)
            continue;
        traced = case_batch(c, &interp, isas[k], 1 + k % 2, c->g->max_batch);
        if (c->g->max_batch > 1)
            case_batch(c, &interp, isas[k], 2 - k % 2,
                       1 + (int64_t)mxdi_rng_below(&c->rng, (uint64_t)c->g->max_batch - 1));
    }
    case_close(&interp);
    mxdi_graph_destroy(c->g);
    return traced;
}
#endif
