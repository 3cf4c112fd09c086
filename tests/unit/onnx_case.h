/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX models in few lines, as the messages of onnx_min.proto, for what a graph of ours cannot
 * express. One static model at a time: x (2, 3) f32 -> Relu "r" -> y, which a test then bends.
 */
#ifndef TESTS_UNIT_ONNX_CASE_H
#define TESTS_UNIT_ONNX_CASE_H

#include "graph_case.h"

#include "onnx/onnx_impl.h"

#include <stdlib.h>
#include <string.h>

#define assert_ok(call) assert_int_equal((call), MXD_OK)
#define ASSERT_SAYS(err, word)                                   \
    do {                                                         \
        if (!strstr((err).msg, (word)))                          \
            fail_msg("expected '%s' in: %s", (word), (err).msg); \
    } while (0)

enum { CASE_MOST = 8 };

typedef struct onnx_case {
    MxdiOnnx__Model      model;
    MxdiOnnx__Graph      graph;
    MxdiOnnx__OpsetId    opset, *opsets[1];
    MxdiOnnx__Node       node[CASE_MOST], *nodes[CASE_MOST];
    MxdiOnnx__Attribute  attr[CASE_MOST], *attrs[CASE_MOST]; /* of node 0 */
    MxdiOnnx__Tensor     tensor[CASE_MOST], *tensors[CASE_MOST];
    MxdiOnnx__ValueInfo  in[CASE_MOST], *ins[CASE_MOST], out[CASE_MOST], *outs[CASE_MOST];
    MxdiOnnx__Type       type;
    MxdiOnnx__TensorType tensor_type;
    MxdiOnnx__Shape      shape;
    MxdiOnnx__Dimension  dim[CASE_MOST], *dims[CASE_MOST];
    MxdiOnnx__TextPair   pair[CASE_MOST], *pairs[CASE_MOST];
    char *inputs[CASE_MOST][CASE_MOST], *outputs[CASE_MOST][CASE_MOST]; /* of each node */
} onnx_case;

static inline char *onnx_text(const char *s)
{
    return (char *)(uintptr_t)s;
}

/* One more node; in and out: names separated by blanks, "-" for an empty one. The texts are never
 * freed. */
static inline MxdiOnnx__Node *onnx_node(onnx_case *c, const char *op, const char *in,
                                        const char *out)
{
    const size_t          k    = c->graph.n_node++;
    MxdiOnnx__Node *const node = &c->node[k];
    mxdi_onnx__node__init(node);
    node->op_type = onnx_text(op);
    node->input   = c->inputs[k];
    node->output  = c->outputs[k];
    static char   pool[1 << 16]; /* enough for a whole test program: names stay where they are */
    static size_t used;
    for (int side = 0; side < 2; side++) {
        const char *const text = side ? out : in;
        for (const char *at = text; *at;) {
            const size_t n    = strcspn(at, " ");
            char *const  copy = pool + used;
            assert_true(used + n + 1 <= sizeof(pool));
            used += n + 1;
            memcpy(copy, at, n);
            copy[n] = '\0';
            if (strcmp(copy, "-") == 0)
                *copy = '\0';
            if (side)
                node->output[node->n_output++] = copy;
            else
                node->input[node->n_input++] = copy;
            at += n + (at[n] == ' ');
        }
    }
    return node;
}

static inline MxdiOnnx__ValueInfo *onnx_input(onnx_case *c, const char *name)
{
    MxdiOnnx__ValueInfo *const v = &c->in[c->graph.n_input++];
    mxdi_onnx__value_info__init(v);
    v->name = onnx_text(name);
    v->type = &c->type;
    return v;
}

static inline MxdiOnnx__ValueInfo *onnx_output(onnx_case *c, const char *name)
{
    MxdiOnnx__ValueInfo *const v = &c->out[c->graph.n_output++];
    mxdi_onnx__value_info__init(v);
    v->name = onnx_text(name);
    return v;
}

/* An initializer without data; dims stay the caller's. */
static inline MxdiOnnx__Tensor *onnx_tensor(onnx_case *c, const char *name, int32_t type,
                                            int64_t *dims, size_t n)
{
    MxdiOnnx__Tensor *const t = &c->tensor[c->graph.n_initializer++];
    mxdi_onnx__tensor__init(t);
    t->name          = onnx_text(name);
    t->has_data_type = 1;
    t->data_type     = type;
    t->dims          = dims;
    t->n_dims        = n;
    return t;
}

