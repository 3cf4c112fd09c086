/* SPDX-License-Identifier: Apache-2.0
 *
 * Graph rewrites: binding and inferring shapes, and bringing a graph as imported into the canonical
 * form that quantization and the engine start from. One file for each rewrite.
 *
 * What rewrites keep: names of network inputs and outputs; names of Conv, Gemm and MatMul nodes
 * and, where it is used once, of their weights; for each node the list of ONNX nodes whose work it
 * does (origin). What has a DequantizeLinear on it is not folded: it is a precision decision.
 */
#ifndef MXDI_PASSES_PASSES_H
#define MXDI_PASSES_PASSES_H

#include "ir/graph.h"

/* ---- shapes (bind.c, infer.c) ---- */

/* The shape of a network input; -1: the dimension stays as open as it is. */
typedef struct mxdi_shape_binding {
    const char *name;
    int32_t     rank;
    int64_t     dim[MXD_MAX_RANK];
} mxdi_shape_binding;

/* Gives every open dimension of the inputs a number, and with that every value its shape.
 *
 * Open dimensions are those with a symbol (g->symbol). A binding gives numbers by input; a symbol
 * that has one has it everywhere. An open first dimension that no binding fixes is a batch
 * dimension and becomes `batch` (1 or more); what is open after that is MXD_E_SHAPE and says which
 * --shape is missing. Nodes that depend on constants and shapes alone become constants; a value
 * whose shape depends on what only a run knows is MXD_E_UNSUPPORTED, with its node.
 *
 * *scalable: there is a batch dimension, and every value either grows with it in proportion, along
 * its batch_axis, or does not depend on it: any batch from 1 to `batch` runs, and the graph may be
 * bound again to another batch. What is computed from the batch's number is then left in the graph
 * as nodes. Otherwise the graph is good for these shapes only, batch_axis is -1 everywhere and no
 * symbol remains. g->max_batch becomes `batch`; without a batch dimension, the first dimension that
 * all inputs share, or 1.
 *
 * Ids change. On failure the graph is half-bound: discard it. */
mxd_status mxdi_bind_shapes(mxdi_graph *g, const mxdi_shape_binding *b, uint32_t n, int64_t batch,
                            bool *scalable, mxd_error *err);

/* needs[k] (n_inputs): shapes depend on the values of input k (it is Reshape's second input ...),
 * so it has to become a constant before shapes can be bound. */
mxd_status mxdi_inputs_of_shapes(bool *needs, const mxdi_graph *g, mxd_error *err);
/* Network input k, of t's type, becomes a constant with t's elements, copied; the inputs behind it
 * move up. */
mxd_status mxdi_bind_constant(mxdi_graph *g, uint32_t k, const mxd_tensor *t, mxd_error *err);

/* ---- inputs that are fed as pictures (input_format.c) ---- */

/* (raw * scale - mean) / std, one number for all channels or one for each; n 0: 1, 0, 1. */
typedef struct mxdi_scaling {
    const float *scale, *mean, *std;
    uint32_t     n_scale, n_mean, n_std;
} mxdi_scaling;

/* How one network input is to be fed. */
typedef struct mxdi_input_format {
    mxd_dtype   dtype;         /* MXD_NONE: as it is */
    bool        channels_last; /* (N, H, W, C) where the network has (N, C, H, W) */
    const char *text;          /* as it was asked for: "u8:hwc" */
} mxdi_input_format;

/* Inputs of `g`, by position, become bytes of pictures where their format says so: in front of what
 * reads them stand Transpose, Cast, Mul by scale, Sub of mean and Div by std, those that change
 * anything. The input keeps its name; what it was is a value of another name. `note` (NULL: none)
 * follows the format in the graph's notes, mxdi_input_format_of. */
mxd_status mxdi_set_input_formats(mxdi_graph *g, const mxdi_input_format *format, uint32_t n,
                                  const mxdi_scaling *scaling, const char *note, mxd_error *err);
/* "u8:hwc,scale=1/255" of a network input that was made one; NULL: it is as in the model. */
const char *mxdi_input_format_of(const mxdi_graph *g, const char *name);

/* ---- passes and pipelines (pipeline.c) ---- */

/* Rewrites `g` in place; *changed is set if anything was. Outputs stay equal but for rounding,
 * where the pass says so. On failure `g` may be half-rewritten: discard it. */
typedef mxd_status (*mxdi_pass_fn)(mxdi_graph *g, bool *changed, mxd_error *err);
typedef struct mxdi_pass {
    const char  *name, *text; /* for people */
    mxdi_pass_fn run;
} mxdi_pass;
typedef struct mxdi_pipeline {
    const mxdi_pass *pass;
    uint32_t         n;
} mxdi_pipeline;

/* From a bound graph as imported to the canonical one. */
extern const mxdi_pipeline mxdi_passes_import;

/* Runs the passes in order and verifies the graph after each that changed it. */
mxd_status mxdi_pass_run(mxdi_graph *g, const mxdi_pipeline *pipeline, mxd_error *err);

/* mxdi_bind_shapes, then mxdi_passes_import. */
mxd_status mxdi_passes_prepare(mxdi_graph *g, const mxdi_shape_binding *b, uint32_t n,
                               int64_t batch, bool *scalable, mxd_error *err);

/* ---- the passes; each file says what it takes and what it leaves ---- */
mxd_status mxdi_pass_infer(mxdi_graph *g, bool *changed, mxd_error *err);
mxd_status mxdi_pass_decompose_qlinear(mxdi_graph *g, bool *changed, mxd_error *err);
mxd_status mxdi_pass_drop_identity(mxdi_graph *g, bool *changed, mxd_error *err);
mxd_status mxdi_pass_merge_pad(mxdi_graph *g, bool *changed, mxd_error *err);
mxd_status mxdi_pass_merge_bias(mxdi_graph *g, bool *changed, mxd_error *err);
mxd_status mxdi_pass_fold_affine(mxdi_graph *g, bool *changed, mxd_error *err);
mxd_status mxdi_pass_merge_reshape(mxdi_graph *g, bool *changed, mxd_error *err);
mxd_status mxdi_pass_clip_to_relu(mxdi_graph *g, bool *changed, mxd_error *err);
mxd_status mxdi_pass_remove_dead(mxdi_graph *g, bool *changed, mxd_error *err);
#endif
