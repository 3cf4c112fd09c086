/* SPDX-License-Identifier: Apache-2.0
 *
 * Ops that copy elements of any type: to the same order, another order, or chosen ones. What the
 * output's shape says is not asked again of shape inputs.
 */
#include "interp/interp_impl.h"

/* Reshape, Flatten, Squeeze, Unsqueeze, Identity: the same elements in the same order. */
mxd_status mxdi_interp_copy(const mxdi_interp_call *c)
{
    mxd_tensor *const y     = &c->out[0];
    size_t            bytes = 0;
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", c->in[0].dtype));
    MXD_TRY(mxdi_interp_want_count(c, y, "output", mxdi_interp_count(&c->in[0])));
    if (mxdi_tensor_bytes(&bytes, y) && bytes)
        memcpy(y->data, c->in[0].data, bytes);
    return MXD_OK;
}

mxd_status mxdi_interp_dropout(const mxdi_interp_call *c)
{
    double ratio = 0.5, training = 0;
    MXD_TRY(mxdi_interp_scalar(c, 1, ratio, &ratio));
    MXD_TRY(mxdi_interp_scalar(c, 2, training, &training));
    if (training != 0 && ratio != 0)
        return mxdi_fail(c->err, MXD_E_UNSUPPORTED,
                         "training_mode: expected false or a ratio of 0");
    if (mxdi_interp_wanted(c, 1)) {
        const int64_t n = mxdi_interp_count(&c->in[0]);
        MXD_TRY(mxdi_interp_want_count(c, &c->out[1], "mask", n));
        for (int64_t i = 0; i < n; i++)
            mxdi_interp_put_int(&c->out[1], i, 1);
    }
    return mxdi_interp_copy(c);
}

/* Output element after output element from where the walk points to in x. */
static mxd_status gather_along(mxd_tensor *y, const mxd_tensor *x, mxdi_interp_walk *w)
{
    for (int64_t i = 0; w->left > 0; i++, mxdi_interp_walk_next(w))
        mxdi_interp_move(y, i, x, w->at[0]);
    return MXD_OK;
}

mxd_status mxdi_interp_transpose(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    int32_t                 perm[MXD_MAX_RANK];
    uint32_t                n;
    bool                    given;
    int64_t                 stride[MXD_MAX_RANK], want[MXD_MAX_RANK];
    mxdi_interp_walk        w;
    MXD_TRY(mxdi_interp_axes(c, UINT32_MAX, "perm", x->rank, perm, &n, &given));
    if (n != (uint32_t)x->rank)
        return mxdi_fail(c->err, MXD_E_INVAL, "perm: expected %d axes, got %u", (int)x->rank, n);
    for (int32_t d = 0; d < x->rank; d++) {
        perm[d] = given ? perm[d] : x->rank - 1 - d;
        want[d] = x->dim[perm[d]];
    }
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", x->dtype));
    MXD_TRY(mxdi_interp_want_shape(c, &c->out[0], "output", want, x->rank));
    mxdi_interp_strides(stride, x->dim, x->rank);
    mxdi_interp_walk_init(&w, want, x->rank);
    for (int32_t d = 0; d < x->rank; d++)
        w.stride[0][d] = stride[perm[d]];
    return gather_along(&c->out[0], x, &w);
}

/* start, end, step of one axis, with ONNX Slice-13's clamping; *n: elements taken. */
static void clamp_slice(int64_t dim, int64_t *start, int64_t end, int64_t *step, int64_t *n)
{
    const bool down = *step < 0;
    if (*step > dim + 1 || *step < -dim - 1) /* takes one element at most, and cannot overflow */
        *step = down ? -dim - 1 : dim + 1;
    *start = *start < 0 ? *start + dim : *start;
    end    = end < 0 ? end + dim : end;
    *start = *start < 0 ? 0 : *start > dim - down ? dim - down : *start;
    end    = end < -(int64_t)down ? -(int64_t)down : end > dim ? dim : end;
    *n     = down ? (*start - end - *step - 1) / -*step : (end - *start + *step - 1) / *step;
    *n     = *n < 0 || dim == 0 ? 0 : *n;
}

