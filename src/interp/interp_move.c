/* SPDX-License-Identifier: Apache-2.0
 *
 * Moving elements without looking at them: copies under another shape, permutations, joins, broadcasts, selections.
 */
#include "interp/interp_impl.h"

static mxd_status same_type(const mxdi_interp_call *c, uint32_t in, uint32_t out)
{
    return mxdi_interp_want_dtype(c, &c->out[out], "output", c->in[in].dtype);
}

/* Reshape, Flatten, Squeeze, Unsqueeze, Identity: the same elements in the same order. */
mxd_status mxdi_interp_copy(const mxdi_interp_call *c)
{
    size_t bytes;
    MXD_TRY(same_type(c, 0, 0));
    MXD_TRY(mxdi_interp_want_count(c, &c->out[0], "output", mxdi_interp_count(&c->in[0])));
    if (mxdi_tensor_bytes(&bytes, &c->in[0]) && bytes)
        memcpy(c->out[0].data, c->in[0].data, bytes);
    return MXD_OK;
}

/* Inference: nothing is dropped, the mask is all true. */
mxd_status mxdi_interp_dropout(const mxdi_interp_call *c)
{
    MXD_TRY(mxdi_interp_copy(c));
    for (int64_t i = 0; mxdi_interp_wanted(c, 1) && i < mxdi_interp_count(&c->out[1]); i++)
        mxdi_interp_put_int(&c->out[1], i, 1);
    return MXD_OK;
}

mxd_status mxdi_interp_transpose(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    int64_t perm[MXD_MAX_RANK], stride[MXD_MAX_RANK], dim[MXD_MAX_RANK];
    uint32_t n, seen = 0;
    const int64_t *const attr = mxd_node_ints(c->node, "perm", &n);
    MXD_TRY(same_type(c, 0, 0));
    if (attr && n != (uint32_t)x->rank)
        return mxdi_fail(c->err, MXD_E_INVAL, "perm: expected %d axes, got %u", x->rank, n);
    mxdi_interp_strides(stride, x->dim, x->rank);
    mxdi_interp_walk w;
    for (int32_t d = 0; d < x->rank; d++) {
        perm[d] = attr ? attr[d] : x->rank - 1 - d;
        if (perm[d] < 0 || perm[d] >= x->rank || seen & 1u << perm[d])
            return mxdi_fail(c->err, MXD_E_INVAL, "perm: expected each axis once");
        seen |= 1u << perm[d];
        dim[d] = x->dim[perm[d]];
    }
    MXD_TRY(mxdi_interp_want_shape(c, &c->out[0], "output", dim, x->rank));
    mxdi_interp_walk_init(&w, dim, x->rank);
    for (int32_t d = 0; d < x->rank; d++)
        w.stride[0][d] = stride[perm[d]];
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w))
        mxdi_interp_move(&c->out[0], i, x, w.at[0]);
    return MXD_OK;
}

/* Copies block (outer, length, inner) of `from` at `offset` along the axis into or out of a longer one. */
static void copy_along(mxd_tensor *to, int64_t to_length, int64_t to_offset, const mxd_tensor *from, int64_t from_length, int64_t from_offset, int64_t outer,
                       int64_t length, int64_t inner)
{
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < length * inner; k++)
            mxdi_interp_move(to, (o * to_length + to_offset) * inner + k, from, (o * from_length + from_offset) * inner + k);
}

