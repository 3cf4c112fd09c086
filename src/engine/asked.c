/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading precision from a QDQ graph: integers behind a DequantizeLinear, 16 bits behind a pair of casts.
 */
#include "engine/asked.h"

#include "base/dtype.h"

bool mxdi_is_product(const mxd_node *node)
{
    return mxdi_node_is(node, "Conv") || mxdi_node_is(node, "Gemm") || mxdi_node_is(node, "MatMul");
}

/* The type that `value` is dequantized from or rounded to on its way, through nodes that only move data; MXD_F32: none. */
static mxd_dtype source_type(const mxdi_graph *g, const mxdi_links *l, uint32_t value)
{
    static const char *const moves[] = { "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Identity", "Dropout", "Expand", "Gather" };
    for (uint32_t depth = 0; depth < 64; depth++) {
        const uint32_t p = value == MXD_NO_VALUE ? MXD_NO_VALUE : l->producer[value];
        if (p == MXD_NO_VALUE)
            return MXD_F32;
        const mxd_node *const n = &g->node[p];
        if (mxdi_node_is(n, "DequantizeLinear") || (mxdi_node_is(n, "Cast") && g->value[n->out[0]].dtype == MXD_F32))
            return g->value[n->in[0]].dtype;
        bool moved = false;
        for (size_t k = 0; k < sizeof(moves) / sizeof(moves[0]); k++)
            moved = moved || mxdi_node_is(n, moves[k]);
        if (!moved)
            return MXD_F32;
        value = n->in[0];
    }
    return MXD_F32;
}

/* Weights may be rounded to 16 bits and dequantized from integers above that. */
static mxd_dtype weight_type(const mxdi_graph *g, const mxdi_links *l, uint32_t value)
{
    mxd_dtype type = source_type(g, l, value);
    if (type != MXD_BF16 && type != MXD_F16)
        return type;
    const uint32_t up = l->producer[value], half = g->node[up].in[0], down = l->producer[half];
    if (down == MXD_NO_VALUE)
        return type;
    const mxd_dtype above = source_type(g, l, g->node[down].in[0]);
    return mxdi_dtype_is_float(above) ? type : above;
}

/* "w8a8", "w4-bf16", "bf16", "f32": from the types of both operands. */
const char *mxdi_precision_name(mxdi_arena *arena, mxd_dtype x, mxd_dtype w)
{
    const bool integer_x = !mxdi_dtype_is_float(x), integer_w = !mxdi_dtype_is_float(w);
    if (integer_w && integer_x)
        return mxdi_arena_printf(arena, "w%ua%u", mxd_dtype_bits(w), mxd_dtype_bits(x));
    if (integer_w)
        return mxdi_arena_printf(arena, "w%u-%s", mxd_dtype_bits(w), mxd_dtype_name(x));
    return integer_x || x != w ? "f32" : mxd_dtype_name(x);
}

const char *mxdi_asked(mxdi_arena *arena, const mxdi_graph *g, const mxdi_links *links, const mxd_node *node)
{
    return mxdi_precision_name(arena, source_type(g, links, node->in[0]), weight_type(g, links, node->in[1]));
}