static inline MxdiOnnx__Attribute *onnx_attr(onnx_case *c, const char *name, int32_t type)
{
    MxdiOnnx__Attribute *const a = &c->attr[c->node[0].n_attribute++];
    mxdi_onnx__attribute__init(a);
    a->name     = onnx_text(name);
    a->has_type = 1;
    a->type     = type;
    return a;
}

/* Everything but nodes. */
static inline void onnx_case_empty(onnx_case *c)
{
    memset(c, 0, sizeof(*c));
    mxdi_onnx__model__init(&c->model);
    mxdi_onnx__graph__init(&c->graph);
    mxdi_onnx__opset_id__init(&c->opset);
    mxdi_onnx__type__init(&c->type);
    mxdi_onnx__tensor_type__init(&c->tensor_type);
    mxdi_onnx__shape__init(&c->shape);
    for (size_t k = 0; k < CASE_MOST; k++) {
        c->nodes[k]   = &c->node[k];
        c->attrs[k]   = &c->attr[k];
        c->tensors[k] = &c->tensor[k];
        c->ins[k]     = &c->in[k];
        c->outs[k]    = &c->out[k];
        c->dims[k]    = &c->dim[k];
        c->pairs[k]   = &c->pair[k];
        mxdi_onnx__dimension__init(&c->dim[k]);
        mxdi_onnx__text_pair__init(&c->pair[k]);
    }
    c->opsets[0]                 = &c->opset;
    c->opset.has_version         = 1;
    c->opset.version             = 13;
    c->model.opset_import        = c->opsets;
    c->model.n_opset_import      = 1;
    c->model.graph               = &c->graph;
    c->graph.node                = c->nodes;
    c->graph.initializer         = c->tensors;
    c->graph.input               = c->ins;
    c->graph.output              = c->outs;
    c->type.tensor_type          = &c->tensor_type;
    c->tensor_type.shape         = &c->shape;
    c->tensor_type.has_elem_type = 1;
    c->tensor_type.elem_type     = 1;
    c->shape.dim                 = c->dims;
    c->shape.n_dim               = 2;
    c->dim[0].has_dim_value = c->dim[1].has_dim_value = 1;
    c->dim[0].dim_value                               = 2;
    c->dim[1].dim_value                               = 3;
}

/* The model of the page's head; node 0 is `op`, with attributes to be added. */
static inline void onnx_case_init(onnx_case *c, const char *op)
{
    onnx_case_empty(c);
    onnx_node(c, op, "x", "y")->attribute = c->attrs;
    c->node[0].name                       = onnx_text("r");
    onnx_input(c, "x");
    onnx_output(c, "y");
}

static inline mxdi_bytes onnx_pack(const onnx_case *c)
{
    mxdi_bytes   b    = MXDI_BYTES_INIT;
    const size_t size = mxdi_onnx__model__get_packed_size(&c->model);
    b.data            = mxdi_alloc(NULL, size, 1);
    assert_non_null(b.data);
    b.size = b.capacity = mxdi_onnx__model__pack(&c->model, b.data);
    return b;
}

/* Loads the case. On failure the status is returned and *out is NULL. */
static inline mxd_status onnx_load(mxdi_graph **out, const onnx_case *c, const char *folder,
                                   mxd_error *err)
{
    mxdi_bytes       b = onnx_pack(c);
    const mxd_status st =
        mxdi_onnx_load_bytes(out, (mxdi_view){ b.data, b.size }, folder, NULL, err);
    mxdi_bytes_free(&b);
    assert_true((st == MXD_OK) == (*out != NULL));
    return st;
}

static inline mxdi_graph *onnx_loaded(const onnx_case *c)
{
    mxdi_graph *g   = NULL;
    mxd_error   err = MXD_ERROR_INIT;
    if (onnx_load(&g, c, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return g;
}

/* Loading must fail so, and say `word`. */
static inline void onnx_refused(const onnx_case *c, mxd_status status, const char *word)
{
    mxdi_graph *g   = NULL;
    mxd_error   err = MXD_ERROR_INIT;
    assert_int_equal(onnx_load(&g, c, NULL, &err), status);
    ASSERT_SAYS(err, word);
}
#endif
