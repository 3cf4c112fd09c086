/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of the passes, and running them.
 */
#include "passes/passes.h"

/* Order is meaning: each pass may rely on every pass above it. */
static const mxdi_pass import_passes[] = {
    { "infer", "give every value a type and a shape, fold constants", mxdi_pass_infer },
    { "decompose-qlinear", "QLinearConv, QLinearMatMul -> Conv, MatMul between quantizers",
      mxdi_pass_decompose_qlinear },
    { "drop-identity", "remove nodes that change nothing", mxdi_pass_drop_identity },
    { "merge-pad", "Pad with zeros -> the padding of the Conv behind it", mxdi_pass_merge_pad },
    { "merge-bias", "MatMul, Add -> Gemm", mxdi_pass_merge_bias },
    { "fold-affine", "BatchNormalization, Mul, Add ... -> weights and bias",
      mxdi_pass_fold_affine },
    { "merge-reshape", "Reshapes in a row -> one", mxdi_pass_merge_reshape },
    { "clip-to-relu", "Clip from 0 up -> Relu", mxdi_pass_clip_to_relu },
    { "remove-dead", "remove what no output depends on", mxdi_pass_remove_dead },
};

const mxdi_pipeline mxdi_passes_import = { import_passes,
                                           sizeof(import_passes) / sizeof(import_passes[0]) };

mxd_status mxdi_pass_run(mxdi_graph *g, const mxdi_pipeline *pipeline, mxd_error *err)
{
    for (uint32_t k = 0; k < pipeline->n; k++) {
        bool changed = false;
        MXD_TRY(pipeline->pass[k].run(g, &changed, err));
        if (!changed)
            continue;
        const mxd_status st = mxdi_graph_verify(g, err); /* a bad rewrite is blamed on its pass */
        if (st != MXD_OK)
            return mxdi_wrap(err, st, "after %s", pipeline->pass[k].name);
    }
    return MXD_OK;
}

mxd_status mxdi_passes_prepare(mxdi_graph *g, const mxdi_shape_binding *b, uint32_t n,
                               int64_t batch, bool *scalable, mxd_error *err)
{
    MXD_TRY(mxdi_bind_shapes(g, b, n, batch, scalable, err));
    return mxdi_pass_run(g, &mxdi_passes_import, err);
}

mxd_status mxdi_pass_remove_dead(mxdi_graph *g, bool *changed, mxd_error *err)
{
    const uint32_t nodes = g->n_nodes, values = g->n_values;
    MXD_TRY(mxdi_graph_remove_dead(g, err));
    MXD_TRY(mxdi_graph_compact(g, err));
    *changed = nodes != g->n_nodes || values != g->n_values;
    return MXD_OK;
}
