/* SPDX-License-Identifier: Apache-2.0
 *
 * Binding shapes, and finding out what grows with the batch. Nothing is known of operators for
 * that: the graph is inferred twice, with two batches, and what differs between the two depends on
 * the batch. The second batch is 1, the smallest that must run as well (2 when 1 is wanted).
 */
#include "passes/bind_inputs.h"
#include "passes/infer.h"

#include "base/text.h"

typedef struct binding {
    mxdi_graph *g, *twin; /* inferred for `batch` and for `other` */
    uint8_t    *folded, *twin_folded;
    int64_t     batch, other;
} binding;

/* The axis along which `v` grows in proportion: -1 for none; false when it is not that simple. */
static bool find_batch_axis(int32_t *axis, const binding *s, const mxd_value *v, const mxd_value *w)
{
    *axis = -1;
    if (v->rank != w->rank || v->dtype != w->dtype)
        return false;
    for (int32_t d = 0; d < v->rank; d++) {
        if (v->dim[d] == w->dim[d])
            continue;
        if (*axis >= 0 || v->dim[d] * s->other != w->dim[d] * s->batch) /* both below 2^31 */
            return false;
        *axis = d;
    }
    return true;
}

/* True when every value grows in proportion or not at all; sets the batch axes. */
static bool compare_shapes(const binding *s)
{
    mxdi_graph *const g = s->g;
    for (uint32_t v = 0; v < g->n_values; v++)
        if (!find_batch_axis(&g->value[v].batch_axis, s, &g->value[v], &s->twin->value[v]))
            return false;
    return true;
}

static bool same_constant(const mxd_value *v, const mxd_value *w)
{
    return v->data && w->data && v->bytes == w->bytes && v->batch_axis < 0 &&
           (v->data == w->data || memcmp(v->data, w->data, v->bytes) == 0);
}

/* What was folded to something else in the twin is computed at run time. */
static void undo_batch_constants(const binding *s)
{
    for (uint32_t n = 0; n < s->g->n_nodes; n++) {
        const mxd_node *const node = &s->g->node[n];
        bool                  same = s->twin_folded[n] != 0;
        for (uint32_t k = 0; s->folded[n] && same && k < node->n_out; k++)
            if (node->out[k] != MXD_NO_VALUE)
                same = same_constant(&s->g->value[node->out[k]], &s->twin->value[node->out[k]]);
        if (!same)
            mxdi_infer_undo(s->g, s->folded, n);
    }
}

/* Reshape to a shape computed from the batch: as a constant again, with -1 for the batch, so that
 * the computation goes away. */
static mxd_status free_reshapes(mxdi_graph *g, mxd_error *err)
{
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (!mxdi_node_is(&g->node[n], "Reshape") || g->value[g->node[n].in[1]].data)
            continue;
        const mxd_value y = g->value[g->node[n].out[0]];
        int64_t         shape[MXD_MAX_RANK];
        uint32_t        id    = 0;
        bool            empty = false;
        for (int32_t d = 0; d < y.rank; d++) {
            shape[d] = d == y.batch_axis ? -1 : y.dim[d];
            empty    = empty || y.dim[d] == 0;
        }
        const mxd_tensor t = { shape, MXD_S64, 1, { y.rank } };
        if (empty)
            continue;
        MXD_TRY(mxdi_graph_add_constant(&id, g, NULL, y.name, &t, true, err));
        mxdi_node_set_in(&g->node[n], 1, id);
        mxdi_node_remove_attr(&g->node[n], "allowzero");
    }
    return MXD_OK;
}

/* Symbols remain where the batch is; network outputs that grow with it and have none get one. */
static mxd_status keep_batch_symbols(mxdi_graph *g, const char *batch_symbol, mxd_error *err)
{
    uint32_t kept = 0;
    for (uint32_t s = 0; s < g->n_symbols; s++)
        if (g->value[g->symbol[s].value].batch_axis == g->symbol[s].axis)
            g->symbol[kept++] = g->symbol[s];
    g->n_symbols = kept;
    for (uint32_t k = 0; k < g->n_outputs; k++) {
        const int32_t axis  = g->value[g->output[k]].batch_axis;
        bool          found = axis < 0;
        for (uint32_t s = 0; s < g->n_symbols; s++)
            found = found || g->symbol[s].value == g->output[k];
        if (!found)
            MXD_TRY(mxdi_graph_add_symbol(g, g->output[k], axis, batch_symbol, err));
    }
    return MXD_OK;
}

