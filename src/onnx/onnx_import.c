/* SPDX-License-Identifier: Apache-2.0
 *
 * From an ONNX model to a graph. The unpacked messages stay in memory as the graph's backing, so
 * that constants point into them and are held once. First all values get their names and producers,
 * then nodes are read against them, so that the order of nodes in the file does not matter.
 */
#include <limits.h>

#include "ir/ops.h"
#include "onnx/onnx_impl.h"

/* What constants point into. */
typedef struct backing {
    mxdi_arena      arena;
    mxdi_onnx_files files;
} backing;

typedef struct importer {
    mxdi_graph            *g;
    backing               *data;
    const MxdiOnnx__Graph *from;
    mxdi_onnx_names        values;     /* to value ids */
    mxdi_onnx_names        node_names; /* to the number to try next when the name comes again */
    mxdi_onnx_names        outputs;    /* seen so far */
} importer;

enum { MOST_METADATA = 4096 }; /* each is looked up by key when it is set */

static const char *text_of(const char *s)
{
    return s ? s : "";
}

/* "" for ONNX itself, which is also called "ai.onnx". */
static const char *domain_of(const char *s)
{
    return s && strcmp(s, "ai.onnx") != 0 ? s : "";
}

static bool is_constant(const MxdiOnnx__Node *n)
{
    return strcmp(text_of(n->op_type), "Constant") == 0 && *domain_of(n->domain) == '\0';
}

/* ---- values ---- */

/* Enter a value under its name. what, place: who makes it, for messages. */
static mxd_status enter_value(importer *im, uint32_t id, const char *what, const char *place,
                              mxd_error *err)
{
    const char *const name = im->g->value[id].name;
    if (mxdi_onnx_names_find(&im->values, name))
        return mxdi_fail(err, MXD_E_INVAL, "%s '%s': makes '%s', which is made already", what,
                         place, name);
    return mxdi_onnx_names_put(&im->values, name, id) ? MXD_OK : mxdi_nomem(err);
}

static mxd_status add_constant(importer *im, const char *name, const mxd_tensor *t,
                               const char *what, mxd_error *err)
{
    uint32_t id = 0;
    if (*name == '\0')
        return mxdi_fail(err, MXD_E_INVAL, "%s: expected a name, got none", what);
    MXD_TRY(mxdi_graph_add_constant(&id, im->g, name, NULL, t, false, err));
    return enter_value(im, id, what, name, err);
}

static mxd_status read_constants(importer *im, mxd_error *err)
{
    mxd_tensor t;
    if (im->from->n_sparse_initializer > 0)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "sparse initializers are not supported");
    for (size_t k = 0; k < im->from->n_initializer; k++) {
        const MxdiOnnx__Tensor *const from = im->from->initializer[k];
        MXD_TRY(mxdi_onnx_tensor_read(&t, from, &im->data->arena, &im->data->files, err));
        MXD_TRY(add_constant(im, text_of(from->name), &t, "initializer", err));
    }
    for (size_t k = 0; k < im->from->n_node; k++) {
        const MxdiOnnx__Node *const from = im->from->node[k];
        if (!is_constant(from))
            continue;
        const char *const name = from->n_output == 1 ? from->output[0] : "";
        MXD_TRY(mxdi_onnx_read_constant(&t, from, *name ? name : text_of(from->name),
                                        &im->data->arena, &im->data->files, err));
        MXD_TRY(add_constant(im, name, &t, "Constant", err));
    }
    return MXD_OK;
}

static mxd_status read_dimension(mxdi_graph *g, uint32_t id, int32_t axis,
                                 const MxdiOnnx__Dimension *d, mxd_error *err)
{
    mxd_value *const v = &g->value[id];
    if (d->has_dim_value && d->dim_value >= 0) {
        v->dim[axis] = d->dim_value;
        return MXD_OK;
    }
    if (d->has_dim_value && d->dim_value != -1) /* -1: how some writers spell "open" */
        return mxdi_fail(err, MXD_E_SHAPE, "dimension %d is %lld", (int)axis,
                         (long long)d->dim_value);
    v->dim[axis] = -1;
    return mxdi_graph_add_symbol(g, id, axis, text_of(d->dim_param), err);
}

