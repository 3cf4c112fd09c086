/* SPDX-License-Identifier: Apache-2.0
 *
 * Slice (attributes before version 10, inputs since; any step) and Pad (constant, reflect, edge, wrap; negative pads crop).
 */
#include "interp/interp_impl.h"

/* ---- Slice ---- */

mxd_status mxdi_interp_slice(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    mxd_tensor *const y = &c->out[0];
    int64_t start[2 * MXD_MAX_RANK], end[2 * MXD_MAX_RANK], step[2 * MXD_MAX_RANK], stride[MXD_MAX_RANK], base = 0;
    int32_t axis[MXD_MAX_RANK];
    uint32_t n, n_end, n_axes, n_steps;
    bool given, steps_given;
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", x->dtype));
    MXD_TRY(mxdi_interp_ints(c, 1, "starts", start, &n, &given));
    MXD_TRY(mxdi_interp_ints(c, 2, "ends", end, &n_end, &given));
    MXD_TRY(mxdi_interp_axes(c, 3, "axes", x->rank, axis, &n_axes, &given));
    MXD_TRY(mxdi_interp_ints(c, 4, "steps", step, &n_steps, &steps_given));
    n_axes = given ? n_axes : n < n_axes ? n : n_axes;
    if (n != n_end || n != n_axes || (steps_given && n_steps != n) || y->rank != x->rank)
        return mxdi_fail(c->err, MXD_E_SHAPE, "starts, ends, axes and steps of one length expected");
    mxdi_interp_walk w;
    mxdi_interp_walk_init(&w, y->dim, y->rank);
    mxdi_interp_strides(stride, x->dim, x->rank);
    memcpy(w.stride[0], stride, sizeof(stride));
    int64_t extent[MXD_MAX_RANK];
    memcpy(extent, x->dim, sizeof(extent));
    for (uint32_t k = 0; k < n; k++) {
        const int64_t d = x->dim[axis[k]], s = steps_given ? step[k] : 1;
        if (s == 0)
            return mxdi_fail(c->err, MXD_E_RANGE, "steps: expected no 0");
        int64_t from = start[k] < 0 ? (start[k] < -d ? -1 : start[k] + d) : start[k] > d ? d : start[k];
        int64_t to = end[k] < 0 ? (end[k] < -d ? -1 : end[k] + d) : end[k] > d ? d : end[k];
        from = s > 0 ? (from < 0 ? 0 : from) : from > d - 1 ? d - 1 : from < 0 ? (start[k] < -d ? -1 : 0) : from;
        to = s > 0 && to < 0 ? 0 : to;
        const int64_t span = s > 0 ? to - from : from - to, each = s > 0 ? s : s < -INT64_MAX ? INT64_MAX : -s;
        extent[axis[k]] = span > 0 ? (span - 1) / each + 1 : 0;
        base += (extent[axis[k]] ? from : 0) * stride[axis[k]];
        w.stride[0][axis[k]] = extent[axis[k]] > 1 ? stride[axis[k]] * s : 0;
    }
    MXD_TRY(mxdi_interp_want_shape(c, y, "output", extent, x->rank));
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w))
        mxdi_interp_move(y, i, x, base + w.at[0]);
    return MXD_OK;
}

/* ---- Pad ---- */

enum mode { CONSTANT, REFLECT, EDGE, WRAP };

/* Where an output position reads along an axis of extent d; -1: the constant. */
static int64_t source(enum mode mode, int64_t at, int64_t d)
{
    if (at >= 0 && at < d)
        return at;
    if (mode == CONSTANT || d == 0)
        return -1;
    if (mode == EDGE)
        return at < 0 ? 0 : d - 1;
    if (mode == WRAP)
        return (at % d + d) % d;
    if (d == 1)
        return 0;
    const int64_t period = 2 * (d - 1), p = (at % period + period) % period;
    return p < d ? p : period - p;
}

static mxd_status read_pads(const mxdi_interp_call *c, int64_t begin[MXD_MAX_RANK], int64_t end[MXD_MAX_RANK])
{
    const int32_t rank = c->in[0].rank;
    int64_t pads[2 * MXD_MAX_RANK];
    int32_t axis[MXD_MAX_RANK];
    uint32_t n, n_axes;
    bool given;
    MXD_TRY(mxdi_interp_ints(c, 1, "pads", pads, &n, &given));
    MXD_TRY(mxdi_interp_axes(c, 3, "", rank, axis, &n_axes, &given));
    if (n != 2 * n_axes)
        return mxdi_fail(c->err, MXD_E_SHAPE, "pads: expected %u numbers, got %u", 2 * n_axes, n);
    memset(begin, 0, MXD_MAX_RANK * sizeof(begin[0]));
    memset(end, 0, MXD_MAX_RANK * sizeof(end[0]));
    for (uint32_t k = 0; k < n_axes; k++) {
        begin[axis[k]] = pads[k];
        end[axis[k]] = pads[n_axes + k];
    }
    return MXD_OK;
}

mxd_status mxdi_interp_pad(const mxdi_interp_call *c)
{
    static const char *const names[] = { "constant", "reflect", "edge", "wrap" };
    const mxd_tensor *const x = &c->in[0];
    mxd_tensor *const y = &c->out[0];
    const char *const name = mxd_node_string(c->node, "mode", "constant");
    int64_t begin[MXD_MAX_RANK], end[MXD_MAX_RANK], stride[MXD_MAX_RANK];
    int mode = 0;
    while (mode < 4 && strcmp(name, names[mode]) != 0)
        mode++;
    if (mode == 4)
        return mxdi_fail(c->err, MXD_E_INVAL, "mode: constant, reflect, edge or wrap expected, got '%s'", name);
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", x->dtype));
    MXD_TRY(read_pads(c, begin, end));
    for (int32_t d = 0; d < x->rank; d++)
        if (y->rank != x->rank || y->dim[d] != x->dim[d] + begin[d] + end[d])
            return mxdi_fail(c->err, MXD_E_SHAPE, "output: axis %d does not fit the pads", d);
    if (mxdi_interp_given(c, 2)) {
        MXD_TRY(mxdi_interp_want_dtype(c, &c->in[2], "constant_value", x->dtype));
        MXD_TRY(mxdi_interp_want_count(c, &c->in[2], "constant_value", 1));
    }
    mxdi_interp_strides(stride, x->dim, x->rank);
    mxdi_interp_walk w;
    mxdi_interp_walk_init(&w, y->dim, y->rank);
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w)) {
        int64_t at = 0;
        for (int32_t d = 0; d < x->rank && at >= 0; d++) {
            const int64_t s = source((enum mode)mode, w.index[d] - begin[d], x->dim[d]);
            at = s < 0 ? -1 : at + s * stride[d];
        }
        if (at >= 0)
            mxdi_interp_move(y, i, x, at);
        else if (mxdi_interp_given(c, 2))
            mxdi_interp_move(y, i, &c->in[2], 0);
        else
            mxdi_interp_put(y, i, (double)mxd_node_float(c->node, "value", 0.0f));
    }
    return MXD_OK;
}
