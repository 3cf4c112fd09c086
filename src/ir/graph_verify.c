/* SPDX-License-Identifier: Apache-2.0
 *
 * What every graph must satisfy between two passes. Says what is wrong first found, by name; what
 * operators demand of their inputs is the business of shape inference.
 */
#include "ir/graph.h"

#include "base/dtype.h"

#include <math.h>
#include <stdlib.h>

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* `what`: "value" or "node". Sorts `names`. */
static mxd_status check_unique(const char **names, uint32_t n, const char *what, mxd_error *err)
{
    if (n > 1)
        qsort(names, n, sizeof(*names), compare_names);
    for (uint32_t k = 1; k < n; k++)
        if (strcmp(names[k - 1], names[k]) == 0)
            return mxdi_fail(err, MXD_E_INVAL, "%s '%s': expected a unique name, got it twice",
                             what, names[k]);
    return MXD_OK;
}

static mxd_status check_names(const mxdi_graph *g, mxd_error *err)
{
    const uint32_t     most  = g->n_values > g->n_nodes ? g->n_values : g->n_nodes;
    const char **const names = MXDI_ALLOC(g->arena.alloc, const char *, most);
    uint32_t           n     = 0;
    if (!names)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < g->n_values; k++)
        names[k] = g->value[k].name;
    mxd_status st = check_unique(names, g->n_values, "value", err);
    for (uint32_t k = 0; k < g->n_nodes; k++)
        if (g->node[k].op)
            names[n++] = g->node[k].name;
    if (st == MXD_OK)
        st = check_unique(names, n, "node", err);
    mxdi_free(g->arena.alloc, names);
    return st;
}

static mxd_status check_qparams(const mxd_value *v, mxd_error *err)
{
    const mxd_qparams *const q = v->q;
    if (q->n < 1 || !q->scale || !q->zero_point || q->q_min > q->q_max || q->block < 0)
        return mxdi_fail(err, MXD_E_INVAL, "value '%s': quantization parameters are incomplete",
                         v->name);
    for (uint32_t k = 0; k < q->n; k++)
        if (!isfinite(q->scale[k]) || q->scale[k] <= 0.0f)
            return mxdi_fail(err, MXD_E_RANGE,
                             "value '%s': scale %u: expected a finite number above 0, got %g",
                             v->name, (unsigned)k, (double)q->scale[k]);
    if (q->n == 1 || v->rank < 0)
        return MXD_OK;
    if (q->axis < 0 || q->axis >= v->rank)
        return mxdi_fail(err, MXD_E_INVAL,
                         "value '%s': quantized axis: expected one below %d, got %d", v->name,
                         (int)v->rank, (int)q->axis);
    if (q->block == 0 && v->dim[q->axis] >= 0 && v->dim[q->axis] != (int64_t)q->n)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "value '%s': expected %lld scales, one for each channel, got %u", v->name,
                         (long long)v->dim[q->axis], (unsigned)q->n);
    return MXD_OK;
}

static mxd_status check_value(const mxd_value *v, mxd_error *err)
{
    if ((unsigned)v->dtype >= MXD_DTYPE_COUNT || v->rank < -1 || v->rank > MXD_MAX_RANK)
        return mxdi_fail(err, MXD_E_INVAL,
                         "value '%s': expected a known type and a rank of at most %d, got rank %d",
                         v->name, (int)MXD_MAX_RANK, (int)v->rank);
    for (int32_t k = 0; k < v->rank; k++)
        if (v->dim[k] < -1)
            return mxdi_fail(err, MXD_E_SHAPE, "value '%s': dimension %d is %lld", v->name, (int)k,
                             (long long)v->dim[k]);
    if (v->batch_axis < -1 || v->batch_axis >= MXD_MAX_RANK)
        return mxdi_fail(err, MXD_E_INVAL, "value '%s': batch axis %d", v->name,
                         (int)v->batch_axis);
    if (v->data) {
        int64_t count = 0;
        size_t  bytes = 0;
        if (v->dtype == MXD_NONE || v->rank < 0 || !mxdi_shape_count(&count, v->dim, v->rank) ||
            !mxdi_dtype_bytes(&bytes, v->dtype, count) || bytes != v->bytes)
            return mxdi_fail(err, MXD_E_SHAPE, "constant '%s': %zu bytes do not fit its shape",
                             v->name, v->bytes);
    }
    return v->q ? check_qparams(v, err) : MXD_OK;
}

