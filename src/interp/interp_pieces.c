/* SPDX-License-Identifier: Apache-2.0
 *
 * Ops that put tensors together from pieces, or take them apart: Concat, Split, Gather,
 * DepthToSpace, SpaceToDepth, Pad (constant, reflect, edge, wrap; negative pads crop).
 */
#include "interp/interp_impl.h"

/* `part` lies in `whole` along `axis` from position `first` on: all its elements, in row-major
 * order. */
static void exchange(mxd_tensor *whole, mxd_tensor *part, int32_t axis, int64_t first,
                     bool into_whole)
{
    const int64_t inner = mxdi_interp_product(part->dim, axis + 1, part->rank);
    const int64_t run = part->dim[axis] * inner, step = whole->dim[axis] * inner;
    const int64_t n = mxdi_interp_count(part);
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = i / run * step + first * inner + i % run;
        if (into_whole)
            mxdi_interp_move(whole, at, part, i);
        else
            mxdi_interp_move(part, i, whole, at);
    }
}

/* `part` has the type and shape of `whole`, but for `axis`, where it fits behind `first`. */
static mxd_status check_piece(const mxdi_interp_call *c, const mxd_tensor *whole,
                              const mxd_tensor *part, int32_t axis, int64_t first)
{
    int64_t want[MXD_MAX_RANK];
    memcpy(want, whole->dim, sizeof(want));
    want[axis] = part->rank == whole->rank ? part->dim[axis] : 0;
    MXD_TRY(mxdi_interp_want_dtype(c, part, "piece", whole->dtype));
    MXD_TRY(mxdi_interp_want_shape(c, part, "piece", want, whole->rank));
    if (part->dim[axis] > whole->dim[axis] - first)
        return mxdi_fail(c->err, MXD_E_SHAPE, "axis %d: the pieces are longer than %lld", (int)axis,
                         (long long)whole->dim[axis]);
    return MXD_OK;
}

static mxd_status check_whole(const mxdi_interp_call *c, int64_t length, int64_t used)
{
    if (used != length)
        return mxdi_fail(c->err, MXD_E_SHAPE, "the pieces have %lld elements, the whole %lld",
                         (long long)used, (long long)length);
    return MXD_OK;
}

mxd_status mxdi_interp_concat(const mxdi_interp_call *c)
{
    mxd_tensor *const y     = &c->out[0];
    int64_t           first = 0;
    int32_t           axis;
    MXD_TRY(mxdi_interp_axis(c, mxd_node_int(c->node, "axis", 0), y->rank, &axis));
    for (uint32_t k = 0; k < c->node->n_in; k++) {
        mxd_tensor part = c->in[k];
        if (!mxdi_interp_given(c, k))
            return mxdi_fail(c->err, MXD_E_INVAL, "input %u: expected a tensor, got none", k);
        MXD_TRY(check_piece(c, y, &part, axis, first));
        exchange(y, &part, axis, first, true);
        first += part.dim[axis];
    }
    return check_whole(c, y->dim[axis], first);
}

/* Length of piece k: given, or that of equal ones, the last of which may be shorter. */
static mxd_status piece_length(const mxdi_interp_call *c, uint32_t k, int64_t whole, int64_t *out)
{
    const int64_t        n = c->node->n_out, each = (whole + n - 1) / n;
    uint32_t             count;
    const int64_t *const split = mxd_node_ints(c->node, "split", &count);
    if (mxdi_interp_given(c, 1)) {
        MXD_TRY(mxdi_interp_want_count(c, &c->in[1], "split", n));
        *out = mxdi_interp_get_int(&c->in[1], k);
    } else if (split && count != c->node->n_out) {
        return mxdi_fail(c->err, MXD_E_SHAPE, "split: expected %lld sizes, got %u", (long long)n,
                         count);
    } else {
        *out = split ? split[k] : k + 1 < n ? each : whole - each * (n - 1);
    }
    if (*out < 0 || *out > whole)
        return mxdi_fail(c->err, MXD_E_SHAPE, "split: expected sizes of 0 to %lld, got %lld",
                         (long long)whole, (long long)*out);
    return MXD_OK;
}

