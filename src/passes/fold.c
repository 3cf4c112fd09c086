/* SPDX-License-Identifier: Apache-2.0
 *
 * Folding one node into constants. Most are computed by the reference executor; Constant, Shape and
 * Size need no executor. Left alone is whatever
 * - carries a precision decision: DequantizeLinear, and Cast from or to a float of 16 or 8 bits,
 * - is no function of its inputs: Dropout,
 * - costs more than a few operations for each element that it reads or writes: a hostile file could
 *   make hours of it.
 */
#include "passes/infer.h"

#include "base/dtype.h"
#include "interp/interp.h"
#include "ir/ops.h"

static bool is_small_float(mxd_dtype d)
{
    return d == MXD_F16 || d == MXD_BF16 || d == MXD_F8E4M3;
}

static bool is_shape(const mxd_node *node)
{
    return mxdi_node_is(node, "Shape") || mxdi_node_is(node, "Size");
}

/* Not folded even though all inputs are known. */
static bool stays(const mxdi_graph *g, const mxd_node *node)
{
    static const char *const kept[] = {
        "DequantizeLinear",
        "Dropout",
        "Conv",
        "ConvInteger",
        "ConvTranspose",
        "QLinearConv",
        "Gemm",
        "MatMul",
        "MatMulInteger",
        "QLinearMatMul",
        "AveragePool",
        "MaxPool",
        "LRN",
        "Resize",
        "Upsample",
        "TopK",
    };
    if (*node->domain)
        return true;
    for (size_t k = 0; k < sizeof(kept) / sizeof(kept[0]); k++)
        if (mxdi_node_is(node, kept[k]))
            return true;
    return mxdi_node_is(node, "Cast") && (is_small_float(g->value[node->in[0]].dtype) ||
                                          is_small_float(g->value[node->out[0]].dtype));
}

static bool inputs_known(const mxdi_graph *g, const mxd_node *node)
{
    for (uint32_t k = 0; k < node->n_in; k++)
        if (node->in[k] != MXD_NO_VALUE && !g->value[node->in[k]].data)
            return false;
    return node->n_in > 0;
}

static bool bytes_of(size_t *out, const mxd_value *v)
{
    int64_t count = 0;
    return v->rank >= 0 && mxdi_shape_count(&count, v->dim, v->rank) &&
           mxdi_dtype_bytes(out, v->dtype, count);
}

/* Reading the inputs and writing the outputs fits the budget; the bytes in *total. */
static bool affordable(size_t *total, const mxdi_graph *g, const mxd_node *node,
                       const mxdi_fold_budget *budget)
{
    *total = 0;
    for (uint32_t k = 0; k < node->n_in + node->n_out; k++) {
        const bool     made  = k >= node->n_in;
        const uint32_t v     = made ? node->out[k - node->n_in] : node->in[k];
        size_t         bytes = 0;
        if (v == MXD_NO_VALUE)
            continue;
        if (!bytes_of(&bytes, &g->value[v]) || (made && bytes > MXDI_FOLD_BYTES_MAX))
            return false;
        *total += bytes;
        if (*total > budget->bytes_left)
            return false;
    }
    return true;
}

static void set_data(mxd_value *v, const void *data, size_t bytes)
{
    v->data  = data;
    v->bytes = bytes;
}

/* ---- without an executor ---- */

static mxd_status fold_constant(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_attr *const a = &node->attr[0]; /* the shape function saw to it that there is one */
    mxd_value *const      v = &g->value[node->out[0]];
    const void           *data  = NULL;
    size_t                bytes = 0;
    if (!bytes_of(&bytes, v))
        return mxdi_fail(err, MXD_E_RANGE, "Constant '%s': too large", node->name);
    switch (a->kind) { /* all but single numbers live in the graph's arena already */
    case MXD_ATTR_TENSOR:
        data = a->tensor->data;
        break;
    case MXD_ATTR_INTS:
        data = a->ints;
        break;
    case MXD_ATTR_FLOATS:
        data = a->floats;
        break;
    case MXD_ATTR_INT:
        data = mxdi_arena_memdup(&g->arena, &a->i, sizeof(a->i), _Alignof(int64_t));
        break;
    default:
        data = mxdi_arena_memdup(&g->arena, &a->f, sizeof(a->f), _Alignof(float));
        break;
    }
    if (!data && bytes == 0)
        data = mxdi_arena_alloc(&g->arena, 1, 1, 1);
    if (!data)
        return mxdi_nomem(err);
    set_data(v, data, bytes);
    return MXD_OK;
}

/* Shape's `start`, counted from the front. */
static int64_t first_axis(const mxd_node *node, int32_t rank)
{
    int64_t start = mxd_node_int(node, "start", 0);
    start += start < 0 ? rank : 0;
    return start < 0 ? 0 : start;
}

