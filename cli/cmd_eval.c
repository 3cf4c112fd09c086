/* SPDX-License-Identifier: Apache-2.0
 * mixdown eval: accuracy on labelled data, with its standard error. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"

static const char *engine_path, *data_spec, *metric;
static int64_t     batch;

static const struct opt opts[] = {
    { OPT_ARG, "ENGINE", 0, &engine_path, true, NULL, "engine or ONNX file" },
    { OPT_STR, "data", 0, &data_spec, true, "SPEC", "labelled data (docs/cli.md)" },
    { OPT_INT, "batch", 0, &batch, false, "N",
      "samples in one run (default: the engine's batch; 100 for ONNX files)" },
    { OPT_STR, "metric-cmd", 0, &metric, false, "CMD",
      "also run `CMD PREDICTIONS.npy LABELS.npy`; its first word of output is the metric" },
    OPT_END,
};

/* Run the user's command on files of predictions and labels; its answer is one number. */
static mxd_status run_metric(float *predictions, int64_t n, int64_t classes, const int64_t *labels,
                             struct cli *c)
{
    char dir[] = "/tmp/mixdown-metric-XXXXXX", p[64], l[64], cmd[4096];
    if (!mkdtemp(dir))
        return cli_fail(c, MXD_E_IO, "%s: cannot be made", dir);
    snprintf(p, sizeof(p), "%s/predictions.npy", dir);
    snprintf(l, sizeof(l), "%s/labels.npy", dir);
    const mxd_tensor tp = { predictions, MXD_F32, 2, { n, classes } },
                     tl = { (void *)(uintptr_t)labels, MXD_S64, 1, { n } };
    mxd_status st       = mxd_tensor_save_npy(&tp, p, &c->err);
    if (st == MXD_OK && labels)
        st = mxd_tensor_save_npy(&tl, l, &c->err);
    double value;
    if (st == MXD_OK &&
        (size_t)snprintf(cmd, sizeof(cmd), "%s %s %s", metric, p, labels ? l : "") < sizeof(cmd)) {
        FILE *const out    = popen(cmd, "r");
        const int   read   = out ? fscanf(out, "%lf", &value) : 0;
        const int   status = out ? pclose(out) : -1;
        if (read != 1 || status != 0)
            st = cli_fail(c, MXD_E_INVAL,
                          "--metric-cmd '%s': a number on its stdout and exit code 0 expected",
                          metric);
        else
            json_object_set_new(c->result, "metric", cli_number(value));
    }
    unlink(p);
    unlink(l);
    rmdir(dir);
    return st;
}

static mxd_status run(struct cli *c)
{
    mxd_build_options o           = cli_build_options(c);
    mxd_dataset      *data        = NULL;
    mxd_engine       *e           = NULL;
    float            *predictions = NULL;
    int64_t           classes     = 0;
    o.batch[0]                    = batch ? batch : 100;
    mxd_status           st       = mxd_dataset_open(&data, c->ctx, data_spec, &c->err);
    const int64_t *const labels   = st == MXD_OK ? mxd_dataset_labels(data) : NULL;
    if (st == MXD_OK && !labels && !metric)
        st = cli_fail(c, MXD_E_USAGE, "--data %s: labels expected, it has none; add labels=FILE",
                      data_spec);
    if (st == MXD_OK)
        st = mxd_engine_load(&e, c->ctx, engine_path, &o, &c->err);
    if (st == MXD_OK)
        st = mxd_predict(&predictions, &classes, e, data, 0, batch, (uint32_t)c->threads, &c->err);
    const int64_t n = st == MXD_OK ? mxd_dataset_samples(data) : 0;
    if (st == MXD_OK && labels) {
        mxd_accuracy a;
        mxd_accuracy_of(&a, predictions, labels, n, classes);
        json_object_set_new(c->result, "top1", json_real(a.top1));
        json_object_set_new(c->result, "top1_stderr", json_real(a.top1_stderr));
        json_object_set_new(c->result, "top5", cli_number(a.top5));
        if (!c->json)
            printf("top-1 %.2f %% (standard error %.2f) of %lld samples\n", a.top1 * 100.0,
                   a.top1_stderr * 100.0, (long long)n);
    }
    if (st == MXD_OK) {
        json_object_set_new(c->result, "samples", json_integer(n));
        if (metric)
            st = run_metric(predictions, n, classes, labels, c);
    }
    mxd_free(c->ctx, predictions);
    mxd_engine_destroy(e);
    mxd_dataset_close(data);
    return st;
}

const struct cmd cmd_eval = { "eval", run, opts, "accuracy of an engine on labelled data",
                              "Of equal outputs the first counts." };
