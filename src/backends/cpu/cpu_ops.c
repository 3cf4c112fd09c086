/* SPDX-License-Identifier: Apache-2.0
 *
 * The ops that run here: one row each, with the layout it wants its inputs in, its check and its
 * lowering. Claiming a graph is asking each node's check. */
#include "backends/cpu/cpu_lower.h"

#define PLAIN   MXDI_CPU_WISH_PLAIN
#define BLOCKED MXDI_CPU_WISH_BLOCKED
#define FOLLOW  MXDI_CPU_WISH_FOLLOW

static const mxdi_cpu_op ops[] = {
    { "QConv", "mixdown", BLOCKED, mxdi_cpu_check_conv, mxdi_cpu_lower_qconv },
    { "FusedConv", "mixdown", BLOCKED, mxdi_cpu_check_any_conv, mxdi_cpu_lower_conv },
    { "QMatMul", "mixdown", PLAIN, mxdi_cpu_check_matmul, mxdi_cpu_lower_qmatmul },
    { "FusedMatMul", "mixdown", PLAIN, mxdi_cpu_check_matmul, mxdi_cpu_lower_fused_matmul },
    { "QAdd", "mixdown", FOLLOW, mxdi_cpu_check_qadd, mxdi_cpu_lower_qadd },
    { "Lookup8", "mixdown", FOLLOW, mxdi_cpu_check_shapes, mxdi_cpu_lower_lookup8 },
    { "LookupChannels", "mixdown", PLAIN, mxdi_cpu_check_lookup_channels,
      mxdi_cpu_lower_lookup_channels },
    { "QAveragePool", "mixdown", BLOCKED, mxdi_cpu_check_pool, mxdi_cpu_lower_pool },
    { "QReduceMean", "mixdown", FOLLOW, mxdi_cpu_check_shapes, mxdi_cpu_lower_qreduce },
    { "QSoftmax", "mixdown", PLAIN, mxdi_cpu_check_shapes, mxdi_cpu_lower_qsoftmax },
    { "Conv", "", BLOCKED, mxdi_cpu_check_any_conv, mxdi_cpu_lower_conv },
    { "MatMul", "", PLAIN, mxdi_cpu_check_matmul, mxdi_cpu_lower_matmul },
    { "Gemm", "", PLAIN, mxdi_cpu_check_gemm, mxdi_cpu_lower_gemm },
    { "MaxPool", "", BLOCKED, mxdi_cpu_check_pool, mxdi_cpu_lower_pool },
    { "AveragePool", "", BLOCKED, mxdi_cpu_check_pool, mxdi_cpu_lower_pool },
    { "GlobalAveragePool", "", BLOCKED, mxdi_cpu_check_global_pool, mxdi_cpu_lower_global_pool },
    { "GlobalMaxPool", "", BLOCKED, mxdi_cpu_check_global_pool, mxdi_cpu_lower_global_pool },
    { "BatchNormalization", "", BLOCKED, mxdi_cpu_check_channel_norm, mxdi_cpu_lower_channel_norm },
    { "InstanceNormalization", "", BLOCKED, mxdi_cpu_check_channel_norm,
      mxdi_cpu_lower_channel_norm },
    { "LRN", "", PLAIN, mxdi_cpu_check_lrn, mxdi_cpu_lower_lrn },
    { "LayerNormalization", "", PLAIN, mxdi_cpu_check_layer_norm, mxdi_cpu_lower_layer_norm },
    { "QuantizeLinear", "", FOLLOW, mxdi_cpu_check_quantize, mxdi_cpu_lower_quantize },
    { "DequantizeLinear", "", FOLLOW, mxdi_cpu_check_dequantize, mxdi_cpu_lower_dequantize },
    { "DynamicQuantizeLinear", "", PLAIN, mxdi_cpu_check_dynamic_quantize,
      mxdi_cpu_lower_dynamic_quantize },
    { "MatMulInteger", "", PLAIN, mxdi_cpu_check_matmul_integer, mxdi_cpu_lower_matmul_integer },
    { "ConvInteger", "", PLAIN, mxdi_cpu_check_conv_integer, mxdi_cpu_lower_conv_integer },
    { "Cast", "", FOLLOW, mxdi_cpu_check_cast, mxdi_cpu_lower_cast },
    { "Relu", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Clip", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "LeakyRelu", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "HardSigmoid", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "HardSwish", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Abs", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Neg", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Sign", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Softsign", "", FOLLOW, mxdi_cpu_check_softsign, mxdi_cpu_lower_softsign },
    { "Reciprocal", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Sqrt", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Floor", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Ceil", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Round", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Exp", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Log", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Sigmoid", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Tanh", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Elu", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Softplus", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Erf", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Gelu", "", FOLLOW, mxdi_cpu_check_unary, mxdi_cpu_lower_unary },
    { "Add", "", FOLLOW, mxdi_cpu_check_binary, mxdi_cpu_lower_binary },
    { "Sub", "", FOLLOW, mxdi_cpu_check_binary, mxdi_cpu_lower_binary },
    { "Mul", "", FOLLOW, mxdi_cpu_check_binary, mxdi_cpu_lower_binary },
    { "Div", "", FOLLOW, mxdi_cpu_check_binary, mxdi_cpu_lower_binary },
    { "Pow", "", FOLLOW, mxdi_cpu_check_binary, mxdi_cpu_lower_binary },
    { "PRelu", "", FOLLOW, mxdi_cpu_check_binary, mxdi_cpu_lower_binary },
    { "Min", "", FOLLOW, mxdi_cpu_check_variadic, mxdi_cpu_lower_variadic },
    { "Max", "", FOLLOW, mxdi_cpu_check_variadic, mxdi_cpu_lower_variadic },
    { "Sum", "", FOLLOW, mxdi_cpu_check_variadic, mxdi_cpu_lower_variadic },
    { "Mean", "", PLAIN, mxdi_cpu_check_variadic, mxdi_cpu_lower_variadic },
    { "ReduceMean", "", FOLLOW, mxdi_cpu_check_reduce, mxdi_cpu_lower_reduce },
    { "ReduceSum", "", PLAIN, mxdi_cpu_check_reduce, mxdi_cpu_lower_reduce },
    { "ReduceMax", "", FOLLOW, mxdi_cpu_check_reduce, mxdi_cpu_lower_reduce },
    { "ReduceMin", "", PLAIN, mxdi_cpu_check_reduce, mxdi_cpu_lower_reduce },
    { "ReduceProd", "", PLAIN, mxdi_cpu_check_reduce, mxdi_cpu_lower_reduce },
    { "Softmax", "", PLAIN, mxdi_cpu_check_softmax, mxdi_cpu_lower_softmax },
    { "LogSoftmax", "", PLAIN, mxdi_cpu_check_softmax, mxdi_cpu_lower_softmax },
    { "Identity", "", FOLLOW, mxdi_cpu_check_reshape, mxdi_cpu_lower_reshape },
    { "Dropout", "", FOLLOW, mxdi_cpu_check_reshape, mxdi_cpu_lower_reshape },
    { "Reshape", "", PLAIN, mxdi_cpu_check_reshape, mxdi_cpu_lower_reshape },
    { "Flatten", "", PLAIN, mxdi_cpu_check_reshape, mxdi_cpu_lower_reshape },
    { "Squeeze", "", PLAIN, mxdi_cpu_check_reshape, mxdi_cpu_lower_reshape },
    { "Unsqueeze", "", PLAIN, mxdi_cpu_check_reshape, mxdi_cpu_lower_reshape },
    { "Transpose", "", PLAIN, mxdi_cpu_check_transpose, mxdi_cpu_lower_transpose },
    { "Slice", "", FOLLOW, mxdi_cpu_check_slice, mxdi_cpu_lower_slice },
    { "Split", "", FOLLOW, mxdi_cpu_check_split, mxdi_cpu_lower_split },
    { "Concat", "", FOLLOW, mxdi_cpu_check_concat, mxdi_cpu_lower_concat },
    { "Pad", "", FOLLOW, mxdi_cpu_check_pad, mxdi_cpu_lower_pad },
    { "Tile", "", PLAIN, mxdi_cpu_check_tile, mxdi_cpu_lower_tile },
    { "Expand", "", PLAIN, mxdi_cpu_check_expand, mxdi_cpu_lower_expand },
    { "Gather", "", PLAIN, mxdi_cpu_check_gather, mxdi_cpu_lower_gather },
    { "DepthToSpace", "", FOLLOW, mxdi_cpu_check_depth_space, mxdi_cpu_lower_depth_space },
    { "SpaceToDepth", "", FOLLOW, mxdi_cpu_check_depth_space, mxdi_cpu_lower_depth_space },
    { "Where", "", PLAIN, mxdi_cpu_check_where, mxdi_cpu_lower_where },
    { "Resize", "", BLOCKED, mxdi_cpu_check_resize, mxdi_cpu_lower_resize },
    { "ConvTranspose", "", BLOCKED, mxdi_cpu_check_conv_transpose, mxdi_cpu_lower_conv_transpose },
    { "ArgMax", "", PLAIN, mxdi_cpu_check_arg, mxdi_cpu_lower_arg },
    { "ArgMin", "", PLAIN, mxdi_cpu_check_arg, mxdi_cpu_lower_arg },
    { "TopK", "", PLAIN, mxdi_cpu_check_top_k, mxdi_cpu_lower_top_k },
    { "Trilu", "", PLAIN, mxdi_cpu_check_trilu, mxdi_cpu_lower_trilu },
    { "Shape", "", PLAIN, mxdi_cpu_check_create, mxdi_cpu_lower_shape },
    { "Size", "", PLAIN, mxdi_cpu_check_create, mxdi_cpu_lower_shape },
    { "Range", "", PLAIN, mxdi_cpu_check_create, mxdi_cpu_lower_range },
    { "ConstantOfShape", "", PLAIN, mxdi_cpu_check_create, mxdi_cpu_lower_constant_of_shape },
    { "Equal", "", PLAIN, mxdi_cpu_check_any, mxdi_cpu_lower_any },
    { "Greater", "", PLAIN, mxdi_cpu_check_any, mxdi_cpu_lower_any },
    { "GreaterOrEqual", "", PLAIN, mxdi_cpu_check_any, mxdi_cpu_lower_any },
    { "Less", "", PLAIN, mxdi_cpu_check_any, mxdi_cpu_lower_any },
    { "LessOrEqual", "", PLAIN, mxdi_cpu_check_any, mxdi_cpu_lower_any },
    { "And", "", PLAIN, mxdi_cpu_check_any, mxdi_cpu_lower_any },
    { "Or", "", PLAIN, mxdi_cpu_check_any, mxdi_cpu_lower_any },
    { "Not", "", PLAIN, mxdi_cpu_check_any, mxdi_cpu_lower_any },
    { "Upsample", "", BLOCKED, mxdi_cpu_check_resize, mxdi_cpu_lower_resize },
};

const mxdi_cpu_op *mxdi_cpu_op_find(const mxd_node *n)
{
    for (size_t k = 0; n->op && k < sizeof(ops) / sizeof(ops[0]); k++)
        if (strcmp(ops[k].name, n->op) == 0 && strcmp(ops[k].domain, n->domain) == 0)
            return &ops[k];
    return NULL;
}

const char *mxdi_cpu_check_shapes(const mxd_graph_view *g, const mxd_node *n)
{
    if (n->n_in == 0 || n->n_out == 0 || !mxdi_cpu_has_in(n, 0) || !mxdi_cpu_has_out(n, 0))
        return "no CPU kernel without an input and an output: runs in the reference interpreter";
    for (uint32_t k = 0; k < n->n_in + n->n_out; k++) {
        const uint32_t id = k < n->n_in ? n->in[k] : n->out[k - n->n_in];
        if (id == MXD_NO_VALUE)
            continue;
        const mxd_value *const v     = &g->value[id];
        const bool             wants = k == 0 || k >= n->n_in; /* parameters may be empty */
        if (v->rank < 0 || v->dtype == MXD_NONE)
            return "a shape depends on values: runs in the reference interpreter";
        for (int32_t d = 0; d < v->rank; d++)
            if (v->dim[d] < 0 || (v->dim[d] == 0 && wants))
                return "a shape is unknown or empty: runs in the reference interpreter";
    }
    return NULL;
}

bool mxdi_cpu_is_fixed(const mxd_graph_view *g, uint32_t value)
{
    if (value == MXD_NO_VALUE || g->value[value].data)
        return true;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const mxd_node *const node = &g->node[n];
        for (uint32_t k = 0; k < node->n_out; k++) {
            if (node->out[k] != value)
                continue;
            for (uint32_t i = 0; i < node->n_in; i++)
                if (!mxdi_cpu_is_fixed(g, node->in[i]))
                    return false;
            return true;
        }
    }
    return false; /* an input */
}

mxd_status mxdi_cpu_claim(mxd_device *dev, const mxd_graph_view *graph, mxd_claim *out,
                          mxd_error *err)
{
    (void)dev;
    if (graph->value_size != sizeof(mxd_value) || graph->node_size != sizeof(mxd_node))
        return mxdi_fail(err, MXD_E_STALE, "cpu: the graph comes from another version of mixdown");
    for (uint32_t n = 0; n < graph->n_nodes; n++) {
        const mxd_node *const    node = &graph->node[n];
        const mxdi_cpu_op *const op   = mxdi_cpu_op_find(node);
        out->reason[n]                = op ? op->refuses(graph, node)
                                           : "no CPU kernel for this op: runs in the reference interpreter";
        out->taken[n]                 = out->reason[n] == NULL;
    }
    return MXD_OK;
}
