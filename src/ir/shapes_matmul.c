/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of matrix products: MatMul, Gemm, and their integer and fused forms.
 */
#include "ir/shapes.h"

/* numpy.matmul of inputs `ak` and `bk`; trans_b: the last two axes of b are swapped. The shape in
 * dim and rank. */
static mxd_status matmul_dims(int64_t *dim, int32_t *rank, const mxdi_graph *g,
                              const mxd_node *node, uint32_t ak, uint32_t bk, bool trans_b,
                              mxd_error *err)
{
    const mxd_value *const a = mxdi_shape_in(g, node, ak);
    const mxd_value *const b = mxdi_shape_in(g, node, bk);
    MXD_TRY(mxdi_shape_rank(g, node, ak, 1, MXD_MAX_RANK, err));
    MXD_TRY(mxdi_shape_rank(g, node, bk, trans_b ? 2 : 1, MXD_MAX_RANK, err));
    const int64_t depth   = a->dim[a->rank - 1];
    const int64_t depth_b = b->rank == 1 ? b->dim[0] : b->dim[b->rank - (trans_b ? 1 : 2)];
    if (!mxdi_shape_agree(depth, depth_b) ||
        !mxdi_broadcast(dim, rank, a->dim, a->rank > 2 ? a->rank - 2 : 0, b->dim,
                        b->rank > 2 ? b->rank - 2 : 0))
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "%s and %s%s do not multiply",
                                 mxdi_dims(a->dim, a->rank).text, mxdi_dims(b->dim, b->rank).text,
                                 trans_b ? " transposed" : "");
    if (a->rank > 1)
        dim[(*rank)++] = a->dim[a->rank - 2];
    if (b->rank > 1)
        dim[(*rank)++] = b->dim[b->rank - (trans_b ? 2 : 1)];
    return MXD_OK;
}

/* Input k broadcasts to the shape in dim and rank. */
static mxd_status broadcasts_to(const mxdi_graph *g, const mxd_node *node, uint32_t k,
                                const int64_t *dim, int32_t rank, mxd_error *err)
{
    const mxd_value *const v = mxdi_shape_in(g, node, k);
    int64_t                both[MXD_MAX_RANK];
    int32_t                both_rank = 0;
    if (!v)
        return MXD_OK;
    bool ok = v->rank <= rank && mxdi_broadcast(both, &both_rank, dim, rank, v->dim, v->rank);
    for (int32_t d = 0; ok && d < rank; d++)
        ok = mxdi_shape_agree(both[d], dim[d]);
    if (ok)
        return MXD_OK;
    return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "input '%s': %s does not broadcast to %s",
                             v->name, mxdi_dims(v->dim, v->rank).text, mxdi_dims(dim, rank).text);
}

mxd_status mxdi_shape_of_matmul(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    int64_t dim[2 * MXD_MAX_RANK];
    int32_t rank = 0;
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_FLOATS | MXDI_INDEX, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 0, 1, err));
    MXD_TRY(matmul_dims(dim, &rank, g, node, 0, 1, false, err));
    return mxdi_shape_out(g, node, 0, mxdi_shape_in(g, node, 0)->dtype, dim, rank, err);
}

mxd_status mxdi_shape_of_gemm(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const bool ta = mxd_node_int(node, "transA", 0) != 0;
    const bool tb = mxd_node_int(node, "transB", 0) != 0;
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_FLOATS | MXDI_INDEX, err));
    for (uint32_t k = 1; k < 3; k++)
        MXD_TRY(mxdi_shape_same_type(g, node, 0, k, err));
    MXD_TRY(mxdi_shape_rank(g, node, 0, 2, 2, err));
    MXD_TRY(mxdi_shape_rank(g, node, 1, 2, 2, err));
    const mxd_value *const a = mxdi_shape_in(g, node, 0);
    const mxd_value *const b = mxdi_shape_in(g, node, 1);
    if (!mxdi_shape_agree(a->dim[ta ? 0 : 1], b->dim[tb ? 1 : 0]))
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "%s%s and %s%s do not multiply",
                                 mxdi_dims(a->dim, 2).text, ta ? " transposed" : "",
                                 mxdi_dims(b->dim, 2).text, tb ? " transposed" : "");
    const int64_t dim[] = { a->dim[ta ? 1 : 0], b->dim[tb ? 0 : 1] };
    MXD_TRY(broadcasts_to(g, node, 2, dim, 2, err));
    return mxdi_shape_out(g, node, 0, a->dtype, dim, 2, err);
}

/* Scale or zero point of an operand (rank, dim): one number; or one for each index of `axis`, as a
 * vector or with its other axes 1 or, for a stack of matrices, those of the operand. */
static mxd_status along_axis(const mxdi_graph *g, const mxd_node *node, uint32_t k,
                             const mxd_value *operand, int32_t axis, mxd_error *err)
{
    const mxd_value *const v = mxdi_shape_in(g, node, k);
    if (!v || v->rank == 0)
        return MXD_OK;
    if (v->rank == 1 &&
        (v->dim[0] == 1 || (axis >= 0 && mxdi_shape_agree(v->dim[0], operand->dim[axis]))))
        return MXD_OK;
    bool ok = v->rank == operand->rank && v->rank > 1;
    for (int32_t d = 0; ok && d < v->rank; d++) {
        const bool whole = d == axis || d < operand->rank - 2;
        ok = v->dim[d] == 1 || (whole && mxdi_shape_agree(v->dim[d], operand->dim[d]));
    }
    if (ok)
        return MXD_OK;
    return mxdi_shape_refuse(
        err, MXD_E_SHAPE, node, "input '%s': expected one number, or one for each %s of %s, got %s",
        v->name, axis == operand->rank - 1 ? "column" : "row",
        mxdi_dims(operand->dim, operand->rank).text, mxdi_dims(v->dim, v->rank).text);
}

