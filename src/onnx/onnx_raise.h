/* SPDX-License-Identifier: Apache-2.0
 *
 * Raising the opset of a graph: the rewrites of single nodes, and what they are made of. Nodes are
 * given by index, because rewrites may add nodes and values. A rewrite leaves the version of its
 * node to the caller.
 */
#ifndef MXDI_ONNX_RAISE_H
#define MXDI_ONNX_RAISE_H

#include "ir/graph.h"

/* The node as its operator was defined just before some version becomes what that version wants. */
typedef mxd_status (*mxdi_onnx_raise_fn)(mxdi_graph *g, uint32_t n, mxd_error *err);

/* ---- onnx_raise_inputs.c: attributes that became inputs */
mxd_status mxdi_onnx_raise_axes(mxdi_graph *g, uint32_t n,
                                mxd_error *err); /* Squeeze 13, ReduceMean 18 ... */
mxd_status mxdi_onnx_raise_split(mxdi_graph *g, uint32_t n, mxd_error *err);   /* Split 13 */
mxd_status mxdi_onnx_raise_slice(mxdi_graph *g, uint32_t n, mxd_error *err);   /* Slice 10 */
mxd_status mxdi_onnx_raise_top_k(mxdi_graph *g, uint32_t n, mxd_error *err);   /* TopK 10 */
mxd_status mxdi_onnx_raise_clip(mxdi_graph *g, uint32_t n, mxd_error *err);    /* Clip 11 */
mxd_status mxdi_onnx_raise_pad(mxdi_graph *g, uint32_t n, mxd_error *err);     /* Pad 11 */
mxd_status mxdi_onnx_raise_dropout(mxdi_graph *g, uint32_t n, mxd_error *err); /* Dropout 12 */
/* Input k of node n becomes `value`; inputs before it that are not there are left out. */
mxd_status mxdi_onnx_raise_set_input(mxdi_graph *g, uint32_t n, uint32_t k, uint32_t value,
                                     mxd_error *err);
/* A new constant, (count) or a scalar when count is 0, as input k of node n; data is copied. */
mxd_status mxdi_onnx_raise_constant(mxdi_graph *g, uint32_t n, uint32_t k, mxd_dtype dtype,
                                    const void *data, uint32_t count, mxd_error *err);

/* ---- onnx_raise_meaning.c: definitions that changed */
mxd_status mxdi_onnx_raise_split_count(mxdi_graph *g, uint32_t n, mxd_error *err); /* Split 18 */
mxd_status mxdi_onnx_raise_batch_norm(mxdi_graph *g, uint32_t n,
                                      mxd_error *err); /* BatchNormalization 9, 14 */
mxd_status mxdi_onnx_raise_mask(mxdi_graph *g, uint32_t n, mxd_error *err); /* Dropout 10 */
mxd_status mxdi_onnx_raise_softmax(mxdi_graph *g, uint32_t n,
                                   mxd_error *err); /* Softmax, LogSoftmax 13 */
mxd_status mxdi_onnx_raise_upsample(mxdi_graph *g, uint32_t n,
                                    mxd_error *err); /* Upsample 10: becomes Resize 10 */
mxd_status mxdi_onnx_raise_resize(mxdi_graph *g, uint32_t n, mxd_error *err);       /* Resize 11 */
mxd_status mxdi_onnx_raise_resize_empty(mxdi_graph *g, uint32_t n, mxd_error *err); /* Resize 13 */
#endif
