/* SPDX-License-Identifier: Apache-2.0
 *
 * Latency and accuracy. Times are of whole runs by the monotonic clock; intervals come from order
 * statistics, so no distribution is assumed.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_dataset.h"
#include "api/api_measure.h"
#include "api/api_objects.h"
#include "base/dtype.h"
#include "base/text.h"
#include "engine/feed.h"

/* ---- statistics ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Element at fraction p of a sorted list, between neighbours linearly. */
static double quantile(const double *v, size_t n, double p)
{
    const double at = p * (double)(n - 1);
    const size_t k  = (size_t)at;
    return k + 1 < n ? v[k] + (at - (double)k) * (v[k + 1] - v[k]) : v[n - 1];
}

/* Ranks (from 0) between which the median lies in 19 of 20 cases: n/2 -+ 1.96*sqrt(n)/2, binomial
 * by its normal form. */
static void median_interval(double *low, double *high, const double *v, size_t n)
{
    const double half = 1.96 * sqrt((double)n) / 2.0, mid = (double)n / 2.0;
    const double lo = floor(mid - half), hi = ceil(mid + half);
    *low  = v[lo < 0 ? 0 : (size_t)lo];
    *high = v[hi > (double)(n - 1) ? n - 1 : (size_t)hi];
}

void mxd_latency_of(mxd_latency *out, double *ms, size_t n)
{
    qsort(ms, n, sizeof(ms[0]), by_value);
    *out = (mxd_latency){ .runs   = n,
                          .median = quantile(ms, n, 0.5),
                          .min    = ms[0],
                          .p90    = quantile(ms, n, 0.9),
                          .p99    = quantile(ms, n, 0.99) };
    median_interval(&out->ci_low, &out->ci_high, ms, n);
}

/* ---- one engine, timed ---- */

struct timed {
    mxd_session         *session, *own; /* own: opened here */
    mxd_tensor          *in, *out;
    uint32_t             n_in, n_out, threads;
    int64_t              batch;
    const mxd_allocator *alloc;
};

static void timed_close(struct timed *t)
{
    for (uint32_t k = 0; t->in && k < t->n_in; k++)
        mxdi_free(t->alloc, t->in[k].data);
    for (uint32_t k = 0; t->out && k < t->n_out; k++)
        mxdi_free(t->alloc, t->out[k].data);
    mxdi_free(t->alloc, t->in);
    mxdi_free(t->alloc, t->out);
    mxd_session_close(t->own);
}

static mxd_status timed_tensor(mxd_tensor *t, const mxd_allocator *alloc, mxd_error *err)
{
    size_t bytes;
    if (!mxdi_tensor_bytes(&bytes, t))
        return mxdi_fail(err, MXD_E_RANGE, "bench: a tensor is too large");
    t->data = mxdi_alloc(alloc, bytes, 1);
    return t->data ? MXD_OK : mxdi_nomem(err);
}

static mxd_status timed_open(struct timed *t, const mxd_engine *engine, mxd_session *session,
                             const mxd_bench_options *o, mxd_error *err)
{
    *t       = (struct timed){ .session = session,
                               .alloc   = &engine->ctx->allocator,
                               .n_in    = mxd_engine_inputs(engine),
                               .n_out   = mxd_engine_outputs(engine) };
    t->batch = o->batch && mxd_engine_batched(engine) ? o->batch : mxd_engine_batch(engine);
    if (o->batch && !mxd_engine_batched(engine) && o->batch != t->batch)
        return mxdi_fail(err, MXD_E_USAGE, "batch: the network's is fixed at %lld, got %lld",
                         (long long)t->batch, (long long)o->batch);
    if (!session) {
        mxd_session_options so = MXD_SESSION_OPTIONS_INIT;
        so.threads             = o->threads;
        MXD_TRY(mxd_session_open(&t->own, engine, &so, err));
        t->session = t->own;
    }
    t->threads = t->session->threads;
    t->in      = MXDI_ALLOC(t->alloc, mxd_tensor, t->n_in);
    t->out     = MXDI_ALLOC(t->alloc, mxd_tensor, t->n_out);
    if (!t->in || !t->out)
        return mxdi_nomem(err);
    const mxdi_plan *const p = &engine->engine->plan[engine->engine->n_plans - 1];
    for (uint32_t k = 0; k < t->n_in; k++) {
        const mxd_value *const v = &p->graph->value[p->graph->input[k]];
        t->in[k]                 = (mxd_tensor){ .dtype = v->dtype, .rank = v->rank };
        memcpy(t->in[k].dim, v->dim, sizeof(v->dim));
        if (p->batched && v->batch_axis >= 0)
            t->in[k].dim[v->batch_axis] = v->dim[v->batch_axis] / p->batch * t->batch;
        MXD_TRY(timed_tensor(&t->in[k], t->alloc, err));
    }
    for (uint32_t k = 0; k < t->n_out; k++) {
        MXD_TRY(mxd_session_output(&t->out[k], t->session, k, t->batch, err));
        MXD_TRY(timed_tensor(&t->out[k], t->alloc, err));
    }
    return MXD_OK;
}

