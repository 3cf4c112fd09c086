/* SPDX-License-Identifier: Apache-2.0
 *
 * Removes nodes whose output is their input: Identity; Dropout, which does nothing in inference;
 * Concat, Sum, Mean, Max and Min of one; Cast to the same type; Transpose, Reshape, Expand ... and
 * Pad that change nothing. One that stands between two names of the network stays.
 */
#include "passes/passes.h"
#include "passes/rewrite.h"

#include "base/dtype.h"

static bool is_one_of(const mxd_node *node, const char *const *ops, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (mxdi_node_is(node, ops[k]))
            return true;
    return false;
}

static bool same_shape(const mxd_value *x, const mxd_value *y)
{
    bool same = x->rank >= 0 && x->rank == y->rank && x->batch_axis == y->batch_axis;
    for (int32_t k = 0; same && k < x->rank; k++)
        same = x->dim[k] >= 0 && x->dim[k] == y->dim[k];
    return same;
}

/* All elements of a constant integer input are 0; an absent one is not. */
static bool all_zero(const mxdi_graph *g, const mxd_node *node, uint32_t k)
{
    int64_t count = 0;
    if (k >= node->n_in || node->in[k] == MXD_NO_VALUE)
        return false;
    const mxd_value *const v = &g->value[node->in[k]];
    if (!v->data || !mxdi_shape_count(&count, v->dim, v->rank))
        return false;
    for (int64_t i = 0; i < count; i++)
        if (mxdi_load_s64(v->data, v->dtype, i) != 0)
            return false;
    return true;
}

/* In training mode, or where the mask is used, it is no identity. */
static bool is_idle_dropout(const mxdi_rewriter *r, const mxd_node *node)
{
    const bool training = node->n_in > 2 && node->in[2] != MXD_NO_VALUE && !all_zero(r->g, node, 2);
    const bool masked =
        node->n_out > 1 && node->out[1] != MXD_NO_VALUE && mxdi_rewrite_uses(r, node->out[1]) > 0;
    return !training && !masked;
}

static bool is_idle_transpose(const mxdi_graph *g, const mxd_node *node)
{
    uint32_t             n    = 0;
    const int64_t *const perm = mxd_node_ints(node, "perm", &n);
    if (!perm)
        return g->value[node->in[0]].rank <= 1 && g->value[node->in[0]].rank >= 0;
    for (uint32_t k = 0; k < n; k++)
        if (perm[k] != (int64_t)k)
            return false;
    return true;
}

static bool is_idle_pad(const mxdi_graph *g, const mxd_node *node)
{
    uint32_t             n    = 0;
    const int64_t *const pads = mxd_node_ints(node, "pads", &n);
    if (!pads)
        return all_zero(g, node, 1);
    for (uint32_t k = 0; k < n; k++)
        if (pads[k] != 0)
            return false;
    return true;
}

static bool is_idle(const mxdi_rewriter *r, const mxd_node *node)
{
    static const char *const joins[]  = { "Concat", "Sum", "Mean", "Max", "Min" };
    static const char *const shapes[] = { "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand" };
    const mxdi_graph *const  g        = r->g;
    if (!node->op || *node->domain || node->n_in == 0 || node->in[0] == MXD_NO_VALUE)
        return false;
    const mxd_value *const x = &g->value[node->in[0]];
    const mxd_value *const y = &g->value[node->out[0]];
    if (is_one_of(node, joins, sizeof(joins) / sizeof(joins[0])))
        return node->n_in == 1;
    if (is_one_of(node, shapes, sizeof(shapes) / sizeof(shapes[0])))
        return same_shape(x, y);
    if (mxdi_node_is(node, "Cast"))
        return x->dtype == y->dtype && x->dtype != MXD_NONE;
    if (mxdi_node_is(node, "Dropout"))
        return is_idle_dropout(r, node);
    if (mxdi_node_is(node, "Transpose"))
        return is_idle_transpose(g, node);
    if (mxdi_node_is(node, "Pad"))
        return is_idle_pad(g, node);
    return mxdi_node_is(node, "Identity");
}

mxd_status mxdi_pass_drop_identity(mxdi_graph *g, bool *changed, mxd_error *err)
{
    mxdi_rewriter r;
    mxd_status    st = mxdi_rewrite_begin(&r, g, err);
    for (uint32_t n = 0; st == MXD_OK && n < g->n_nodes; n++)
        if (is_idle(&r, &g->node[n]))
            st = mxdi_rewrite_bypass(&r, n, err);
    return mxdi_rewrite_end(&r, changed, st);
}
