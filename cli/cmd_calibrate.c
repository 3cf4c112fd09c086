/* SPDX-License-Identifier: Apache-2.0
 * mixdown calibrate: ranges of a network's tensors over data. */
#include <stdio.h>

#include "cli.h"

static const char *net, *out, *data_spec, *method;
static int64_t     batches;

static const struct opt opts[] = {
    { OPT_ARG, "NET", 0, &net, true, NULL, "float ONNX file" },
    { OPT_STR, "output", 'o', &out, true, "FILE", "calibration file to write (.json)" },
    { OPT_STR, "data", 0, &data_spec, true, "SPEC",
      "samples to run, as training had them (docs/cli.md)" },
    { OPT_STR, "method", 0, &method, false, "NAME",
      "minmax, percentile, mse (default) or entropy" },
    { OPT_INT, "batches", 0, &batches, false, "N",
      "batches of 32 samples (default: all, 1024 samples at most)" },
    OPT_END,
};

static mxd_status run(struct cli *c)
{
    mxd_calibrate_options o     = MXD_CALIBRATE_OPTIONS_INIT;
    mxd_model            *model = NULL;
    mxd_dataset          *data  = NULL;
    mxd_calibration      *calib = NULL;
    o.method                    = method;
    o.batches                   = batches;
    o.threads                   = (uint32_t)c->threads;
    o.progress                  = cli_progress;
    o.user                      = c;
    mxd_status st               = mxd_model_load(&model, c->ctx, net, &c->err);
    if (st == MXD_OK)
        st = mxd_dataset_open(&data, c->ctx, data_spec, &c->err);
    if (st == MXD_OK)
        st = mxd_calibrate(&calib, model, data, &o, &c->err);
    if (st == MXD_OK)
        st = mxd_calibration_save(calib, out, &c->err);
    if (st == MXD_OK) {
        json_object_set_new(c->result, "tensors", json_integer(mxd_calibration_tensors(calib)));
        json_object_set_new(c->result, "samples", json_integer(mxd_calibration_samples(calib)));
        if (!c->json)
            printf("%s: %u tensors over %lld samples\n", out, mxd_calibration_tensors(calib),
                   (long long)mxd_calibration_samples(calib));
    }
    mxd_calibration_destroy(calib);
    mxd_dataset_close(data);
    mxd_model_destroy(model);
    return st;
}

const struct cmd cmd_calibrate = { "calibrate", run, opts,
                                   "observe the ranges of a network's tensors over data", NULL };