/* starts, ends, axes are attributes before opset 10, then inputs, with steps. */
mxd_status mxdi_interp_slice(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    int64_t                 start[2 * MXD_MAX_RANK], end[2 * MXD_MAX_RANK], step[2 * MXD_MAX_RANK];
    int64_t                 stride[MXD_MAX_RANK], want[MXD_MAX_RANK], first = 0;
    int32_t                 axis[MXD_MAX_RANK];
    uint32_t                n, n_end, n_axes, n_step;
    bool                    given, axes, steps;
    mxdi_interp_walk        w;
    MXD_TRY(mxdi_interp_ints(c, 1, "starts", start, &n, &given));
    MXD_TRY(mxdi_interp_ints(c, 2, "ends", end, &n_end, &given));
    MXD_TRY(mxdi_interp_axes(c, 3, "axes", x->rank, axis, &n_axes, &axes));
    MXD_TRY(mxdi_interp_ints(c, 4, "steps", step, &n_step, &steps));
    if (n_end != n || (axes && n_axes != n) || (steps && n_step != n) || n > (uint32_t)x->rank)
        return mxdi_fail(c->err, MXD_E_SHAPE,
                         "starts, ends, axes, steps: %u, %u, %u, %u numbers for rank %d", n, n_end,
                         n_axes, n_step, (int)x->rank);
    mxdi_interp_strides(stride, x->dim, x->rank);
    memcpy(want, x->dim, sizeof(want));
    int64_t scaled[MXD_MAX_RANK];
    memcpy(scaled, stride, sizeof(scaled));
    for (uint32_t k = 0; k < n; k++) {
        const int32_t d = axis[k];
        int64_t       s = steps ? step[k] : 1;
        if (s == 0)
            return mxdi_fail(c->err, MXD_E_RANGE, "steps: expected anything but 0");
        clamp_slice(x->dim[d], &start[k], end[k], &s, &want[d]);
        first += start[k] * stride[d];
        scaled[d] = stride[d] * s;
    }
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", x->dtype));
    MXD_TRY(mxdi_interp_want_shape(c, &c->out[0], "output", want, x->rank));
    mxdi_interp_walk_init(&w, want, x->rank);
    memcpy(w.stride[0], scaled, (size_t)x->rank * sizeof(*scaled));
    w.at[0] = first;
    return gather_along(&c->out[0], x, &w);
}

mxd_status mxdi_interp_expand(const mxdi_interp_call *c)
{
    mxdi_interp_walk w;
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", c->in[0].dtype));
    mxdi_interp_walk_init(&w, c->out[0].dim, c->out[0].rank);
    MXD_TRY(mxdi_interp_walk_broadcast(c, &w, 0, &c->in[0]));
    return gather_along(&c->out[0], &c->in[0], &w);
}

mxd_status mxdi_interp_tile(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    mxd_tensor *const       y = &c->out[0];
    int64_t                 stride[MXD_MAX_RANK];
    mxdi_interp_walk        w;
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", x->dtype));
    if (y->rank != x->rank)
        return mxdi_fail(c->err, MXD_E_SHAPE, "output: expected rank %d, got %d", (int)x->rank,
                         (int)y->rank);
    for (int32_t d = 0; d < x->rank; d++)
        if (x->dim[d] == 0 ? y->dim[d] != 0 : y->dim[d] % x->dim[d] != 0)
            return mxdi_fail(c->err, MXD_E_SHAPE, "axis %d: %lld elements do not tile %lld", (int)d,
                             (long long)x->dim[d], (long long)y->dim[d]);
    mxdi_interp_strides(stride, x->dim, x->rank);
    mxdi_interp_walk_init(&w, y->dim, y->rank);
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w)) {
        int64_t from = 0;
        for (int32_t d = 0; d < x->rank; d++)
            from += w.index[d] % x->dim[d] * stride[d];
        mxdi_interp_move(y, i, x, from);
    }
    return MXD_OK;
}

mxd_status mxdi_interp_where(const mxdi_interp_call *c)
{
    mxd_tensor *const y = &c->out[0];
    mxdi_interp_walk  w;
    MXD_TRY(mxdi_interp_want_dtype(c, &c->in[2], "input 2", c->in[1].dtype));
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", c->in[1].dtype));
    mxdi_interp_walk_init(&w, y->dim, y->rank);
    for (int k = 0; k < 3; k++)
        MXD_TRY(mxdi_interp_walk_broadcast(c, &w, k, &c->in[k]));
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w)) {
        const int k = mxdi_interp_get_int(&c->in[0], w.at[0]) ? 1 : 2;
        mxdi_interp_move(y, i, &c->in[k], w.at[k]);
    }
    return MXD_OK;
}

/* Keep what lies on or above (below) the k-th diagonal of each matrix. */
mxd_status mxdi_interp_trilu(const mxdi_interp_call *c)
{
    const mxd_tensor *const x     = &c->in[0];
    const bool              upper = mxd_node_int(c->node, "upper", 1) != 0;
    int64_t                 k     = 0;
    MXD_TRY(mxdi_interp_like_input(c, 0));
    if (x->rank < 2)
        return mxdi_fail(c->err, MXD_E_SHAPE, "input: expected rank 2 or more, got %d",
                         (int)x->rank);
    if (mxdi_interp_given(c, 1)) {
        MXD_TRY(mxdi_interp_want_count(c, &c->in[1], "k", 1));
        k = mxdi_interp_get_int(&c->in[1], 0);
    }
    const int64_t rows = x->dim[x->rank - 2], columns = x->dim[x->rank - 1],
                  n = mxdi_interp_count(x);
    for (int64_t i = 0; i < n; i++) {
        const int64_t diagonal = i % columns - i / columns % rows;
        if (upper ? diagonal >= k : diagonal <= k)
            mxdi_interp_move(&c->out[0], i, x, i);
        else
            mxdi_interp_put_int(&c->out[0], i, 0);
    }
    return MXD_OK;
}
