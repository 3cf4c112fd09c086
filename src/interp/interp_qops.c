/* SPDX-License-Identifier: Apache-2.0
 *
 * The integer ops of docs/graph-ops.md beside the products, as written there.
 */
#include "interp/interp_impl.h"

static mxd_status range_of_output(const mxdi_interp_call *c, mxdi_interp_qrange *q)
{
    int64_t lo, hi;
    if (!mxdi_dtype_range(c->out[0].dtype, &lo, &hi))
        return mxdi_fail(c->err, MXD_E_DTYPE, "output: expected integers, got %s",
                         mxd_dtype_name(c->out[0].dtype));
    return mxdi_interp_qrange_of(c, q, "y_zero_point", "q_min", "q_max");
}

/* Input 0 has 8 bits or fewer; the lowest of its type. */
static mxd_status lowest_of_input(const mxdi_interp_call *c, int64_t *lo)
{
    int64_t hi;
    if (mxdi_dtype_range(c->in[0].dtype, lo, &hi) && hi - *lo <= UINT8_MAX)
        return MXD_OK;
    return mxdi_fail(c->err, MXD_E_DTYPE, "input: expected integers of 8 or 4 bits, got %s",
                     mxd_dtype_name(c->in[0].dtype));
}

mxd_status mxdi_interp_q_add(const mxdi_interp_call *c)
{
    const mxd_tensor *const a = &c->in[0], *const b = &c->in[1];
    const float        ra = mxd_node_float(c->node, "a_scale_ratio", 1.0f);
    const float        rb = mxd_node_float(c->node, "b_scale_ratio", 1.0f);
    mxd_tensor *const  y  = &c->out[0];
    mxdi_interp_qrange q;
    int64_t            za, zb;
    mxdi_interp_walk   w;
    MXD_TRY(range_of_output(c, &q));
    MXD_TRY(mxdi_interp_zero_of(c, "a_zero_point", &za));
    MXD_TRY(mxdi_interp_zero_of(c, "b_zero_point", &zb));
    mxdi_interp_walk_init(&w, y->dim, y->rank);
    MXD_TRY(mxdi_interp_walk_broadcast(c, &w, 0, a));
    MXD_TRY(mxdi_interp_walk_broadcast(c, &w, 1, b));
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w)) {
        const float da = (float)(mxdi_interp_get_int(a, w.at[0]) - za);
        const float db = (float)(mxdi_interp_get_int(b, w.at[1]) - zb);
        mxdi_interp_put_int(y, i, mxdi_interp_clampq(fmaf(da, ra, db * rb), &q));
    }
    return MXD_OK;
}

mxd_status mxdi_interp_lookup8(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0], *const table = &c->in[1];
    int64_t lo;
    MXD_TRY(lowest_of_input(c, &lo));
    MXD_TRY(mxdi_interp_want_shape(c, &c->out[0], "output", x->dim, x->rank));
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", table->dtype));
    const int64_t tables = table->rank == 2 && x->rank > 0 ? x->dim[x->rank - 1] : 1;
    MXD_TRY(mxdi_interp_want_count(c, table, "table", 256 * tables));
    const int64_t n = mxdi_interp_count(x);
    for (int64_t i = 0; i < n; i++)
        mxdi_interp_move(&c->out[0], i, table, i % tables * 256 + mxdi_interp_get_int(x, i) - lo);
    return MXD_OK;
}

mxd_status mxdi_interp_lookup_channels(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0], *const table = &c->in[1];
    const bool last = mxd_node_int(c->node, "channels_last", 0) != 0;
    if (x->rank != 4)
        return mxdi_fail(c->err, MXD_E_SHAPE, "input: expected 4 dimensions, got %d", x->rank);
    const int64_t n = x->dim[0], channels = x->dim[last ? 3 : 1];
    const int64_t h = x->dim[last ? 1 : 2], w = x->dim[last ? 2 : 3];
    MXD_TRY(
        mxdi_interp_want_shape(c, &c->out[0], "output", (const int64_t[]){ n, channels, h, w }, 4));
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", table->dtype));
    MXD_TRY(mxdi_interp_want_shape(c, table, "table", (const int64_t[]){ channels, 256 }, 2));
    for (int64_t i = 0; i < n * channels * h * w; i++) {
        const int64_t pixel = i % (h * w), ch = i / (h * w) % channels;
        const int64_t image = i / (h * w) / channels;
        const int64_t from  = last ? (image * h * w + pixel) * channels + ch : i;
        mxdi_interp_move(&c->out[0], i, table, 256 * ch + mxdi_interp_get_int(x, from));
    }
    return MXD_OK;
}

/* A sum of integers as int32, modulo 2^32. */
static float int32_of(int64_t sum)
{
    return (float)(int32_t)(uint32_t)sum;
}

