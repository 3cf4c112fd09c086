/* SPDX-License-Identifier: Apache-2.0
 *
 * The graphs of a training: what will be written, and the same bound to the batch. A float network
 * keeps its normalizations and dropouts; one with a recipe is folded, calibrated and quantized
 * first.
 */
#include "passes/passes.h"
#include "quant/quantize.h"
#include "train/trainer_impl.h"

/* The passes of an import, but for those that fold normalizations into weights and drop what is
 * idle in inference. */
static const mxdi_pass float_passes[] = {
    { "infer", "", mxdi_pass_infer },
    { "merge-pad", "", mxdi_pass_merge_pad },
    { "merge-bias", "", mxdi_pass_merge_bias },
    { "merge-reshape", "", mxdi_pass_merge_reshape },
    { "clip-to-relu", "", mxdi_pass_clip_to_relu },
    { "remove-dead", "", mxdi_pass_remove_dead },
};
static const mxdi_pipeline float_pipeline = { float_passes,
                                              sizeof(float_passes) / sizeof(float_passes[0]) };

static bool differs_in_training(const mxdi_graph *g)
{
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (mxdi_node_is(&g->node[n], "BatchNormalization") || mxdi_node_is(&g->node[n], "Dropout"))
            return true;
    return false;
}

static mxd_status float_graph(mxdi_trainer *t, mxd_error *err)
{
    bool scalable;
    MXD_TRY(mxdi_graph_clone(&t->exported, t->imported, err));
    if (!differs_in_training(t->imported))
        return mxdi_passes_prepare(t->exported, NULL, 0, 1, &scalable, err);
    MXD_TRY(mxdi_bind_shapes(t->exported, NULL, 0, 1, &scalable, err));
    return mxdi_pass_run(t->exported, &float_pipeline, err);
}

/* Ranges to begin with: of the samples trained on. */
static mxd_status calibrate(mxdi_calibration **out, const mxdi_trainer *t, mxd_error *err)
{
    const mxdi_calibrate_options o = { .method  = t->options.method == MXDI_TRAIN_MINMAX
                                                      ? MXDI_MINMAX
                                                      : MXDI_MSE,
                                       .batches = 16,
                                       .threads = t->options.threads };
    return mxdi_calibrate(out, t->imported, &t->data.source, &o, t->registry, t->alloc, err);
}

static mxd_status quantized_graph(mxdi_trainer *t, const mxdi_recipe *recipe, mxd_error *err)
{
    bool                        scalable;
    const mxd_constraints       any = { .struct_size = sizeof(any) };
    const mxdi_quantize_options o   = { .backend  = &any,
                                        .registry = t->registry,
                                        .threads  = t->options.threads };
    mxdi_quantize_result        result;
    mxdi_calibration           *calibration = NULL;
    MXD_TRY(calibrate(&calibration, t, err));
    mxd_status st = mxdi_quantize(&t->exported, &result, t->imported, recipe, calibration, &o, err);
    if (st == MXD_OK)
        st = mxdi_graph_clone(&t->canonical, t->imported, err);
    if (st == MXD_OK)
        st = mxdi_passes_prepare(t->canonical, calibration->input, calibration->n_inputs, 1,
                                 &scalable, err);
    mxdi_calibration_destroy(calibration);
    return st;
}

mxd_status mxdi_trainer_graphs(mxdi_trainer *t, const mxdi_recipe *recipe, mxd_error *err)
{
    bool scalable, changed;
    if (recipe)
        MXD_TRY(quantized_graph(t, recipe, err));
    else
        MXD_TRY(float_graph(t, err));
    MXD_TRY(mxdi_graph_clone(&t->bound, t->exported, err));
    MXD_TRY(mxdi_bind_shapes(t->bound, NULL, 0, t->options.batch, &scalable, err));
    return mxdi_pass_remove_dead(t->bound, &changed, err);
}
