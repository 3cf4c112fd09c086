/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of ops, and checking a node against its row before its shape function sees it.
 */
#include "ir/shapes.h"

#include "base/text.h"

static const mxdi_op ops[] = {
#define MXDI_OP(name, domain, min_in, max_in, min_out, max_out, shape_in, attrs, shape) \
    { name, domain, min_in, max_in, min_out, max_out, shape_in, attrs, mxdi_shape_of_##shape },
#include "ir/ops.inc"
#undef MXDI_OP
};

static const char *const op_names[] = {
#define MXDI_OP(name, domain, min_in, max_in, min_out, max_out, shape_in, attrs, shape) name,
#include "ir/ops.inc"
#undef MXDI_OP
};

enum { N_OPS = sizeof(ops) / sizeof(ops[0]), ANY_NUMBER = 255 };

const mxdi_op *mxdi_op_find(const char *name, const char *domain)
{
    for (size_t i = 0; i < N_OPS; i++)
        if (strcmp(ops[i].name, name) == 0 && strcmp(ops[i].domain, domain) == 0)
            return &ops[i];
    return NULL;
}

size_t mxdi_op_count(void)
{
    return N_OPS;
}

const mxdi_op *mxdi_op_at(size_t i)
{
    return i < N_OPS ? &ops[i] : NULL;
}

const char *mxdi_op_nearest(const char *name)
{
    return mxdi_nearest(name, op_names, N_OPS);
}

/* ---- ONNX's element types ---- */

/* Index: TensorProto.DataType. Strings, complex numbers, 32 and 64 unsigned bits, the other 8-bit
 * floats and types below 4 bits have no place here. */
static const uint8_t onnx_types[] = {
    [1] = MXD_F32,   [2] = MXD_U8,      [3] = MXD_S8,   [4] = MXD_U16,  [5] = MXD_S16,
    [6] = MXD_S32,   [7] = MXD_S64,     [9] = MXD_BOOL, [10] = MXD_F16, [11] = MXD_F64,
    [16] = MXD_BF16, [17] = MXD_F8E4M3, [21] = MXD_U4,  [22] = MXD_S4,
};

mxd_dtype mxdi_dtype_of_onnx(int64_t data_type)
{
    if (data_type < 0 || data_type >= (int64_t)sizeof(onnx_types))
        return MXD_NONE;
    return (mxd_dtype)onnx_types[data_type];
}

int64_t mxdi_dtype_to_onnx(mxd_dtype dtype)
{
    for (size_t i = 1; i < sizeof(onnx_types); i++)
        if (onnx_types[i] != MXD_NONE && onnx_types[i] == dtype)
            return (int64_t)i;
    return 0;
}

/* ---- checking ---- */

static const char *const kind_names[] = {
    [MXD_ATTR_INT] = "int",   [MXD_ATTR_FLOAT] = "float",   [MXD_ATTR_STRING] = "string",
    [MXD_ATTR_INTS] = "ints", [MXD_ATTR_FLOATS] = "floats", [MXD_ATTR_TENSOR] = "tensor",
};

/* The kind that `attrs` gives attribute `name`, up to the next blank; NULL: it has none such. */
static const char *kind_of(const char *attrs, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = attrs; length > 0 && (at = strstr(at, name)) != NULL; at += length)
        if ((at == attrs || at[-1] == ' ') && at[length] == ':')
            return at + length + 1;
    return NULL;
}

static mxd_status check_attr(const mxd_node *node, const mxdi_op *op, const mxd_attr *a,
                             mxd_error *err)
{
    const char *const kind = kind_of(op->attrs, a->name);
    if (!kind)
        return mxdi_shape_refuse(err, MXD_E_UNSUPPORTED, node, "attribute '%s' is not known",
                                 a->name);
    const size_t      length = strcspn(kind, " ");
    const char *const got    = (unsigned)a->kind < sizeof(kind_names) / sizeof(kind_names[0])
                                   ? kind_names[a->kind]
                                   : "something else";
    if (strlen(got) == length && strncmp(kind, got, length) == 0)
        return MXD_OK;
    return mxdi_shape_refuse(err, MXD_E_INVAL, node, "attribute '%s': expected %.*s, got %s",
                             a->name, (int)length, kind, got);
}

static mxd_status check_arity(const mxd_node *node, const char *what, uint32_t n, uint32_t least,
                              uint32_t most, mxd_error *err)
{
    if (n >= least && (n <= most || most == ANY_NUMBER))
        return MXD_OK;
    if (most == ANY_NUMBER)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "expected %u %s or more, got %u",
                                 (unsigned)least, what, (unsigned)n);
    return mxdi_shape_refuse(err, MXD_E_INVAL, node, "expected %u to %u %s, got %u",
                             (unsigned)least, (unsigned)most, what, (unsigned)n);
}

mxd_status mxdi_op_check(const mxd_node *node, mxd_error *err)
{
    const mxdi_op *const op = mxdi_op_find(node->op, node->domain);
    if (!op) {
        const char *const near = *node->domain ? NULL : mxdi_op_nearest(node->op);
        return mxdi_shape_refuse(err, MXD_E_UNSUPPORTED, node, "this op%s%s is not supported%s%s%s",
                                 *node->domain ? " of domain " : "", node->domain,
                                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    MXD_TRY(check_arity(node, "inputs", node->n_in, op->min_in, op->max_in, err));
    MXD_TRY(check_arity(node, "outputs", node->n_out, op->min_out, op->max_out, err));
    /* An op of any number of inputs has no optional one: ONNX allows the empty name only where an
     * input may be left out. */
    const uint32_t required = op->max_in == ANY_NUMBER ? node->n_in : op->min_in;
    for (uint32_t k = 0; k < required; k++)
        if (node->in[k] == MXD_NO_VALUE)
            return mxdi_shape_refuse(err, MXD_E_INVAL, node, "input %u is missing", (unsigned)k);
    if (node->out[0] == MXD_NO_VALUE)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "output 0 is missing");
    for (uint32_t k = 0; k < node->n_attr; k++)
        MXD_TRY(check_attr(node, op, &node->attr[k], err));
    return MXD_OK;
}

mxd_status mxdi_op_infer(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    bool known = true;
    MXD_TRY(mxdi_op_check(node, err));
    for (uint32_t k = 0; k < node->n_out; k++)
        if (node->out[k] != MXD_NO_VALUE)
            g->value[node->out[k]].rank = -1;
    for (uint32_t k = 0; k < node->n_in; k++) {
        const mxd_value *const v = mxdi_shape_in(g, node, k);
        known                    = known && (!v || (v->rank >= 0 && v->dtype != MXD_NONE));
    }
    return known ? mxdi_op_find(node->op, node->domain)->shape(g, node, err) : MXD_OK;
}
