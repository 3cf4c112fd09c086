/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes of nodes, from the file's form into the graph's; and Constant nodes, which are nothing
 * but an attribute.
 */
#include "onnx/onnx_impl.h"

/* Each attribute is looked up by name when it is set. No operator has nearly as many. */
enum { MOST_ATTRIBUTES = 256 };

/* The kind, from what is there when the file does not say: writers before ONNX IR version 2 did
 * not. */
static int32_t kind_of(const MxdiOnnx__Attribute *a)
{
    if (a->type != ONNX_ATTR_NONE)
        return a->type;
    return a->has_f      ? ONNX_ATTR_FLOAT
           : a->has_i    ? ONNX_ATTR_INT
           : a->has_s    ? ONNX_ATTR_STRING
           : a->t        ? ONNX_ATTR_TENSOR
           : a->n_floats ? ONNX_ATTR_FLOATS
           : a->n_ints   ? ONNX_ATTR_INTS
                         : ONNX_ATTR_NONE;
}

static mxd_status read_string(mxdi_graph *g, mxd_node *node, const MxdiOnnx__Attribute *a,
                              mxd_error *err)
{
    const char *const text = mxdi_arena_strndup(&g->arena, (const char *)a->s.data, a->s.len);
    if (!text)
        return mxdi_nomem(err);
    if (strlen(text) != a->s.len)
        return mxdi_fail(err, MXD_E_INVAL, "expected text, got a zero byte in it");
    return mxdi_node_set_string(g, node, a->name, text, err);
}

static mxd_status read_tensor(mxdi_graph *g, mxd_node *node, const MxdiOnnx__Attribute *a,
                              mxd_error *err)
{
    mxd_tensor t;
    if (!a->t)
        return mxdi_fail(err, MXD_E_INVAL, "expected a tensor, got none");
    MXD_TRY(mxdi_onnx_tensor_read(&t, a->t, &g->arena, NULL, err));
    return mxdi_node_set_tensor(g, node, a->name, &t, err);
}

static mxd_status read_attribute(mxdi_graph *g, mxd_node *node, const MxdiOnnx__Attribute *a,
                                 mxd_error *err)
{
    if (!a->name || !*a->name)
        return mxdi_fail(err, MXD_E_INVAL, "expected a name, got none");
    for (uint32_t k = 0; k < node->n_attr; k++)
        if (strcmp(node->attr[k].name, a->name) == 0)
            return mxdi_fail(err, MXD_E_INVAL, "given twice");
    if (a->ref_attr_name && *a->ref_attr_name)
        return mxdi_fail(err, MXD_E_INVAL, "refers to '%s' of a function, outside of one",
                         a->ref_attr_name);
    if (a->n_floats > UINT32_MAX || a->n_ints > UINT32_MAX)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "has too many numbers");
    switch (kind_of(a)) {
    case ONNX_ATTR_FLOAT:
        return mxdi_node_set_float(g, node, a->name, a->f, err);
    case ONNX_ATTR_INT:
        return mxdi_node_set_int(g, node, a->name, a->i, err);
    case ONNX_ATTR_STRING:
        return read_string(g, node, a, err);
    case ONNX_ATTR_TENSOR:
        return read_tensor(g, node, a, err);
    case ONNX_ATTR_FLOATS:
        return mxdi_node_set_floats(g, node, a->name, a->floats, (uint32_t)a->n_floats, err);
    case ONNX_ATTR_INTS:
        return mxdi_node_set_ints(g, node, a->name, a->ints, (uint32_t)a->n_ints, err);
    default:
        return mxdi_fail(err, MXD_E_UNSUPPORTED,
                         "kind %d is not supported; expected a number, a text, a tensor or numbers",
                         (int)kind_of(a));
    }
}

mxd_status mxdi_onnx_read_attributes(mxdi_graph *g, mxd_node *node, const MxdiOnnx__Node *from,
                                     bool known, mxd_error *err)
{
    bool dropped = from->n_attribute > MOST_ATTRIBUTES;
    if (dropped && known)
        return mxdi_fail(err, MXD_E_INVAL, "%s '%s': expected at most %d attributes, got %zu",
                         node->op, node->name, (int)MOST_ATTRIBUTES, from->n_attribute);
    for (size_t k = 0; k < from->n_attribute && k < MOST_ATTRIBUTES; k++) {
        const MxdiOnnx__Attribute *const a  = from->attribute[k];
        const mxd_status                 st = read_attribute(g, node, a, known ? err : NULL);
        if (st == MXD_E_NOMEM)
            return mxdi_nomem(err);
        if (st != MXD_OK && known)
            return mxdi_wrap(err, st, "%s '%s': attribute '%s'", node->op, node->name,
                             a->name ? a->name : "");
        dropped = dropped || st != MXD_OK;
    }
    return dropped ? mxdi_node_set_int(g, node, MXDI_ONNX_DROPPED, 1, err) : MXD_OK;
}

/* The tensor of one attribute of a Constant node; its numbers stay where protobuf-c put them. */
static mxd_status constant_of(mxd_tensor *out, MxdiOnnx__Attribute *a, mxdi_arena *arena,
                              mxdi_onnx_files *files, mxd_error *err)
{
    const char *const name = a->name ? a->name : "";
    if (strcmp(name, "value") == 0 && a->t)
        return mxdi_onnx_tensor_read(out, a->t, arena, files, err);
    if (strcmp(name, "value_float") == 0)
        *out = (mxd_tensor){ .data = &a->f, .dtype = MXD_F32 };
    else if (strcmp(name, "value_int") == 0)
        *out = (mxd_tensor){ .data = &a->i, .dtype = MXD_S64 };
    else if (strcmp(name, "value_floats") == 0)
        *out = (mxd_tensor){
            .data = a->floats, .dtype = MXD_F32, .rank = 1, .dim = { (int64_t)a->n_floats }
        };
    else if (strcmp(name, "value_ints") == 0)
        *out = (mxd_tensor){
            .data = a->ints, .dtype = MXD_S64, .rank = 1, .dim = { (int64_t)a->n_ints }
        };
    else
        return mxdi_fail(err, MXD_E_UNSUPPORTED,
                         "attribute '%s' is not supported; expected 'value', a tensor of numbers",
                         name);
    return MXD_OK;
}

mxd_status mxdi_onnx_read_constant(mxd_tensor *out, const MxdiOnnx__Node *from, const char *place,
                                   mxdi_arena *arena, mxdi_onnx_files *files, mxd_error *err)
{
    if (from->n_attribute != 1)
        return mxdi_fail(err, MXD_E_INVAL, "Constant '%s': expected one value, got %zu", place,
                         from->n_attribute);
    const mxd_status st = constant_of(out, from->attribute[0], arena, files, err);
    return mxdi_wrap(err, st, "Constant '%s'", place);
}
