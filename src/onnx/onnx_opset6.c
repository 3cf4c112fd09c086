/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of opset 6, read as 7: the last step in which operators changed what they compute, so that
 * everything behind import has to know versions from 7 on only. Broadcasting had to be asked for
 * and could start at any axis; PRelu's slopes stood for channels; BatchNormalization and Dropout
 * were told that they are not training.
 */
#include "onnx/onnx_impl.h"

static mxd_status refuse(const mxd_node *node, const char *why, mxd_error *err)
{
    return mxdi_fail(err, MXD_E_UNSUPPORTED,
                     "%s '%s': opset 6: %s; convert the model with onnx.version_converter",
                     node->op, node->name, why);
}

/* Elementwise operators of two inputs, and Gemm. The axes of the second input lay from `axis` on;
 * opset 7 aligns the last ones. */
static mxd_status lift_broadcast(mxdi_graph *g, mxd_node *node, mxd_error *err)
{
    const mxd_attr *const axis = mxd_node_attr(node, "axis", MXD_ATTR_INT);
    if (axis && node->n_in == 2 && node->in[0] != MXD_NO_VALUE && node->in[1] != MXD_NO_VALUE) {
        const int32_t a = g->value[node->in[0]].rank, b = g->value[node->in[1]].rank;
        if (a < 0 || b < 0 || axis->i != a - b)
            return refuse(node, "broadcasting is only supported along the last axes", err);
    }
    mxdi_node_remove_attr(node, "axis");
    mxdi_node_remove_attr(node, "broadcast");
    return MXD_OK;
}

static mxd_status lift_batch_norm(mxdi_graph *g, mxd_node *node, mxd_error *err)
{
    (void)g;
    if (mxd_node_int(node, "is_test", 0) == 0)
        return refuse(node, "it is in training (is_test = 0)", err);
    mxdi_node_remove_attr(node, "is_test");
    return MXD_OK;
}

/* Training is not ours, and otherwise it is the identity. */
static mxd_status lift_dropout(mxdi_graph *g, mxd_node *node, mxd_error *err)
{
    (void)g;
    (void)err;
    mxdi_node_remove_attr(node, "is_test");
    return MXD_OK;
}

/* Slopes (C) become (C, 1 ...), with the axes of x after the channels. */
static mxd_status lift_prelu(mxdi_graph *g, mxd_node *node, mxd_error *err)
{
    if (node->n_in < 2 || node->in[0] == MXD_NO_VALUE || node->in[1] == MXD_NO_VALUE)
        return MXD_OK; /* the check of nodes says so */
    const mxd_value *const slope = &g->value[node->in[1]];
    const int32_t          rank  = g->value[node->in[0]].rank;
    if (!slope->data || rank < 0)
        return refuse(node, "expected constant slopes and an input of known rank", err);
    if (slope->rank != 1 || slope->dim[0] == 1 || rank < 3)
        return MXD_OK;
    mxd_tensor t = { .data = (void *)slope->data, .dtype = slope->dtype, .rank = rank - 1 };
    t.dim[0]     = slope->dim[0];
    for (int32_t k = 1; k < rank - 1; k++)
        t.dim[k] = 1;
    uint32_t id = 0;
    MXD_TRY(mxdi_graph_add_constant(&id, g, NULL, slope->name, &t, false, err));
    mxdi_node_set_in(node, 1, id);
    return MXD_OK;
}

mxd_status mxdi_onnx_lift_opset6(mxdi_graph *g, mxd_error *err)
{
    static const struct {
        const char *op;
        mxd_status (*lift)(mxdi_graph *g, mxd_node *node, mxd_error *err);
    } rows[] = {
        { "Add", lift_broadcast },   { "And", lift_broadcast },
        { "Div", lift_broadcast },   { "Equal", lift_broadcast },
        { "Gemm", lift_broadcast },  { "Greater", lift_broadcast },
        { "Less", lift_broadcast },  { "Mul", lift_broadcast },
        { "Or", lift_broadcast },    { "Pow", lift_broadcast },
        { "Sub", lift_broadcast },   { "BatchNormalization", lift_batch_norm },
        { "Dropout", lift_dropout }, { "PRelu", lift_prelu },
    };
    g->opset = 7;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        mxd_node *const node = &g->node[n];
        if (*node->domain)
            continue;
        for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
            if (mxdi_node_is(node, rows[k].op))
                MXD_TRY(rows[k].lift(g, node, err));
        node->version = 7;
    }
    return MXD_OK;
}
