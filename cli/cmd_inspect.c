/* SPDX-License-Identifier: Apache-2.0
 * mixdown inspect: nodes, shapes, work, weights, and every reason why a network would be refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const char  *net;
static struct words shapes;
static bool         why;

static const struct opt opts[] = {
    { OPT_ARG, "NET", 0, &net, true, NULL,
      "ONNX file, an engine (.mxd) or a calibration file (.json)" },
    { OPT_LIST, "shape", 0, &shapes, false, "NAME=1x3x224x224",
      "shape of an input that the file leaves open (repeat)" },
    { OPT_FLAG, "why", 0, &why, false, NULL,
      "reasons and hints for what is not supported, in full" },
    OPT_END,
};

/* ---- calibration files ---- */

static mxd_status inspect_calibration(struct cli *c)
{
    mxd_calibration *calib = NULL;
    const mxd_status st    = mxd_calibration_load(&calib, c->ctx, net, &c->err);
    if (st != MXD_OK)
        return st;
    json_t *const list = json_array();
    struct table  t    = { .cell = NULL };
    table_row(&t, "tensor\tmin\tmax\tlow\thigh\toutliers\tdead channels");
    for (uint32_t k = 0; k < mxd_calibration_tensors(calib); k++) {
        mxd_tensor_range r;
        mxd_calibration_tensor(&r, calib, k);
        json_array_append_new(
            list, json_pack("{s:o, s:f, s:f, s:f, s:f, s:f, s:i, s:i}", "tensor",
                            cli_text(r.tensor), "min", (double)r.min, "max", (double)r.max, "low",
                            (double)r.low, "high", (double)r.high, "outliers", r.outliers,
                            "channels", (int)r.channels, "dead_channels", (int)r.dead_channels));
        table_row(&t, "%s\t%.4g\t%.4g\t%.4g\t%.4g\t%.3f %%\t%u of %u", r.tensor, (double)r.min,
                  (double)r.max, (double)r.low, (double)r.high, r.outliers * 100.0, r.dead_channels,
                  r.channels);
    }
    json_object_set_new(c->result, "samples", json_integer(mxd_calibration_samples(calib)));
    json_object_set_new(c->result, "tensors", list);
    table_print(c, &t);
    mxd_calibration_destroy(calib);
    return MXD_OK;
}

/* ---- networks ---- */

static json_t *ends_json(const mxd_value_info *v, uint32_t n)
{
    json_t *const a = json_array();
    for (uint32_t k = 0; k < n; k++) {
        json_t *const shape = json_array();
        for (int32_t d = 0; d < v[k].rank; d++)
            json_array_append_new(shape, v[k].symbol[d] && v[k].symbol[d][0]
                                             ? cli_text(v[k].symbol[d])
                                         : v[k].dim[d] < 0 ? json_null()
                                                           : json_integer(v[k].dim[d]));
        json_array_append_new(a, json_pack("{s:o, s:s, s:o}", "name", cli_text(v[k].name), "dtype",
                                           mxd_dtype_name(v[k].dtype), "shape", shape));
    }
    return a;
}

static void print_ends(const char *what, const mxd_value_info *v, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        printf("%s %s: %s ", what, v[k].name, mxd_dtype_name(v[k].dtype));
        for (int32_t d = 0; d < v[k].rank; d++) {
            if (v[k].symbol[d] && v[k].symbol[d][0])
                printf("%s%s", d ? "x" : "", v[k].symbol[d]);
            else if (v[k].dim[d] < 0)
                printf("%s?", d ? "x" : "");
            else
                printf("%s%lld", d ? "x" : "", (long long)v[k].dim[d]);
        }
        puts(v[k].rank < 0 ? "?" : "");
    }
}

/* ---- engines ---- */

static void engine_text(const mxd_engine *e, const mxd_value_info *in, const mxd_value_info *out,
                        uint64_t bytes)
{
    char a[32], b[32];
    print_ends("input", in, mxd_engine_inputs(e));
    for (uint32_t k = 0; k < mxd_engine_inputs(e); k++)
        if (mxd_engine_input_format(e, k))
            printf("input %s was built as %s\n", in[k].name, mxd_engine_input_format(e, k));
    print_ends("output", out, mxd_engine_outputs(e));
    printf("batch up to %lld, %s, %s, %s when running\n", (long long)mxd_engine_batch(e),
           mxd_engine_isa(e), human_bytes(a, (double)bytes),
           human_bytes(b, (double)mxd_engine_peak_memory(e)));
}

