/* SPDX-License-Identifier: Apache-2.0
 *
 * The read-only view of a graph that backends receive: plain arrays of values and nodes, in
 * topological order. The same structs are the storage of the internal graph (src/ir/graph.h), so a
 * view costs nothing. Ops are ONNX ops (domain "") and the integer ops of docs/graph-ops.md (domain
 * "mixdown").
 */
#ifndef MIXDOWN_GRAPH_H
#define MIXDOWN_GRAPH_H

#include <string.h>

#include "mixdown/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MXD_NO_VALUE UINT32_MAX

/** Affine quantization of one value: real = scale[c] * (q - zero_point[c]). */
typedef struct mxd_qparams {
    const float   *scale;      /* (n), finite, > 0 */
    const int32_t *zero_point; /* (n) */
    uint32_t n;    /* 1: per tensor; dim[axis]: per channel; with block: one per block, row-major */
    int32_t  axis; /* quantized axis; meaningless when n == 1 */
    int32_t  block;        /* elements of `axis` that share a scale; 0: not blocked */
    int32_t  q_min, q_max; /* integers that may occur, inside the storage type's range */
} mxd_qparams;

/** One edge of the graph. */
typedef struct mxd_value {
    const char *name;              /* unique in the graph, as in the ONNX file */
    mxd_dtype   dtype;             /* MXD_NONE before shapes are inferred */
    int32_t     rank;              /* -1: unknown */
    int64_t     dim[MXD_MAX_RANK]; /* -1: unknown; for a batch dimension: at the largest batch */
    int32_t     batch_axis;        /* the axis that grows in proportion with the batch, or -1 */
    const void *data;              /* constant: dense row-major little-endian elements; else NULL */
    size_t      bytes;             /* of data */
    const mxd_qparams *q;          /* integers that stand for reals; NULL: plain numbers */
} mxd_value;

typedef enum mxd_attr_kind {
    MXD_ATTR_INT,
    MXD_ATTR_FLOAT,
    MXD_ATTR_STRING,
    MXD_ATTR_INTS,
    MXD_ATTR_FLOATS,
    MXD_ATTR_TENSOR
} mxd_attr_kind;

/** One attribute. `n` counts ints and floats, and the bytes of a string (which is terminated as
 * well). */
typedef struct mxd_attr {
    const char       *name;
    mxd_attr_kind     kind;
    int64_t           i;
    float             f;
    uint32_t          n;
    const char       *s;
    const int64_t    *ints;
    const float      *floats;
    const mxd_tensor *tensor;
} mxd_attr;

/** One operation. */
typedef struct mxd_node {
    const char        *name;    /* unique: the ONNX name, else the first output's */
    const char        *op;      /* "Conv", "QConv" ... */
    const char        *domain;  /* "" or "mixdown" */
    int32_t            version; /* opset version that the attributes are to be read by */
    uint32_t           n_in, n_out, n_attr, n_origin;
    const uint32_t    *in;  /* value ids; MXD_NO_VALUE: an optional input left out */
    const uint32_t    *out; /* value ids; MXD_NO_VALUE: an optional output left out */
    const mxd_attr    *attr;
    const char *const *origin; /* names of the ONNX nodes that this one does the work of */
} mxd_node;

/** A graph, or a part of one. Values used by no node may be present. */
typedef struct mxd_graph_view {
    uint32_t struct_size, value_size,
        node_size; /* sizeof of the structs above, as the host was built */
    uint32_t         n_values, n_nodes, n_inputs, n_outputs;
    const mxd_value *value;
    const mxd_node  *node;
    const uint32_t  *input;     /* value ids: what is fed at run time (constants are not) */
    const uint32_t  *output;    /* value ids, in the network's order */
    int64_t          max_batch; /* what batch dimensions are sized for */
} mxd_graph_view;

/** The attribute of that name and kind, or NULL. */
static inline const mxd_attr *mxd_node_attr(const mxd_node *node, const char *name,
                                            mxd_attr_kind kind)
{
    for (uint32_t k = 0; k < node->n_attr; k++)
        if (node->attr[k].kind == kind && strcmp(node->attr[k].name, name) == 0)
            return &node->attr[k];
    return NULL;
}

static inline int64_t mxd_node_int(const mxd_node *node, const char *name, int64_t otherwise)
{
    const mxd_attr *const a = mxd_node_attr(node, name, MXD_ATTR_INT);
    return a ? a->i : otherwise;
}

static inline float mxd_node_float(const mxd_node *node, const char *name, float otherwise)
{
    const mxd_attr *const a = mxd_node_attr(node, name, MXD_ATTR_FLOAT);
    return a ? a->f : otherwise;
}

static inline const char *mxd_node_string(const mxd_node *node, const char *name,
                                          const char *otherwise)
{
    const mxd_attr *const a = mxd_node_attr(node, name, MXD_ATTR_STRING);
    return a ? a->s : otherwise;
}

/** The ints of an attribute and their count in *n; NULL and 0 when it is absent. */
static inline const int64_t *mxd_node_ints(const mxd_node *node, const char *name, uint32_t *n)
{
    const mxd_attr *const a = mxd_node_attr(node, name, MXD_ATTR_INTS);
    *n                      = a ? a->n : 0;
    return a ? a->ints : NULL;
}

#ifdef __cplusplus
}
#endif
#endif