/* The row axis of a left operand, -1 for a vector; the column axis of a right one. */
static int32_t row_axis(const mxd_value *a)
{
    return a->rank - 2;
}

static int32_t column_axis(const mxd_value *b)
{
    return b->rank > 1 ? b->rank - 1 : -1;
}

mxd_status mxdi_shape_of_matmul_integer(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const a = mxdi_shape_in(g, node, 0);
    const mxd_value *const b = mxdi_shape_in(g, node, 1);
    int64_t                dim[2 * MXD_MAX_RANK];
    int32_t                rank = 0;
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_BYTES, err));
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_BYTES, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 0, 2, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 1, 3, err));
    MXD_TRY(matmul_dims(dim, &rank, g, node, 0, 1, false, err));
    MXD_TRY(along_axis(g, node, 2, a, row_axis(a), err));
    MXD_TRY(along_axis(g, node, 3, b, column_axis(b), err));
    return mxdi_shape_out(g, node, 0, MXD_S32, dim, rank, err);
}

/* a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point */
mxd_status mxdi_shape_of_q_linear_matmul(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const uint32_t         reals = MXDI_TYPE(F32) | MXDI_TYPE(F16) | MXDI_TYPE(BF16);
    const mxd_value *const a     = mxdi_shape_in(g, node, 0);
    const mxd_value *const b     = mxdi_shape_in(g, node, 3);
    int64_t                dim[2 * MXD_MAX_RANK];
    int32_t                rank = 0;
    for (uint32_t k = 0; k < 8; k++)
        MXD_TRY(mxdi_shape_types(g, node, k, k == 1 || k == 4 || k == 6 ? reals : MXDI_BYTES, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 0, 2, err));
    MXD_TRY(mxdi_shape_same_type(g, node, 3, 5, err));
    MXD_TRY(matmul_dims(dim, &rank, g, node, 0, 3, false, err));
    for (uint32_t k = 1; k < 3; k++) {
        MXD_TRY(along_axis(g, node, k, a, row_axis(a), err));
        MXD_TRY(along_axis(g, node, 3 + k, b, column_axis(b), err));
    }
    MXD_TRY(mxdi_shape_scalar(g, node, 6, err));
    MXD_TRY(mxdi_shape_scalar(g, node, 7, err));
    return mxdi_shape_out(g, node, 0, mxdi_shape_in(g, node, 7)->dtype, dim, rank, err);
}

/* ---- domain "mixdown" ---- */

/* One number, or one for each of `columns`. */
static mxd_status per_column(const mxdi_graph *g, const mxd_node *node, uint32_t k, int64_t columns,
                             mxd_error *err)
{
    const mxd_value *const v = mxdi_shape_in(g, node, k);
    return v && v->rank == 1 && v->dim[0] == 1 ? MXD_OK
                                               : mxdi_shape_want(g, node, k, &columns, 1, err);
}

/* a, w, b, bf, m, r, zw */
mxd_status mxdi_shape_of_q_matmul(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    mxd_dtype type = MXD_NONE;
    int64_t   dim[2 * MXD_MAX_RANK];
    int32_t   rank = 0;
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_types(g, node, 2, MXDI_TYPE(S32), err));
    MXD_TRY(mxdi_shape_types(g, node, 3, MXDI_TYPE(F32), err));
    MXD_TRY(mxdi_shape_types(g, node, 4, MXDI_TYPE(F32), err));
    MXD_TRY(mxdi_shape_types(g, node, 5, MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_types(g, node, 6, MXDI_TYPE(S32), err));
    if (!mxdi_shape_in(g, node, 4))
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "input 4, the factors, is missing");
    MXD_TRY(mxdi_shape_given_type(&type, g, node, MXDI_QUANTS | MXDI_TYPE(F32), err));
    MXD_TRY(mxdi_shape_rank(g, node, 0, 2, MXD_MAX_RANK, err));
    MXD_TRY(mxdi_shape_rank(g, node, 1, 2, MXD_MAX_RANK, err));
    MXD_TRY(matmul_dims(dim, &rank, g, node, 0, 1, mxd_node_int(node, "transB", 0) != 0, err));
    MXD_TRY(mxdi_shape_want(g, node, 2, dim + rank - 1, 1, err));
    MXD_TRY(mxdi_shape_want(g, node, 3, dim + rank - 1, 1, err));
    MXD_TRY(per_column(g, node, 4, dim[rank - 1], err));
    MXD_TRY(mxdi_shape_want(g, node, 5, dim, rank, err));
    MXD_TRY(per_column(g, node, 6, dim[rank - 1], err));
    return mxdi_shape_out(g, node, 0, type, dim, rank, err);
}

/* x, w, bias, r */
mxd_status mxdi_shape_of_fused_matmul(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    int64_t dim[2 * MXD_MAX_RANK];
    int32_t rank = 0;
    MXD_TRY(mxdi_shape_types(g, node, 0, MXDI_TYPE(F32), err));
    MXD_TRY(mxdi_shape_types(g, node, 1, MXDI_FLOATS | MXDI_QUANTS, err));
    MXD_TRY(mxdi_shape_types(g, node, 2, MXDI_TYPE(F32), err));
    MXD_TRY(mxdi_shape_types(g, node, 3, MXDI_TYPE(F32), err));
    MXD_TRY(matmul_dims(dim, &rank, g, node, 0, 1, mxd_node_int(node, "transB", 0) != 0, err));
    MXD_TRY(broadcasts_to(g, node, 2, dim, rank, err));
    MXD_TRY(mxdi_shape_want(g, node, 3, dim, rank, err));
    return mxdi_shape_out(g, node, 0, MXD_F32, dim, rank, err);
}
