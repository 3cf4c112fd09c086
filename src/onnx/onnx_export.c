/* SPDX-License-Identifier: Apache-2.0
 *
 * From a graph to an ONNX model: the messages are built in an arena, pointing to the graph's names
 * and data, and packed straight into the file. Everything is written in the graph's own order, so
 * that the same graph gives the same bytes.
 */
#include "base/dtype.h"
#include "base/version.h"
#include "ir/ops.h"
#include "onnx/onnx_impl.h"

typedef struct exporter {
    const mxdi_graph *g;
    mxdi_arena        arena;
    mxdi_links        links;
    mxdi_onnx_names   domains; /* of nodes, other than "" */
    mxd_error        *err;
} exporter;

/* The text as protobuf-c wants it: not const, but only read. */
static char *text(const char *s)
{
    return (char *)s;
}

/* An array of n pointers to n messages of `size` bytes, neither of them filled; NULL: out of
 * memory. */
static void *messages(exporter *ex, size_t n, size_t size)
{
    void **const   list = MXDI_NEW(&ex->arena, void *, n > 0 ? n : 1);
    uint8_t *const body = mxdi_arena_alloc(&ex->arena, n > 0 ? n : 1, size, 16);
    if (!list || !body)
        return NULL;
    for (size_t k = 0; k < n; k++)
        list[k] = body + k * size;
    return list;
}

/* ---- types and tensors ---- */

/* MXD_E_INVAL where the opset does not know the type. */
static mxd_status check_dtype(const exporter *ex, const char *name, mxd_dtype d)
{
    const bool four_bits = d == MXD_S4 || d == MXD_U4;
    if (mxdi_dtype_to_onnx(d) == 0)
        return mxdi_fail(ex->err, MXD_E_INVAL, "value '%s': expected an element type, got none",
                         name);
    if ((four_bits && ex->g->opset < 21) || (d == MXD_F8E4M3 && ex->g->opset < 19))
        return mxdi_fail(ex->err, MXD_E_INVAL,
                         "value '%s': type %s needs opset %d, the graph has %d", name,
                         mxd_dtype_name(d), four_bits ? 21 : 19, (int)ex->g->opset);
    return MXD_OK;
}

static mxd_status fill_tensor(exporter *ex, MxdiOnnx__Tensor *out, const char *name,
                              const mxd_tensor *t)
{
    mxdi_onnx__tensor__init(out);
    MXD_TRY(check_dtype(ex, name, t->dtype));
    out->dims = MXDI_NEW(&ex->arena, int64_t, MXD_MAX_RANK);
    if (!out->dims)
        return mxdi_nomem(ex->err);
    for (int32_t k = 0; k < t->rank; k++)
        out->dims[k] = t->dim[k];
    out->n_dims        = (size_t)t->rank;
    out->has_data_type = 1;
    out->data_type     = (int32_t)mxdi_dtype_to_onnx(t->dtype);
    out->name          = text(name);
    out->has_raw_data  = 1;
    if (!mxdi_tensor_bytes(&out->raw_data.len, t))
        return mxdi_fail(ex->err, MXD_E_INVAL, "value '%s': its shape has no size", name);
    out->raw_data.data = t->data;
    return MXD_OK;
}

static mxd_status fill_initializers(exporter *ex, MxdiOnnx__Graph *to)
{
    to->initializer = messages(ex, ex->g->n_values, sizeof(MxdiOnnx__Tensor));
    if (!to->initializer)
        return mxdi_nomem(ex->err);
    for (uint32_t id = 0; id < ex->g->n_values; id++) {
        const mxd_value *const v = &ex->g->value[id];
        if (!v->data || ex->links.n_uses[id] == 0)
            continue;
        mxd_tensor t = { .data = (void *)v->data, .dtype = v->dtype, .rank = v->rank };
        memcpy(t.dim, v->dim, sizeof(t.dim));
        MXD_TRY(fill_tensor(ex, to->initializer[to->n_initializer++], v->name, &t));
    }
    return MXD_OK;
}

/* ---- inputs and outputs ---- */

static const mxdi_symbol *find_symbol(const mxdi_graph *g, uint32_t value, int32_t axis)
{
    for (uint32_t k = 0; k < g->n_symbols; k++)
        if (g->symbol[k].value == value && g->symbol[k].axis == axis)
            return &g->symbol[k];
    return NULL;
}

