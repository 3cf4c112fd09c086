/* SPDX-License-Identifier: Apache-2.0
 *
 * Raising the opset of a graph, so that it can say what a quantized model says: scales per axis
 * want opset 13, 4-bit integers 21. Each row below is one change in the history of an operator; a
 * node goes through all rows of its operator that lie between its version and the new one.
 */
#include "onnx/onnx_raise.h"

#include "ir/ops.h"
#include "onnx/onnx.h"

/* Operators of the table (ir/ops.inc) without a row are written in the same way by all versions
 * from 7 to 21: they only gained types, optional inputs, and attributes whose default is the old
 * meaning. Rows of one operator ascend; Upsample's stands before those of Resize, which it turns
 * into. */
static const struct row {
    const char        *op;
    int32_t            since;
    mxdi_onnx_raise_fn rewrite;
} rows[] = {
    { "BatchNormalization", 9, mxdi_onnx_raise_batch_norm },
    { "BatchNormalization", 14, mxdi_onnx_raise_batch_norm },
    { "Clip", 11, mxdi_onnx_raise_clip },
    { "Dropout", 10, mxdi_onnx_raise_mask },
    { "Dropout", 12, mxdi_onnx_raise_dropout },
    { "LogSoftmax", 13, mxdi_onnx_raise_softmax },
    { "Pad", 11, mxdi_onnx_raise_pad },
    { "ReduceMax", 18, mxdi_onnx_raise_axes },
    { "ReduceMean", 18, mxdi_onnx_raise_axes },
    { "ReduceMin", 18, mxdi_onnx_raise_axes },
    { "ReduceProd", 18, mxdi_onnx_raise_axes },
    { "ReduceSum", 13, mxdi_onnx_raise_axes },
    { "Slice", 10, mxdi_onnx_raise_slice },
    { "Softmax", 13, mxdi_onnx_raise_softmax },
    { "Split", 13, mxdi_onnx_raise_split },
    { "Split", 18, mxdi_onnx_raise_split_count },
    { "Squeeze", 13, mxdi_onnx_raise_axes },
    { "TopK", 10, mxdi_onnx_raise_top_k },
    { "Unsqueeze", 13, mxdi_onnx_raise_axes },
    { "Upsample", 10, mxdi_onnx_raise_upsample },
    { "Resize", 11, mxdi_onnx_raise_resize },
    { "Resize", 13, mxdi_onnx_raise_resize_empty },
};

/* Some writers list the outputs of training although nothing reads them; later versions do not have
 * them in inference. */
static mxd_status drop_training_outputs(mxdi_graph *g, mxd_error *err)
{
    mxdi_links links = MXDI_LINKS_INIT;
    MXD_TRY(mxdi_links_build(&links, g, err));
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        mxd_node *const node = &g->node[n];
        if (!mxdi_node_is(node, "Dropout") && !mxdi_node_is(node, "BatchNormalization"))
            continue;
        while (node->n_out > 1 && (node->out[node->n_out - 1] == MXD_NO_VALUE ||
                                   links.n_uses[node->out[node->n_out - 1]] == 0))
            node->n_out--;
    }
    mxdi_links_free(&links);
    return MXD_OK;
}

static mxd_status raise_node(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    const int32_t    from = g->node[n].version;
    const mxd_status st   = mxdi_op_check(&g->node[n], err);
    if (st != MXD_OK)
        return mxdi_wrap(err, st, "raising the opset from %d to %d", (int)from, (int)g->opset);
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
        if (from < rows[k].since && rows[k].since <= g->opset &&
            mxdi_node_is(&g->node[n], rows[k].op))
            MXD_TRY(rows[k].rewrite(g, n, err));
    g->node[n].version = g->opset;
    return MXD_OK;
}

mxd_status mxdi_onnx_raise_opset(mxdi_graph *g, int32_t opset, mxd_error *err)
{
    if (opset > MXDI_ONNX_RAISE_MAX)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "raising the opset: expected at most %d, got %d",
                         (int)MXDI_ONNX_RAISE_MAX, (int)opset);
    if (g->opset >= opset)
        return MXD_OK;
    MXD_TRY(drop_training_outputs(g, err));
    const uint32_t n_nodes = g->n_nodes; /* those that rewrites add are new already */
    g->opset               = opset;
    for (uint32_t n = 0; n < n_nodes; n++)
        if (g->node[n].op && *g->node[n].domain == '\0')
            MXD_TRY(raise_node(g, n, err));
    return mxdi_graph_sort(g, err);
}
