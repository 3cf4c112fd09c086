/* SPDX-License-Identifier: Apache-2.0
 *
 * Inspect: every node with its work and weights, and every reason why a network would be refused -
 * all of them, not the first.
 */
#include <string.h>

#include "api/api_objects.h"
#include "base/cpu.h"
#include "base/dtype.h"
#include "engine/asked.h"
#include "ir/ops.h"

/* What the caller gets, and what it stands on. */
struct inspection {
    mxd_inspection shown;
    mxdi_arena     arena;
    mxd_allocator  alloc;
};

/* Multiplications of one node; 0 where shapes are unknown or the op has none worth counting. */
static int64_t macs_of(const mxdi_graph *g, const mxd_node *n)
{
    int64_t out = 0, in = 0, w = 0;
    if (n->n_in < 2 || n->in[0] == MXD_NO_VALUE || n->in[1] == MXD_NO_VALUE || n->n_out < 1 ||
        n->out[0] == MXD_NO_VALUE)
        return 0;
    const bool qlinear       = mxdi_node_is(n, "QLinearConv") || mxdi_node_is(n, "QLinearMatMul");
    const mxd_value *const x = &g->value[n->in[0]], *const y = &g->value[n->out[0]];
    const uint32_t w_id = n->in[qlinear && n->n_in > 3 ? 3 : 1];
    if (w_id == MXD_NO_VALUE)
        return 0;
    const mxd_value *const wv = &g->value[w_id];
    if (!mxdi_shape_count(&out, y->dim, y->rank) || !mxdi_shape_count(&in, x->dim, x->rank) ||
        !mxdi_shape_count(&w, wv->dim, wv->rank) || wv->rank < 1)
        return 0;
    if (mxdi_node_is(n, "Conv") || mxdi_node_is(n, "ConvInteger") || mxdi_node_is(n, "QLinearConv"))
        return wv->dim[0] ? out * (w / wv->dim[0]) : 0;
    if (mxdi_node_is(n, "ConvTranspose"))
        return wv->dim[0] ? in * (w / wv->dim[0]) : 0;
    if (mxdi_node_is(n, "Gemm"))
        return x->rank == 2 ? out * x->dim[mxd_node_int(n, "transA", 0) ? 0 : 1] : 0;
    if (mxdi_node_is(n, "MatMul") || mxdi_node_is(n, "MatMulInteger") ||
        mxdi_node_is(n, "QLinearMatMul"))
        return x->rank > 0 ? out * x->dim[x->rank - 1] : 0;
    return 0;
}

/* Constants are counted with the first node that reads them. */
static void count_weights(mxd_inspection *i, mxd_layer_info *row, const mxdi_graph *g,
                          const mxd_node *n, uint8_t *seen)
{
    for (uint32_t k = 0; k < n->n_in; k++) {
        const uint32_t v = n->in[k];
        int64_t        count;
        if (v == MXD_NO_VALUE || !g->value[v].data || seen[v] ||
            !mxdi_shape_count(&count, g->value[v].dim, g->value[v].rank))
            continue;
        seen[v] = 1;
        row->parameters += count;
        i->parameters += count;
        i->weight_bytes += (int64_t)g->value[v].bytes;
    }
}

static void unsupported(struct inspection *i, mxd_layer_info *row, const char *reason,
                        const char *hint)
{
    if (!row->unsupported)
        i->shown.n_unsupported++;
    row->unsupported = reason;
    row->hint        = hint;
}

/* Reasons that follow from the table of ops alone. */
static mxd_status check_ops(struct inspection *i, mxd_layer_info *rows, const mxdi_graph *g,
                            mxd_error *err)
{
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const mxd_node *const node = &g->node[n];
        mxd_error             why  = MXD_ERROR_INIT;
        const mxd_status      st   = mxdi_op_check(node, &why);
        if (st != MXD_OK && st != MXD_E_UNSUPPORTED)
            return mxdi_fail(err, st, "%s", why.msg);
        if (st == MXD_OK)
            continue;
        const char *const near   = mxdi_op_nearest(node->op);
        const char *const reason = mxdi_arena_strdup(&i->arena, why.msg);
        const char *const hint =
            near
                ? mxdi_arena_printf(
                      &i->arena,
                      "export the model with '%s' or other ops of docs/ops.md in its place", near)
                : "export the model without it, or cut the network before it; docs/ops.md lists what runs";
        if (!reason || !hint)
            return mxdi_nomem(err);
        unsupported(i, &rows[n], reason, hint);
    }
    return MXD_OK;
}

/* Reasons of the backends, node by node, on the canonical graph; told at the ONNX nodes they come
 * from. */
