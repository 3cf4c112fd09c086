/* SPDX-License-Identifier: Apache-2.0
 * Models: loading, saving, and what their inputs and outputs are. */
#include <string.h>

#include "api/api_objects.h"
#include "base/file.h"
#include "base/hash.h"
#include "onnx/onnx.h"

static mxd_status make(mxd_model **out, const mxd_context *ctx, mxdi_graph *graph, mxdi_view bytes,
                       mxd_error *err)
{
    *out = MXDI_ALLOC(&ctx->allocator, mxd_model, 1);
    if (!*out) {
        mxdi_graph_destroy(graph);
        return mxdi_nomem(err);
    }
    (*out)->ctx        = ctx;
    (*out)->references = 1;
    (*out)->graph      = graph;
    if (bytes.size)
        mxdi_hash_text((*out)->hash, mxdi_hash_bytes(bytes.data, bytes.size));
    return MXD_OK;
}

mxd_status mxd_model_load(mxd_model **out, const mxd_context *ctx, const char *path, mxd_error *err)
{
    mxdi_file   file  = MXDI_FILE_INIT;
    mxdi_graph *graph = NULL;
    *out              = NULL;
    MXD_TRY(mxdi_onnx_load(&graph, path, &ctx->allocator, err));
    mxd_status st = mxdi_file_map(&file, path, err);
    if (st != MXD_OK)
        mxdi_graph_destroy(graph);
    else
        st = make(out, ctx, graph, file.bytes, err);
    mxdi_file_unmap(&file);
    return st;
}

mxd_status mxd_model_load_bytes(mxd_model **out, const mxd_context *ctx, const void *data,
                                size_t bytes, mxd_error *err)
{
    mxdi_graph *graph    = NULL;
    *out                 = NULL;
    const mxdi_view view = { data, bytes };
    MXD_TRY(mxdi_onnx_load_bytes(&graph, view, NULL, &ctx->allocator, err));
    return make(out, ctx, graph, view, err);
}

mxd_model *mxdi_api_retain(const mxd_model *model)
{
    mxd_model *const m = (mxd_model *)(uintptr_t)model;
    __atomic_add_fetch(&m->references, 1, __ATOMIC_RELAXED);
    return m;
}

void mxd_model_destroy(mxd_model *model)
{
    if (!model || __atomic_sub_fetch(&model->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    mxdi_graph_destroy(model->graph);
    mxd_model_destroy(model->parent);
    mxdi_free(&model->ctx->allocator, model);
}

mxd_status mxd_model_save(const mxd_model *model, const char *path, mxd_error *err)
{
    return mxdi_onnx_save(model->graph, path, err);
}

int32_t mxd_model_opset(const mxd_model *model)
{
    return model->graph->opset;
}
uint32_t mxd_model_inputs(const mxd_model *model)
{
    return model->graph->n_inputs;
}
uint32_t mxd_model_outputs(const mxd_model *model)
{
    return model->graph->n_outputs;
}

void mxdi_api_value_info(mxd_value_info *out, const mxdi_graph *g, uint32_t id)
{
    const mxd_value *const v = &g->value[id];
    *out = (mxd_value_info){ .name = v->name, .dtype = v->dtype, .rank = v->rank };
    memcpy(out->dim, v->dim, sizeof(out->dim));
    for (uint32_t k = 0; k < g->n_symbols; k++)
        if (g->symbol[k].value == id && g->symbol[k].axis < MXD_MAX_RANK)
            out->symbol[g->symbol[k].axis] = g->symbol[k].name;
}

void mxd_model_input(mxd_value_info *out, const mxd_model *model, uint32_t index)
{
    mxdi_api_value_info(out, model->graph, model->graph->input[index]);
}

void mxd_model_output(mxd_value_info *out, const mxd_model *model, uint32_t index)
{
    mxdi_api_value_info(out, model->graph, model->graph->output[index]);
}

mxd_status mxdi_api_bindings(mxdi_shape_binding **out, mxdi_arena *arena, const mxd_shape *shape,
                             uint32_t n, mxd_error *err)
{
    *out = MXDI_NEW(arena, mxdi_shape_binding, n ? n : 1);
    if (!*out)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < n; k++) {
        if (shape[k].rank < 0 || shape[k].rank > MXD_MAX_RANK)
            return mxdi_fail(err, MXD_E_USAGE, "shape of '%s': 0 to %d dimensions expected, got %d",
                             shape[k].name, MXD_MAX_RANK, shape[k].rank);
        (*out)[k].name = shape[k].name;
        (*out)[k].rank = shape[k].rank;
        memcpy((*out)[k].dim, shape[k].dim, sizeof(shape[k].dim));
    }
    return MXD_OK;
}
