/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators whose definition changed: rewritten so that the new one says what the old one said, or
 * refused.
 */
#include "base/dtype.h"
#include "onnx/onnx_raise.h"

static mxd_status refuse(const mxdi_graph *g, uint32_t n, const char *why, mxd_error *err)
{
    return mxdi_fail(err, MXD_E_UNSUPPORTED, "%s '%s': raising the opset from %d to %d: %s",
                     g->node[n].op, g->node[n].name, (int)g->node[n].version, (int)g->opset, why);
}

/* Split 18: equal parts are asked for by their number. */
mxd_status mxdi_onnx_raise_split_count(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    mxd_node *const node = &g->node[n];
    if (node->n_in > 1 && node->in[1] != MXD_NO_VALUE)
        return MXD_OK;
    return mxdi_node_set_int(g, node, "num_outputs", node->n_out, err);
}

/* 9 drops statistics per element; 14 gives the outputs of training another meaning. */
mxd_status mxdi_onnx_raise_batch_norm(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    mxd_node *const node = &g->node[n];
    if (mxd_node_int(node, "spatial", 1) != 1)
        return refuse(g, n, "attribute 'spatial' = 0 is not supported", err);
    if (node->n_out > 1)
        return refuse(g, n, "its outputs of training are read, which is not supported", err);
    mxdi_node_remove_attr(node, "spatial");
    return MXD_OK;
}

/* 10 makes the mask a bool. */
mxd_status mxdi_onnx_raise_mask(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    return g->node[n].n_out > 1 ? refuse(g, n, "its mask is read, which is not supported", err)
                                : MXD_OK;
}

/* ---- Softmax 13: over one axis. Before, over all axes from `axis` on, taken as one. ---- */

/* Whether all axes after `axis` are known to have one element, so that both definitions agree. */
static bool is_last_that_counts(const mxd_value *x, int64_t axis)
{
    if (axis == -1)
        return true;
    if (x->rank < 0)
        return false;
    for (int64_t k = (axis < 0 ? axis + x->rank : axis) + 1; k < x->rank; k++)
        if (k < 0 || x->dim[k] != 1)
            return false;
    return true;
}

/* A node that does part of node n's work, and makes `value`. */
static mxd_status add_helper(mxdi_graph *g, uint32_t n, const char *op, const char *name,
                             const uint32_t *in, uint32_t n_in, uint32_t value, mxd_error *err)
{
    mxd_node *node = NULL;
    MXD_TRY(mxdi_graph_add_node(&node, g, op, "", name, in, n_in, &value, 1, err));
    return mxdi_node_add_origins(g, node, g->node[n].origin, g->node[n].n_origin, err);
}

/* Reshape(Softmax(Reshape(x, (0, ... 0, -1)), axis = -1), Shape(x)): a 0 keeps the size of an axis
 * before `axis`. */
static mxd_status soften_rows(mxdi_graph *g, uint32_t n, int64_t axis, mxd_error *err)
{
    const uint32_t    x = g->node[n].in[0], y = g->node[n].out[0];
    const char *const hint             = g->node[n].name;
    int64_t           to[MXD_MAX_RANK] = { 0 };
    uint32_t          shape = 0, flat_x = 0, flat_y = 0, old_shape = 0;
    to[axis]           = -1;
    const mxd_tensor t = { .data = to, .dtype = MXD_S64, .rank = 1, .dim = { axis + 1 } };
    MXD_TRY(mxdi_graph_add_constant(&shape, g, NULL, hint, &t, true, err));
    MXD_TRY(mxdi_graph_add_value(&flat_x, g, NULL, hint, err));
    MXD_TRY(mxdi_graph_add_value(&flat_y, g, NULL, hint, err));
    MXD_TRY(mxdi_graph_add_value(&old_shape, g, NULL, hint, err));
    const uint32_t before[2] = { x, shape }, after[2] = { flat_y, old_shape };
    MXD_TRY(add_helper(g, n, "Reshape", NULL, before, 2, flat_x, err));
    MXD_TRY(add_helper(g, n, "Shape", NULL, &x, 1, old_shape, err));
    /* y may have given Softmax its name; flat_y's is no node's */
    MXD_TRY(add_helper(g, n, "Reshape", g->value[flat_y].name, after, 2, y, err));
    mxdi_node_set_in(&g->node[n], 0, flat_x);
    mxdi_node_set_out(&g->node[n], 0, flat_y);
    return mxdi_node_set_int(g, &g->node[n], "axis", -1, err);
}