static mxd_status fill_shape(exporter *ex, MxdiOnnx__TensorType *to, uint32_t id)
{
    const mxd_value *const v     = &ex->g->value[id];
    MxdiOnnx__Shape *const shape = MXDI_NEW(&ex->arena, MxdiOnnx__Shape, 1);
    if (!shape)
        return mxdi_nomem(ex->err);
    mxdi_onnx__shape__init(shape);
    shape->dim = messages(ex, (size_t)v->rank, sizeof(MxdiOnnx__Dimension));
    if (!shape->dim)
        return mxdi_nomem(ex->err);
    shape->n_dim = (size_t)v->rank;
    for (int32_t k = 0; k < v->rank; k++) {
        MxdiOnnx__Dimension *const d      = shape->dim[k];
        const mxdi_symbol *const   symbol = find_symbol(ex->g, id, k);
        mxdi_onnx__dimension__init(d);
        if (symbol) {
            d->dim_param = *symbol->name ? text(symbol->name) : NULL;
        } else if (v->dim[k] >= 0) {
            d->has_dim_value = 1;
            d->dim_value     = v->dim[k];
        }
    }
    to->shape = shape;
    return MXD_OK;
}

/* An output whose type nobody inferred is written without one, as the format allows. */
static mxd_status fill_value_info(exporter *ex, MxdiOnnx__ValueInfo *to, uint32_t id,
                                  bool needs_type)
{
    const mxd_value *const v = &ex->g->value[id];
    mxdi_onnx__value_info__init(to);
    to->name = text(v->name);
    if (v->dtype == MXD_NONE && !needs_type)
        return MXD_OK;
    MXD_TRY(check_dtype(ex, v->name, v->dtype));
    MxdiOnnx__Type *const       type   = MXDI_NEW(&ex->arena, MxdiOnnx__Type, 1);
    MxdiOnnx__TensorType *const tensor = MXDI_NEW(&ex->arena, MxdiOnnx__TensorType, 1);
    if (!type || !tensor)
        return mxdi_nomem(ex->err);
    mxdi_onnx__type__init(type);
    mxdi_onnx__tensor_type__init(tensor);
    tensor->has_elem_type = 1;
    tensor->elem_type     = (int32_t)mxdi_dtype_to_onnx(v->dtype);
    type->tensor_type     = tensor;
    to->type              = type;
    return v->rank < 0 ? MXD_OK : fill_shape(ex, tensor, id);
}

static mxd_status fill_interface(exporter *ex, MxdiOnnx__Graph *to)
{
    const mxdi_graph *const g = ex->g;
    to->input                 = messages(ex, g->n_inputs, sizeof(MxdiOnnx__ValueInfo));
    to->output                = messages(ex, g->n_outputs, sizeof(MxdiOnnx__ValueInfo));
    if (!to->input || !to->output)
        return mxdi_nomem(ex->err);
    for (uint32_t k = 0; k < g->n_inputs; k++)
        MXD_TRY(fill_value_info(ex, to->input[to->n_input++], g->input[k], true));
    for (uint32_t k = 0; k < g->n_outputs; k++)
        MXD_TRY(fill_value_info(ex, to->output[to->n_output++], g->output[k], false));
    return MXD_OK;
}

/* ---- nodes ---- */

static mxd_status fill_attribute(exporter *ex, MxdiOnnx__Attribute *to, const mxd_attr *a)
{
    static const int32_t types[] = {
        [MXD_ATTR_INT] = ONNX_ATTR_INT,       [MXD_ATTR_FLOAT] = ONNX_ATTR_FLOAT,
        [MXD_ATTR_STRING] = ONNX_ATTR_STRING, [MXD_ATTR_INTS] = ONNX_ATTR_INTS,
        [MXD_ATTR_FLOATS] = ONNX_ATTR_FLOATS, [MXD_ATTR_TENSOR] = ONNX_ATTR_TENSOR,
    };
    mxdi_onnx__attribute__init(to);
    to->name     = text(a->name);
    to->has_type = 1;
    to->type     = types[a->kind];
    switch (a->kind) {
    case MXD_ATTR_INT:
        to->has_i = 1;
        to->i     = a->i;
        break;
    case MXD_ATTR_FLOAT:
        to->has_f = 1;
        to->f     = a->f;
        break;
    case MXD_ATTR_STRING:
        to->has_s = 1;
        to->s     = (ProtobufCBinaryData){ a->n, (uint8_t *)a->s };
        break;
    case MXD_ATTR_INTS:
        to->n_ints = a->n;
        to->ints   = (int64_t *)a->ints;
        break;
    case MXD_ATTR_FLOATS:
        to->n_floats = a->n;
        to->floats   = (float *)a->floats;
        break;
    case MXD_ATTR_TENSOR:
        to->t = MXDI_NEW(&ex->arena, MxdiOnnx__Tensor, 1);
        return to->t ? fill_tensor(ex, to->t, a->name, a->tensor) : mxdi_nomem(ex->err);
    }
    return MXD_OK;
}

