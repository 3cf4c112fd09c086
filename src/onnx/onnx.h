/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX files in and out of the graph. Reading checks what belongs to the file format: the wire,
 * names, types, sizes, that every value has one producer and that no node depends on itself. What
 * operators demand of attributes and shapes is checked later, by mxdi_op_check and shape inference.
 *
 * Reading. Opset MXDI_ONNX_MIN_OPSET to MXDI_ONNX_MAX_OPSET of domain "" (also written "ai.onnx");
 * files of opset 6 become graphs of opset 7. Initializers and Constant nodes become constants,
 * whether or not they are listed as inputs. Every other node becomes a node, known op or not:
 * unknown ops are for the caller to name. Attributes that mxd_attr cannot hold (subgraphs, lists of
 * strings ...) are MXD_E_UNSUPPORTED on a known op; on an unknown one they are dropped, and such a
 * graph is not written again. A node's name is its own, else its first output's; a name met before
 * gets a number appended. Open dimensions of inputs and outputs become symbols. Outputs carry the
 * type that the file declares until shape inference replaces it. Names may hold any bytes but zero;
 * whoever prints them deals with those that are no UTF-8.
 *
 * Any bytes are refused with a status and a message, or read, in time and memory proportional to
 * their size.
 */
#ifndef MXDI_ONNX_ONNX_H
#define MXDI_ONNX_ONNX_H

#include "base/bytes.h"
#include "ir/graph.h"

enum { MXDI_ONNX_MIN_OPSET = 6, MXDI_ONNX_MAX_OPSET = 28 };

/* Messages start with the path. External data is looked for in the folder of `path`, and nowhere
 * else. */
mxd_status mxdi_onnx_load(mxdi_graph **out, const char *path, const mxd_allocator *alloc,
                          mxd_error *err);
/* `bytes` may be released after the call. folder: where external data lies; NULL: none allowed. */
mxd_status mxdi_onnx_load_bytes(mxdi_graph **out, mxdi_view bytes, const char *folder,
                                const mxd_allocator *alloc, mxd_error *err);
/* One serialized tensor, as in test_data_set_K/input_K.pb; its data lives in the arena. */
mxd_status mxdi_onnx_tensor_parse(mxd_tensor *out, mxdi_arena *arena, mxdi_view pb, mxd_error *err);

/* The whole graph as an ONNX model; the same graph gives the same bytes. Constants that nothing
 * refers to and removed nodes are left out. A dimension with a symbol is written as that symbol,
 * whatever it is bound to. Nodes of domain "mixdown" have no meaning outside and are MXD_E_INVAL;
 * so are types that the opset does not have. write appends, and leaves `out` as it was on failure.
 */
mxd_status mxdi_onnx_write(mxdi_bytes *out, const mxdi_graph *g, mxd_error *err);
mxd_status mxdi_onnx_save(const mxdi_graph *g, const char *path, mxd_error *err);

enum { MXDI_ONNX_RAISE_MAX = 21 };
/* Rewrites the nodes of domain "" so that they mean the same under `opset` (at most
 * MXDI_ONNX_RAISE_MAX), and makes it the graph's. A graph at that opset or above stays as it is. A
 * node that cannot be rewritten is MXD_E_UNSUPPORTED; the graph is then half-rewritten: discard it.
 * Types of values help where they are known (new constants follow them). */
mxd_status mxdi_onnx_raise_opset(mxdi_graph *g, int32_t opset, mxd_error *err);
#endif
