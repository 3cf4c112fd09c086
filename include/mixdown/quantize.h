/* SPDX-License-Identifier: Apache-2.0
 *
 * Deciding precision: recipes (who gets which bits), calibration (what ranges were seen), and the
 * QDQ model that follows.
 */
#ifndef MIXDOWN_QUANTIZE_H
#define MIXDOWN_QUANTIZE_H

#include "mixdown/dataset.h"
#include "mixdown/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** 0..1 of the work done; non-zero return: stop, the call ends with MXD_E_CANCELLED. */
typedef int (*mxd_progress)(void *user, double done);

/* ---- recipe ---- */
typedef struct mxd_recipe mxd_recipe;

/**
 * Read a recipe: the project's own list, or NNI's config_list (v2, v3); docs/recipe.md.
 * @retval MXD_E_USAGE  unknown keys or values, all of them in one message with the nearest valid
 * names.
 */
MXD_API mxd_status mxd_recipe_load(mxd_recipe **out, const mxd_context *ctx, const char *path,
                                   mxd_error *err);
/** The same precision ("w8a8", "w4-f32", "bf16" ...) for every Conv, Gemm and MatMul. */
MXD_API mxd_status mxd_recipe_uniform(mxd_recipe **out, const mxd_context *ctx,
                                      const char *precision, mxd_error *err);
MXD_API void       mxd_recipe_destroy(mxd_recipe *recipe);

/* ---- calibration ---- */
typedef struct mxd_calibration mxd_calibration;

typedef struct mxd_calibrate_options {
    uint32_t     struct_size;
    const char  *method;   /* "minmax", "percentile", "mse", "entropy"; NULL: the default */
    int64_t      batches;  /* of 32 samples at most; 0: all samples, 1024 at most */
    uint32_t     threads;  /* 0: the machine's cores */
    mxd_progress progress; /* may be NULL */
    void        *user;
} mxd_calibrate_options;
#define MXD_CALIBRATE_OPTIONS_INIT                            \
    {                                                         \
        sizeof(mxd_calibrate_options), NULL, 0, 0, NULL, NULL \
    }

/** Run the float model on the data and observe every tensor that may be quantized. @retval
 * MXD_E_RANGE NaN or Inf in the data or in a tensor; the message names it. */
MXD_API mxd_status mxd_calibrate(mxd_calibration **out, const mxd_model *model,
                                 const mxd_dataset *data, const mxd_calibrate_options *options,
                                 mxd_error *err);
/**
 * Read a calibration: the project's own format, or NNI's calibration_config as JSON, in any dialect
 * of v2 and v3 (docs/recipe.md). NNI's files tell of modules: mxd_quantize finds them in the model
 * by the names of weights and nodes.
 */
MXD_API mxd_status mxd_calibration_load(mxd_calibration **out, const mxd_context *ctx,
                                        const char *path, mxd_error *err);
/** @retval MXD_E_UNSUPPORTED  it was read from one of NNI's files. */
MXD_API mxd_status mxd_calibration_save(const mxd_calibration *calibration, const char *path,
                                        mxd_error *err);
MXD_API void       mxd_calibration_destroy(mxd_calibration *calibration);
MXD_API uint32_t   mxd_calibration_tensors(const mxd_calibration *calibration);
MXD_API int64_t    mxd_calibration_samples(const mxd_calibration *calibration);

/** What was seen of one tensor. */
typedef struct mxd_tensor_range {
    const char *tensor;
    float       min, max;                /* seen */
    float       low, high;               /* chosen by the method */
    double      outliers;                /* share of values outside [low, high] */
    uint32_t    channels, dead_channels; /* dead: nothing but one value seen */
} mxd_tensor_range;
MXD_API void mxd_calibration_tensor(mxd_tensor_range *out, const mxd_calibration *calibration,
                                    uint32_t index);

/* ---- quantize ---- */
typedef struct mxd_quantize_options {
    uint32_t    struct_size;
    const char *for_backends; /* "tensorrt,onnxruntime": only what all of them accept; NULL: cpu */
    const char *repair; /* "cle,bias,adaround" or some of them (docs/recipe.md); NULL or "none": no
                           correction */
    uint32_t     threads;
    mxd_progress progress;
    void        *user;
    uint64_t     seed;        /* of the places and samples at which corrections compare layers */
    const char  *reconstruct; /* what "adaround" chooses together: "layer" (NULL: this) or "block"
                                 (docs/recipe.md) */
} mxd_quantize_options;
#define MXD_QUANTIZE_OPTIONS_INIT                                        \
    {                                                                    \
        sizeof(mxd_quantize_options), NULL, NULL, 0, NULL, NULL, 0, NULL \
    }

/** What quantize did; each average as docs/recipe.md defines it. */
typedef struct mxd_quantize_report {
    uint32_t           n_layers;
    const char *const *node, *const *precision; /* (n_layers); live as long as the model */
    double avg_weight_bits, avg_weight_bits_stored, avg_act_bits, avg_op_bits, avg_layer_bits,
        avg_layer_bits_all;
    int64_t peak_act_bytes;
} mxd_quantize_report;

/**
 * Write precision into the graph: QuantizeLinear, DequantizeLinear and Cast around what the recipe
 * names.
 *
 * @param calibration  may be NULL: `data` are then calibrated with, where activations are to be
 * quantized.
 * @param data         may be NULL when there is a calibration and no correction; those compare
 * layers' outputs on it.
 * @retval MXD_E_USAGE  a recipe entry names no layer of this model; the nearest name is told.
 * @retval MXD_E_CANCELLED  `progress` said so.
 * @retval MXD_E_UNSUPPORTED  a precision that nothing here executes (16-bit integers).
 */
MXD_API mxd_status mxd_quantize(mxd_model **out, mxd_quantize_report *report,
                                const mxd_model *model, const mxd_recipe *recipe,
                                const mxd_calibration *calibration, const mxd_dataset *data,
                                const mxd_quantize_options *options, mxd_error *err);

/** A block of layers, two or more, whose roundings were to be chosen together. */
typedef struct mxd_quantized_block {
    const char *const *node; /* (n_nodes) its layers; live as long as the model */
    uint32_t           n_nodes;
    uint32_t           iterations; /* 0: it was not done */
    double             error_layer,
        error_block; /* mean square of how far its outputs are off, in that of the outputs
                        themselves: with roundings of each layer on its own, and chosen together, on
                        samples held out. The lower one's are in the model */
    const char *why; /* it was not done; NULL: it was */
} mxd_quantized_block;
/** Of a model that mxd_quantize made: the network's blocks in order with "block", none with
 * "layer". */
MXD_API uint32_t mxd_quantized_blocks(const mxd_model *quantized);
MXD_API void     mxd_quantized_block_get(mxd_quantized_block *out, const mxd_model *quantized,
                                         uint32_t index);

/**
 * Write scales, zero points and ranges of a QDQ model as NNI's calibration_config, JSON in dialect
 * "v2" (flat keys; NULL: this) or "v3" (nested). mxd_calibration_load reads it back to the same
 * numbers.
 * @retval MXD_E_USAGE  another dialect.
 * @retval MXD_E_INVAL  nothing in the model is quantized.
 */
MXD_API mxd_status mxd_model_save_nni_calibration(const mxd_model *qdq, const char *path,
                                                  const char *dialect, mxd_error *err);

#ifdef __cplusplus
}
#endif
#endif
