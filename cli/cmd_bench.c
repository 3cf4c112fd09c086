/* SPDX-License-Identifier: Apache-2.0
 * mixdown bench: latency of whole runs, and where it goes. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"

static const char *engine_path, *batch_text;
static double      warm_up = 200.0, duration = -1.0;
static int64_t     iterations = -1;
static bool        profile, why;

static const struct opt opts[] = {
    { OPT_ARG, "ENGINE", 0, &engine_path, true, NULL, "engine or ONNX file" },
    { OPT_STR, "batch", 0, &batch_text, false, "N", "samples in one run (default: the engine's batch)" },
    { OPT_NUM, "warmUp", 0, &warm_up, false, "MS", "run for so long before measuring (default: 200)" },
    { OPT_NUM, "duration", 0, &duration, false, "S", "measure for at least so long (default: 3; 0 with --iterations)" },
    { OPT_INT, "iterations", 0, &iterations, false, "N", "measure at least so many runs (default: 10)" },
    { OPT_FLAG, "dumpProfile", 0, &profile, false, NULL, "time of each step" },
    { OPT_FLAG, "why", 0, &why, false, NULL, "the steps furthest from the machine's peak, with the reason" },
    OPT_END,
};

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Profile rows as JSON `layers`, and a table. */
static mxd_status report_profile(mxd_session *s, const mxd_bench_result *r, struct cli *c)
{
    mxd_profile_row *rows = NULL;
    uint32_t n = 0;
    const mxd_status st = mxd_session_profile(s, r->batch, &rows, &n, &c->err);
    if (st != MXD_OK)
        return st;
    json_t *const layers = json_array();
    struct table t = { .cell = NULL };
    double sum = 0.0;
    for (uint32_t k = 0; k < n; k++)
        sum += rows[k].ms;
    table_row(&t, "node\tkernel\tms\tshare\tGOP/s\tbytes");
    for (uint32_t k = 0; k < n; k++) {
        char b[32];
        const double gops = rows[k].ms > 0.0 ? 2.0 * (double)rows[k].macs / (rows[k].ms * 1e6) : 0.0;
        json_array_append_new(layers, json_pack("{s:o, s:o, s:f, s:o, s:n, s:I, s:o}", "node", cli_text(rows[k].node), "kernel", cli_text(rows[k].kernel), "ms",
                                                rows[k].ms, "gops", cli_number(gops), "percent_of_peak", "bytes", (json_int_t)rows[k].bytes, "reason",
                                                cli_text(rows[k].reason)));
        table_row(&t, "%s\t%s\t%.4f\t%.1f %%\t%.0f\t%s", rows[k].node, rows[k].kernel, rows[k].ms, sum > 0 ? rows[k].ms / sum * 100.0 : 0.0, gops,
                  human_bytes(b, (double)rows[k].bytes));
    }
    json_object_set_new(c->result, "layers", layers);
    table_print(c, &t);
    mxd_free(c->ctx, rows);
    return MXD_OK;
}

static void report(const mxd_engine *e, const mxd_bench_result *r, double load_ms, struct cli *c)
{
    const mxd_latency *const l = &r->latency;
    json_object_set_new(c->result, "batch", json_integer(r->batch));
    json_object_set_new(c->result, "threads", json_integer(r->threads));
    json_object_set_new(c->result, "isa", json_string(mxd_engine_isa(e)));
    json_object_set_new(c->result, "runs", json_integer((json_int_t)l->runs));
    json_object_set_new(c->result, "median_ms", json_real(l->median));
    json_object_set_new(c->result, "min_ms", json_real(l->min));
    json_object_set_new(c->result, "p90_ms", json_real(l->p90));
    json_object_set_new(c->result, "p99_ms", json_real(l->p99));
    json_object_set_new(c->result, "ci95_ms", json_pack("[f, f]", l->ci_low, l->ci_high));
    json_object_set_new(c->result, "throughput_per_s", cli_number((double)r->batch / l->median * 1e3));
    json_object_set_new(c->result, "load_ms", json_real(load_ms));
    json_object_set_new(c->result, "first_ms", json_real(r->first_ms));
    json_object_set_new(c->result, "peak_memory_bytes", json_integer((json_int_t)mxd_engine_peak_memory(e)));
    if (!c->json)
        printf("median %.4f ms [%.4f, %.4f] of %llu runs, batch %lld, %u threads, %s: %.0f samples/s\nmin %.4f, p90 %.4f, p99 %.4f; load %.1f, first run %.3f ms\n",
               l->median, l->ci_low, l->ci_high, (unsigned long long)l->runs, (long long)r->batch, r->threads, mxd_engine_isa(e),
               (double)r->batch / l->median * 1e3, l->min, l->p90, l->p99, load_ms, r->first_ms);
}

static mxd_status run(struct cli *c)
{
    mxd_build_options o = cli_build_options(c);
    mxd_bench_options b = MXD_BENCH_OPTIONS_INIT;
    mxd_session_options so = MXD_SESSION_OPTIONS_INIT;
    mxd_bench_result r;
    mxd_engine *e = NULL;
    mxd_session *s = NULL;
    if (cli_batches(o.batch, batch_text, c) != MXD_OK)
        return c->err.status;
    b.batch = o.batch[0];
    b.threads = so.threads = (uint32_t)c->threads;
    b.warm_up_ms = warm_up;
    b.iterations = iterations < 0 ? 10 : (uint64_t)iterations;
    b.duration_s = duration >= 0.0 ? duration : iterations < 0 ? 3.0 : 0.0;
    b.stop = cli_stop;
    const double start = now_ms();
    mxd_status st = mxd_engine_load(&e, c->ctx, engine_path, &o, &c->err);
    if (st == MXD_OK)
        st = mxd_session_open(&s, e, &so, &c->err);
    const double load_ms = now_ms() - start;
    if (st == MXD_OK && (profile || why)) { /* switches timing on */
        mxd_profile_row *rows = NULL;
        uint32_t n;
        st = mxd_session_profile(s, b.batch ? b.batch : mxd_engine_batch(e), &rows, &n, &c->err);
        mxd_free(c->ctx, rows);
    }
    if (st == MXD_OK)
        st = mxd_bench(&r, e, s, &b, &c->err);
    if (st == MXD_OK) {
        report(e, &r, load_ms, c);
        if (profile || why)
            st = report_profile(s, &r, c);
    }
    if (st == MXD_OK && cli_interrupted())
        st = cli_fail(c, MXD_E_CANCELLED, "interrupted after %llu runs", (unsigned long long)r.latency.runs);
    mxd_session_close(s);
    mxd_engine_destroy(e);
    return st;
}

const struct cmd cmd_bench = { "bench", run, opts, "latency of an engine, with a 95 % interval of the median", "Times are of one run of the whole batch, on inputs of zeros." };