static mxd_status fold_shape(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x     = &g->value[node->in[0]];
    mxd_value *const       y     = &g->value[node->out[0]];
    const int64_t          start = first_axis(node, x->rank);
    int64_t *const         dims  = MXDI_NEW(&g->arena, int64_t, MXD_MAX_RANK);
    if (!dims)
        return mxdi_nomem(err);
    for (int64_t k = 0; k < y->dim[0]; k++)
        dims[k] = x->dim[start + k];
    set_data(y, dims, (size_t)y->dim[0] * sizeof(*dims));
    return MXD_OK;
}

static mxd_status fold_size(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x     = &g->value[node->in[0]];
    int64_t *const         count = MXDI_NEW(&g->arena, int64_t, 1);
    if (!count || !mxdi_shape_count(count, x->dim, x->rank))
        return mxdi_nomem(err);
    set_data(&g->value[node->out[0]], count, sizeof(*count));
    return MXD_OK;
}

/* The same bytes in another shape. */
static bool is_alias(const mxd_node *node)
{
    return mxdi_node_is(node, "Identity") || mxdi_node_is(node, "Reshape") ||
           mxdi_node_is(node, "Flatten") || mxdi_node_is(node, "Squeeze") ||
           mxdi_node_is(node, "Unsqueeze");
}

/* All dims that Shape or Size of `v` gives are numbers, and none is the batch: a graph that is
 * bound for any batch computes that one at run time. */
static bool shape_known(const mxdi_graph *g, const mxd_node *node)
{
    const mxd_value *const v     = &g->value[node->in[0]];
    const bool             shape = mxdi_node_is(node, "Shape");
    const int64_t          first = shape ? first_axis(node, v->rank) : 0;
    const int64_t          count = shape ? g->value[node->out[0]].dim[0] : v->rank;
    if (v->rank < 0)
        return false;
    for (int64_t k = first; k < first + count; k++)
        if (v->dim[k] < 0 || k == v->batch_axis)
            return false;
    return true;
}

/* ---- by the reference executor ---- */

static mxd_tensor tensor_of(const mxd_value *v)
{
    mxd_tensor t = { .data = (void *)(uintptr_t)v->data, .dtype = v->dtype, .rank = v->rank };
    memcpy(t.dim, v->dim, sizeof(t.dim));
    return t;
}

static mxd_status run(mxdi_graph *g, const mxd_node *node, mxd_tensor *in, mxd_tensor *out,
                      mxd_error *err)
{
    for (uint32_t k = 0; k < node->n_in; k++)
        if (node->in[k] != MXD_NO_VALUE)
            in[k] = tensor_of(&g->value[node->in[k]]);
    for (uint32_t k = 0; k < node->n_out; k++) {
        size_t bytes = 0;
        if (node->out[k] == MXD_NO_VALUE)
            continue;
        out[k] = tensor_of(&g->value[node->out[k]]);
        (void)bytes_of(&bytes, &g->value[node->out[k]]);
        out[k].data = mxdi_arena_alloc(&g->arena, bytes > 0 ? bytes : 1, 1, 64);
        if (!out[k].data)
            return mxdi_nomem(err);
    }
    MXD_TRY(mxdi_interp_node(node, g->value, in, out, g->arena.alloc, err));
    for (uint32_t k = 0; k < node->n_out; k++) {
        size_t bytes = 0;
        if (node->out[k] == MXD_NO_VALUE)
            continue;
        (void)bytes_of(&bytes, &g->value[node->out[k]]);
        set_data(&g->value[node->out[k]], out[k].data, bytes);
    }
    return MXD_OK;
}

static mxd_status fold_by_interp(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    mxd_tensor *const in  = MXDI_ALLOC(g->arena.alloc, mxd_tensor, node->n_in);
    mxd_tensor *const out = MXDI_ALLOC(g->arena.alloc, mxd_tensor, node->n_out);
    const mxd_status  st  = in && out ? run(g, node, in, out, err) : mxdi_nomem(err);
    mxdi_free(g->arena.alloc, out);
    mxdi_free(g->arena.alloc, in);
    return st;
}

mxd_status mxdi_fold_node(mxdi_graph *g, const mxd_node *node, mxdi_fold_budget *budget, bool *done,
                          mxd_error *err)
{
    size_t bytes = 0;
    *done        = true;
    if (mxdi_node_is(node, "Constant") && !*node->domain)
        return fold_constant(g, node, err);
    if (is_shape(node) && shape_known(g, node))
        return mxdi_node_is(node, "Shape") ? fold_shape(g, node, err) : fold_size(g, node, err);
    if (is_alias(node) && inputs_known(g, node)) {
        const mxd_value *const x = &g->value[node->in[0]];
        set_data(&g->value[node->out[0]], x->data, x->bytes);
        return MXD_OK;
    }
    *done = inputs_known(g, node) && !stays(g, node) && !is_shape(node) &&
            affordable(&bytes, g, node, budget) && !mxdi_interp_refuses(node, g->value);
    if (!*done)
        return MXD_OK;
    budget->bytes_left -= bytes;
    return fold_by_interp(g, node, err);
}