/* Of a network without a batch dimension: the first dimension that all its inputs share, or 1. */
static int64_t fixed_batch(const mxdi_graph *g)
{
    int64_t batch = 0;
    for (uint32_t k = 0; k < g->n_inputs; k++) {
        const mxd_value *const v     = &g->value[g->input[k]];
        const int64_t          first = v->rank > 0 ? v->dim[0] : 1;
        if (batch != 0 && first != batch)
            return 1;
        batch = first;
    }
    return batch > 0 ? batch : 1;
}

/* Nothing is left of an earlier binding. */
static void forget_shapes(mxdi_graph *g)
{
    for (uint32_t n = 0; n < g->n_nodes; n++)
        for (uint32_t k = 0; g->node[n].op && k < g->node[n].n_out; k++)
            if (g->node[n].out[k] != MXD_NO_VALUE)
                g->value[g->node[n].out[k]].rank = -1;
    for (uint32_t v = 0; v < g->n_values; v++)
        g->value[v].batch_axis = -1;
}

/* Infers the twin and compares. A twin that cannot be inferred says that the batch is not free. */
static mxd_status try_other_batch(binding *s, const mxdi_shape_binding *b, uint32_t n,
                                  bool *scalable, mxd_error *err)
{
    mxd_error   ignored = MXD_ERROR_INIT;
    const char *symbol  = NULL;
    mxd_status  st      = mxdi_bind_inputs(s->twin, b, n, s->other, &symbol, &ignored);
    if (st == MXD_OK)
        st = mxdi_infer(s->twin, s->twin_folded, &ignored);
    if (st == MXD_E_NOMEM)
        return mxdi_nomem(err);
    *scalable = st == MXD_OK && compare_shapes(s);
    if (*scalable)
        undo_batch_constants(s);
    return MXD_OK;
}

static mxd_status bind(binding *s, const mxdi_shape_binding *b, uint32_t n, bool *scalable,
                       mxd_error *err)
{
    mxdi_graph *const g      = s->g;
    const char       *symbol = NULL;
    forget_shapes(g);
    MXD_TRY(mxdi_graph_clone(&s->twin, g, err));
    s->folded      = MXDI_ALLOC(g->arena.alloc, uint8_t, g->n_nodes);
    s->twin_folded = MXDI_ALLOC(g->arena.alloc, uint8_t, g->n_nodes);
    if (!s->folded || !s->twin_folded)
        return mxdi_nomem(err);
    MXD_TRY(mxdi_bind_inputs(g, b, n, s->batch, &symbol, err));
    MXD_TRY(mxdi_infer(g, s->folded, err));
    if (symbol)
        MXD_TRY(try_other_batch(s, b, n, scalable, err));
    for (uint32_t v = 0; !*scalable && v < g->n_values; v++)
        g->value[v].batch_axis = -1;
    MXD_TRY(mxdi_infer_commit(g, s->folded, err));
    if (*scalable)
        MXD_TRY(free_reshapes(g, err));
    g->max_batch = symbol ? s->batch : fixed_batch(g);
    MXD_TRY(keep_batch_symbols(g, symbol ? symbol : "", err));
    MXD_TRY(mxdi_graph_remove_dead(g, err));
    return mxdi_graph_compact(g, err);
}

mxd_status mxdi_bind_shapes(mxdi_graph *g, const mxdi_shape_binding *b, uint32_t n, int64_t batch,
                            bool *scalable, mxd_error *err)
{
    binding s                        = { .g = g, .batch = batch, .other = batch > 1 ? 1 : 2 };
    *scalable                        = false;
    const mxd_allocator *const alloc = g->arena.alloc;
    const mxd_status           st    = bind(&s, b, n, scalable, err);
    mxdi_free(alloc, s.twin_folded);
    mxdi_free(alloc, s.folded);
    mxdi_graph_destroy(s.twin);
    return st;
}
