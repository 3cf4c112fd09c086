/* SPDX-License-Identifier: Apache-2.0
 *
 * Corrections of a quantized graph, layer by layer in graph order, each with the input that the
 * layers in front of it now give: rounding chosen by what a layer puts out in place of the nearest,
 * and the mean error taken out by the bias. Then, if asked for, roundings of the layers of a block
 * together, by what the block puts out.
 */
#ifndef MXDI_QUANT_REPAIR_H
#define MXDI_QUANT_REPAIR_H

#include "quant/domain.h"
#include "quant/prefix.h"
#include "quant/quantize.h"
#include "quant/recipe.h"
#include "quant/rounding.h"

typedef struct mxdi_repair_options {
    const mxdi_registry       *registry;
    const mxdi_source         *source;
    const mxdi_rounding       *rounding; /* NULL: none is chosen */
    const mxdi_reconstruction *blocks;   /* NULL: layers stay as chosen one by one */
    uint32_t                   threads;
    uint64_t                   seed; /* of the places at which layers are compared */
    mxdi_progress              progress;
} mxdi_repair_options;

/* Gives each layer of a canonical float graph its `rounding` and `correct_bias`, and the layers
 * that will be corrected a bias of their own; *needs_data: there are some. MXD_E_USAGE without
 * data, MXD_E_UNSUPPORTED where nobody does AdaRound. */
mxd_status mxdi_repair_ask(mxdi_setting *setting, bool *needs_data, mxdi_graph *g,
                           const mxdi_quantize_options *options, mxd_error *err);

/* `graph`: the float graph that `quantized` was made from, nodes by name; setting (n_nodes of
 * `graph`) says by `rounding` and `correct_bias` what each layer gets. Constants of `quantized`
 * change. Layers whose weights are no constants, and Conv over more than 3 axes, stay as they are.
 * result: its blocks are filled in. */
mxd_status mxdi_repair(mxdi_quantize_result *result, mxdi_graph *quantized, const mxdi_graph *graph,
                       const mxdi_setting *setting, const mxdi_repair_options *options,
                       mxd_error *err);
#endif