mxd_status mxdi_interp_concat(const mxdi_interp_call *c)
{
    mxd_tensor *const y = &c->out[0];
    int32_t axis;
    int64_t at = 0;
    MXD_TRY(mxdi_interp_axis(c, mxd_node_int(c->node, "axis", 1), y->rank, &axis));
    const int64_t outer = mxdi_interp_product(y->dim, 0, axis), inner = mxdi_interp_product(y->dim, axis + 1, y->rank);
    for (uint32_t k = 0; k < c->node->n_in; k++) {
        const mxd_tensor *const x = &c->in[k];
        if (x->rank != y->rank || x->dtype != y->dtype)
            return mxdi_fail(c->err, MXD_E_SHAPE, "input %u: rank and type of the output expected", k);
        for (int32_t d = 0; d < x->rank; d++)
            if (d != axis && x->dim[d] != y->dim[d])
                return mxdi_fail(c->err, MXD_E_SHAPE, "input %u: axis %d: expected %lld, got %lld", k, d, (long long)y->dim[d], (long long)x->dim[d]);
        if (at + x->dim[axis] > y->dim[axis])
            return mxdi_fail(c->err, MXD_E_SHAPE, "inputs are longer than the output");
        copy_along(y, y->dim[axis], at, x, x->dim[axis], 0, outer, x->dim[axis], inner);
        at += x->dim[axis];
    }
    return at == y->dim[axis] ? MXD_OK : mxdi_fail(c->err, MXD_E_SHAPE, "inputs are shorter than the output");
}

mxd_status mxdi_interp_split(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    int32_t axis;
    int64_t at = 0;
    MXD_TRY(mxdi_interp_axis(c, mxd_node_int(c->node, "axis", 0), x->rank, &axis));
    const int64_t outer = mxdi_interp_product(x->dim, 0, axis), inner = mxdi_interp_product(x->dim, axis + 1, x->rank);
    for (uint32_t k = 0; k < c->node->n_out; k++) {
        mxd_tensor *const y = &c->out[k];
        if (y->rank != x->rank || y->dtype != x->dtype || at + y->dim[axis] > x->dim[axis] || mxdi_interp_count(y) != outer * y->dim[axis] * inner)
            return mxdi_fail(c->err, MXD_E_SHAPE, "output %u: does not fit the input", k);
        if (y->data)
            copy_along(y, y->dim[axis], 0, x, x->dim[axis], at, outer, y->dim[axis], inner);
        at += y->dim[axis];
    }
    return MXD_OK;
}

mxd_status mxdi_interp_expand(const mxdi_interp_call *c)
{
    mxdi_interp_walk w;
    MXD_TRY(same_type(c, 0, 0));
    mxdi_interp_walk_init(&w, c->out[0].dim, c->out[0].rank);
    MXD_TRY(mxdi_interp_walk_broadcast(c, &w, 0, &c->in[0]));
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w))
        mxdi_interp_move(&c->out[0], i, &c->in[0], w.at[0]);
    return MXD_OK;
}

mxd_status mxdi_interp_tile(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    mxd_tensor *const y = &c->out[0];
    int64_t stride[MXD_MAX_RANK];
    MXD_TRY(same_type(c, 0, 0));
    if (y->rank != x->rank)
        return mxdi_fail(c->err, MXD_E_SHAPE, "output: expected rank %d, got %d", x->rank, y->rank);
    mxdi_interp_strides(stride, x->dim, x->rank);
    mxdi_interp_walk w;
    mxdi_interp_walk_init(&w, y->dim, y->rank);
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w)) {
        int64_t at = 0;
        for (int32_t d = 0; d < x->rank; d++)
            at += w.index[d] % x->dim[d] * stride[d];
        mxdi_interp_move(y, i, x, at);
    }
    return MXD_OK;
}

mxd_status mxdi_interp_gather(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0], *const index = &c->in[1];
    mxd_tensor *const y = &c->out[0];
    int32_t axis;
    MXD_TRY(same_type(c, 0, 0));
    MXD_TRY(mxdi_interp_axis(c, mxd_node_int(c->node, "axis", 0), x->rank, &axis));
    const int64_t outer = mxdi_interp_product(x->dim, 0, axis), inner = mxdi_interp_product(x->dim, axis + 1, x->rank), n = mxdi_interp_count(index);
    MXD_TRY(mxdi_interp_want_count(c, y, "output", outer * n * inner));
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < n; k++) {
            int64_t at = mxdi_interp_get_int(index, k);
            at = at < 0 ? at + x->dim[axis] : at;
            if (at < 0 || at >= x->dim[axis])
                return mxdi_fail(c->err, MXD_E_RANGE, "index %lld: expected below %lld, got %lld", (long long)k, (long long)x->dim[axis],
                                 (long long)mxdi_interp_get_int(index, k));
            for (int64_t i = 0; i < inner; i++)
                mxdi_interp_move(y, (o * n + k) * inner + i, x, (o * x->dim[axis] + at) * inner + i);
        }
    return MXD_OK;
}