static mxd_status timed_run(double *ms, struct timed *t, mxd_error *err)
{
    const uint64_t   start = mxdi_now_ns();
    const mxd_status st    = mxd_session_run(t->session, t->in, t->n_in, t->out, t->n_out, err);
    *ms                    = (double)(mxdi_now_ns() - start) * 1e-6;
    return st;
}

/* The first run, and warm-up after it. */
static mxd_status warm_up(double *first_ms, struct timed *t, const mxd_bench_options *o,
                          mxd_error *err)
{
    double ms, spent = 0.0;
    MXD_TRY(timed_run(first_ms, t, err));
    for (spent = *first_ms; spent < o->warm_up_ms; spent += ms)
        MXD_TRY(timed_run(&ms, t, err));
    return MXD_OK;
}

/* A growing list of times. */
struct times {
    double              *ms;
    size_t               n, cap;
    const mxd_allocator *alloc;
};

static mxd_status push(struct times *v, double ms, mxd_error *err)
{
    if (v->n == v->cap) {
        double *const grown =
            mxdi_realloc(v->alloc, v->ms, v->cap, 2 * v->cap + 256, sizeof(double));
        if (!grown)
            return mxdi_nomem(err);
        v->ms  = grown;
        v->cap = 2 * v->cap + 256;
    }
    v->ms[v->n++] = ms;
    return MXD_OK;
}

static bool enough(const mxd_bench_options *o, uint64_t runs, double spent_ms)
{
    const bool counted = runs >= (o->iterations ? o->iterations : 1);
    return (counted && spent_ms >= o->duration_s * 1e3) ||
           (runs > 0 && o->stop && o->stop(o->user));
}

static mxd_status check_options(const mxd_bench_options *o, mxd_error *err)
{
    if (o->struct_size != sizeof(*o))
        return mxdi_fail(
            err, MXD_E_INVAL,
            "mxd_bench_options: struct_size %zu expected, got %u; use MXD_BENCH_OPTIONS_INIT",
            sizeof(*o), o->struct_size);
    return o->batch >= 0 && o->duration_s >= 0
               ? MXD_OK
               : mxdi_fail(err, MXD_E_USAGE, "bench: batch and duration cannot be negative");
}

static mxd_status bench(mxd_bench_result *out, struct timed *t, struct times *v,
                        const mxd_bench_options *o, mxdi_api_after_run after, void *user,
                        mxd_error *err)
{
    double     spent = 0.0, ms;
    const bool warm  = o->warm_up_ms > 0.0;
    if (warm)
        MXD_TRY(warm_up(&out->first_ms, t, o, err));
    if (after)
        MXD_TRY(after(user, -1.0, err));
    while (!enough(o, v->n, spent)) {
        MXD_TRY(timed_run(&ms, t, err));
        MXD_TRY(push(v, ms, err));
        if (after)
            MXD_TRY(after(user, ms, err));
        spent += ms;
    }
    if (!warm)
        out->first_ms = v->ms[0];
    out->batch   = t->batch;
    out->threads = t->threads;
    mxd_latency_of(&out->latency, v->ms, v->n);
    return MXD_OK;
}

