/* SPDX-License-Identifier: Apache-2.0
 * mixdown bench: latency of whole runs, and where it goes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

static const char *engine_path, *batch_text;
static double      warm_up = 200.0, duration = -1.0;
static int64_t     iterations = -1;
static bool        profile, why;

static const struct opt opts[] = {
    { OPT_ARG, "ENGINE", 0, &engine_path, true, NULL, "engine or ONNX file" },
    { OPT_STR, "batch", 0, &batch_text, false, "N",
      "samples in one run (default: the engine's batch)" },
    { OPT_NUM, "warmUp", 0, &warm_up, false, "MS",
      "run for so long before measuring (default: 200)" },
    { OPT_NUM, "duration", 0, &duration, false, "S",
      "measure for at least so long (default: 3; 0 with --iterations)" },
    { OPT_INT, "iterations", 0, &iterations, false, "N",
      "measure at least so many runs (default: 10)" },
    { OPT_FLAG, "dumpProfile", 0, &profile, false, NULL,
      "time of each step, and how near it comes to the machine's measured peak" },
    { OPT_FLAG, "why", 0, &why, false, NULL,
      "the steps by what they lose against the machine's measured roofs, with the reason" },
    OPT_END,
};

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* What a step takes beyond its roof. */
static double lost(const mxd_profile_row *r, const mxd_roof *roof)
{
    return r->ms > roof->ms ? r->ms - roof->ms : 0.0;
}

static json_t *peak_json(const mxd_peak *p)
{
    json_t *const compute = json_array(), *const memory = json_array();
    for (uint32_t k = 0; k < p->n_compute; k++)
        json_array_append_new(compute,
                              json_pack("{s:s, s:s, s:f}", "name", p->compute[k].name, "by",
                                        p->compute[k].by, "gops", p->compute[k].per_second));
    for (uint32_t k = 0; k < p->n_memory; k++)
        json_array_append_new(memory,
                              json_pack("{s:s, s:s, s:f}", "name", p->memory[k].name, "by",
                                        p->memory[k].by, "gb_per_s", p->memory[k].per_second));
    return json_pack("{s:i, s:o, s:o}", "threads", (int)p->threads, "compute", compute, "memory",
                     memory);
}

static void print_peak(const mxd_peak *p)
{
    printf("measured peak of %u thread%s:", p->threads, p->threads == 1 ? "" : "s");
    for (uint32_t k = 0; k < p->n_compute; k++)
        printf("%s %s %.0f GOP/s (%s)", k ? "," : "", p->compute[k].name, p->compute[k].per_second,
               p->compute[k].by);
    for (uint32_t k = 0; k < p->n_memory; k++)
        printf("; %s %.0f GB/s", p->memory[k].name, p->memory[k].per_second);
    printf("\n");
}

static json_t *layers_json(const mxd_profile *p, const mxd_roof *roof)
{
    json_t *const layers = json_array();
    for (uint32_t k = 0; k < p->n; k++) {
        const mxd_profile_row *const r = &p->row[k];
        json_array_append_new(
            layers, json_pack("{s:o, s:o, s:o, s:o, s:f, s:o, s:o, s:I, s:o, s:f, s:o, s:o}",
                              "node", cli_text(r->node), "kernel", cli_text(r->kernel), "algorithm",
                              cli_text(r->algorithm), "computed", cli_text(r->computed), "ms",
                              r->ms, "gops", cli_number(roof[k].gops), "percent_of_peak",
                              cli_number(roof[k].percent_of_peak), "bytes", (json_int_t)r->bytes,
                              "roof_ms", cli_number(roof[k].ms), "lost_ms", lost(r, &roof[k]),
                              "bound", cli_text(roof[k].bound), "reason", cli_text(roof[k].why)));
    }
    return layers;
}

static const char *number(char out[32], const char *format, double v)
{
    if (v == v)
        snprintf(out, 32, format, v);
    else
        snprintf(out, 32, "-");
    return out;
}

/* Steps in the order that they run in. */
static void print_steps(const mxd_profile *p, const mxd_roof *roof, const struct cli *c)
{
    struct table t = { .cell = NULL };
    table_row(&t, "node\tkernel\talgorithm\tms\tshare\tGOP/s\tof peak\tbytes");
    for (uint32_t k = 0; k < p->n; k++) {
        const mxd_profile_row *const r = &p->row[k];
        char                         gops[32], percent[32], bytes[32];
        table_row(&t, "%s\t%s\t%s\t%.4f\t%.1f %%\t%s\t%s\t%s", r->node[0] ? r->node : "-",
                  r->kernel, r->algorithm ? r->algorithm : "-", r->ms, r->ms / p->whole_ms * 100.0,
                  number(gops, "%.0f", roof[k].gops),
                  number(percent, "%.0f %%", roof[k].percent_of_peak),
                  human_bytes(bytes, (double)r->bytes));
    }
    table_print(c, &t);
}

struct ranked {
    const mxd_profile_row *row;
    const mxd_roof        *roof;
};

static int by_loss(const void *a, const void *b)
{
    const struct ranked *const x = a, *const y = b;
    const double u = lost(x->row, x->roof), v = lost(y->row, y->roof);
    return u != v ? (u < v) - (u > v) : (x->row > y->row) - (x->row < y->row);
}

