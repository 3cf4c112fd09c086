/* SPDX-License-Identifier: Apache-2.0
 * mixdown quantize: a float network, a recipe and a calibration make a QDQ network. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const char *net, *out, *recipe_path, *precision, *targets, *calibration_path, *data_spec,
    *repair, *reconstruct, *nni_path, *nni_dialect;

static const struct opt opts[] = {
    { OPT_ARG, "NET", 0, &net, true, NULL, "float ONNX file" },
    { OPT_STR, "output", 'o', &out, true, "FILE", "QDQ ONNX file to write" },
    { OPT_STR, "recipe", 0, &recipe_path, false, "FILE",
      "who gets which bits (.json; docs/recipe.md, NNI's files too)" },
    { OPT_STR, "precision", 0, &precision, false, "NAME",
      "the same for every Conv, Gemm and MatMul: w8a8 w4a8 w4-f32 bf16 ..." },
    { OPT_STR, "for", 0, &targets, false, "BACKEND[,...]",
      "write only what these accept: cpu onnxruntime openvino tensorrt" },
    { OPT_STR, "calibration", 0, &calibration_path, false, "FILE",
      "ranges of activations: from `mixdown calibrate`, or NNI's calibration_config (.json)" },
    { OPT_STR, "data", 0, &data_spec, false, "SPEC",
      "samples to calibrate with in place of a calibration file, and for repairs" },
    { OPT_STR, "repair", 0, &repair, false, "LIST",
      "corrections: cle (equalize weights of neighbours), bias (take out mean errors), adaround (choose roundings), or none" },
    { OPT_STR, "reconstruct", 0, &reconstruct, false, "layer|block",
      "what adaround chooses together: the weights of a layer (default), or those of a block of layers, such as a residual branch" },
    { OPT_STR, "nni-calibration", 0, &nni_path, false, "FILE",
      "also write the result as NNI's calibration_config (.json)" },
    { OPT_STR, "nni-dialect", 0, &nni_dialect, false, "v2|v3",
      "its keys: v2 (default, flat) or v3 (nested)" },
    OPT_END,
};

static mxd_status load_recipe(mxd_recipe **r, struct cli *c)
{
    if (!recipe_path == !precision)
        return cli_fail(c, MXD_E_USAGE, "one of --recipe FILE and --precision NAME expected");
    if (nni_dialect &&
        (!nni_path || (strcmp(nni_dialect, "v2") != 0 && strcmp(nni_dialect, "v3") != 0)))
        return cli_fail(c, MXD_E_USAGE,
                        "--nni-dialect: v2 or v3 expected, with --nni-calibration FILE");
    return recipe_path ? mxd_recipe_load(r, c->ctx, recipe_path, &c->err)
                       : mxd_recipe_uniform(r, c->ctx, precision, &c->err);
}

/* Weights alone need neither; quantize tells otherwise. */
static mxd_status load_ranges(mxd_calibration **calib, mxd_dataset **data, struct cli *c)
{
    mxd_status st = MXD_OK;
    if (calibration_path)
        st = mxd_calibration_load(calib, c->ctx, calibration_path, &c->err);
    if (st == MXD_OK && data_spec)
        st = mxd_dataset_open(data, c->ctx, data_spec, &c->err);
    return st;
}

static void report_result(const mxd_quantize_report *r, struct cli *c)
{
    json_t *const layers = json_array();
    struct table  t      = { .cell = NULL };
    table_row(&t, "node\tprecision");
    for (uint32_t k = 0; k < r->n_layers; k++) {
        json_array_append_new(layers, json_pack("{s:o, s:s}", "node", cli_text(r->node[k]),
                                                "precision", r->precision[k]));
        table_row(&t, "%s\t%s", r->node[k], r->precision[k]);
    }
    json_object_set_new(c->result, "layers", layers);
    json_object_set_new(c->result, "average_bits",
                        json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "avg_weight_bits",
                                  r->avg_weight_bits, "avg_weight_bits_stored",
                                  r->avg_weight_bits_stored, "avg_act_bits", r->avg_act_bits,
                                  "avg_op_bits", r->avg_op_bits, "avg_layer_bits",
                                  r->avg_layer_bits, "avg_layer_bits_all", r->avg_layer_bits_all,
                                  "peak_act_bytes", (json_int_t)r->peak_act_bytes));
    table_print(c, &t);
    if (c->json)
        return;
    printf(
        "average bits: weights %.2f (stored %.2f), activations %.2f, operations %.2f, layers %.2f\n",
        r->avg_weight_bits, r->avg_weight_bits_stored, r->avg_act_bits, r->avg_op_bits,
        r->avg_layer_bits);
}