mxd_status mxdi_api_bench(mxd_bench_result *out, const mxd_engine *engine, mxd_session *session,
                          const mxd_bench_options *options, mxdi_api_after_run after, void *user,
                          mxd_error *err)
{
    struct timed t = { .session = NULL };
    struct times v = { .alloc = &engine->ctx->allocator };
    MXD_TRY(check_options(options, err));
    memset(out, 0, sizeof(*out));
    mxd_status st = timed_open(&t, engine, session, options, err);
    if (st == MXD_OK)
        st = bench(out, &t, &v, options, after, user, err);
    mxdi_free(v.alloc, v.ms);
    timed_close(&t);
    return st;
}

mxd_status mxd_bench(mxd_bench_result *out, const mxd_engine *engine, mxd_session *session,
                     const mxd_bench_options *options, mxd_error *err)
{
    return mxdi_api_bench(out, engine, session, options, NULL, NULL, err);
}

/* ---- two engines in turns ---- */

static mxd_status bench_turns(mxd_pair_result *out, struct timed t[2], struct times v[3],
                              const mxd_bench_options *o, mxd_error *err)
{
    double ms[2], spent = 0.0;
    for (int k = 0; k < 2; k++)
        MXD_TRY(warm_up(&ms[0], &t[k], o, err));
    while (!enough(o, v[0].n, spent)) {
        const int first =
            v[0].n % 2; /* who begins alternates, so that neither always follows the other */
        MXD_TRY(timed_run(&ms[first], &t[first], err));
        MXD_TRY(timed_run(&ms[1 - first], &t[1 - first], err));
        for (int k = 0; k < 2; k++)
            MXD_TRY(push(&v[k], ms[k], err));
        MXD_TRY(push(&v[2], ms[0] / ms[1], err));
        spent += ms[0] + ms[1];
    }
    mxd_latency ratio;
    mxd_latency_of(&out->a, v[0].ms, v[0].n);
    mxd_latency_of(&out->b, v[1].ms, v[1].n);
    mxd_latency_of(&ratio, v[2].ms, v[2].n);
    out->speedup      = ratio.median;
    out->speedup_low  = ratio.ci_low;
    out->speedup_high = ratio.ci_high;
    return MXD_OK;
}

mxd_status mxd_bench_pair(mxd_pair_result *out, const mxd_engine *a, const mxd_engine *b,
                          const mxd_bench_options *options_a, const mxd_bench_options *options_b,
                          mxd_error *err)
{
    const mxd_allocator *const alloc = &a->ctx->allocator;
    struct timed               t[2]  = { { .session = NULL }, { .session = NULL } };
    struct times v[3] = { { .alloc = alloc }, { .alloc = alloc }, { .alloc = alloc } };
    MXD_TRY(check_options(options_a, err));
    MXD_TRY(check_options(options_b, err));
    memset(out, 0, sizeof(*out));
    mxd_status st = timed_open(&t[0], a, NULL, options_a, err);
    if (st == MXD_OK)
        st = timed_open(&t[1], b, NULL, options_b, err);
    if (st == MXD_OK)
        st = bench_turns(out, t, v, options_a, err);
    for (int k = 0; k < 3; k++)
        mxdi_free(alloc, v[k].ms);
    for (int k = 0; k < 2; k++)
        if (t[k].alloc)
            timed_close(&t[k]);
    return st;
}

/* ---- accuracy ---- */

static const char *source_name(const void *data, uint32_t k)
{
    return mxdi_data_input_at(data, k)->name;
}

static void source_sample(mxd_tensor *out, const void *data, uint32_t k)
{
    const mxdi_data_input *const in = mxdi_data_input_at(data, k);
    *out                            = (mxd_tensor){ .dtype = in->dtype, .rank = in->rank };
    memcpy(out->dim, in->dim, sizeof(out->dim));
}