mxd_status mxdi_interp_q_average_pool(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0], *const m = &c->in[1];
    const bool         padding = mxd_node_int(c->node, "count_include_pad", 0) != 0;
    mxd_tensor *const  y       = &c->out[0];
    int64_t            taps, zx;
    mxdi_interp_qrange q;
    mxdi_window        w;
    MXD_TRY(range_of_output(c, &q));
    MXD_TRY(mxdi_interp_zero_of(c, "x_zero_point", &zx));
    MXD_TRY(mxdi_interp_pool_window(c, &w));
    MXD_TRY(mxdi_interp_want_dtype(c, m, "m", MXD_F32));
    if (!mxdi_shape_count(&taps, w.kernel, MXDI_MAX_SPATIAL) || taps == INT64_MAX)
        return mxdi_fail(c->err, MXD_E_RANGE, "kernel_shape: too large");
    MXD_TRY(mxdi_interp_want_count(c, m, "m", taps + 1));
    const int64_t    size  = w.in[0] * w.in[1] * w.in[2];
    const int64_t    dim[] = { y->dim[0] * y->dim[1], w.out[0], w.out[1], w.out[2] };
    mxdi_interp_walk o;
    mxdi_interp_walk_init(&o, dim, 4);
    for (int64_t i = 0; o.left > 0; i++, mxdi_interp_walk_next(&o)) {
        mxdi_interp_taps t[MXDI_MAX_SPATIAL];
        mxdi_interp_taps_of(t, &w, o.index + 1);
        const int64_t inside = (int64_t)mxdi_interp_taps_count(t, false);
        const int64_t sum =
            (int64_t)mxdi_interp_window_sum(x, o.index[0] * size, &w, o.index + 1, t) - zx * inside;
        const int64_t n = (int64_t)mxdi_interp_taps_count(t, padding);
        mxdi_interp_put_int(y, i,
                            mxdi_interp_clampq(int32_of(sum) * ((const float *)m->data)[n], &q));
    }
    return MXD_OK;
}

mxd_status mxdi_interp_q_reduce_mean(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    const float             m = mxd_node_float(c->node, "m", 0.0f);
    mxd_tensor *const       y = &c->out[0];
    int32_t                 axis[MXD_MAX_RANK];
    uint32_t                n_axes;
    bool                    given;
    int64_t                 zx;
    mxdi_interp_qrange      q;
    mxdi_interp_walk        w;
    MXD_TRY(range_of_output(c, &q));
    MXD_TRY(mxdi_interp_zero_of(c, "x_zero_point", &zx));
    MXD_TRY(mxdi_interp_axes(c, UINT32_MAX, "axes", x->rank, axis, &n_axes, &given));
    MXD_TRY(mxdi_interp_reduced(c, &w, axis, n_axes, mxd_node_int(c->node, "keepdims", 1) != 0));
    const int64_t  n   = mxdi_interp_count(y);
    int64_t *const sum = mxdi_interp_alloc(c, n, sizeof(*sum));
    if (!sum)
        return mxdi_nomem(c->err);
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w))
        sum[w.at[0]] += mxdi_interp_get_int(x, i) - zx;
    for (int64_t i = 0; i < n; i++)
        mxdi_interp_put_int(y, i, mxdi_interp_clampq(int32_of(sum[i]) * m, &q));
    return MXD_OK;
}

/* One distribution of n elements, `step` apart, from element `first`. */
static void q_softmax(const mxdi_interp_call *c, int64_t first, int64_t n, int64_t step,
                      const mxdi_interp_qrange *q)
{
    const mxd_tensor *const x     = &c->in[0];
    const int64_t *const    table = c->in[1].data;
    const float             s_y   = mxd_node_float(c->node, "y_scale", 1.0f);
    int64_t                 max   = INT64_MIN;
    uint64_t                sum   = 0;
    for (int64_t k = 0; k < n; k++) {
        const int64_t v = mxdi_interp_get_int(x, first + k * step);
        max             = v > max ? v : max;
    }
    for (int64_t k = 0; k < n; k++)
        sum += (uint64_t)table[max - mxdi_interp_get_int(x, first + k * step)];
    for (int64_t k = 0; k < n; k++) {
        const int64_t e = table[max - mxdi_interp_get_int(x, first + k * step)];
        const float   r = (float)((double)e / (double)sum) / s_y;
        mxdi_interp_put_int(&c->out[0], first + k * step, mxdi_interp_clampq(r, q));
    }
}

mxd_status mxdi_interp_q_softmax(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    mxdi_interp_qrange      q;
    int64_t                 lo;
    int32_t                 axis;
    MXD_TRY(lowest_of_input(c, &lo)); /* differences fit the table */
    MXD_TRY(range_of_output(c, &q));
    MXD_TRY(mxdi_interp_axis(c, mxd_node_int(c->node, "axis", -1), x->rank, &axis));
    MXD_TRY(mxdi_interp_want_shape(c, &c->out[0], "output", x->dim, x->rank));
    MXD_TRY(mxdi_interp_want_dtype(c, &c->in[1], "table", MXD_S64));
    MXD_TRY(mxdi_interp_want_count(c, &c->in[1], "table", 256));
    const int64_t n = x->dim[axis], inner = mxdi_interp_product(x->dim, axis + 1, x->rank);
    const int64_t outer = mxdi_interp_product(x->dim, 0, axis);
    for (int64_t o = 0; n > 0 && o < outer * inner; o++)
        q_softmax(c, o / inner * n * inner + o % inner, n, inner, &q);
    return MXD_OK;
}
