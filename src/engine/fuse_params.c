/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantization parameters as the graph states them (constant inputs of QuantizeLinear and
 * DequantizeLinear), and the two scalar formulas of docs/numerics.md that fusion evaluates at build
 * time.
 */
#include <math.h>

#include "base/dtype.h"
#include "engine/fuse.h"

float mxdi_fuse_ratio(double a, double b, double c)
{
    return (float)(a * b / c);
}

int32_t mxdi_fuse_clampq(float real, int32_t z, int32_t lo, int32_t hi)
{
    if (isnan(real))
        return z < lo ? lo : z > hi ? hi : z;
    const float r = rintf(real), low = (float)(lo - z), high = (float)(hi - z);
    return (int32_t)(r < low ? low : r > high ? high : r) + z;
}

uint32_t mxdi_fuse_dequantizer(const mxdi_graph *g, const mxdi_links *links, uint32_t value)
{
    if (value == MXD_NO_VALUE || links->producer[value] == MXD_NO_VALUE)
        return MXD_NO_VALUE;
    const uint32_t n = links->producer[value];
    return mxdi_node_is(&g->node[n], "DequantizeLinear") ? n : MXD_NO_VALUE;
}

/* The integers' type: the zero point's, else that of the dequantized value, else as ONNX says u8.
 */
static mxd_dtype stored_type(const mxdi_graph *g, const mxd_node *node)
{
    if (mxdi_node_is(node, "DequantizeLinear"))
        return g->value[node->in[0]].dtype;
    if (node->n_in > 2 && node->in[2] != MXD_NO_VALUE)
        return g->value[node->in[2]].dtype;
    return g->value[node->out[0]].dtype;
}

static bool zero_points(mxdi_affine *out, mxdi_graph *g, const mxd_node *node)
{
    const uint32_t z = node->n_in > 2 ? node->in[2] : MXD_NO_VALUE;
    if (z == MXD_NO_VALUE)
        return true; /* zeros, as the arena gives them */
    const mxd_value *const v = &g->value[z];
    int64_t                count;
    if (!v->data || !mxdi_shape_count(&count, v->dim, v->rank) || count != out->n)
        return false;
    for (uint32_t k = 0; k < out->n; k++)
        out->zero_point[k] = (int32_t)mxdi_load_s64(v->data, v->dtype, k);
    return true;
}

mxd_status mxdi_fuse_affine(mxdi_affine *out, bool *found, mxdi_graph *g, const mxd_node *node,
                            mxd_error *err)
{
    *found                       = false;
    const mxd_value *const scale = &g->value[node->in[1]];
    int64_t                lo, hi, count;
    out->dtype = stored_type(g, node);
    if (!scale->data || scale->dtype != MXD_F32 || mxdi_dtype_is_float(out->dtype) ||
        !mxdi_dtype_range(out->dtype, &lo, &hi) || out->dtype == MXD_S64 ||
        out->dtype == MXD_BOOL || !mxdi_shape_count(&count, scale->dim, scale->rank) || count < 1 ||
        count > INT32_MAX)
        return MXD_OK;
    out->n             = (uint32_t)count;
    out->scale         = scale->data;
    out->lo            = (int32_t)lo;
    out->hi            = (int32_t)hi;
    const int32_t rank = g->value[node->in[0]].rank;
    const int64_t axis = mxd_node_int(node, "axis", 1);
    out->axis          = (int32_t)(axis < 0 ? axis + rank : axis);
    out->block         = (int32_t)mxd_node_int(node, "block_size", 0);
    out->zero_point    = MXDI_NEW(&g->arena, int32_t, out->n);
    if (!out->zero_point)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < out->n; k++)
        if (!(out->scale[k] > 0.0f) || isinf(out->scale[k]))
            return MXD_OK;
    *found = zero_points(out, g, node);
    return MXD_OK;
}
