/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes that later versions of an operator take as inputs: each becomes a constant.
 */
#include "base/dtype.h"
#include "onnx/onnx_raise.h"

mxd_status mxdi_onnx_raise_set_input(mxdi_graph *g, uint32_t n, uint32_t k, uint32_t value,
                                     mxd_error *err)
{
    mxd_node *const node = &g->node[n];
    if (k >= node->n_in) {
        uint32_t *const in = MXDI_NEW(&g->arena, uint32_t, (size_t)k + 1);
        if (!in)
            return mxdi_nomem(err);
        for (uint32_t i = 0; i <= k; i++)
            in[i] = i < node->n_in ? node->in[i] : MXD_NO_VALUE;
        node->in   = in;
        node->n_in = k + 1;
    }
    mxdi_node_set_in(node, k, value);
    return MXD_OK;
}

mxd_status mxdi_onnx_raise_constant(mxdi_graph *g, uint32_t n, uint32_t k, mxd_dtype dtype,
                                    const void *data, uint32_t count, mxd_error *err)
{
    const mxd_tensor t = {
        .data = (void *)data, .dtype = dtype, .rank = count > 0 ? 1 : 0, .dim = { count }
    };
    uint32_t id = 0;
    MXD_TRY(mxdi_graph_add_constant(&id, g, NULL, g->node[n].name, &t, true, err));
    return mxdi_onnx_raise_set_input(g, n, k, id, err);
}

/* A list of ints becomes input k; an absent or empty one, nothing. */
static mxd_status ints_to_input(mxdi_graph *g, uint32_t n, const char *name, uint32_t k,
                                mxd_error *err)
{
    uint32_t             count = 0;
    const int64_t *const list  = mxd_node_ints(&g->node[n], name, &count);
    if (count > 0)
        MXD_TRY(mxdi_onnx_raise_constant(g, n, k, MXD_S64, list, count, err));
    mxdi_node_remove_attr(&g->node[n], name);
    return MXD_OK;
}

static mxd_status required_ints(mxdi_graph *g, uint32_t n, const char *name, uint32_t k,
                                mxd_error *err)
{
    uint32_t count = 0;
    (void)mxd_node_ints(&g->node[n], name, &count);
    if (count == 0)
        return mxdi_fail(err, MXD_E_INVAL, "%s '%s': attribute '%s': expected numbers, got none",
                         g->node[n].op, g->node[n].name, name);
    return ints_to_input(g, n, name, k, err);
}

/* A number becomes input k, a scalar of the first input's type: binary32 where that is not known.
 */
static mxd_status number_to_input(mxdi_graph *g, uint32_t n, const char *name, uint32_t k,
                                  mxd_error *err)
{
    const mxd_node *const node = &g->node[n];
    const mxd_attr *const a    = mxd_node_attr(node, name, MXD_ATTR_FLOAT);
    const uint32_t        x    = node->n_in > 0 ? node->in[0] : MXD_NO_VALUE;
    const mxd_dtype       dtype =
        x == MXD_NO_VALUE || g->value[x].dtype == MXD_NONE ? MXD_F32 : g->value[x].dtype;
    uint8_t one[8] = { 0 };
    if (!a)
        return MXD_OK;
    mxdi_store_f64(one, dtype, 0, (double)a->f);
    MXD_TRY(mxdi_onnx_raise_constant(g, n, k, dtype, one, 0, err));
    mxdi_node_remove_attr(&g->node[n], name);
    return MXD_OK;
}

mxd_status mxdi_onnx_raise_axes(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    return ints_to_input(g, n, "axes", 1, err);
}

mxd_status mxdi_onnx_raise_split(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    return ints_to_input(g, n, "split", 1, err);
}

mxd_status mxdi_onnx_raise_slice(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    MXD_TRY(required_ints(g, n, "starts", 1, err));
    MXD_TRY(required_ints(g, n, "ends", 2, err));
    return ints_to_input(g, n, "axes", 3, err);
}

mxd_status mxdi_onnx_raise_top_k(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    const mxd_attr *const k = mxd_node_attr(&g->node[n], "k", MXD_ATTR_INT);
    if (!k)
        return mxdi_fail(err, MXD_E_INVAL, "TopK '%s': expected attribute 'k', got none",
                         g->node[n].name);
    MXD_TRY(mxdi_onnx_raise_constant(g, n, 1, MXD_S64, &k->i, 1, err));
    mxdi_node_remove_attr(&g->node[n], "k");
    return MXD_OK;
}

mxd_status mxdi_onnx_raise_clip(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    MXD_TRY(number_to_input(g, n, "min", 1, err));
    return number_to_input(g, n, "max", 2, err);
}

mxd_status mxdi_onnx_raise_pad(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    MXD_TRY(required_ints(g, n, "pads", 1, err));
    return number_to_input(g, n, "value", 2, err);
}

mxd_status mxdi_onnx_raise_dropout(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    return number_to_input(g, n, "ratio", 1, err);
}
