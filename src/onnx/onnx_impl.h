/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of src/onnx share: the checked wire, tensors, external data, names. Messages are
 * the structs that protoc-c makes of onnx_min.proto.
 */
#ifndef MXDI_ONNX_IMPL_H
#define MXDI_ONNX_IMPL_H

#include "base/file.h"
#include "onnx/onnx.h"
#include "onnx_min.pb-c.h"

/* Kinds of attributes in the file (field `type`); others have no place in mxd_attr. */
enum {
    ONNX_ATTR_NONE    = 0,
    ONNX_ATTR_FLOAT   = 1,
    ONNX_ATTR_INT     = 2,
    ONNX_ATTR_STRING  = 3,
    ONNX_ATTR_TENSOR  = 4,
    ONNX_ATTR_FLOATS  = 6,
    ONNX_ATTR_INTS    = 7,
    ONNX_ATTR_STRINGS = 8
};
/* Set on a node of unknown op whose attributes could not all be kept. */
#define MXDI_ONNX_DROPPED "mixdown.dropped_attributes"

/* ---- onnx_wire.c: bytes to a message, allocated in the arena. Malformed bytes are MXD_E_PARSE. */
mxd_status mxdi_onnx_unpack(ProtobufCMessage **out, const ProtobufCMessageDescriptor *type,
                            mxdi_view bytes, mxdi_arena *arena, mxd_error *err);

/* ---- onnx_external.c: files that hold tensors' data, each mapped once, until closed. */
typedef struct mxdi_onnx_files {
    const char               *folder; /* NULL: external data is refused */
    mxdi_arena               *arena;
    struct mxdi_onnx_mapping *first;
    size_t                    mapped, copied; /* bytes */
} mxdi_onnx_files;
/* `need` bytes of the file that `t` names, where they are mapped, or copied when not aligned to
 * `align`. */
mxd_status mxdi_onnx_files_data(void **out, mxdi_onnx_files *files, const MxdiOnnx__Tensor *t,
                                size_t need, size_t align, mxd_error *err);
void       mxdi_onnx_files_close(mxdi_onnx_files *files);

/* ---- onnx_tensor.c */
/* MXD_E_UNSUPPORTED, with its name, for a type that mixdown lacks. */
mxd_status mxdi_onnx_read_dtype(mxd_dtype *out, int32_t code, mxd_error *err);
/* out->data points into `t`, a mapped file or the arena. files NULL: external data is refused. */
mxd_status mxdi_onnx_tensor_read(mxd_tensor *out, const MxdiOnnx__Tensor *t, mxdi_arena *arena,
                                 mxdi_onnx_files *files, mxd_error *err);

/* ---- onnx_names.c: a table of names with a number each. Keys are borrowed. */
typedef struct mxdi_onnx_names {
    const char         **key;
    uint32_t            *number;
    size_t               n, cap;
    const mxd_allocator *alloc; /* all that is set at first */
} mxdi_onnx_names;
/* Where its number is, until the next put; NULL: none. */
uint32_t *mxdi_onnx_names_find(const mxdi_onnx_names *names, const char *key);
/* `key` must be new. False: out of memory. */
bool mxdi_onnx_names_put(mxdi_onnx_names *names, const char *key, uint32_t number);
void mxdi_onnx_names_free(mxdi_onnx_names *names);

/* ---- onnx_attr.c: the attributes of `from`, a node of a known op or not, onto `node`. */
mxd_status mxdi_onnx_read_attributes(mxdi_graph *g, mxd_node *node, const MxdiOnnx__Node *from,
                                     bool known, mxd_error *err);
/* The tensor that a Constant node stands for; data in `from`, a mapped file, or the arena. place:
 * for messages. */
mxd_status mxdi_onnx_read_constant(mxd_tensor *out, const MxdiOnnx__Node *from, const char *place,
                                   mxdi_arena *arena, mxdi_onnx_files *files, mxd_error *err);

/* ---- onnx_opset6.c: makes the nodes of a graph read from a file of opset 6 what opset 7 means. */
mxd_status mxdi_onnx_lift_opset6(mxdi_graph *g, mxd_error *err);
#endif