/* Names of values, "" for those left out, none for those left out at the end. */
static char **value_names(exporter *ex, size_t *n_out, const uint32_t *ids, uint32_t n)
{
    char **const names = MXDI_NEW(&ex->arena, char *, n > 0 ? n : 1);
    while (n > 0 && ids[n - 1] == MXD_NO_VALUE)
        n--;
    for (uint32_t k = 0; names && k < n; k++)
        names[k] = text(ids[k] == MXD_NO_VALUE ? "" : ex->g->value[ids[k]].name);
    *n_out = n;
    return names;
}

static mxd_status fill_node(exporter *ex, MxdiOnnx__Node *to, const mxd_node *node)
{
    mxdi_onnx__node__init(to);
    if (strcmp(node->domain, "mixdown") == 0)
        return mxdi_fail(ex->err, MXD_E_INVAL,
                         "%s '%s': an op of mixdown's own cannot be written as ONNX", node->op,
                         node->name);
    if (mxd_node_attr(node, MXDI_ONNX_DROPPED, MXD_ATTR_INT))
        return mxdi_fail(ex->err, MXD_E_UNSUPPORTED,
                         "%s '%s': has attributes that were not read, and so cannot be written",
                         node->op, node->name);
    if (*node->domain && !mxdi_onnx_names_find(&ex->domains, node->domain) &&
        !mxdi_onnx_names_put(&ex->domains, node->domain, 1))
        return mxdi_nomem(ex->err);
    to->name      = text(node->name);
    to->op_type   = text(node->op);
    to->domain    = *node->domain ? text(node->domain) : NULL;
    to->input     = value_names(ex, &to->n_input, node->in, node->n_in);
    to->output    = value_names(ex, &to->n_output, node->out, node->n_out);
    to->attribute = messages(ex, node->n_attr, sizeof(MxdiOnnx__Attribute));
    if (!to->input || !to->output || !to->attribute)
        return mxdi_nomem(ex->err);
    for (uint32_t k = 0; k < node->n_attr; k++) {
        const mxd_status st = fill_attribute(ex, to->attribute[to->n_attribute++], &node->attr[k]);
        if (st != MXD_OK)
            return mxdi_wrap(ex->err, st, "%s '%s': attribute '%s'", node->op, node->name,
                             node->attr[k].name);
    }
    return MXD_OK;
}

static mxd_status fill_graph(exporter *ex, MxdiOnnx__Graph *to)
{
    mxdi_onnx__graph__init(to);
    to->name = text(*ex->g->name ? ex->g->name : "mixdown"); /* the format wants one */
    to->node = messages(ex, ex->g->n_nodes, sizeof(MxdiOnnx__Node));
    if (!to->node)
        return mxdi_nomem(ex->err);
    for (uint32_t k = 0; k < ex->g->n_nodes; k++)
        if (ex->g->node[k].op)
            MXD_TRY(fill_node(ex, to->node[to->n_node++], &ex->g->node[k]));
    MXD_TRY(fill_initializers(ex, to));
    return fill_interface(ex, to);
}

/* ---- the model ---- */

/* The IR version that came with an opset, from the ONNX release table; 8 at least, which all
 * readers know by now. */
static int64_t ir_version_of(int32_t opset)
{
    static const struct {
        int32_t opset, ir;
    } releases[] = { { 28, 14 }, { 25, 13 }, { 24, 12 }, { 23, 11 }, { 21, 10 }, { 19, 9 } };
    for (size_t k = 0; k < sizeof(releases) / sizeof(releases[0]); k++)
        if (opset >= releases[k].opset)
            return releases[k].ir;
    return 8;
}