/* Outputs that are left out have their place all the same. */
mxd_status mxdi_interp_split(const mxdi_interp_call *c)
{
    mxd_tensor whole = c->in[0];
    int64_t    first = 0, length = 0;
    int32_t    axis;
    MXD_TRY(mxdi_interp_axis(c, mxd_node_int(c->node, "axis", 0), whole.rank, &axis));
    for (uint32_t k = 0; k < c->node->n_out; k++) {
        MXD_TRY(piece_length(c, k, whole.dim[axis], &length));
        if (mxdi_interp_wanted(c, k)) {
            MXD_TRY(check_piece(c, &whole, &c->out[k], axis, first));
            if (c->out[k].dim[axis] != length)
                return mxdi_fail(c->err, MXD_E_SHAPE, "output %u: expected %lld along axis %d", k,
                                 (long long)length, (int)axis);
            exchange(&whole, &c->out[k], axis, first, false);
        }
        first += length;
    }
    return check_whole(c, whole.dim[axis], first);
}

mxd_status mxdi_interp_gather(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0], *const indices = &c->in[1];
    mxd_tensor *const y = &c->out[0];
    int64_t           want[2 * MXD_MAX_RANK];
    int32_t           axis, rank = 0;
    MXD_TRY(mxdi_interp_axis(c, mxd_node_int(c->node, "axis", 0), x->rank, &axis));
    for (int32_t d = 0; d < axis; d++)
        want[rank++] = x->dim[d];
    for (int32_t d = 0; d < indices->rank; d++)
        want[rank++] = indices->dim[d];
    for (int32_t d = axis + 1; d < x->rank; d++)
        want[rank++] = x->dim[d];
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", x->dtype));
    MXD_TRY(mxdi_interp_want_shape(c, y, "output", want, rank));
    const int64_t length = x->dim[axis], inner = mxdi_interp_product(x->dim, axis + 1, x->rank);
    const int64_t count = mxdi_interp_count(indices), n = mxdi_interp_count(y);
    for (int64_t i = 0; i < count; i++) {
        const int64_t k = mxdi_interp_get_int(indices, i);
        if (k < -length || k >= length)
            return mxdi_fail(c->err, MXD_E_RANGE, "index: expected %lld..%lld, got %lld",
                             (long long)-length, (long long)length - 1, (long long)k);
    }
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = mxdi_interp_get_int(indices, i / inner % count);
        mxdi_interp_move(
            y, i, x, (i / (inner * count) * length + (k < 0 ? k + length : k)) * inner + i % inner);
    }
    return MXD_OK;
}

/* Channel of the deep tensor (b * b * channels of them) that holds pixel (i, j) of a block of
 * channel `ch`. */
static int64_t deep_channel(const mxdi_interp_call *c, int64_t b, int64_t channels, int64_t ch,
                            int64_t i, int64_t j)
{
    const bool crd = strcmp(mxd_node_string(c->node, "mode", "DCR"), "CRD") == 0;
    return crd ? (ch * b + i) * b + j : (i * b + j) * channels + ch;
}

/* DepthToSpace, SpaceToDepth: the wide tensor is (n, channels, h * b, w * b), the deep one (n,
 * channels * b * b, h, w). */
mxd_status mxdi_interp_blocks(const mxdi_interp_call *c)
{
    const bool    widen = strcmp(c->node->op, "DepthToSpace") == 0;
    const int64_t b     = mxd_node_int(c->node, "blocksize", 0);
    mxd_tensor    wide = widen ? c->out[0] : c->in[0], deep = widen ? c->in[0] : c->out[0];
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", c->in[0].dtype));
    if (b < 1 || b > INT16_MAX || wide.rank != 4 || wide.dim[1] > INT32_MAX || wide.dim[2] % b ||
        wide.dim[3] % b)
        return mxdi_fail(c->err, MXD_E_INVAL,
                         "expected rank 4 in blocks of blocksize, got rank %d and %lld",
                         (int)wide.rank, (long long)b);
    const int64_t channels = wide.dim[1], h = wide.dim[2] / b, w = wide.dim[3] / b;
    const int64_t want[] = { wide.dim[0], channels * b * b, h, w };
    MXD_TRY(mxdi_interp_want_shape(c, &deep, "tensor with blocks in channels", want, 4));
    const int64_t n = mxdi_interp_count(&wide);
    for (int64_t k = 0; k < n; k++) {
        const int64_t x = k % (w * b), y = k / (w * b) % (h * b), plane = k / (w * b * h * b);
        const int64_t ch = plane / channels * channels * b * b +
                           deep_channel(c, b, channels, plane % channels, y % b, x % b);
        const int64_t at = (ch * h + y / b) * w + x / b;
        if (widen)
            mxdi_interp_move(&wide, k, &deep, at);
        else
            mxdi_interp_move(&deep, at, &wide, k);
    }
    return MXD_OK;
}

typedef enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP, PAD_MODES } pad_mode;

