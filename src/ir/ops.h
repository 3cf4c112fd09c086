/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of ops: name, arity, attributes and shape function of every op that mixdown knows
 * (ops.inc). Import checks nodes against it, shape inference calls it, inspect prints it. What
 * executes an op is the backends' business.
 */
#ifndef MXDI_IR_OPS_H
#define MXDI_IR_OPS_H

#include "ir/graph.h"

/* Gives the outputs of `node` their dtype, rank and dims from its inputs'. Inputs' dims may be -1
 * (unknown): outputs then get -1 where they depend on it. Values that shapes depend on (Reshape's
 * second input ...) are read when constant; when they are not, the output keeps rank -1 and the
 * result is MXD_OK. MXD_E_SHAPE, MXD_E_DTYPE, MXD_E_INVAL with node and reason for anything that
 * contradicts the operator's definition. */
typedef mxd_status (*mxdi_shape_fn)(mxdi_graph *g, const mxd_node *node, mxd_error *err);

typedef struct mxdi_op {
    const char *name, *domain;
    uint8_t     min_in, max_in, min_out, max_out; /* 255: any number */
    uint8_t
        shape_in; /* bit k: the values of input k, not only its shape, decide the outputs' shapes */
    const char   *attrs; /* "strides:ints group:int auto_pad:string": all that the op may carry */
    mxdi_shape_fn shape;
} mxdi_op;

const mxdi_op *mxdi_op_find(const char *name, const char *domain); /* NULL: unknown */
size_t         mxdi_op_count(void);
const mxdi_op *mxdi_op_at(size_t i);
/* Nearest known op name, for messages; NULL: none is near. */
const char *mxdi_op_nearest(const char *name);
/* Arity and attribute names and kinds of one node against its row; an unknown op is
 * MXD_E_UNSUPPORTED. */
mxd_status mxdi_op_check(const mxd_node *node, mxd_error *err);
/* Shape function of one node, after mxdi_op_check. Ops of domain "mixdown" keep the dtype that
 * their outputs have. */
mxd_status mxdi_op_infer(mxdi_graph *g, const mxd_node *node, mxd_error *err);

/* ONNX's TensorProto.DataType, as Cast's `to` carries it, and back; MXD_NONE and 0 where there is
 * no such type here. */
mxd_dtype mxdi_dtype_of_onnx(int64_t data_type);
int64_t   mxdi_dtype_to_onnx(mxd_dtype dtype);

/* The largest value: no network of ours comes near, and a hostile file gets no further. 4-bit
 * elements are counted as packed, so there are at most 2^31 elements. */
#define MXDI_VALUE_BYTES_MAX ((size_t)1 << 30)
/* Whether a value of this shape stays below that; unknown dims count as 1. */
bool mxdi_shape_fits(mxd_dtype dtype, const int64_t *dim, int32_t rank);
/* "(1, 3, ?, 224)", for messages: mxdi_dims(v->dim, v->rank).text. */
typedef struct mxdi_dims_text {
    char text[192];
} mxdi_dims_text;
mxdi_dims_text mxdi_dims(const int64_t *dim, int32_t rank);

/* ---- window geometry shared by Conv, pools and their integer forms (ONNX Conv-22, MaxPool-22)
 * ---- */
enum { MXDI_MAX_SPATIAL = 3 };
typedef struct mxdi_window {
    int32_t rank; /* spatial axes, 1..3 */
    int64_t kernel[MXDI_MAX_SPATIAL], stride[MXDI_MAX_SPATIAL], dilation[MXDI_MAX_SPATIAL];
    int64_t pad_begin[MXDI_MAX_SPATIAL], pad_end[MXDI_MAX_SPATIAL]; /* auto_pad resolved */
    int64_t in[MXDI_MAX_SPATIAL], out[MXDI_MAX_SPATIAL];
} mxdi_window;
/* From a node's attributes and the input's spatial dims (all known). kernel_shape from the
 * attribute, else `kernel` (NULL: required). Honours auto_pad and ceil_mode; negative or zero
 * sizes, overflow and empty outputs are refused. */
mxd_status mxdi_window_of(mxdi_window *out, const mxd_node *node, const int64_t *in,
                          const int64_t *kernel, int32_t rank, mxd_error *err);
/* The same for ConvTranspose, with output_padding and output_shape; pads are those of the
 * definition's pads. */
mxd_status mxdi_window_transposed(mxdi_window *out, const mxd_node *node, const int64_t *in,
                                  const int64_t *kernel, int32_t rank, mxd_error *err);
/* NumPy broadcasting of two shapes; false when they do not broadcast. -1 (unknown) with 1 or -1
 * gives -1. */
bool mxdi_broadcast(int64_t *out, int32_t *out_rank, const int64_t *a, int32_t a_rank,
                    const int64_t *b, int32_t b_rank);
#endif