/* The graph's own opset; version 1 of every other domain, the only one that is not known here. */
static mxd_status fill_opsets(exporter *ex, MxdiOnnx__Model *to)
{
    to->opset_import = messages(ex, 1 + ex->domains.n, sizeof(MxdiOnnx__OpsetId));
    if (!to->opset_import)
        return mxdi_nomem(ex->err);
    MxdiOnnx__OpsetId *const own = to->opset_import[to->n_opset_import++];
    mxdi_onnx__opset_id__init(own);
    own->domain      = text("");
    own->has_version = 1;
    own->version     = ex->g->opset;
    for (uint32_t k = 0; k < ex->g->n_nodes; k++) {
        const mxd_node *const node = &ex->g->node[k];
        uint32_t *const       todo =
            node->op && *node->domain ? mxdi_onnx_names_find(&ex->domains, node->domain) : NULL;
        if (!todo || *todo == 0)
            continue;
        MxdiOnnx__OpsetId *const other = to->opset_import[to->n_opset_import++];
        mxdi_onnx__opset_id__init(other);
        other->domain      = text(node->domain);
        other->has_version = 1;
        other->version     = 1;
        *todo              = 0;
    }
    return MXD_OK;
}

static mxd_status fill_model(exporter *ex, MxdiOnnx__Model *to)
{
    const mxdi_graph *const g = ex->g;
    mxdi_onnx__model__init(to);
    to->has_ir_version   = 1;
    to->ir_version       = ir_version_of(g->opset);
    to->producer_name    = text("mixdown");
    to->producer_version = text(MXDI_VERSION);
    to->graph            = MXDI_NEW(&ex->arena, MxdiOnnx__Graph, 1);
    to->metadata_props   = messages(ex, g->n_meta, sizeof(MxdiOnnx__TextPair));
    if (!to->graph || !to->metadata_props)
        return mxdi_nomem(ex->err);
    for (uint32_t k = 0; k < g->n_meta; k++) {
        MxdiOnnx__TextPair *const pair = to->metadata_props[to->n_metadata_props++];
        mxdi_onnx__text_pair__init(pair);
        pair->key   = text(g->meta[k].key);
        pair->value = text(g->meta[k].text);
    }
    MXD_TRY(fill_graph(ex, to->graph));
    return fill_opsets(ex, to);
}

/* Where packed bytes go: one of the two. */
typedef struct sink {
    ProtobufCBuffer base;
    mxdi_bytes     *bytes;
    mxdi_out_file  *file;
    mxd_error      *err;
    mxd_status      st;
} sink;

static void append(ProtobufCBuffer *base, size_t n, const uint8_t *data)
{
    sink *const s = (sink *)base;
    if (s->st != MXD_OK)
        return;
    if (s->file)
        s->st = mxdi_out_write(s->file, data, n, s->err);
    else if (!mxdi_bytes_append(s->bytes, data, n))
        s->st = mxdi_nomem(s->err);
}

static mxd_status export_to(sink *s, const mxdi_graph *g)
{
    MxdiOnnx__Model model;
    exporter        ex = { .g = g, .links = MXDI_LINKS_INIT, .err = s->err };
    ex.domains.alloc   = g->arena.alloc;
    mxdi_arena_init(&ex.arena, g->arena.alloc);
    mxd_status st = mxdi_links_build(&ex.links, g, s->err);
    if (st == MXD_OK)
        st = fill_model(&ex, &model);
    if (st == MXD_OK) {
        const size_t size = mxdi_onnx__model__get_packed_size(&model);
        if (size > INT32_MAX)
            st = mxdi_fail(s->err, MXD_E_UNSUPPORTED,
                           "%zu bytes do not fit in one ONNX file, which holds 2 GB", size);
    }
    if (st == MXD_OK) {
        mxdi_onnx__model__pack_to_buffer(&model, &s->base);
        st = s->st;
    }
    mxdi_onnx_names_free(&ex.domains);
    mxdi_links_free(&ex.links);
    mxdi_arena_fini(&ex.arena);
    return st;
}

mxd_status mxdi_onnx_write(mxdi_bytes *out, const mxdi_graph *g, mxd_error *err)
{
    const size_t     before = out->size;
    sink             s      = { .base = { append }, .bytes = out, .err = err };
    const mxd_status st     = export_to(&s, g);
    if (st != MXD_OK)
        out->size = before;
    return st;
}

mxd_status mxdi_onnx_save(const mxdi_graph *g, const char *path, mxd_error *err)
{
    sink s = { .base = { append }, .err = err };
    MXD_TRY(mxdi_out_open(&s.file, path, g->arena.alloc, err));
    const mxd_status st = export_to(&s, g);
    if (st == MXD_OK)
        return mxdi_out_commit(s.file, err);
    mxdi_out_abort(s.file);
    return s.st == MXD_OK ? mxdi_wrap(err, st, "%s", path)
                          : st; /* a failed write names the path itself */
}
