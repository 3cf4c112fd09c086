/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX test directories: run model.onnx on each test_data_set_K and compare with the outputs stored
 * there.
 */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_objects.h"
#include "base/dtype.h"
#include "base/file.h"

enum { MAX_TENSORS = 64, PATH_BYTES = 4096 };

struct set {
    mxd_tensor in[MAX_TENSORS], want[MAX_TENSORS], got[MAX_TENSORS];
    uint32_t   n_in, n_want, n_got;
};

struct verifier {
    const mxd_context        *ctx;
    mxd_verify_case          *out;
    const mxd_verify_options *options;
    mxd_model                *model;
    double                    rtol, atol;
    bool                      by_sqnr; /* a network with quantizers inside: judged by SQNR */
    bool network; /* many nodes: rounding errors are measured against the largest output */
};

static void free_set(struct set *s, const mxd_context *ctx)
{
    for (uint32_t k = 0; k < MAX_TENSORS; k++) {
        mxd_free(ctx, s->in[k].data);
        mxd_free(ctx, s->want[k].data);
        mxd_free(ctx, s->got[k].data);
    }
    memset(s, 0, sizeof(*s));
}

/* ---- comparing ---- */

static double sqnr_db(const mxd_tensor *want, const mxd_tensor *got, int64_t n)
{
    double signal = 0.0, noise = 0.0;
    for (int64_t k = 0; k < n; k++) {
        const double w = mxdi_load_f64(want->data, want->dtype, k),
                     d = mxdi_load_f64(got->data, got->dtype, k) - w;
        signal += w * w;
        noise += d * d;
    }
    return noise > 0.0 ? 10.0 * log10(signal > 0.0 ? signal / noise : 1e-30) : 400.0;
}

static void compare(struct verifier *v, const mxd_tensor *want, const mxd_tensor *got,
                    const char *name)
{
    int64_t    n, wrong = 0, first = -1;
    const bool exact = !mxdi_dtype_is_float(want->dtype);
    if (want->dtype != got->dtype || want->rank != got->rank ||
        memcmp(want->dim, got->dim, (size_t)want->rank * sizeof(want->dim[0])) != 0 ||
        !mxdi_shape_count(&n, want->dim, want->rank)) {
        snprintf(v->out->reason, sizeof(v->out->reason),
                 "output '%s': type %s of rank %d expected, got %s of rank %d, or other dimensions",
                 name, mxd_dtype_name(want->dtype), want->rank, mxd_dtype_name(got->dtype),
                 got->rank);
        v->out->verdict = MXD_FAIL;
        return;
    }
    double largest = 0.0;
    for (int64_t k = 0; k < n && v->network; k++)
        largest = fmax(largest, fabs(mxdi_load_f64(want->data, want->dtype, k)));
    for (int64_t k = 0; k < n; k++) {
        const double w = mxdi_load_f64(want->data, want->dtype, k),
                     g = mxdi_load_f64(got->data, got->dtype, k);
        if (w == g || (isnan(w) && isnan(g)))
            continue;
        const double d = fabs(g - w), rel = d / fmax(fabs(w), 1e-30);
        v->out->max_abs_error = fmax(v->out->max_abs_error, isnan(d) ? INFINITY : d);
        v->out->max_rel_error = fmax(v->out->max_rel_error, isnan(rel) ? INFINITY : rel);
        const bool near       = !exact && d <= v->atol + v->rtol * (v->network ? largest : fabs(w));
        wrong += !near;
        first = first < 0 && !near ? k : first;
    }
    const double db = sqnr_db(want, got, n);
    v->out->sqnr_db = fmin(v->out->sqnr_db, db);
    if (v->by_sqnr ? db >= 25.0 : wrong == 0)
        return;
    v->out->verdict = MXD_FAIL;
    if (v->by_sqnr)
        snprintf(v->out->reason, sizeof(v->out->reason),
                 "output '%s': SQNR of 25 dB at least expected, got %.1f", name, db);
    else
        snprintf(v->out->reason, sizeof(v->out->reason),
                 "output '%s': %lld of %lld values differ, the first at %lld: %g expected, got %g",
                 name, (long long)wrong, (long long)n, (long long)first,
                 mxdi_load_f64(want->data, want->dtype, first),
                 mxdi_load_f64(got->data, got->dtype, first));
}

/* ---- one test data set ---- */