static void report_blocks(const mxd_model *q, struct cli *c)
{
    json_t *const  blocks = json_array();
    const uint32_t n      = mxd_quantized_blocks(q);
    struct table   t      = { .cell = NULL };
    table_row(&t, "block\tlayers\titerations\terror by layer\tby block");
    for (uint32_t k = 0; k < n; k++) {
        mxd_quantized_block b;
        mxd_quantized_block_get(&b, q, k);
        json_t *const layers = json_array(), *const row = json_object();
        for (uint32_t i = 0; i < b.n_nodes; i++)
            json_array_append_new(layers, cli_text(b.node[i]));
        json_object_set_new(row, "layers", layers);
        json_object_set_new(row, "iterations", json_integer((json_int_t)b.iterations));
        json_object_set_new(row, "error_layer", b.why ? json_null() : json_real(b.error_layer));
        json_object_set_new(row, "error_block", b.why ? json_null() : json_real(b.error_block));
        json_object_set_new(row, "why", b.why ? cli_text(b.why) : json_null());
        json_array_append_new(blocks, row);
        if (b.why)
            table_row(&t, "%s\t%u\tby layer: %s\t\t", b.node[0], b.n_nodes, b.why);
        else
            table_row(&t, "%s\t%u\t%u\t%.4f\t%.4f", b.node[0], b.n_nodes, b.iterations,
                      b.error_layer, b.error_block);
    }
    json_object_set_new(c->result, "blocks", blocks);
    table_print(c, &t);
    if (!c->json && !n)
        printf("no block holds several layers: each was rounded on its own\n");
}

static mxd_status run(struct cli *c)
{
    mxd_quantize_options o = MXD_QUANTIZE_OPTIONS_INIT;
    mxd_quantize_report  report;
    mxd_model           *model = NULL, *q = NULL;
    mxd_recipe          *recipe = NULL;
    mxd_calibration     *calib  = NULL;
    mxd_dataset         *data   = NULL;
    o.for_backends              = targets;
    o.repair                    = repair;
    o.reconstruct               = reconstruct;
    o.threads                   = (uint32_t)c->threads;
    o.progress                  = cli_progress;
    o.user                      = c;
    o.seed                      = (uint64_t)c->seed;
    mxd_status st               = load_recipe(&recipe, c);
    if (st == MXD_OK)
        st = mxd_model_load(&model, c->ctx, net, &c->err);
    if (st == MXD_OK)
        st = load_ranges(&calib, &data, c);
    if (st == MXD_OK)
        st = mxd_quantize(&q, &report, model, recipe, calib, data, &o, &c->err);
    if (st == MXD_OK)
        st = mxd_model_save(q, out, &c->err);
    if (st == MXD_OK && nni_path)
        st = mxd_model_save_nni_calibration(q, nni_path, nni_dialect, &c->err);
    if (st == MXD_OK)
        report_result(&report, c);
    if (st == MXD_OK && reconstruct && strcmp(reconstruct, "block") == 0)
        report_blocks(q, c);
    mxd_model_destroy(q);
    mxd_calibration_destroy(calib);
    mxd_dataset_close(data);
    mxd_model_destroy(model);
    mxd_recipe_destroy(recipe);
    return st;
}

const struct cmd cmd_quantize = {
    "quantize", run, opts, "write precision into a network as QDQ ONNX",
    "Average bits: weights = sum(n*bits)/sum(n) over all weights; stored adds scales; activations over all activation elements;\n"
    "operations = sqrt(sum(MACs*w*a)/MACs); layers = unweighted mean over layers of max(w, a), comparable with NNI's."
};
