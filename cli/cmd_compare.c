/* SPDX-License-Identifier: Apache-2.0
 * mixdown compare: two engines side by side: accuracy, layers, integers, and latency measured in
 * turns. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const char *path[2], *data_spec, *fail_on;
static int64_t     samples, batch;
static double      duration = 3.0;

static const struct opt opts[] = {
    { OPT_ARG, "A", 0, &path[0], true, NULL, "engine or ONNX file: what B is measured against" },
    { OPT_ARG, "B", 0, &path[1], true, NULL, "engine or ONNX file" },
    { OPT_STR, "data", 0, &data_spec, false, "SPEC",
      "samples, with labels for accuracy (docs/cli.md)" },
    { OPT_INT, "samples", 0, &samples, false, "N", "at most so many of them (default: all)" },
    { OPT_INT, "batch", 0, &batch, false, "N",
      "samples in one run (default: what both engines hold; 100 for ONNX files)" },
    { OPT_NUM, "duration", 0, &duration, false, "S",
      "time both, in turns, for at least so long (default: 3; 0: no timing)" },
    { OPT_STR, "fail-on", 0, &fail_on, false, "top1_drop=0.5,speedup=2",
      "exit 1 when accuracy drops by more points, or the speed-up is lower" },
    OPT_END,
};

/* "X,Y": A's and B's; "X": both's. */
static const char *side_of(const char *text, int k, char out[64])
{
    const char *const comma = text ? strchr(text, ',') : NULL;
    if (!comma)
        return text;
    snprintf(out, 64, "%.*s", k ? 63 : (int)(comma - text), k ? comma + 1 : text);
    return out;
}

struct compared {
    mxd_engine     *engine[2];
    uint32_t        threads[2];
    mxd_accuracy    accuracy[2];
    mxd_pair_result pair;
    bool            labelled;
};

static mxd_status load(struct compared *p, int k, struct cli *c)
{
    char              backend[64], isa[64];
    mxd_build_options o = cli_build_options(c);
    o.backend           = side_of(c->backend, k, backend);
    o.isa               = side_of(c->isa, k, isa);
    p->threads[k]       = (uint32_t)(k && c->threads_b ? c->threads_b : c->threads);
    o.threads           = p->threads[k];
    o.batch[0]          = batch ? batch : 100;
    return mxd_engine_load(&p->engine[k], c->ctx, path[k], &o, &c->err);
}

static double top_of(const float *row, int64_t classes, int64_t *at)
{
    *at = 0;
    for (int64_t k = 1; k < classes; k++)
        if (row[k] > row[*at])
            *at = k;
    return (double)row[*at];
}

/* Accuracy of both, how often they agree, and whether all outputs are the same bits. */
static mxd_status compare_outputs(struct compared *p, const mxd_dataset *data, struct cli *c)
{
    float        *out[2]     = { NULL, NULL };
    int64_t       classes[2] = { 0, 0 };
    mxd_status    st         = MXD_OK;
    const int64_t all = mxd_dataset_samples(data), n = samples && samples < all ? samples : all;
    for (int k = 0; k < 2 && st == MXD_OK; k++)
        st =
            mxd_predict(&out[k], &classes[k], p->engine[k], data, n, batch, p->threads[k], &c->err);
    if (st == MXD_OK && classes[0] != classes[1])
        st = cli_fail(c, MXD_E_SHAPE, "outputs differ in size: %lld and %lld for each sample",
                      (long long)classes[0], (long long)classes[1]);
    if (st == MXD_OK) {
        const int64_t *const labels = mxd_dataset_labels(data);
        int64_t              same   = 0;
        for (int64_t k = 0; k < n; k++) {
            int64_t a, b;
            top_of(out[0] + k * classes[0], classes[0], &a);
            top_of(out[1] + k * classes[0], classes[0], &b);
            same += a == b;
        }
        p->labelled = labels != NULL;
        for (int k = 0; k < 2 && labels; k++)
            mxd_accuracy_of(&p->accuracy[k], out[k], labels, n, classes[k]);
        json_object_set_new(c->result, "agreement", json_real((double)same / (double)n));
        json_object_set_new(
            c->result, "end_to_end_equal",
            json_boolean(memcmp(out[0], out[1], (size_t)(n * classes[0]) * sizeof(float)) == 0));
        json_object_set_new(c->result, "samples", json_integer(n));
        if (!c->json)
            printf("agreement %.4f of %lld samples\n", (double)same / (double)n, (long long)n);
    }
    mxd_free(c->ctx, out[0]);
    mxd_free(c->ctx, out[1]);
    return st;
}

static mxd_status compare_layers(struct compared *p, const mxd_dataset *data, struct cli *c)
{
    mxd_layer_difference *d = NULL;
    uint32_t              n = 0, checked, differing, all_differing = 0;
    mxd_status st = mxd_compare_layers(&d, &n, p->engine[0], p->engine[1], data, p->threads[0],
                                       p->threads[1], &c->err);
    for (int k = 0; k < 2 && st == MXD_OK; k++) {
        st = mxd_check_integers(&checked, &differing, p->engine[k], data, p->threads[k], &c->err);
        all_differing += differing;
    }
    json_t *const layers = json_array();
    struct table  t      = { .cell = NULL };
    if (st == MXD_OK)
        table_row(&t, "layer\tSQNR dB\tintegers differing");
    for (uint32_t k = 0; k < n && st == MXD_OK; k++) {
        json_array_append_new(
            layers, json_pack("{s:o, s:o, s:o}", "node", cli_text(d[k].node), "sqnr_db",
                              cli_number(d[k].sqnr_db), "integers_differing",
                              d[k].integers_differing < 0 ? json_null()
                                                          : json_integer(d[k].integers_differing)));
        if (d[k].integers_differing < 0)
            table_row(&t, "%s\t%.1f\t-", d[k].node, d[k].sqnr_db);
        else
            table_row(&t, "%s\t%.1f\t%lld", d[k].node, d[k].sqnr_db,
                      (long long)d[k].integers_differing);
    }
    json_object_set_new(c->result, "layers", layers);
    json_object_set_new(c->result, "integers_equal",
                        json_boolean(st == MXD_OK && all_differing == 0));
    table_print(c, &t);
    mxd_free(c->ctx, d);
    return st;
}