mxd_status mxdi_onnx_raise_softmax(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    const mxd_value *const x    = &g->value[g->node[n].in[0]];
    int64_t                axis = mxd_node_int(&g->node[n], "axis", 1);
    if (is_last_that_counts(x, axis))
        return mxdi_node_set_int(g, &g->node[n], "axis", axis, err);
    if (axis < 0 && x->rank >= 0)
        axis += x->rank;
    if (axis < 0 || axis >= MXD_MAX_RANK)
        return refuse(g, n, "its axis cannot be told without the rank of its input", err);
    return soften_rows(g, n, axis, err);
}

/* ---- Resize and what came before it ---- */

/* Upsample 7 and 9: Resize 10 under another name; the scales of 7 are an attribute. */
mxd_status mxdi_onnx_raise_upsample(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    const mxd_attr *const scales = mxd_node_attr(&g->node[n], "scales", MXD_ATTR_FLOATS);
    if (scales && scales->n > 0)
        MXD_TRY(mxdi_onnx_raise_constant(g, n, 1, MXD_F32, scales->floats, scales->n, err));
    if (g->node[n].n_in < 2)
        return refuse(g, n, "expected scales, got none", err);
    mxdi_node_remove_attr(&g->node[n], "scales");
    g->node[n].op = mxdi_arena_strdup(&g->arena, "Resize");
    return g->node[n].op ? MXD_OK : mxdi_nomem(err);
}

/* What Resize 10 does between pixels: down, or up where it shrinks. NULL: up on one axis and down
 * on another. */
static const char *nearest_mode(const mxd_value *scales)
{
    bool up = true, down = true;
    for (int64_t k = 0; k < scales->dim[0]; k++) {
        const double s = mxdi_load_f64(scales->data, scales->dtype, k);
        up             = up && s >= 1.0;
        down           = down && s <= 1.0;
    }
    return up ? "floor" : down ? "ceil" : NULL;
}

/* Resize 11: X, roi, scales, and coordinates that 10 had only one way of taking. */
mxd_status mxdi_onnx_raise_resize(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    if (g->node[n].n_in < 2 || g->node[n].in[1] == MXD_NO_VALUE)
        return refuse(g, n, "expected scales, got none", err);
    const uint32_t scales = g->node[n].in[1];
    if (strcmp(mxd_node_string(&g->node[n], "mode", "nearest"), "nearest") == 0) {
        const mxd_value *const v     = &g->value[scales];
        const char *const      round = v->data && v->rank == 1 ? nearest_mode(v) : NULL;
        if (!round)
            return refuse(g, n, "expected constant scales, all up or all down", err);
        MXD_TRY(mxdi_node_set_string(g, &g->node[n], "nearest_mode", round, err));
    }
    MXD_TRY(
        mxdi_node_set_string(g, &g->node[n], "coordinate_transformation_mode", "asymmetric", err));
    const mxd_tensor none = { .dtype = MXD_F32, .rank = 1 };
    uint32_t         roi  = 0;
    MXD_TRY(mxdi_graph_add_constant(&roi, g, NULL, g->node[n].name, &none, true, err));
    MXD_TRY(mxdi_onnx_raise_set_input(g, n, 1, roi, err));
    return mxdi_onnx_raise_set_input(g, n, 2, scales, err);
}

/* Resize 13: what is not given is left out, not empty. */
mxd_status mxdi_onnx_raise_resize_empty(mxdi_graph *g, uint32_t n, mxd_error *err)
{
    mxd_node *const node = &g->node[n];
    if (strcmp(mxd_node_string(node, "coordinate_transformation_mode", ""),
               "tf_half_pixel_for_nn") == 0)
        return refuse(g, n, "coordinate_transformation_mode 'tf_half_pixel_for_nn' is gone", err);
    for (uint32_t k = 1; k < node->n_in; k++)
        if (node->in[k] != MXD_NO_VALUE && g->value[node->in[k]].data &&
            g->value[node->in[k]].bytes == 0)
            mxdi_node_set_in(node, k, MXD_NO_VALUE);
    return MXD_OK;
}