/* made[v]: v is a constant, a network input, or the output of a node seen so far. */
static mxd_status check_inputs(uint8_t *made, const mxdi_graph *g, mxd_error *err)
{
    for (uint32_t v = 0; v < g->n_values; v++)
        made[v] = g->value[v].data != NULL;
    for (uint32_t k = 0; k < g->n_inputs; k++) {
        const uint32_t v = g->input[k];
        if (v >= g->n_values)
            return mxdi_fail(err, MXD_E_INVAL, "input %u: expected a value below %u, got %u",
                             (unsigned)k, (unsigned)g->n_values, (unsigned)v);
        if (made[v])
            return mxdi_fail(err, MXD_E_INVAL, "input '%s': is %s", g->value[v].name,
                             g->value[v].data ? "a constant" : "listed twice");
        made[v] = 1;
    }
    for (uint32_t k = 0; k < g->n_symbols; k++) {
        const mxdi_symbol *const s = &g->symbol[k];
        if (s->value >= g->n_values || s->axis < 0 || s->axis >= MXD_MAX_RANK)
            return mxdi_fail(err, MXD_E_INVAL, "dimension '%s': belongs to no value", s->name);
    }
    return MXD_OK;
}

/* Ids of `node` are in range: links were built. */
static mxd_status check_node(uint8_t *made, const mxdi_graph *g, const mxdi_links *l,
                             const mxd_node *node, mxd_error *err)
{
    if (!node->domain || !node->name)
        return mxdi_fail(err, MXD_E_INVAL, "%s: expected a name and a domain, got none", node->op);
    for (uint32_t k = 0; k < node->n_in; k++) {
        const uint32_t v = node->in[k];
        if (v == MXD_NO_VALUE || made[v])
            continue;
        if (l->producer[v] == MXD_NO_VALUE)
            return mxdi_fail(err, MXD_E_INVAL, "%s '%s': reads '%s', which nothing makes", node->op,
                             node->name, g->value[v].name);
        return mxdi_fail(err, MXD_E_INVAL, "%s '%s': reads '%s' before '%s' makes it", node->op,
                         node->name, g->value[v].name, g->node[l->producer[v]].name);
    }
    for (uint32_t k = 0; k < node->n_out; k++) {
        const uint32_t v = node->out[k];
        if (v == MXD_NO_VALUE)
            continue;
        if (made[v])
            return mxdi_fail(err, MXD_E_INVAL, "%s '%s': makes '%s', which is %s", node->op,
                             node->name, g->value[v].name,
                             g->value[v].data ? "a constant" : "a network input");
        made[v] = 1;
    }
    return MXD_OK;
}

static mxd_status check_flow(uint8_t *made, const mxdi_graph *g, const mxdi_links *l,
                             mxd_error *err)
{
    MXD_TRY(check_inputs(made, g, err));
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (g->node[n].op)
            MXD_TRY(check_node(made, g, l, &g->node[n], err));
    for (uint32_t k = 0; k < g->n_outputs; k++)
        if (!made[g->output[k]])
            return mxdi_fail(err, MXD_E_INVAL, "output '%s': nothing makes it",
                             g->value[g->output[k]].name);
    return MXD_OK;
}

mxd_status mxdi_graph_verify(const mxdi_graph *g, mxd_error *err)
{
    for (uint32_t v = 0; v < g->n_values; v++)
        MXD_TRY(check_value(&g->value[v], err));
    MXD_TRY(check_names(g, err));
    mxdi_links links = MXDI_LINKS_INIT;
    MXD_TRY(mxdi_links_build(&links, g, err));
    uint8_t *const   made = MXDI_ALLOC(g->arena.alloc, uint8_t, g->n_values);
    const mxd_status st   = made ? check_flow(made, g, &links, err) : mxdi_nomem(err);
    mxdi_free(g->arena.alloc, made);
    mxdi_links_free(&links);
    return st;
}