/* Times are of the same number of samples: --batch, or what both hold in one run. */
static mxd_status time_both(struct compared *p, struct cli *c)
{
    mxd_bench_options o[2]    = { MXD_BENCH_OPTIONS_INIT, MXD_BENCH_OPTIONS_INIT };
    const int64_t     held[2] = { mxd_engine_batch(p->engine[0]), mxd_engine_batch(p->engine[1]) };
    for (int k = 0; k < 2; k++) {
        o[k].batch      = batch ? batch : held[0] < held[1] ? held[0] : held[1];
        o[k].threads    = p->threads[k];
        o[k].duration_s = duration;
        o[k].stop       = cli_stop;
    }
    const mxd_status st =
        mxd_bench_pair(&p->pair, p->engine[0], p->engine[1], &o[0], &o[1], &c->err);
    if (st != MXD_OK)
        return st;
    json_object_set_new(c->result, "speedup", json_real(p->pair.speedup));
    json_object_set_new(c->result, "speedup_ci95",
                        json_pack("[f, f]", p->pair.speedup_low, p->pair.speedup_high));
    if (!c->json)
        printf("A %.4f ms, B %.4f ms: speed-up %.3f [%.3f, %.3f] in %llu pairs\n", p->pair.a.median,
               p->pair.b.median, p->pair.speedup, p->pair.speedup_low, p->pair.speedup_high,
               (unsigned long long)p->pair.a.runs);
    return MXD_OK;
}

static json_t *side_json(const struct compared *p, int k)
{
    const mxd_latency *const l     = k ? &p->pair.b : &p->pair.a;
    const bool               timed = l->runs > 0;
    return json_pack("{s:o, s:o, s:o, s:I}", "median_ms",
                     timed ? json_real(l->median) : json_null(), "ci95_ms",
                     timed ? json_pack("[f, f]", l->ci_low, l->ci_high) : json_null(), "top1",
                     p->labelled ? json_real(p->accuracy[k].top1) : json_null(), "bytes",
                     (json_int_t)mxd_engine_bytes(p->engine[k], NULL));
}

/* "top1_drop=0.5,speedup=2": points of accuracy, and a factor by its lower bound. */
static mxd_status check_limits(const struct compared *p, struct cli *c)
{
    for (const char *t = fail_on; t && *t;) {
        char   key[32];
        double limit;
        int    used = 0;
        if (sscanf(t, "%31[a-z0-9_]=%lf%n", key, &limit, &used) != 2 ||
            (strcmp(key, "top1_drop") != 0 && strcmp(key, "speedup") != 0))
            return cli_fail(c, MXD_E_USAGE,
                            "--fail-on: top1_drop=POINTS and speedup=FACTOR expected, got '%s'", t);
        const double drop = 100.0 * (p->accuracy[0].top1 - p->accuracy[1].top1);
        if (strcmp(key, "top1_drop") == 0 ? !p->labelled || drop > limit
                                          : !(p->pair.speedup_low >= limit)) {
            cli_fail(c, MXD_E_MISMATCH, "--fail-on %s=%g: got %g", key, limit,
                     key[0] == 't' ? drop : p->pair.speedup_low);
            c->exit_code = 1;
        }
        t += used + (t[used] == ',');
    }
    return MXD_OK;
}

static mxd_status run(struct cli *c)
{
    struct compared p    = { .engine = { NULL, NULL } };
    mxd_dataset    *data = NULL;
    mxd_status      st   = data_spec ? mxd_dataset_open(&data, c->ctx, data_spec, &c->err) : MXD_OK;
    for (int k = 0; k < 2 && st == MXD_OK; k++)
        st = load(&p, k, c);
    if (st == MXD_OK && data)
        st = compare_layers(&p, data, c);
    if (st == MXD_OK && data)
        st = compare_outputs(&p, data, c);
    if (st == MXD_OK && duration > 0.0)
        st = time_both(&p, c);
    if (st == MXD_OK && cli_interrupted())
        st = cli_fail(c, MXD_E_CANCELLED, "interrupted while timing");
    if (st == MXD_OK) {
        json_object_set_new(c->result, "a", side_json(&p, 0));
        json_object_set_new(c->result, "b", side_json(&p, 1));
        if (p.labelled) {
            json_object_set_new(c->result, "top1_drop",
                                json_real(100.0 * (p.accuracy[0].top1 - p.accuracy[1].top1)));
            if (!c->json)
                printf("top-1: A %.2f %%, B %.2f %%\n", 100.0 * p.accuracy[0].top1,
                       100.0 * p.accuracy[1].top1);
        }
        st = check_limits(&p, c);
    }
    mxd_engine_destroy(p.engine[0]);
    mxd_engine_destroy(p.engine[1]);
    mxd_dataset_close(data);
    return st;
}

const struct cmd cmd_compare = {
    "compare", run, opts, "two engines side by side: accuracy, layers, integers, latency in turns",
    "--backend X,Y, --isa X,Y give A's and B's. integers_equal: region by region, each fed with the engine's own\n"
    "integers. speedup is the median of A/B over neighbouring pairs; --fail-on compares its lower bound."
};
