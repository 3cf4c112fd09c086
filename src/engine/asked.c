/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading precision from a QDQ graph: integers behind a DequantizeLinear, 16 bits behind a pair of
 * casts.
 */
#include "engine/asked.h"

#include <stdio.h>

#include "base/dtype.h"
#include "base/json.h"

bool mxdi_is_product(const mxd_node *node)
{
    return mxdi_node_is(node, "Conv") || mxdi_node_is(node, "Gemm") || mxdi_node_is(node, "MatMul");
}

/* The type of a value, also where types were not inferred: from the node that makes or dequantizes
 * it. */
static mxd_dtype type_of(const mxdi_graph *g, const mxdi_links *l, uint32_t value)
{
    const uint32_t p = l->producer[value];
    if (g->value[value].dtype != MXD_NONE || p == MXD_NO_VALUE)
        return g->value[value].dtype;
    const mxd_node *const n = &g->node[p];
    if (mxdi_node_is(n, "Cast")) {
        const int64_t to = mxd_node_int(n, "to", 0); /* of ONNX's TensorProto.DataType */
        return to == 16 ? MXD_BF16 : to == 10 ? MXD_F16 : to == 1 ? MXD_F32 : MXD_NONE;
    }
    if (!mxdi_node_is(n, "QuantizeLinear"))
        return MXD_NONE;
    return n->n_in > 2 && n->in[2] != MXD_NO_VALUE ? g->value[n->in[2]].dtype : MXD_U8;
}

/* The type that `value` is dequantized from or rounded to on its way, through nodes that only move
 * data; MXD_F32: none. */
static mxd_dtype source_type(const mxdi_graph *g, const mxdi_links *l, uint32_t value)
{
    static const char *const moves[] = { "Reshape", "Flatten",  "Squeeze", "Unsqueeze", "Transpose",
                                         "Slice",   "Identity", "Dropout", "Expand",    "Gather" };
    for (uint32_t depth = 0; depth < 64; depth++) {
        const uint32_t p = value == MXD_NO_VALUE ? MXD_NO_VALUE : l->producer[value];
        if (p == MXD_NO_VALUE)
            return MXD_F32;
        const mxd_node *const n = &g->node[p];
        if (mxdi_node_is(n, "DequantizeLinear") ||
            (mxdi_node_is(n, "Cast") && type_of(g, l, n->out[0]) == MXD_F32))
            return type_of(g, l, n->in[0]);
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

mxdi_precision_parts mxdi_precision_split(const char *name)
{
    mxdi_precision_parts p    = { 0, 0, "" };
    const char *const    dash = strchr(name, '-');
    if (name[0] != 'w')
        p.compute = name;
    else if (dash && sscanf(name, "w%u-", &p.weight) == 1)
        p.compute = dash + 1;
    else
        (void)sscanf(name, "w%ua%u", &p.weight, &p.input);
    return p;
}

mxd_status mxdi_asked_notes(json_t **out, const mxdi_graph *g, const char *key, mxd_error *err)
{
    const char *const text = mxdi_graph_meta(g, key);
    *out                   = NULL;
    if (!text)
        return MXD_OK;
    const mxd_status st =
        mxdi_json_parse(out, (mxdi_view){ (const uint8_t *)text, strlen(text) }, err);
    return st == MXD_E_NOMEM ? st : MXD_OK; /* a text of another kind tells nothing */
}

const char *mxdi_asked(mxdi_arena *arena, const mxdi_graph *g, const mxdi_links *links,
                       const json_t *narrower, const mxd_node *node)
{
    const char *const told    = json_string_value(json_object_get(narrower, node->name));
    const char *const derived = mxdi_precision_name(arena, source_type(g, links, node->in[0]),
                                                    weight_type(g, links, node->in[1]));
    if (!derived || !told)
        return derived;
    const mxdi_precision_parts d = mxdi_precision_split(derived), t = mxdi_precision_split(told);
    const bool                 fits = t.weight > 0 && t.weight <= d.weight && t.input <= d.input &&
                      !t.input == !d.input && strcmp(t.compute, d.compute) == 0;
    return fits ? mxdi_arena_strdup(arena, told) : derived;
}