static mxd_status read_type(mxdi_graph *g, uint32_t id, const MxdiOnnx__Type *type, mxd_error *err)
{
    mxd_value *const v = &g->value[id];
    if (!type || !type->tensor_type)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "expected a tensor, got another type or none");
    const MxdiOnnx__TensorType *const t = type->tensor_type;
    MXD_TRY(mxdi_onnx_read_dtype(&v->dtype, t->elem_type, err));
    if (!t->shape)
        return MXD_OK;
    if (t->shape->n_dim > MXD_MAX_RANK)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "expected at most %d dimensions, got %zu",
                         (int)MXD_MAX_RANK, t->shape->n_dim);
    v->rank = (int32_t)t->shape->n_dim;
    for (int32_t k = 0; k < v->rank; k++)
        MXD_TRY(read_dimension(g, id, k, t->shape->dim[k], err));
    if (!mxdi_shape_fits(v->dtype, v->dim, v->rank))
        return mxdi_fail(err, MXD_E_RANGE, "expected at most %zu bytes, got %s of %s",
                         MXDI_VALUE_BYTES_MAX, mxd_dtype_name(v->dtype),
                         mxdi_dims(v->dim, v->rank).text);
    return MXD_OK;
}

static mxd_status read_inputs(importer *im, mxd_error *err)
{
    for (size_t k = 0; k < im->from->n_input; k++) {
        const MxdiOnnx__ValueInfo *const from = im->from->input[k];
        const char *const                name = text_of(from->name);
        if (*name == '\0')
            return mxdi_fail(err, MXD_E_INVAL, "input %zu: expected a name, got none", k);
        const uint32_t *const known = mxdi_onnx_names_find(&im->values, name);
        if (known && im->g->value[*known].data)
            continue; /* an initializer that could be overridden: constant for us */
        uint32_t id = 0;
        MXD_TRY(mxdi_graph_add_value(&id, im->g, name, NULL, err));
        MXD_TRY(enter_value(im, id, "input", name, err));
        MXD_TRY(mxdi_graph_add_input(im->g, id, err));
        const mxd_status st = read_type(im->g, id, from->type, err);
        if (st != MXD_OK)
            return mxdi_wrap(err, st, "input '%s'", name);
    }
    return MXD_OK;
}

static mxd_status read_outputs(importer *im, mxd_error *err)
{
    mxdi_graph *const g = im->g;
    if (im->from->n_output == 0)
        return mxdi_fail(err, MXD_E_INVAL, "expected an output, got none");
    for (size_t k = 0; k < im->from->n_output; k++) {
        const MxdiOnnx__ValueInfo *const from = im->from->output[k];
        const char *const                name = text_of(from->name);
        const uint32_t *const            id   = mxdi_onnx_names_find(&im->values, name);
        if (!id)
            return mxdi_fail(err, MXD_E_INVAL, "output '%s': nothing makes it", name);
        if (mxdi_onnx_names_find(&im->outputs, name))
            return mxdi_fail(err, MXD_E_INVAL, "output '%s': listed twice", name);
        if (!mxdi_onnx_names_put(&im->outputs, name, *id))
            return mxdi_nomem(err);
        MXD_TRY(mxdi_graph_add_output(g, *id, err));
        mxd_value *const v = &g->value[*id];
        if (v->dtype != MXD_NONE || !from->type)
            continue; /* a network input or a constant */
        const mxd_status st = read_type(g, *id, from->type, err);
        if (st != MXD_OK)
            return mxdi_wrap(err, st, "output '%s'", name);
    }
    return MXD_OK;
}

/* ---- nodes ---- */

/* Where a node stands in messages before it has its name. */
static const char *place_of(const MxdiOnnx__Node *from)
{
    if (from->name && *from->name)
        return from->name;
    for (size_t k = 0; k < from->n_output; k++)
        if (*from->output[k])
            return from->output[k];
    return "";
}

