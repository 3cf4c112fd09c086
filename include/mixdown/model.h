/* SPDX-License-Identifier: Apache-2.0
 *
 * A model: a graph read from ONNX, float or quantized (QDQ, QOperator). Immutable; may be used from
 * many threads.
 */
#ifndef MIXDOWN_MODEL_H
#define MIXDOWN_MODEL_H

#include "mixdown/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mxd_model mxd_model;

/** Name, type and shape of a network input or output; strings live as long as the model or engine.
 */
typedef struct mxd_value_info {
    const char *name;
    mxd_dtype   dtype;
    int32_t     rank;                 /* -1: not given */
    int64_t     dim[MXD_MAX_RANK];    /* -1: open */
    const char *symbol[MXD_MAX_RANK]; /* its name in the file ("N"), or NULL */
} mxd_value_info;

/** The shape of one input, given by the user. */
typedef struct mxd_shape {
    const char *name;
    int32_t     rank;
    int64_t     dim[MXD_MAX_RANK];
} mxd_shape;

/**
 * Read an ONNX file, opset 7 and up; external data only from the file's own folder.
 *
 * @retval MXD_E_IO, MXD_E_PARSE, MXD_E_INVAL  no such file, not ONNX, contradictory; the message
 * names the place.
 * @retval MXD_E_UNSUPPORTED  an opset or element type that is not read. Unknown ops are no failure
 * here: see inspect.
 */
MXD_API mxd_status mxd_model_load(mxd_model **out, const mxd_context *ctx, const char *path,
                                  mxd_error *err);
/** As load, from memory that must stay until the model is destroyed. No external data. */
MXD_API mxd_status mxd_model_load_bytes(mxd_model **out, const mxd_context *ctx, const void *data,
                                        size_t bytes, mxd_error *err);
/** What was made from the model (engines, quantized models) stays good: it shares what it needs.
 * NULL is fine. */
MXD_API void mxd_model_destroy(mxd_model *model);
/** Write ONNX; the old file is replaced as a whole. */
MXD_API mxd_status mxd_model_save(const mxd_model *model, const char *path, mxd_error *err);

MXD_API int32_t  mxd_model_opset(const mxd_model *model);
MXD_API uint32_t mxd_model_inputs(const mxd_model *model);
MXD_API uint32_t mxd_model_outputs(const mxd_model *model);
MXD_API void     mxd_model_input(mxd_value_info *out, const mxd_model *model, uint32_t index);
MXD_API void     mxd_model_output(mxd_value_info *out, const mxd_model *model, uint32_t index);

/** One node as inspect shows it. */
typedef struct mxd_layer_info {
    const char *node, *op;
    int64_t     macs, parameters; /* of one sample; parameters: elements of constant inputs */
    const char *precision;   /* asked of Conv, Gemm, MatMul ("w8a8", "f32"); NULL for other nodes */
    const char *unsupported; /* why the node cannot run; NULL: it can */
    const char *hint;        /* what to do about it; NULL with unsupported NULL */
} mxd_layer_info;

typedef struct mxd_inspection {
    const mxd_layer_info *layer;
    uint32_t              n_layers, n_unsupported;
    int64_t               macs, parameters, weight_bytes;
    mxd_value_info       *input, *output; /* with shapes as far as they follow from `shape` */
    uint32_t              n_inputs, n_outputs;
} mxd_inspection;

/**
 * Nodes, MACs, weights and what is not supported. Open batch dimensions count as 1.
 *
 * @param shape,n_shapes  shapes of inputs by name; none: as the file gives them.
 * @param[out] out  free with mxd_inspection_destroy.
 */
MXD_API mxd_status mxd_model_inspect(mxd_inspection **out, const mxd_model *model,
                                     const mxd_shape *shape, uint32_t n_shapes, mxd_error *err);
MXD_API void       mxd_inspection_destroy(mxd_inspection *inspection);

#ifdef __cplusplus
}
#endif
#endif