/* Steps by what they lose, and what all of them add up to. */
static mxd_status print_losses(const mxd_profile *p, const mxd_roof *roof, struct cli *c)
{
    struct ranked *const order = calloc(p->n + 1, sizeof(*order));
    struct table         t     = { .cell = NULL };
    double               steps = 0.0, roofs = 0.0;
    if (!order)
        return cli_fail(c, MXD_E_NOMEM, "out of memory");
    for (uint32_t k = 0; k < p->n; k++) {
        order[k] = (struct ranked){ &p->row[k], &roof[k] };
        steps += p->row[k].ms;
        roofs += roof[k].ms;
    }
    qsort(order, p->n, sizeof(*order), by_loss);
    table_row(&t, "node\tkernel\tms\troof\tbound\tlost\twhy");
    for (uint32_t k = 0; k < p->n; k++)
        table_row(&t, "%s\t%s\t%.4f\t%.4f\t%s\t%.4f\t%s",
                  order[k].row->node[0] ? order[k].row->node : "-", order[k].row->kernel,
                  order[k].row->ms, order[k].roof->ms, order[k].roof->bound,
                  lost(order[k].row, order[k].roof), order[k].roof->why);
    table_row(
        &t,
        "all steps\t\t%.4f\t%.4f\t\t%.4f\t%.1f %% of a run of %.4f ms; the rest is outside of steps",
        steps, roofs, steps > roofs ? steps - roofs : 0.0, steps / p->whole_ms * 100.0,
        p->whole_ms);
    table_print(c, &t);
    free(order);
    return MXD_OK;
}

/* A profile against the machine's peak, as JSON and as tables. */
static mxd_status report_profile(const mxd_profile *p, const mxd_bench_result *r, struct cli *c)
{
    mxd_peak        peak;
    double          steps = 0.0;
    mxd_status      st    = mxd_peak_measure(&peak, c->isa, r->threads, &c->err);
    mxd_roof *const roof  = st == MXD_OK ? calloc(p->n + 1, sizeof(*roof)) : NULL;
    if (!roof)
        return st != MXD_OK ? st : cli_fail(c, MXD_E_NOMEM, "out of memory");
    mxd_roof_of(roof, p->row, p->n, &peak);
    for (uint32_t k = 0; k < p->n; k++)
        steps += p->row[k].ms;
    json_object_set_new(c->result, "layers", layers_json(p, roof));
    json_object_set_new(c->result, "layers_ms", json_real(steps));
    json_object_set_new(c->result, "whole_ms", json_real(p->whole_ms));
    json_object_set_new(c->result, "peak", peak_json(&peak));
    if (!c->json)
        print_peak(&peak);
    if (profile)
        print_steps(p, roof, c);
    if (why)
        st = print_losses(p, roof, c);
    free(roof);
    return st;
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
    json_object_set_new(c->result, "throughput_per_s",
                        cli_number((double)r->batch / l->median * 1e3));
    json_object_set_new(c->result, "load_ms", json_real(load_ms));
    json_object_set_new(c->result, "first_ms", json_real(r->first_ms));
    json_object_set_new(c->result, "peak_memory_bytes",
                        json_integer((json_int_t)mxd_engine_peak_memory(e)));
    if (!c->json)
        printf(
            "median %.4f ms [%.4f, %.4f] of %llu runs, batch %lld, %u threads, %s: %.0f samples/s\nmin %.4f, p90 %.4f, p99 %.4f; load %.1f, first run %.3f ms\n",
            l->median, l->ci_low, l->ci_high, (unsigned long long)l->runs, (long long)r->batch,
            r->threads, mxd_engine_isa(e), (double)r->batch / l->median * 1e3, l->min, l->p90,
            l->p99, load_ms, r->first_ms);
}

static mxd_status run(struct cli *c)
{
    mxd_build_options   o  = cli_build_options(c);
    mxd_bench_options   b  = MXD_BENCH_OPTIONS_INIT;
    mxd_session_options so = MXD_SESSION_OPTIONS_INIT;
    mxd_bench_result    r;
    mxd_profile         p = { .row = NULL };
    mxd_engine         *e = NULL;
    mxd_session        *s = NULL;
    if (cli_batches(o.batch, batch_text, c) != MXD_OK)
        return c->err.status;
    b.batch   = o.batch[0];
    b.threads = so.threads = (uint32_t)c->threads;
    b.warm_up_ms           = warm_up;
    b.iterations           = iterations < 0 ? 10 : (uint64_t)iterations;
    b.duration_s           = duration >= 0.0 ? duration : iterations < 0 ? 3.0 : 0.0;
    b.stop                 = cli_stop;
    const double start     = now_ms();
    mxd_status   st        = mxd_engine_load(&e, c->ctx, engine_path, &o, &c->err);
    if (st == MXD_OK)
        st = mxd_session_open(&s, e, &so, &c->err);
    const double load_ms = now_ms() - start;
    if (st == MXD_OK)
        st = profile || why ? mxd_bench_profile(&r, &p, e, s, &b, &c->err)
                            : mxd_bench(&r, e, s, &b, &c->err);
    if (st == MXD_OK) {
        report(e, &r, load_ms, c);
        if (profile || why)
            st = report_profile(&p, &r, c);
    }
    if (st == MXD_OK && cli_interrupted())
        st = cli_fail(c, MXD_E_CANCELLED, "interrupted after %llu runs",
                      (unsigned long long)r.latency.runs);
    mxd_free(c->ctx, p.row);
    mxd_session_close(s);
    mxd_engine_destroy(e);
    return st;
}

const struct cmd cmd_bench = { "bench", run, opts,
                               "latency of an engine, with a 95 % interval of the median",
                               "Times are of one run of the whole batch, on inputs of zeros." };