static mxd_status source_read(const void *data, uint32_t k, int64_t first, int64_t count, void *out,
                              mxd_error *err)
{
    return mxdi_data_read(data, k, first, count, out, err);
}

static bool source_is_bytes(const void *data, uint32_t k)
{
    return mxdi_data_is_bytes(data, k);
}

static mxd_status source_read_bytes(const void *data, uint32_t k, int64_t first, int64_t count,
                                    bool channels_last, void *out, mxd_error *err)
{
    return mxdi_data_read_bytes(data, k, first, count, channels_last, out, err);
}

mxdi_source mxdi_api_source(const mxd_dataset *data)
{
    return (mxdi_source){ mxdi_data_samples(data->data),
                          mxdi_data_n_inputs(data->data),
                          source_name,
                          source_sample,
                          source_read,
                          data->data,
                          source_is_bytes,
                          source_read_bytes };
}

static mxd_status predict(float *out, int64_t classes, mxdi_feed *f, int64_t samples,
                          mxd_error *err)
{
    for (int64_t first = 0; first < samples; first += f->batch) {
        const int64_t n = samples - first < f->batch ? samples - first : f->batch;
        MXD_TRY(mxdi_feed_run(f, first, n, err));
        for (int64_t k = 0; k < n * classes; k++)
            out[first * classes + k] = (float)mxdi_load_f64(f->out[0].data, f->out[0].dtype, k);
    }
    return MXD_OK;
}

mxd_status mxd_predict(float **out, int64_t *classes, const mxd_engine *engine,
                       const mxd_dataset *data, int64_t samples, int64_t batch, uint32_t threads,
                       mxd_error *err)
{
    const mxdi_source          source   = mxdi_api_source(data);
    const mxd_allocator *const alloc    = &engine->ctx->allocator;
    mxdi_feed                  f        = MXDI_FEED_INIT;
    int64_t                    elements = 0;
    *out                                = NULL;
    const int64_t n  = samples > 0 && samples < source.samples ? samples : source.samples;
    mxd_status    st = mxdi_feed_open(&f, engine->engine, &source, batch, threads, err);
    if (st == MXD_OK && (f.n_out < 1 || !mxdi_shape_count(&elements, f.out[0].dim, f.out[0].rank) ||
                         elements % f.batch))
        st = mxdi_fail(err, MXD_E_SHAPE, "eval: an output with one row for each sample expected");
    if (st == MXD_OK) {
        *classes = elements / f.batch;
        *out     = mxdi_alloc(alloc, (size_t)n, (size_t)*classes * sizeof(float));
        st       = *out ? predict(*out, *classes, &f, n, err) : mxdi_nomem(err);
    }
    mxdi_feed_close(&f);
    if (st != MXD_OK) {
        mxdi_free(alloc, *out);
        *out = NULL;
    }
    return st;
}

/* Place of `label` when outputs are ordered from the largest; of equal ones the first counts. */
static int64_t place_of(const float *row, int64_t classes, int64_t label)
{
    int64_t before = 0;
    for (int64_t c = 0; c < classes; c++)
        before += row[c] > row[label] || (row[c] == row[label] && c < label);
    return before;
}

void mxd_accuracy_of(mxd_accuracy *out, const float *predictions, const int64_t *labels, int64_t n,
                     int64_t classes)
{
    int64_t first = 0, five = 0;
    for (int64_t k = 0; k < n; k++) {
        if (labels[k] < 0 || labels[k] >= classes)
            continue; /* a class that the network does not know is never right */
        const float *const row = predictions + k * classes;
        const int64_t place = isnan(row[labels[k]]) ? classes : place_of(row, classes, labels[k]);
        first += place == 0;
        five += place < 5;
    }
    const double p = n ? (double)first / (double)n : 0.0;
    *out           = (mxd_accuracy){ .samples     = n,
                                     .top1        = p,
                                     .top1_stderr = n ? sqrt(p * (1.0 - p) / (double)n) : 0.0,
                                     .top5        = classes >= 5 && n ? (double)five / (double)n : NAN };
}
