/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of ops that work element by element: unary, broadcasting, comparing, casting.
 */
#include "ir/shapes.h"

bool mxdi_broadcast(int64_t *out, int32_t *out_rank, const int64_t *a, int32_t a_rank,
                    const int64_t *b, int32_t b_rank)
{
    const int32_t rank = a_rank > b_rank ? a_rank : b_rank;
    int64_t       dim[MXD_MAX_RANK];
    for (int32_t k = 1; k <= rank; k++) { /* from the last axis */
        const int64_t x = k <= a_rank ? a[a_rank - k] : 1;
        const int64_t y = k <= b_rank ? b[b_rank - k] : 1;
        if (x == y || y == 1)
            dim[rank - k] = x;
        else if (x == 1)
            dim[rank - k] = y;
        else if (x < 0 || y < 0)
            dim[rank - k] = x < 0 ? y : x; /* the unknown one is 1 or equal to the other */
        else
            return false;
    }
    for (int32_t k = 0; k < rank; k++)
        out[k] = dim[k];
    *out_rank = rank;
    return true;
}

/* All inputs broadcast together; the shape in dim and rank. */
static mxd_status broadcast_inputs(int64_t *dim, int32_t *rank, const mxdi_graph *g,
                                   const mxd_node *node, mxd_error *err)
{
    *rank = 0;
    for (uint32_t k = 0; k < node->n_in; k++) {
        const mxd_value *const v = mxdi_shape_in(g, node, k);
        if (v && !mxdi_broadcast(dim, rank, dim, *rank, v->dim, v->rank))
            return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                     "input '%s': %s does not broadcast with %s", v->name,
                                     mxdi_dims(v->dim, v->rank).text, mxdi_dims(dim, *rank).text);
    }
    return MXD_OK;
}

/* Input k broadcasts to the shape of input 0 without widening it. */
static mxd_status broadcasts_to_first(const mxdi_graph *g, const mxd_node *node, uint32_t k,
                                      mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    const mxd_value *const v = mxdi_shape_in(g, node, k);
    int64_t                dim[MXD_MAX_RANK];
    int32_t                rank = 0;
    bool ok = mxdi_broadcast(dim, &rank, x->dim, x->rank, v->dim, v->rank) && rank == x->rank;
    for (int32_t d = 0; ok && d < rank; d++)
        ok = mxdi_shape_agree(dim[d], x->dim[d]);
    if (ok)
        return MXD_OK;
    return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "input '%s': %s does not broadcast to %s",
                             v->name, mxdi_dims(v->dim, v->rank).text,
                             mxdi_dims(x->dim, x->rank).text);
}

/* ---- one input ---- */

static mxd_status unary(mxdi_graph *g, const mxd_node *node, uint32_t types, mxd_error *err)
{
    MXD_TRY(mxdi_shape_types(g, node, 0, types, err));
    return mxdi_shape_out_like(g, node, 0, mxdi_shape_in(g, node, 0), err);
}

mxd_status mxdi_shape_of_unary_any(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    return unary(g, node, MXDI_ANY, err);
}

mxd_status mxdi_shape_of_unary_number(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    return unary(g, node, MXDI_NUMBERS, err);
}

mxd_status mxdi_shape_of_unary_signed(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    return unary(g, node, MXDI_FLOATS | MXDI_SIGNED, err);
}

mxd_status mxdi_shape_of_unary_float(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    return unary(g, node, MXDI_FLOATS, err);
}

mxd_status mxdi_shape_of_not(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    return unary(g, node, MXDI_BOOLS, err);
}

mxd_status mxdi_shape_of_gelu(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    static const char *const words[] = { "none", "tanh" };
    uint32_t                 which   = 0;
    MXD_TRY(mxdi_shape_word(&which, node, "approximate", words, 2, err));
    return unary(g, node, MXDI_FLOATS, err);
}

mxd_status mxdi_shape_of_clip(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    for (uint32_t k = 1; k < 3; k++) {
        MXD_TRY(mxdi_shape_same_type(g, node, 0, k, err));
        MXD_TRY(mxdi_shape_scalar(g, node, k, err));
    }
    return unary(g, node, MXDI_NUMBERS, err);
}

