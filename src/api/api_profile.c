/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles: the times of steps in typical runs. Means over all runs would count every interruption,
 * and medians of steps would not add up; so runs are ordered by their whole time and steps averaged
 * over the middle half of them.
 */
#include <stdlib.h>
#include <string.h>

#include "api/api_measure.h"
#include "api/api_objects.h"

enum {
    MAX_RUNS = 512
}; /* kept; past that every second is forgotten, and half as many are kept from there on */

struct gatherer {
    const mxd_engine *engine;
    mxd_session      *session;
    int64_t           batch;
    mxd_profile_row  *row; /* of the last run */
    uint32_t          n_rows;
    float            *ms; /* (MAX_RUNS, 1 + n_rows): a run's whole time, then its steps' */
    size_t            n_runs, skip, seen;
};

static mxd_status read_rows(struct gatherer *g, mxd_error *err)
{
    mxd_free(g->engine->ctx, g->row);
    g->row = NULL;
    return mxd_session_profile(g->session, g->batch, &g->row, &g->n_rows, err);
}

static void forget_half(struct gatherer *g)
{
    const size_t columns = 1 + (size_t)g->n_rows;
    for (size_t k = 0; 2 * k < g->n_runs; k++)
        memmove(g->ms + k * columns, g->ms + 2 * k * columns, columns * sizeof(g->ms[0]));
    g->n_runs = (g->n_runs + 1) / 2;
    g->skip *= 2;
}

static mxd_status gather(void *user, double ms, mxd_error *err)
{
    struct gatherer *const g = user;
    MXD_TRY(read_rows(g, err));
    if (!g->ms)
        g->ms = mxdi_alloc(&g->engine->ctx->allocator, MAX_RUNS,
                           (1 + (size_t)g->n_rows) * sizeof(float));
    if (!g->ms)
        return mxdi_nomem(err);
    if (ms < 0.0 || g->seen++ % g->skip)
        return MXD_OK;
    if (g->n_runs == MAX_RUNS)
        forget_half(g);
    float *const run = g->ms + g->n_runs++ * (1 + (size_t)g->n_rows);
    run[0]           = (float)ms;
    for (uint32_t k = 0; k < g->n_rows; k++)
        run[1 + k] = (float)g->row[k].ms;
    return MXD_OK;
}

static int by_whole(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Means over the middle half of the runs. */
static void average(mxd_profile *out, struct gatherer *g)
{
    const size_t columns = 1 + (size_t)g->n_rows, from = g->n_runs / 4, to = g->n_runs - from;
    qsort(g->ms, g->n_runs, columns * sizeof(g->ms[0]), by_whole);
    for (uint32_t k = 0; k <= g->n_rows; k++) {
        double sum = 0.0;
        for (size_t run = from; run < to; run++)
            sum += g->ms[run * columns + k];
        *(k ? &g->row[k - 1].ms : &out->whole_ms) = sum / (double)(to - from);
    }
    out->row = g->row;
    out->n   = g->n_rows;
    g->row   = NULL;
}

mxd_status mxd_bench_profile(mxd_bench_result *out, mxd_profile *profile, const mxd_engine *engine,
                             mxd_session *session, const mxd_bench_options *options, mxd_error *err)
{
    struct gatherer g = { .engine = engine, .session = session, .skip = 1 };
    *profile          = (mxd_profile){ .row = NULL };
    g.batch =
        options->batch && mxd_engine_batched(engine) ? options->batch : mxd_engine_batch(engine);
    mxd_status st = read_rows(&g, err); /* switches timing on */
    if (st == MXD_OK)
        st = mxdi_api_bench(out, engine, session, options, gather, &g, err);
    if (st == MXD_OK)
        average(profile, &g);
    mxdi_free(&engine->ctx->allocator, g.ms);
    mxd_free(engine->ctx, g.row);
    return st;
}