static mxd_status load_files(mxd_tensor *t, uint32_t *n, const mxd_context *ctx, const char *dir,
                             const char *kind, mxd_error *err)
{
    for (*n = 0; *n < MAX_TENSORS; ++*n) {
        char path[PATH_BYTES];
        if ((size_t)snprintf(path, sizeof(path), "%s/%s_%u.pb", dir, kind, *n) >= sizeof(path) ||
            !mxdi_path_exists(path))
            return MXD_OK;
        MXD_TRY(mxd_tensor_load_pb(&t[*n], ctx, path, err));
    }
    return mxdi_fail(err, MXD_E_UNSUPPORTED, "%s: more than %d %ss", dir, MAX_TENSORS, kind);
}

static mxd_status build_for(mxd_engine **out, struct verifier *v, const struct set *s,
                            mxd_error *err)
{
    mxd_build_options o = MXD_BUILD_OPTIONS_INIT;
    mxd_shape         shape[MAX_TENSORS];
    mxd_input_value   value[MAX_TENSORS];
    const uint32_t    n = mxd_model_inputs(v->model);
    if (n != s->n_in)
        return mxdi_fail(err, MXD_E_INVAL, "%u inputs in the model, %u in the test data", n,
                         s->n_in);
    for (uint32_t k = 0; k < n; k++) {
        mxd_value_info info;
        mxd_model_input(&info, v->model, k);
        value[k]  = (mxd_input_value){ info.name, &s->in[k] };
        bool open = false;
        for (int32_t d = 0; d < info.rank; d++)
            open = open || info.dim[d] < 0;
        if (!open)
            continue; /* the file gives the shape */
        shape[o.n_shapes] = (mxd_shape){ .name = info.name, .rank = s->in[k].rank };
        memcpy(shape[o.n_shapes++].dim, s->in[k].dim, sizeof(shape[0].dim));
    }
    o.backend  = v->options->backend;
    o.isa      = v->options->isa;
    o.threads  = v->options->threads;
    o.shape    = shape;
    o.value    = value;
    o.n_values = n;
    return mxd_engine_build(out, v->model, &o, err);
}

/* The engine's inputs, of the data's; those that became constants are gone. */
static void pick_inputs(mxd_tensor *in, const struct verifier *v, const struct set *s,
                        const mxd_engine *engine)
{
    for (uint32_t k = 0; k < mxd_engine_inputs(engine); k++) {
        mxd_value_info info, given;
        mxd_engine_input(&info, engine, k);
        for (uint32_t i = 0; i < s->n_in; i++) {
            mxd_model_input(&given, v->model, i);
            if (strcmp(info.name, given.name) == 0)
                in[k] = s->in[i];
        }
    }
}

static mxd_status make_outputs(const struct verifier *v, struct set *s, const mxd_engine *engine,
                               const mxd_session *session, mxd_error *err)
{
    const uint32_t n = mxd_engine_outputs(engine);
    if (n < s->n_want || n > MAX_TENSORS)
        return mxdi_fail(err, n > MAX_TENSORS ? MXD_E_UNSUPPORTED : MXD_E_INVAL,
                         "%u outputs in the model, %u in the test data, %d at most", n, s->n_want,
                         MAX_TENSORS);
    for (s->n_got = 0; s->n_got < n; s->n_got++) {
        mxd_tensor *const t = &s->got[s->n_got];
        size_t            bytes;
        MXD_TRY(mxd_session_output(t, session, s->n_got, mxd_engine_batch(engine), err));
        if (!mxdi_tensor_bytes(&bytes, t))
            return mxdi_fail(err, MXD_E_RANGE, "output %u: too large", s->n_got);
        t->data = mxdi_alloc(&v->ctx->allocator, bytes, 1);
        if (!t->data)
            return mxdi_nomem(err);
    }
    return MXD_OK;
}

static mxd_status run_set(const struct verifier *v, struct set *s, const mxd_engine *engine,
                          mxd_error *err)
{
    mxd_session_options so      = MXD_SESSION_OPTIONS_INIT;
    mxd_session        *session = NULL;
    mxd_tensor          in[MAX_TENSORS];
    so.threads    = v->options->threads;
    mxd_status st = mxd_session_open(&session, engine, &so, err);
    if (st == MXD_OK)
        st = make_outputs(v, s, engine, session, err);
    if (st == MXD_OK) {
        pick_inputs(in, v, s, engine);
        st = mxd_session_run(session, in, mxd_engine_inputs(engine), s->got, s->n_got, err);
    }
    mxd_session_close(session);
    return st;
}

