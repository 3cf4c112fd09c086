/* SPDX-License-Identifier: Apache-2.0
 *
 * A float graph, a recipe and a calibration make a QDQ graph.
 */
#ifndef MXDI_QUANT_QUANTIZE_H
#define MXDI_QUANT_QUANTIZE_H

#include "quant/calibration.h"
#include "quant/recipe.h"
#include "quant/rounding.h"

/* Named averages of bits; definitions in docs/recipe.md. */
typedef struct mxdi_averages {
    double  weight_bits, weight_bits_stored, act_bits, op_bits, layer_bits, layer_bits_all;
    int64_t peak_act_bytes;
} mxdi_averages;

typedef struct mxdi_quantize_result {
    const char              **node, **precision; /* (n_layers), on the graph's arena */
    uint32_t                  n_layers;
    mxdi_averages             averages;
    struct mxdi_block_report *block; /* (n_blocks), on the graph's arena */
    uint32_t                  n_blocks;
} mxdi_quantize_result;

/* What became of a block of layers whose roundings were to be chosen together. */
typedef struct mxdi_block_report {
    const char **node; /* (n_nodes) */
    uint32_t     n_nodes;
    int32_t      iterations;   /* 0: none, and no errors */
    double      before, after; /* as mxdi_block_errors; not lower: the layers' own roundings stay */
    const char *why;           /* it was not done; NULL: it was */
} mxdi_block_report;

enum { MXDI_REPAIR_CLE = 1, MXDI_REPAIR_BIAS = 2, MXDI_REPAIR_ADAROUND = 4 };

typedef struct mxdi_quantize_options {
    const mxd_constraints *backend; /* what the target takes */
    const mxdi_registry   *registry;
    const mxdi_source     *data; /* may be NULL */
    uint32_t               threads;
    uint32_t               repair;   /* of the whole network: MXDI_REPAIR_* */
    const mxdi_rounding   *adaround; /* who does it; NULL: nobody, to ask for it is an error */
    const mxdi_reconstruction
            *blocks; /* who goes on by blocks; NULL: nobody, layers stay as they are */
    uint64_t seed;
    int (*progress)(void *user, double done);
    void *user;
} mxdi_quantize_options;

/* `graph` as imported; only read (constants are shared: it must outlive *out). Without a
 * calibration, data are observed by the default method where activations are quantized. */
mxd_status mxdi_quantize(mxdi_graph **out, mxdi_quantize_result *result, const mxdi_graph *graph,
                         const mxdi_recipe *recipe, const mxdi_calibration *calibration,
                         const mxdi_quantize_options *options, mxd_error *err);
/* Of a bound float graph with the setting of each node (averages.c). */
double mxdi_macs_of(const mxdi_graph *g, const mxd_node *layer); /* multiplications of one sample */
mxd_status mxdi_averages_of(mxdi_averages *out, mxdi_graph *g, const mxdi_setting *setting,
                            const uint8_t *value_bits, mxd_error *err);
#endif
