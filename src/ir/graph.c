/* SPDX-License-Identifier: Apache-2.0
 *
 * Storage of the graph: making one and putting values, nodes, inputs and outputs into it. Arrays
 * grow by doubling in the allocator; all that they point to is copied into the arena and freed with
 * it. Attributes are in graph_attr.c, changes of what stands already in graph_rewrite.c.
 */
#include "ir/graph.h"

#include "base/dtype.h"

#include <assert.h>

mxd_status mxdi_graph_create(mxdi_graph **out, const mxd_allocator *alloc, mxd_error *err)
{
    *out = MXDI_ALLOC(alloc, mxdi_graph, 1);
    if (!*out)
        return mxdi_nomem(err);
    mxdi_arena_init(&(*out)->arena, alloc);
    (*out)->name = "";
    return MXD_OK;
}

void mxdi_graph_destroy(mxdi_graph *g)
{
    if (!g)
        return;
    const mxd_allocator *const alloc = g->arena.alloc;
    if (g->release_backing)
        g->release_backing(g->backing);
    mxdi_free(alloc, g->value);
    mxdi_free(alloc, g->node);
    mxdi_free(alloc, g->input);
    mxdi_free(alloc, g->output);
    mxdi_free(alloc, g->symbol);
    mxdi_free(alloc, g->meta);
    mxdi_arena_fini(&g->arena);
    mxdi_free(alloc, g);
}

mxd_graph_view mxdi_graph_view(const mxdi_graph *g)
{
    return (mxd_graph_view){
        .struct_size = sizeof(mxd_graph_view),
        .value_size  = sizeof(mxd_value),
        .node_size   = sizeof(mxd_node),
        .n_values    = g->n_values,
        .n_nodes     = g->n_nodes,
        .n_inputs    = g->n_inputs,
        .n_outputs   = g->n_outputs,
        .value       = g->value,
        .node        = g->node,
        .input       = g->input,
        .output      = g->output,
        .max_batch   = g->max_batch,
    };
}

/* The array with room for one item more than n, perhaps moved; NULL: out of memory, and the array
 * as before. */
static void *with_room(const mxdi_graph *g, void *array, uint32_t *cap, uint32_t n, size_t size)
{
    if (n < *cap)
        return array;
    if (n > UINT32_MAX / 2)
        return NULL;
    const uint32_t more  = n < 8 ? 8 : 2 * n;
    void *const    moved = mxdi_realloc(g->arena.alloc, array, *cap, more, size);
    if (moved)
        *cap = more;
    return moved;
}

/* The number after the last '_' of a name, plus one; 0 when there is none of at most nine digits.
 */
static uint32_t number_after(const char *name)
{
    const char *const tail   = strrchr(name, '_');
    uint32_t          number = 0;
    size_t            digits = 0;
    while (tail && tail[1 + digits] >= '0' && tail[1 + digits] <= '9' && digits < 10)
        number = number * 10 + (uint32_t)(tail[1 + digits++] - '0');
    return digits > 0 && digits < 10 && tail[1 + digits] == '\0' ? number + 1 : 0;
}

/* Fresh names end in a number above that of any name given so far, to a value or a node, and so are
 * unique without a search. Names that end in ten digits and more are not counted: should one of
 * them be met, verify says so. */
static const char *keep_name(mxdi_graph *g, const char *name)
{
    const uint32_t next = number_after(name);
    if (next > g->next_name)
        g->next_name = next;
    return mxdi_arena_strdup(&g->arena, name);
}

static const char *fresh_name(mxdi_graph *g, const char *hint)
{
    const unsigned number = g->next_name++;
    return mxdi_arena_printf(&g->arena, "%s_%u", hint && *hint ? hint : "value", number);
}

mxd_status mxdi_graph_add_value(uint32_t *out, mxdi_graph *g, const char *name, const char *hint,
                                mxd_error *err)
{
    mxd_value *const values = with_room(g, g->value, &g->cap_values, g->n_values, sizeof(*values));
    if (!values)
        return mxdi_nomem(err);
    g->value               = values;
    const char *const copy = name ? keep_name(g, name) : fresh_name(g, hint);
    if (!copy)
        return mxdi_nomem(err);
    g->value[g->n_values] = (mxd_value){ .name = copy, .rank = -1, .batch_axis = -1 };
    *out                  = g->n_values++;
    return MXD_OK;
}

