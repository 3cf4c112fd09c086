/* SPDX-License-Identifier: Apache-2.0
 *
 * quantize_model NET DATA OUT: post-training quantization. Observes the float network NET on DATA
 * (a specification as the command line takes it), gives every layer 8 bits but the last one 16, and
 * writes OUT, a QDQ model that this library builds and other runtimes load.
 */
#include <stdio.h>

#include "mixdown/mixdown.h"

/* A recipe is a file: rules in order, a later one wins. */
static int write_recipe(const char *path, const mxd_inspection *net)
{
    const char *last = NULL;
    for (uint32_t k = 0; k < net->n_layers; k++)
        if (net->layer[k].precision) /* Conv, Gemm, MatMul */
            last = net->layer[k].node;
    FILE *const f = fopen(path, "w");
    if (!f)
        return 0;
    fprintf(f, "[{\"precision\": \"w8a8\"}");
    if (last)
        fprintf(f, ",\n {\"names\": [\"%s\"], \"precision\": \"bf16\"}", last);
    fprintf(f, "]\n");
    return fclose(f) == 0;
}

static void print_report(const mxd_quantize_report *r)
{
    for (uint32_t k = 0; k < r->n_layers; k++)
        printf("%-12s %s\n", r->node[k], r->precision[k]);
    printf("average bits: weights %.2f, activations %.2f, operations %.2f\n", r->avg_weight_bits,
           r->avg_act_bits, r->avg_op_bits);
}

int main(int argc, char **argv)
{
    mxd_error             err = MXD_ERROR_INIT;
    mxd_context          *ctx = NULL;
    mxd_model            *net = NULL, *quantized = NULL;
    mxd_inspection       *inspection  = NULL;
    mxd_dataset          *data        = NULL;
    mxd_calibration      *calibration = NULL;
    mxd_recipe           *recipe      = NULL;
    mxd_quantize_report   report;
    mxd_calibrate_options calibrate = MXD_CALIBRATE_OPTIONS_INIT;
    char                  recipe_path[4096];
    int                   failed = 1;
    if (argc != 4) {
        fprintf(stderr, "usage: quantize_model NET DATA OUT\n");
        return 2;
    }
    calibrate.method = "mse";
    snprintf(recipe_path, sizeof(recipe_path), "%s.recipe.json", argv[3]);
    if (mxd_context_create(&ctx, NULL, &err) != MXD_OK ||
        mxd_model_load(&net, ctx, argv[1], &err) != MXD_OK ||
        mxd_model_inspect(&inspection, net, NULL, 0, &err) != MXD_OK ||
        mxd_dataset_open(&data, ctx, argv[2], &err) != MXD_OK ||
        mxd_calibrate(&calibration, net, data, &calibrate, &err) != MXD_OK ||
        !write_recipe(recipe_path, inspection) ||
        mxd_recipe_load(&recipe, ctx, recipe_path, &err) != MXD_OK ||
        mxd_quantize(&quantized, &report, net, recipe, calibration, data, NULL, &err) != MXD_OK ||
        mxd_model_save(quantized, argv[3], &err) != MXD_OK)
        goto done;
    print_report(&report);
    failed = 0;
done:
    if (failed)
        fprintf(stderr, "quantize_model: %s\n",
                err.msg[0] ? err.msg : "the recipe cannot be written");
    mxd_model_destroy(quantized);
    mxd_recipe_destroy(recipe);
    mxd_calibration_destroy(calibration);
    mxd_dataset_close(data);
    mxd_inspection_destroy(inspection);
    mxd_model_destroy(net);
    mxd_context_destroy(ctx);
    return failed;
}