static mxd_status enter_node_outputs(importer *im, mxd_error *err)
{
    for (size_t n = 0; n < im->from->n_node; n++) {
        const MxdiOnnx__Node *const from = im->from->node[n];
        const char *const           op   = text_of(from->op_type);
        if (*op == '\0')
            return mxdi_fail(err, MXD_E_INVAL, "node '%s': expected an operator, got none",
                             place_of(from));
        if (strcmp(domain_of(from->domain), "mixdown") == 0)
            return mxdi_fail(err, MXD_E_INVAL, "%s '%s': domain 'mixdown' is not for files", op,
                             place_of(from));
        for (size_t k = 0; !is_constant(from) && k < from->n_output; k++) {
            uint32_t id = 0;
            if (*from->output[k] == '\0')
                continue;
            MXD_TRY(mxdi_graph_add_value(&id, im->g, from->output[k], NULL, err));
            MXD_TRY(enter_value(im, id, op, place_of(from), err));
        }
    }
    return MXD_OK;
}

/* A name for the node that no other has. */
static mxd_status unique_name(const char **out, importer *im, const MxdiOnnx__Node *from,
                              mxd_error *err)
{
    const char *const wish = *place_of(from) ? place_of(from) : from->op_type;
    uint32_t *const   next = mxdi_onnx_names_find(&im->node_names, wish);
    *out                   = wish;
    while (mxdi_onnx_names_find(&im->node_names, *out)) {
        *out = mxdi_arena_printf(&im->g->arena, "%s_%u", wish, (unsigned)(*next)++);
        if (!*out)
            return mxdi_nomem(err);
    }
    return mxdi_onnx_names_put(&im->node_names, *out, 2) ? MXD_OK : mxdi_nomem(err);
}

/* Ids of names, in the arena; left-out ones at the end do not count. */
static mxd_status read_ids(uint32_t **out, uint32_t *n_out, importer *im, char *const *name,
                           size_t n, const MxdiOnnx__Node *from, mxd_error *err)
{
    while (n > 0 && *name[n - 1] == '\0')
        n--;
    uint32_t *const ids = MXDI_NEW(&im->data->arena, uint32_t, n > 0 ? n : 1);
    if (!ids || n > UINT32_MAX)
        return mxdi_nomem(err);
    for (size_t k = 0; k < n; k++) {
        const uint32_t *const id = *name[k] ? mxdi_onnx_names_find(&im->values, name[k]) : NULL;
        if (*name[k] && !id)
            return mxdi_fail(err, MXD_E_INVAL, "%s '%s': reads '%s', which nothing makes",
                             from->op_type, place_of(from), name[k]);
        ids[k] = id ? *id : MXD_NO_VALUE;
    }
    *out   = ids;
    *n_out = (uint32_t)n;
    return MXD_OK;
}

static mxd_status read_node(importer *im, const MxdiOnnx__Node *from, mxd_error *err)
{
    uint32_t   *in = NULL, *out = NULL, n_in = 0, n_out = 0;
    const char *name = NULL;
    mxd_node   *node = NULL;
    MXD_TRY(read_ids(&in, &n_in, im, from->input, from->n_input, from, err));
    MXD_TRY(read_ids(&out, &n_out, im, from->output, from->n_output, from, err));
    MXD_TRY(unique_name(&name, im, from, err));
    const char *const domain = domain_of(from->domain);
    MXD_TRY(
        mxdi_graph_add_node(&node, im->g, from->op_type, domain, name, in, n_in, out, n_out, err));
    MXD_TRY(mxdi_node_add_origins(im->g, node, &name, 1, err));
    return mxdi_onnx_read_attributes(im->g, node, from, mxdi_op_find(from->op_type, domain) != NULL,
                                     err);
}

/* ---- the model ---- */

static mxd_status read_opset(mxdi_graph *g, const MxdiOnnx__Model *model, mxd_error *err)
{
    int64_t opset = 0;
    for (size_t k = 0; k < model->n_opset_import; k++)
        if (*domain_of(model->opset_import[k]->domain) == '\0' &&
            model->opset_import[k]->version > opset)
            opset = model->opset_import[k]->version;
    if (opset < MXDI_ONNX_MIN_OPSET || opset > MXDI_ONNX_MAX_OPSET)
        return mxdi_fail(
            err, MXD_E_UNSUPPORTED,
            "opset: expected %d to %d, got %lld; convert the model with onnx.version_converter",
            (int)MXDI_ONNX_MIN_OPSET, (int)MXDI_ONNX_MAX_OPSET, (long long)opset);
    g->opset = (int32_t)opset;
    return MXD_OK;
}