static mxd_status check_backends(struct inspection *i, mxd_layer_info *rows,
                                 const mxdi_graph *original, const mxdi_graph *g,
                                 const mxd_context *ctx, mxd_error *err)
{
    const mxd_graph_view view   = mxdi_graph_view(g);
    const size_t         n      = g->n_nodes ? g->n_nodes : 1;
    uint8_t *const       taken  = MXDI_NEW(&i->arena, uint8_t, 2 * n);
    const char **const   reason = MXDI_NEW(&i->arena, const char *, 2 * n);
    const mxd_host_api   host   = { .struct_size = sizeof(host), .allocator = &ctx->allocator };
    if (!taken || !reason)
        return mxdi_nomem(err);
    for (uint32_t b = 0; b < 2; b++) {
        const mxd_backend_api *api;
        mxd_device            *dev   = NULL;
        mxd_claim              claim = { .struct_size = sizeof(claim),
                                         .taken       = taken + b * n,
                                         .reason      = reason + b * n };
        MXD_TRY(mxdi_registry_find(&api, &ctx->registry, b ? "interp" : "cpu", err));
        MXD_TRY(api->open(&dev, 0, &(mxd_options){ NULL, 0 }, &host, err));
        mxd_status st = api->claim(dev, &view, &claim, err);
        for (uint32_t k = 0; k < n && st == MXD_OK && g->n_nodes; k++)
            if (reason[b * n + k] &&
                !(reason[b * n + k] = mxdi_arena_strdup(&i->arena, reason[b * n + k])))
                st = mxdi_nomem(err);
        api->close(dev);
        if (st != MXD_OK)
            return st;
    }
    for (uint32_t k = 0; k < g->n_nodes; k++)
        for (uint32_t o = 0; !taken[k] && !taken[n + k] && o < original->n_nodes; o++)
            if (g->node[k].n_origin && strcmp(original->node[o].name, g->node[k].origin[0]) == 0)
                unsupported(i, &rows[o], reason[n + k] ? reason[n + k] : "no backend runs it",
                            "use another element type, or cut the network before it");
    return MXD_OK;
}

static mxd_status list_ends(struct inspection *i, const mxdi_graph *g, mxd_error *err)
{
    i->shown.n_inputs  = g->n_inputs;
    i->shown.n_outputs = g->n_outputs;
    i->shown.input     = MXDI_NEW(&i->arena, mxd_value_info, g->n_inputs + 1);
    i->shown.output    = MXDI_NEW(&i->arena, mxd_value_info, g->n_outputs + 1);
    if (!i->shown.input || !i->shown.output)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < g->n_inputs; k++)
        mxdi_api_value_info(&i->shown.input[k], g, g->input[k]);
    for (uint32_t k = 0; k < g->n_outputs; k++)
        mxdi_api_value_info(&i->shown.output[k], g, g->output[k]);
    return MXD_OK;
}

/* The model's own shapes for printing, with inferred ones where the file has none. */
static void complete_outputs(struct inspection *i, const mxdi_graph *bound)
{
    for (uint32_t k = 0; k < i->shown.n_outputs && k < bound->n_outputs; k++) {
        const mxd_value *const v = &bound->value[bound->output[k]];
        mxd_value_info *const  o = &i->shown.output[k];
        if (o->rank < 0 || o->dtype == MXD_NONE) {
            const mxd_value_info before = *o;
            *o = (mxd_value_info){ .name = before.name, .dtype = v->dtype, .rank = v->rank };
            memcpy(o->dim, v->dim, sizeof(o->dim));
        }
    }
}

/* Dimensions that the file leaves open, as the user's shapes decide them; a batch stays open. */
static void decide_ends(struct inspection *i, const mxdi_graph *bound)
{
    for (uint32_t k = 0; k < i->shown.n_inputs + i->shown.n_outputs; k++) {
        const bool            is_input = k < i->shown.n_inputs;
        mxd_value_info *const shown =
            is_input ? &i->shown.input[k] : &i->shown.output[k - i->shown.n_inputs];
        const uint32_t v = mxdi_graph_find_value(bound, shown->name);
        mxd_value_info decided;
        if (v == MXD_NO_VALUE || bound->value[v].rank != shown->rank)
            continue;
        mxdi_api_value_info(&decided, bound, v);
        for (int32_t d = 0; d < shown->rank; d++)
            if (!decided.symbol[d] && bound->value[v].batch_axis != d) {
                shown->dim[d]    = decided.dim[d];
                shown->symbol[d] = NULL;
            }
    }
}