/* Where position i of an axis of n elements is taken from, or -1: the constant. */
static int64_t pad_source(pad_mode mode, int64_t i, int64_t n)
{
    if (i >= 0 && i < n)
        return i;
    if (mode == PAD_CONSTANT)
        return -1;
    if (mode == PAD_EDGE)
        return i < 0 ? 0 : n - 1;
    const int64_t period = mode == PAD_WRAP ? n : n > 1 ? 2 * (n - 1) : 1;
    const int64_t k      = (i % period + period) % period;
    return k < n ? k : period - k;
}

/* What is added in front of each axis (negative: cut off), after checking the output's shape. */
static mxd_status pads_of(const mxdi_interp_call *c, pad_mode mode, int64_t begin[MXD_MAX_RANK])
{
    const mxd_tensor *const x = &c->in[0], *const y    = &c->out[0];
    int64_t  pads[2 * MXD_MAX_RANK], end[MXD_MAX_RANK] = { 0 };
    int32_t  axis[MXD_MAX_RANK];
    uint32_t n, n_axes;
    bool     given;
    memset(begin, 0, MXD_MAX_RANK * sizeof(*begin));
    MXD_TRY(mxdi_interp_axes(c, 3, "axes", x->rank, axis, &n_axes, &given));
    MXD_TRY(mxdi_interp_ints(c, 1, "pads", pads, &n, &given));
    if (n != 2 * n_axes || y->rank != x->rank)
        return mxdi_fail(c->err, MXD_E_SHAPE, "pads: expected %u numbers, got %u", 2 * n_axes, n);
    for (uint32_t k = 0; k < n_axes; k++) {
        begin[axis[k]] = pads[k];
        end[axis[k]]   = pads[n_axes + k];
    }
    for (int32_t d = 0; d < x->rank; d++) {
        if (begin[d] < INT32_MIN || begin[d] > INT32_MAX || end[d] < INT32_MIN ||
            end[d] > INT32_MAX || x->dim[d] + begin[d] + end[d] != y->dim[d])
            return mxdi_fail(c->err, MXD_E_SHAPE,
                             "axis %d: %lld elements with pads %lld and %lld do not make %lld",
                             (int)d, (long long)x->dim[d], (long long)begin[d], (long long)end[d],
                             (long long)y->dim[d]);
        if (x->dim[d] == 0 && y->dim[d] > 0 && mode != PAD_CONSTANT)
            return mxdi_fail(c->err, MXD_E_SHAPE, "axis %d has no elements to pad with", (int)d);
    }
    return MXD_OK;
}

/* pads and value are attributes before opset 11, then inputs. */
mxd_status mxdi_interp_pad(const mxdi_interp_call *c)
{
    static const char *const names[PAD_MODES] = { "constant", "reflect", "edge", "wrap" };
    const mxd_tensor *const  x                = &c->in[0];
    mxd_tensor *const        y                = &c->out[0];
    const char *const        name             = mxd_node_string(c->node, "mode", "constant");
    int                      mode             = 0;
    int64_t                  begin[MXD_MAX_RANK], stride[MXD_MAX_RANK];
    mxdi_interp_walk         w;
    while (mode < PAD_MODES && strcmp(names[mode], name) != 0)
        mode++;
    if (mode == PAD_MODES)
        return mxdi_fail(c->err, MXD_E_UNSUPPORTED,
                         "mode: expected constant, reflect, edge or wrap, got '%s'", name);
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", x->dtype));
    MXD_TRY(pads_of(c, (pad_mode)mode, begin));
    if (mxdi_interp_given(c, 2)) {
        MXD_TRY(mxdi_interp_want_dtype(c, &c->in[2], "constant_value", x->dtype));
        MXD_TRY(mxdi_interp_want_count(c, &c->in[2], "constant_value", 1));
    }
    mxdi_interp_strides(stride, x->dim, x->rank);
    mxdi_interp_walk_init(&w, y->dim, y->rank);
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w)) {
        int64_t from   = 0;
        bool    inside = true;
        for (int32_t d = 0; d < x->rank && inside; d++) {
            const int64_t k = pad_source((pad_mode)mode, w.index[d] - begin[d], x->dim[d]);
            inside          = k >= 0;
            from += k * stride[d];
        }
        if (inside)
            mxdi_interp_move(y, i, x, from);
        else if (mxdi_interp_given(c, 2))
            mxdi_interp_move(y, i, &c->in[2], 0);
        else
            mxdi_interp_put(y, i, (double)mxd_node_float(c->node, "value", 0.0f));
    }
    return MXD_OK;
}