static mxd_status inspect_engine(struct cli *c)
{
    mxd_build_options o  = cli_build_options(c);
    mxd_engine       *e  = NULL;
    const mxd_status  st = mxd_engine_load(&e, c->ctx, net, &o, &c->err);
    if (st != MXD_OK)
        return st;
    const uint32_t        n_in = mxd_engine_inputs(e), n_out = mxd_engine_outputs(e);
    mxd_value_info *const end   = calloc((size_t)n_in + n_out + 1, sizeof(*end));
    const uint64_t        bytes = mxd_engine_bytes(e, NULL);
    if (!end) {
        mxd_engine_destroy(e);
        return cli_fail(c, MXD_E_NOMEM, "out of memory");
    }
    for (uint32_t k = 0; k < n_in; k++)
        mxd_engine_input(&end[k], e, k);
    for (uint32_t k = 0; k < n_out; k++)
        mxd_engine_output(&end[n_in + k], e, k);
    json_t *const inputs = ends_json(end, n_in);
    for (uint32_t k = 0; k < n_in; k++)
        json_object_set_new(json_array_get(inputs, k), "format",
                            cli_text(mxd_engine_input_format(e, k)));
    json_object_set_new(c->result, "inputs", inputs);
    json_object_set_new(c->result, "outputs", ends_json(end + n_in, n_out));
    json_object_set_new(c->result, "batch", json_integer(mxd_engine_batch(e)));
    json_object_set_new(c->result, "isa", cli_text(mxd_engine_isa(e)));
    json_object_set_new(c->result, "bytes", json_integer((json_int_t)bytes));
    json_object_set_new(c->result, "peak_memory_bytes",
                        json_integer((json_int_t)mxd_engine_peak_memory(e)));
    if (!c->json)
        engine_text(e, end, end + n_in, bytes);
    free(end);
    mxd_engine_destroy(e);
    return MXD_OK;
}

/* ---- reports on networks ---- */

static void report_json(struct cli *c, const mxd_inspection *i)
{
    json_t *const layers = json_array(), *const unsupported = json_array();
    for (uint32_t k = 0; k < i->n_layers; k++) {
        const mxd_layer_info *const l = &i->layer[k];
        json_array_append_new(
            layers, json_pack("{s:o, s:o, s:I, s:I, s:o}", "node", cli_text(l->node), "op",
                              cli_text(l->op), "macs", (json_int_t)l->macs, "parameters",
                              (json_int_t)l->parameters, "precision", cli_text(l->precision)));
        if (l->unsupported)
            json_array_append_new(unsupported,
                                  json_pack("{s:o, s:o, s:o, s:o}", "node", cli_text(l->node), "op",
                                            cli_text(l->op), "reason", cli_text(l->unsupported),
                                            "hint", cli_text(l->hint)));
    }
    json_object_set_new(c->result, "inputs", ends_json(i->input, i->n_inputs));
    json_object_set_new(c->result, "outputs", ends_json(i->output, i->n_outputs));
    json_object_set_new(c->result, "nodes", json_integer(i->n_layers));
    json_object_set_new(c->result, "macs", json_integer(i->macs));
    json_object_set_new(c->result, "parameters", json_integer(i->parameters));
    json_object_set_new(c->result, "weight_bytes", json_integer(i->weight_bytes));
    json_object_set_new(c->result, "layers", layers);
    json_object_set_new(c->result, "unsupported", unsupported);
}

static void report_text(const struct cli *c, const mxd_inspection *i, int32_t opset)
{
    struct table t = { .cell = NULL };
    char         a[32], b[32], d[32];
    table_row(&t, "node\top\tMACs\tparameters\tprecision");
    for (uint32_t k = 0; k < i->n_layers; k++) {
        const mxd_layer_info *const l = &i->layer[k];
        table_row(&t, "%s\t%s\t%s\t%s\t%s", l->node, l->op,
                  l->macs ? human_count(a, (double)l->macs) : "-",
                  l->parameters ? human_count(b, (double)l->parameters) : "-",
                  l->unsupported ? "NOT SUPPORTED"
                  : l->precision ? l->precision
                                 : "");
    }
    table_print(c, &t);
    print_ends("input", i->input, i->n_inputs);
    print_ends("output", i->output, i->n_outputs);
    printf("opset %d, %u nodes, %s MACs, %s parameters, %s of weights\n", opset, i->n_layers,
           human_count(a, (double)i->macs), human_count(b, (double)i->parameters),
           human_bytes(d, (double)i->weight_bytes));
    for (uint32_t k = 0; k < i->n_layers; k++)
        if (i->layer[k].unsupported && (why || i->n_unsupported <= 5))
            printf("not supported: %s '%s': %s; %s\n", i->layer[k].op, i->layer[k].node,
                   i->layer[k].unsupported, i->layer[k].hint ? i->layer[k].hint : "");
}

static mxd_status run(struct cli *c)
{
    mxd_shape    shape[256];
    char         names[256][128];
    const size_t n = strlen(net);
    if (n > 5 && strcmp(net + n - 5, ".json") == 0)
        return inspect_calibration(c);
    if (n > 4 && strcmp(net + n - 4, ".mxd") == 0)
        return inspect_engine(c);
    for (int k = 0; k < shapes.n; k++)
        if (cli_shape(&shape[k], names[k], sizeof(names[k]), shapes.at[k], c) != MXD_OK)
            return c->err.status;
    mxd_model      *model = NULL;
    mxd_inspection *i     = NULL;
    mxd_status      st    = mxd_model_load(&model, c->ctx, net, &c->err);
    if (st == MXD_OK)
        st = mxd_model_inspect(&i, model, shape, (uint32_t)shapes.n, &c->err);
    if (st == MXD_OK) {
        json_object_set_new(c->result, "opset", json_integer(mxd_model_opset(model)));
        report_json(c, i);
        if (!c->json)
            report_text(c, i, mxd_model_opset(model));
        c->exit_code = i->n_unsupported ? 3 : 0;
    }
    mxd_inspection_destroy(i);
    mxd_model_destroy(model);
    return st;
}

const struct cmd cmd_inspect = {
    "inspect", run, opts, "show a network's nodes, work, weights and what is not supported",
    "Exit code 3 when some node cannot run. MACs are of one sample. A calibration file is shown as its ranges, "
    "an engine as its inputs, outputs and memory."
};