mxd_status mxdi_shape_of_cast(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x    = mxdi_shape_in(g, node, 0);
    const mxd_attr *const  to   = mxd_node_attr(node, "to", MXD_ATTR_INT);
    const mxd_dtype        type = to ? mxdi_dtype_of_onnx(to->i) : MXD_NONE;
    if (!to)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "attribute 'to' is missing");
    if (type == MXD_NONE)
        return mxdi_shape_refuse(err, MXD_E_UNSUPPORTED, node,
                                 "to: ONNX element type %lld is not supported", (long long)to->i);
    return mxdi_shape_out(g, node, 0, type, x->dim, x->rank, err);
}

/* Something would be dropped: training_mode is not known to be false, nor the ratio to be 0. */
static bool drops(const mxdi_graph *g, const mxd_node *node)
{
    const mxd_value *const ratio = mxdi_shape_in(g, node, 1), *const mode =
                                                                  mxdi_shape_in(g, node, 2);
    if (!mode || (mode->data && mxdi_load_s64(mode->data, mode->dtype, 0) == 0))
        return false;
    return !ratio || !ratio->data || mxdi_load_f64(ratio->data, ratio->dtype, 0) != 0.0;
}

/* Inference: the mask is all true. Version 7's mask is of x's type. */
mxd_status mxdi_shape_of_dropout(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_FLOATS, err));
    MXD_TRY(mxdi_shape_types(g, node, 2, MXDI_BOOLS, err));
    MXD_TRY(mxdi_shape_scalar(g, node, 1, err));
    MXD_TRY(mxdi_shape_scalar(g, node, 2, err));
    if (drops(g, node))
        return mxdi_shape_refuse(err, MXD_E_UNSUPPORTED, node,
                                 "training_mode: expected a constant false, or a ratio of 0");
    MXD_TRY(
        mxdi_shape_out(g, node, 1, node->version < 10 ? x->dtype : MXD_BOOL, x->dim, x->rank, err));
    return unary(g, node, MXDI_FLOATS, err);
}

/* ---- several inputs ---- */

static mxd_status together(mxdi_graph *g, const mxd_node *node, uint32_t types, mxd_dtype out,
                           mxd_error *err)
{
    int64_t dim[MXD_MAX_RANK];
    int32_t rank = 0;
    for (uint32_t k = 0; k < node->n_in; k++) {
        MXD_TRY(mxdi_shape_types(g, node, k, types, err));
        MXD_TRY(mxdi_shape_same_type(g, node, 0, k, err));
    }
    MXD_TRY(broadcast_inputs(dim, &rank, g, node, err));
    return mxdi_shape_out(g, node, 0, out == MXD_NONE ? mxdi_shape_in(g, node, 0)->dtype : out, dim,
                          rank, err);
}

mxd_status mxdi_shape_of_arithmetic(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    return together(g, node, MXDI_NUMBERS, MXD_NONE, err);
}

mxd_status mxdi_shape_of_average(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    return together(g, node, MXDI_FLOATS, MXD_NONE, err);
}

mxd_status mxdi_shape_of_equal(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    return together(g, node, MXDI_NUMBERS | MXDI_BOOLS, MXD_BOOL, err);
}

mxd_status mxdi_shape_of_compare(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    return together(g, node, MXDI_NUMBERS, MXD_BOOL, err);
}

mxd_status mxdi_shape_of_logical(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    return together(g, node, MXDI_BOOLS, MXD_BOOL, err);
}

/* Base and exponent may differ in type; the result has the base's (Pow-12). */
mxd_status mxdi_shape_of_pow(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    int64_t dim[MXD_MAX_RANK];
    int32_t rank = 0;
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_NUMBERS, err));
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_NUMBERS, err));
    MXD_TRY(broadcast_inputs(dim, &rank, g, node, err));
    return mxdi_shape_out(g, node, 0, mxdi_shape_in(g, node, 0)->dtype, dim, rank, err);
}