mxd_status mxdi_graph_add_constant(uint32_t *out, mxdi_graph *g, const char *name, const char *hint,
                                   const mxd_tensor *t, bool copy, mxd_error *err)
{
    const char *const place = name ? name : hint ? hint : "value";
    size_t            bytes = 0;
    if (t->dtype <= MXD_NONE || t->dtype >= MXD_DTYPE_COUNT || t->rank < 0 ||
        t->rank > MXD_MAX_RANK || !mxdi_tensor_bytes(&bytes, t) || (bytes > 0 && !t->data))
        return mxdi_fail(
            err, MXD_E_INVAL,
            "constant '%s': expected a tensor with data that fits in memory, got %s of rank %d",
            place, mxd_dtype_name(t->dtype), (int)t->rank);
    const void *data = t->data;
    if (copy || !data) /* a constant without elements has an address too: that is how it is known */
        data = mxdi_arena_alloc(&g->arena, bytes > 0 ? bytes : 1, 1, 64);
    if (!data)
        return mxdi_nomem(err);
    if (copy && bytes > 0)
        memcpy((void *)data, t->data, bytes);
    MXD_TRY(mxdi_graph_add_value(out, g, name, hint, err));
    mxd_value *const v = &g->value[*out];
    v->dtype           = t->dtype;
    v->rank            = t->rank;
    for (int32_t k = 0; k < t->rank; k++)
        v->dim[k] = t->dim[k];
    v->data  = data;
    v->bytes = bytes;
    return MXD_OK;
}

/* Name of a node that was given none: its first output's. */
static const char *default_node_name(const mxdi_graph *g, const uint32_t *value_out, uint32_t n_out)
{
    for (uint32_t k = 0; k < n_out; k++)
        if (value_out[k] < g->n_values)
            return g->value[value_out[k]].name;
    return "";
}

static const uint32_t *copy_ids(mxdi_graph *g, const uint32_t *ids, uint32_t n)
{
    uint32_t *const copy = MXDI_NEW(&g->arena, uint32_t, n > 0 ? n : 1);
    if (copy && n > 0)
        memcpy(copy, ids, n * sizeof(*ids));
    return copy;
}

mxd_status mxdi_graph_add_node(mxd_node **out, mxdi_graph *g, const char *op, const char *domain,
                               const char *name, const uint32_t *in, uint32_t n_in,
                               const uint32_t *value_out, uint32_t n_out, mxd_error *err)
{
    mxd_node *const nodes = with_room(g, g->node, &g->cap_nodes, g->n_nodes, sizeof(*nodes));
    if (!nodes)
        return mxdi_nomem(err);
    g->node             = nodes;
    const mxd_node made = {
        .name    = keep_name(g, name ? name : default_node_name(g, value_out, n_out)),
        .op      = mxdi_arena_strdup(&g->arena, op),
        .domain  = mxdi_arena_strdup(&g->arena, domain ? domain : ""),
        .version = domain && strcmp(domain, "mixdown") == 0 ? 1 : g->opset,
        .n_in    = n_in,
        .n_out   = n_out,
        .in      = copy_ids(g, in, n_in),
        .out     = copy_ids(g, value_out, n_out),
    };
    if (!made.name || !made.op || !made.domain || !made.in || !made.out)
        return mxdi_nomem(err);
    *out  = &g->node[g->n_nodes++];
    **out = made;
    return MXD_OK;
}

mxd_status mxdi_node_add_origins(mxdi_graph *g, mxd_node *node, const char *const *origin,
                                 uint32_t n, mxd_error *err)
{
    if (n == 0)
        return MXD_OK;
    if (n > UINT32_MAX - node->n_origin)
        return mxdi_nomem(err);
    const char **const all   = MXDI_NEW(&g->arena, const char *, (size_t)node->n_origin + n);
    uint32_t           n_all = node->n_origin;
    if (!all)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < node->n_origin; k++)
        all[k] = node->origin[k];
    for (uint32_t k = 0; k < n; k++) {
        uint32_t same = 0;
        while (same < n_all && strcmp(all[same], origin[k]) != 0)
            same++;
        if (same < n_all)
            continue;
        all[n_all] = mxdi_arena_strdup(&g->arena, origin[k]);
        if (!all[n_all++])
            return mxdi_nomem(err);
    }
    node->origin   = all;
    node->n_origin = n_all;
    return MXD_OK;
}