static mxd_status check_set(struct verifier *v, const char *dir, mxd_error *err)
{
    struct set *const s      = mxdi_alloc(&v->ctx->allocator, 1, sizeof(*s));
    mxd_engine       *engine = NULL;
    if (!s)
        return mxdi_nomem(err);
    mxd_status st = load_files(s->in, &s->n_in, v->ctx, dir, "input", err);
    if (st == MXD_OK)
        st = load_files(s->want, &s->n_want, v->ctx, dir, "output", err);
    if (st == MXD_OK)
        st = build_for(&engine, v, s, err);
    if (st == MXD_OK)
        st = run_set(v, s, engine, err);
    for (uint32_t k = 0; k < s->n_want && st == MXD_OK && v->out->verdict == MXD_PASS; k++) {
        mxd_value_info info;
        mxd_engine_output(&info, engine, k);
        compare(v, &s->want[k], &s->got[k], info.name);
    }
    mxd_engine_destroy(engine);
    free_set(s, v->ctx);
    mxdi_free(&v->ctx->allocator, s);
    return st;
}

/* ---- a directory ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the test_data_set_* folders of `dir`, sorted, on the arena. */
static mxd_status list_sets(char ***out, uint32_t *n, mxdi_arena *arena, const char *dir,
                            mxd_error *err)
{
    enum { MAX_SETS = 256 };
    DIR *const d = opendir(dir);
    *n           = 0;
    if (!d)
        return mxdi_fail(err, MXD_E_IO, "%s: no such directory", dir);
    *out      = MXDI_NEW(arena, char *, MAX_SETS);
    bool full = !*out;
    for (const struct dirent *e; !full && *n < MAX_SETS && (e = readdir(d));)
        if (strncmp(e->d_name, "test_data_set_", 14) == 0) {
            (*out)[*n] = mxdi_arena_printf(arena, "%s/%s", dir, e->d_name);
            full       = !(*out)[*n];
            *n += !full;
        }
    closedir(d);
    if (full)
        return mxdi_nomem(err);
    qsort(*out, *n, sizeof(**out), by_text);
    return *n ? MXD_OK : mxdi_fail(err, MXD_E_IO, "%s: no test_data_set_* folder in it", dir);
}

/* Tolerances by type and op, after the ONNX project's own runner (rtol 1e-3, atol 1e-7);
 * docs/numerics.md. */
static void choose_tolerances(struct verifier *v)
{
    const mxdi_graph *const g         = v->model->graph;
    bool                    quantizer = false;
    for (uint32_t n = 0; n < g->n_nodes; n++)
        quantizer = quantizer || mxdi_node_is(&g->node[n], "QuantizeLinear");
    v->by_sqnr = quantizer && g->n_nodes > 1 && v->options->rtol < 0 && v->options->atol < 0;
    v->network = g->n_nodes > 8 && v->options->rtol < 0 && v->options->atol < 0;
    v->rtol    = v->network ? 2e-4 : v->options->rtol < 0 ? 1e-3 : v->options->rtol;
    v->atol    = v->options->atol < 0 ? 1e-6 : v->options->atol;
}

static mxd_status check_all(struct verifier *v, const char *dir, mxdi_arena *arena, mxd_error *err)
{
    char            **set;
    uint32_t          n;
    const char *const path = mxdi_arena_printf(arena, "%s/model.onnx", dir);
    if (!path)
        return mxdi_nomem(err);
    MXD_TRY(list_sets(&set, &n, arena, dir, err));
    if (!mxdi_path_exists(path))
        return mxdi_fail(err, MXD_E_IO, "%s: no such file", path);
    mxd_error  why = MXD_ERROR_INIT;
    mxd_status st  = mxd_model_load(&v->model, v->ctx, path, &why);
    if (st == MXD_OK)
        choose_tolerances(v);
    for (uint32_t k = 0; k < n && st == MXD_OK && v->out->verdict == MXD_PASS; k++)
        st = check_set(v, set[k], &why);
    if (st == MXD_E_NOMEM)
        return mxdi_nomem(err);
    if (st != MXD_OK) {
        v->out->verdict = st == MXD_E_UNSUPPORTED ? MXD_REFUSED : MXD_FAIL;
        snprintf(v->out->reason, sizeof(v->out->reason), "%.*s", (int)sizeof(v->out->reason) - 1,
                 why.msg);
    }
    return MXD_OK;
}

mxd_status mxd_verify(mxd_verify_case *out, const mxd_context *ctx, const char *directory,
                      const mxd_verify_options *options, mxd_error *err)
{
    const mxd_verify_options defaults = MXD_VERIFY_OPTIONS_INIT;
    struct verifier v = { .ctx = ctx, .out = out, .options = options ? options : &defaults };
    mxdi_arena      arena;
    *out = (mxd_verify_case){ .verdict = MXD_PASS, .sqnr_db = 400.0 };
    mxdi_arena_init(&arena, &ctx->allocator);
    const mxd_status st = check_all(&v, directory, &arena, err);
    mxd_model_destroy(v.model);
    mxdi_arena_fini(&arena);
    return st;
}