mxd_status mxdi_shape_of_where(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    int64_t dim[MXD_MAX_RANK];
    int32_t rank = 0;
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_BOOLS, err));
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_ANY, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 1, 2, err));
    MXD_TRY(broadcast_inputs(dim, &rank, g, node, err));
    return mxdi_shape_out(g, node, 0, mxdi_shape_in(g, node, 1)->dtype, dim, rank, err);
}

mxd_status mxdi_shape_of_prelu(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    MXD_TRY(mxdi_shape_same_type(g, node, 0, 1, err));
    MXD_TRY(broadcasts_to_first(g, node, 1, err));
    return unary(g, node, MXDI_FLOATS | MXDI_TYPE(S32) | MXDI_TYPE(S64), err);
}

mxd_status mxdi_shape_of_expand(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, 0);
    mxdi_ints              shape;
    int64_t                dim[MXD_MAX_RANK];
    int32_t                rank = 0;
    MXD_TRY(mxdi_shape_ints(&shape, g, node, NULL, 1, err));
    if (shape.source == MXDI_DATA)
        return mxdi_shape_out_open(g, node, 0, x->dtype);
    if (shape.n > MXD_MAX_RANK)
        return mxdi_shape_refuse(err, MXD_E_UNSUPPORTED, node,
                                 "expected a rank of at most %d, got %u", (int)MXD_MAX_RANK,
                                 (unsigned)shape.n);
    for (uint32_t k = 0; k < shape.n; k++)
        if (shape.v[k] < 0)
            return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "shape: %lld is negative",
                                     (long long)shape.v[k]);
    if (!mxdi_broadcast(dim, &rank, x->dim, x->rank, shape.v, (int32_t)shape.n))
        return mxdi_shape_refuse(
            err, MXD_E_SHAPE, node, "input '%s': %s does not broadcast with %s", x->name,
            mxdi_dims(x->dim, x->rank).text, mxdi_dims(shape.v, (int32_t)shape.n).text);
    return mxdi_shape_out(g, node, 0, x->dtype, dim, rank, err);
}

/* ---- domain "mixdown" ---- */

mxd_status mxdi_shape_of_q_add(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    mxd_dtype type = MXD_NONE;
    int64_t   dim[MXD_MAX_RANK];
    int32_t   rank = 0;
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_given_type(&type, g, node, MXDI_QUANTS, err));
    MXD_TRY(broadcast_inputs(dim, &rank, g, node, err));
    return mxdi_shape_out(g, node, 0, type, dim, rank, err);
}

mxd_status mxdi_shape_of_lookup8(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x         = mxdi_shape_in(g, node, 0);
    const mxd_value *const table     = mxdi_shape_in(g, node, 1);
    const bool             rows      = x->rank > 0 && table->rank == 2; /* one for each channel */
    const int64_t          entries[] = { rows ? x->dim[x->rank - 1] : 256, 256 };
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_BYTES | MXDI_TYPE(S4) | MXDI_TYPE(U4), err));
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_ANY, err));
    MXD_TRY(mxdi_shape_want(g, node, 1, entries, rows ? 2 : 1, err));
    return mxdi_shape_out(g, node, 0, table->dtype, x->dim, x->rank, err);
}

mxd_status mxdi_shape_of_lookup_channels(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x     = mxdi_shape_in(g, node, 0);
    const mxd_value *const table = mxdi_shape_in(g, node, 1);
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_TYPE(U8), err));
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_BYTES | MXDI_TYPE(F32), err));
    MXD_TRY(mxdi_shape_rank(g, node, 0, 4, 4, err));
    const bool    last  = mxd_node_int(node, "channels_last", 0) != 0;
    const int64_t c     = x->dim[last ? 3 : 1];
    const int64_t dim[] = { x->dim[0], c, x->dim[last ? 1 : 2], x->dim[last ? 2 : 3] };
    MXD_TRY(mxdi_shape_want(g, node, 1, (const int64_t[]){ c, 256 }, 2, err));
    return mxdi_shape_out(g, node, 0, table->dtype, dim, 4, err);
}