void mxdi_node_set_in(mxd_node *node, uint32_t k, uint32_t value)
{
    assert(k < node->n_in);
    ((uint32_t *)node->in)[k] = value; /* the arena's memory, const only for readers */
}

void mxdi_node_set_out(mxd_node *node, uint32_t k, uint32_t value)
{
    assert(k < node->n_out);
    ((uint32_t *)node->out)[k] = value;
}

mxd_status mxdi_graph_add_input(mxdi_graph *g, uint32_t value, mxd_error *err)
{
    uint32_t *const inputs = with_room(g, g->input, &g->cap_inputs, g->n_inputs, sizeof(*inputs));
    if (!inputs)
        return mxdi_nomem(err);
    g->input                = inputs;
    g->input[g->n_inputs++] = value;
    return MXD_OK;
}

mxd_status mxdi_graph_add_output(mxdi_graph *g, uint32_t value, mxd_error *err)
{
    uint32_t *const outputs =
        with_room(g, g->output, &g->cap_outputs, g->n_outputs, sizeof(*outputs));
    if (!outputs)
        return mxdi_nomem(err);
    g->output                 = outputs;
    g->output[g->n_outputs++] = value;
    return MXD_OK;
}

mxd_status mxdi_graph_add_symbol(mxdi_graph *g, uint32_t value, int32_t axis, const char *name,
                                 mxd_error *err)
{
    mxdi_symbol *const symbols =
        with_room(g, g->symbol, &g->cap_symbols, g->n_symbols, sizeof(*symbols));
    if (!symbols)
        return mxdi_nomem(err);
    g->symbol              = symbols;
    const char *const copy = mxdi_arena_strdup(&g->arena, name ? name : "");
    if (!copy)
        return mxdi_nomem(err);
    g->symbol[g->n_symbols++] = (mxdi_symbol){ value, axis, copy };
    return MXD_OK;
}

static mxdi_meta *find_meta(const mxdi_graph *g, const char *key)
{
    for (uint32_t k = 0; k < g->n_meta; k++)
        if (strcmp(g->meta[k].key, key) == 0)
            return &g->meta[k];
    return NULL;
}

mxd_status mxdi_graph_set_meta(mxdi_graph *g, const char *key, const char *text, mxd_error *err)
{
    const char *const copy = mxdi_arena_strdup(&g->arena, text);
    if (!copy)
        return mxdi_nomem(err);
    mxdi_meta *const old = find_meta(g, key);
    if (old) {
        old->text = copy;
        return MXD_OK;
    }
    mxdi_meta *const all = with_room(g, g->meta, &g->cap_meta, g->n_meta, sizeof(*all));
    if (!all)
        return mxdi_nomem(err);
    g->meta                    = all;
    const char *const key_copy = mxdi_arena_strdup(&g->arena, key);
    if (!key_copy)
        return mxdi_nomem(err);
    g->meta[g->n_meta++] = (mxdi_meta){ key_copy, copy };
    return MXD_OK;
}

const char *mxdi_graph_meta(const mxdi_graph *g, const char *key)
{
    const mxdi_meta *const m = find_meta(g, key);
    return m ? m->text : NULL;
}

mxd_status mxdi_value_set_qparams(mxdi_graph *g, uint32_t value, const mxd_qparams *q,
                                  mxd_error *err)
{
    mxd_qparams *const copy = MXDI_NEW(&g->arena, mxd_qparams, 1);
    if (!copy)
        return mxdi_nomem(err);
    *copy       = *q;
    copy->scale = mxdi_arena_memdup(&g->arena, q->scale, q->n * sizeof(*q->scale), _Alignof(float));
    copy->zero_point = mxdi_arena_memdup(&g->arena, q->zero_point, q->n * sizeof(*q->zero_point),
                                         _Alignof(int32_t));
    if (!copy->scale || !copy->zero_point)
        return mxdi_nomem(err);
    g->value[value].q = copy;
    return MXD_OK;
}

uint32_t mxdi_graph_find_value(const mxdi_graph *g, const char *name)
{
    for (uint32_t k = 0; k < g->n_values; k++)
        if (strcmp(g->value[k].name, name) == 0)
            return k;
    return MXD_NO_VALUE;
}

bool mxdi_graph_is_output(const mxdi_graph *g, uint32_t value)
{
    for (uint32_t k = 0; k < g->n_outputs; k++)
        if (g->output[k] == value)
            return true;
    return false;
}