mxd_status mxdi_interp_where(const mxdi_interp_call *c)
{
    mxdi_interp_walk w;
    MXD_TRY(same_type(c, 1, 0));
    MXD_TRY(mxdi_interp_want_dtype(c, &c->in[2], "Y", c->in[1].dtype));
    mxdi_interp_walk_init(&w, c->out[0].dim, c->out[0].rank);
    for (int k = 0; k < 3; k++)
        MXD_TRY(mxdi_interp_walk_broadcast(c, &w, k, &c->in[k]));
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w)) {
        const int k = mxdi_interp_get_int(&c->in[0], w.at[0]) ? 1 : 2;
        mxdi_interp_move(&c->out[0], i, &c->in[k], w.at[k]);
    }
    return MXD_OK;
}

/* DepthToSpace (DCR, CRD) and SpaceToDepth, as the same walk read in either direction. */
mxd_status mxdi_interp_depth_space(const mxdi_interp_call *c)
{
    const bool to_space = mxdi_node_is(c->node, "DepthToSpace");
    const bool crd = strcmp(mxd_node_string(c->node, "mode", "DCR"), "CRD") == 0;
    const mxd_tensor *const x = &c->in[0];
    mxd_tensor *const y = &c->out[0];
    const mxd_tensor *const space = to_space ? y : x, *const depth = to_space ? x : y;
    const int64_t b = mxd_node_int(c->node, "blocksize", 0);
    MXD_TRY(same_type(c, 0, 0));
    if (x->rank != 4 || y->rank != 4 || b < 1 || b > space->dim[2] + 1 || space->dim[2] != depth->dim[2] * b || space->dim[3] != depth->dim[3] * b ||
        depth->dim[1] != space->dim[1] * b * b || depth->dim[0] != space->dim[0])
        return mxdi_fail(c->err, MXD_E_SHAPE, "shapes and blocksize %lld disagree", (long long)b);
    const int64_t channels = space->dim[1];
    mxdi_interp_walk w;
    mxdi_interp_walk_init(&w, space->dim, 4);
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w)) {
        const int64_t *const at = w.index;
        const int64_t block = at[2] % b * b + at[3] % b, ch = crd && to_space ? at[1] * b * b + block : block * channels + at[1];
        const int64_t k = ((at[0] * depth->dim[1] + ch) * depth->dim[2] + at[2] / b) * depth->dim[3] + at[3] / b;
        mxdi_interp_move(y, to_space ? i : k, x, to_space ? k : i);
    }
    return MXD_OK;
}

mxd_status mxdi_interp_trilu(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    const bool upper = mxd_node_int(c->node, "upper", 1) != 0;
    double k;
    MXD_TRY(mxdi_interp_like_input(c, 0));
    MXD_TRY(mxdi_interp_scalar(c, 1, 0.0, &k));
    if (x->rank < 2)
        return mxdi_fail(c->err, MXD_E_SHAPE, "input: expected rank 2 or more, got %d", x->rank);
    const int64_t columns = x->dim[x->rank - 1], rows = x->dim[x->rank - 2], n = mxdi_interp_count(x);
    for (int64_t i = 0; i < n; i++) {
        const double diagonal = (double)(i % columns - i / columns % rows);
        if (upper ? diagonal >= k : diagonal <= k)
            mxdi_interp_move(&c->out[0], i, x, i);
        else
            mxdi_interp_put_int(&c->out[0], i, 0);
    }
    return MXD_OK;
}