static mxd_status fill_rows(struct inspection *i, mxd_layer_info *rows, const mxdi_graph *original,
                            const mxdi_graph *bound, mxd_error *err)
{
    mxdi_links     links    = MXDI_LINKS_INIT;
    uint8_t *const seen     = MXDI_NEW(&i->arena, uint8_t, original->n_values + 1);
    json_t        *narrower = NULL;
    mxd_status     st       = seen ? mxdi_links_build(&links, original, err) : mxdi_nomem(err);
    if (st == MXD_OK)
        st = mxdi_asked_notes(&narrower, original, "mixdown.precision", err);
    for (uint32_t n = 0; n < original->n_nodes && st == MXD_OK; n++) {
        const mxd_node *const node = &original->node[n];
        count_weights(&i->shown, &rows[n], original, node, seen);
        if (mxdi_is_product(node) &&
            !(rows[n].precision = mxdi_asked(&i->arena, original, &links, narrower, node)))
            st = mxdi_nomem(err);
        for (uint32_t b = 0; bound && b < bound->n_nodes; b++)
            if (strcmp(bound->node[b].name, node->name) == 0) {
                rows[n].macs = macs_of(bound, &bound->node[b]);
                i->shown.macs += rows[n].macs;
                break;
            }
    }
    json_decref(narrower);
    mxdi_links_free(&links);
    return st;
}

static mxd_status bind_shapes(mxdi_graph **out, struct inspection *i, const mxdi_graph *g,
                              const mxd_shape *shape, uint32_t n_shapes, bool canonical,
                              mxd_error *err)
{
    mxdi_shape_binding *b;
    bool                scalable;
    MXD_TRY(mxdi_api_bindings(&b, &i->arena, shape, n_shapes, err));
    MXD_TRY(mxdi_graph_clone(out, g, err));
    return canonical ? mxdi_passes_prepare(*out, b, n_shapes, 1, &scalable, err)
                     : mxdi_bind_shapes(*out, b, n_shapes, 1, &scalable, err);
}

static mxd_status inspect(struct inspection *i, const mxd_model *model, const mxd_shape *shape,
                          uint32_t n_shapes, mxd_error *err)
{
    const mxdi_graph *const g     = model->graph;
    mxd_layer_info *const   rows  = MXDI_NEW(&i->arena, mxd_layer_info, g->n_nodes + 1);
    mxdi_graph             *bound = NULL, *canonical = NULL;
    if (!rows)
        return mxdi_nomem(err);
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        rows[n].node = mxdi_arena_strdup(&i->arena, g->node[n].name);
        rows[n].op   = mxdi_arena_strdup(&i->arena, g->node[n].op);
        if (!rows[n].node || !rows[n].op)
            return mxdi_nomem(err);
    }
    i->shown.layer    = rows;
    i->shown.n_layers = g->n_nodes;
    mxd_status st     = list_ends(i, g, err);
    if (st == MXD_OK)
        st = check_ops(i, rows, g, err);
    const bool known = i->shown.n_unsupported == 0;
    if (st == MXD_OK && known)
        st = bind_shapes(&bound, i, g, shape, n_shapes, false, err);
    if (st == MXD_OK && known)
        st = bind_shapes(&canonical, i, g, shape, n_shapes, true, err);
    if (st == MXD_OK && known) {
        complete_outputs(i, bound);
        if (n_shapes)
            decide_ends(i, bound);
        st = check_backends(i, rows, g, canonical, model->ctx, err);
    }
    if (st == MXD_OK)
        st = fill_rows(i, rows, g, known ? bound : NULL, err);
    mxdi_graph_destroy(canonical);
    mxdi_graph_destroy(bound);
    return st;
}

mxd_status mxd_model_inspect(mxd_inspection **out, const mxd_model *model, const mxd_shape *shape,
                             uint32_t n_shapes, mxd_error *err)
{
    *out                       = NULL;
    struct inspection *const i = mxdi_alloc(&model->ctx->allocator, 1, sizeof(*i));
    if (!i)
        return mxdi_nomem(err);
    i->alloc = model->ctx->allocator;
    mxdi_arena_init(&i->arena, &i->alloc);
    const mxd_status st = inspect(i, model, shape, n_shapes, err);
    if (st != MXD_OK) {
        mxd_inspection_destroy(&i->shown);
        return st;
    }
    *out = &i->shown;
    return MXD_OK;
}

void mxd_inspection_destroy(mxd_inspection *inspection)
{
    if (!inspection)
        return;
    struct inspection *const i     = (struct inspection *)inspection; /* its first member */
    const mxd_allocator      alloc = i->alloc;
    mxdi_arena_fini(&i->arena);
    mxdi_free(&alloc, i);
}