static mxd_status read_metadata(mxdi_graph *g, const MxdiOnnx__Model *model, mxd_error *err)
{
    if (model->n_metadata_props > MOST_METADATA)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "metadata: expected at most %d entries, got %zu",
                         (int)MOST_METADATA, model->n_metadata_props);
    for (size_t k = 0; k < model->n_metadata_props; k++)
        MXD_TRY(mxdi_graph_set_meta(g, text_of(model->metadata_props[k]->key),
                                    text_of(model->metadata_props[k]->value), err));
    return MXD_OK;
}

static mxd_status read_graph(importer *im, mxd_error *err)
{
    im->g->name = mxdi_arena_strdup(&im->g->arena, text_of(im->from->name));
    if (!im->g->name)
        return mxdi_nomem(err);
    MXD_TRY(read_constants(im, err));
    MXD_TRY(read_inputs(im, err));
    MXD_TRY(enter_node_outputs(im, err));
    for (size_t k = 0; k < im->from->n_node; k++)
        if (!is_constant(im->from->node[k]))
            MXD_TRY(read_node(im, im->from->node[k], err));
    MXD_TRY(read_outputs(im, err));
    if (im->g->opset == 6)
        MXD_TRY(mxdi_onnx_lift_opset6(im->g, err));
    MXD_TRY(mxdi_graph_sort(im->g, err));
    return mxdi_graph_verify(im->g, err);
}

static mxd_status read_model(mxdi_graph *g, backing *data, mxdi_view bytes, mxd_error *err)
{
    ProtobufCMessage *message = NULL;
    MXD_TRY(mxdi_onnx_unpack(&message, &mxdi_onnx__model__descriptor, bytes, &data->arena, err));
    const MxdiOnnx__Model *const model = (const MxdiOnnx__Model *)message;
    if (!model->graph)
        return mxdi_fail(err, MXD_E_PARSE, "not an ONNX model: expected a graph, got none");
    MXD_TRY(read_opset(g, model, err));
    MXD_TRY(read_metadata(g, model, err));
    const mxdi_onnx_names none = { .alloc = g->arena.alloc };
    importer              im   = { g, data, model->graph, none, none, none };
    const mxd_status      st   = read_graph(&im, err);
    mxdi_onnx_names_free(&im.values);
    mxdi_onnx_names_free(&im.node_names);
    mxdi_onnx_names_free(&im.outputs);
    return st;
}

static void release(void *p)
{
    backing *const             data  = p;
    const mxd_allocator *const alloc = data->arena.alloc;
    mxdi_onnx_files_close(&data->files);
    mxdi_arena_fini(&data->arena);
    mxdi_free(alloc, data);
}

mxd_status mxdi_onnx_load_bytes(mxdi_graph **out, mxdi_view bytes, const char *folder,
                                const mxd_allocator *alloc, mxd_error *err)
{
    mxdi_graph *g = NULL;
    *out          = NULL;
    MXD_TRY(mxdi_graph_create(&g, alloc, err));
    backing *const data = MXDI_ALLOC(alloc, backing, 1);
    mxd_status     st   = data ? MXD_OK : mxdi_nomem(err);
    if (st == MXD_OK) {
        mxdi_arena_init(&data->arena, alloc);
        data->files        = (mxdi_onnx_files){ .folder = folder, .arena = &data->arena };
        g->backing         = data;
        g->release_backing = release;
        st                 = read_model(g, data, bytes, err);
        data->files.folder = NULL; /* the caller's, and not needed again */
    }
    if (st != MXD_OK) {
        mxdi_graph_destroy(g);
        return st;
    }
    *out = g;
    return MXD_OK;
}

mxd_status mxdi_onnx_load(mxdi_graph **out, const char *path, const mxd_allocator *alloc,
                          mxd_error *err)
{
    mxdi_file file = MXDI_FILE_INIT;
    char      folder[PATH_MAX];
    *out = NULL;
    if (!mxdi_path_beside(folder, sizeof(folder), path, "."))
        return mxdi_fail(err, MXD_E_IO, "%s: the path is too long", path);
    MXD_TRY(mxdi_file_map(&file, path, err));
    const mxd_status st = mxdi_onnx_load_bytes(out, file.bytes, folder, alloc, err);
    mxdi_file_unmap(&file);
    return mxdi_wrap(err, st, "%s", path);
}
