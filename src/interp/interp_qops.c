/* SPDX-License-Identifier: Apache-2.0
 *
 * The integer ops of docs/graph-ops.md, as written there.
 */
#include "interp/interp_impl.h"

/* What follows an accumulator: multiplier, biases, residual, range. */
struct epilogue {
    const mxd_tensor *b, *bf, *m, *r; /* NULL: absent */
    int64_t channels, inner;          /* channel of element i: i / inner % channels */
    int64_t zy, q_min, q_max, zr, zm, mid_min, mid_max;
    bool    mid, residual_first;
    float   y_ratio, r_ratio, min, max;
};

static const mxd_tensor *optional(const mxdi_interp_call *c, uint32_t k)
{
    return mxdi_interp_given(c, k) ? &c->in[k] : NULL;
}

static mxd_status read_epilogue(const mxdi_interp_call *c, struct epilogue *e, int64_t channels, int64_t inner)
{
    const mxd_node *const n = c->node;
    *e = (struct epilogue){ .b = optional(c, 2), .bf = optional(c, 3), .m = optional(c, 4), .r = optional(c, 5), .channels = channels, .inner = inner,
                            .zy = mxd_node_int(n, "y_zero_point", 0), .q_min = mxd_node_int(n, "q_min", 0), .q_max = mxd_node_int(n, "q_max", 0),
                            .zr = mxd_node_int(n, "r_zero_point", 0), .zm = mxd_node_int(n, "mid_zero_point", 0), .mid_min = mxd_node_int(n, "mid_q_min", 0),
                            .mid_max = mxd_node_int(n, "mid_q_max", 0), .mid = mxd_node_int(n, "mid", 0) != 0,
                            .residual_first = mxd_node_int(n, "residual_first", 0) != 0, .y_ratio = mxd_node_float(n, "y_scale_ratio", 1.0f),
                            .r_ratio = mxd_node_float(n, "r_scale_ratio", 1.0f), .min = mxd_node_float(n, "min", -INFINITY), .max = mxd_node_float(n, "max", INFINITY) };
    if (!e->m)
        return mxdi_fail(c->err, MXD_E_INVAL, "input 4: a multiplier expected, got none");
    const mxd_tensor *const vectors[] = { e->b, e->bf, e->m };
    for (int k = 0; k < 3; k++)
        if (vectors[k] && mxdi_interp_count(vectors[k]) != channels && mxdi_interp_count(vectors[k]) != 1)
            return mxdi_fail(c->err, MXD_E_SHAPE, "input %d: %lld elements expected, got %lld", k + 2, (long long)channels, (long long)mxdi_interp_count(vectors[k]));
    return e->r ? mxdi_interp_want_shape(c, e->r, "residual", c->out[0].dim, c->out[0].rank) : MXD_OK;
}

static int64_t at_channel(const mxd_tensor *t, int64_t channel)
{
    return mxdi_interp_count(t) == 1 ? 0 : channel;
}

/* clamp(rint(v), lo - z, hi - z): as mxdi_interp_clampq, the zero point not added. */
static float clamped(float v, int64_t z, int64_t lo, int64_t hi)
{
    return (float)(mxdi_interp_clampq(v, z, lo, hi) - z);
}

static void finish(const mxdi_interp_call *c, const struct epilogue *e, const int32_t *acc)
{
    mxd_tensor *const y = &c->out[0];
    const int64_t n = mxdi_interp_count(y);
    for (int64_t i = 0; i < n; i++) {
        const int64_t ch = i / e->inner % e->channels;
        const uint32_t sum = (uint32_t)acc[i] + (e->b ? (uint32_t)(int32_t)mxdi_interp_get_int(e->b, at_channel(e->b, ch)) : 0u);
        const float a = (float)(int32_t)sum, m = ((const float *)e->m->data)[at_channel(e->m, ch)];
        float v = e->bf ? fmaf(a, m, ((const float *)e->bf->data)[at_channel(e->bf, ch)]) : a * m;
        if (y->dtype == MXD_F32) {
            v = v < e->min ? e->min : v;
            ((float *)y->data)[i] = v > e->max ? e->max : v;
            continue;
        }
        if (e->r) {
            const float r = (float)(mxdi_interp_get_int(e->r, i) - e->zr);
            if (!e->mid) {
                v = fmaf(r, e->r_ratio, v);
            } else {
                const float q1 = clamped(v, e->zm, e->mid_min, e->mid_max);
                v = e->residual_first ? fmaf(r, e->r_ratio, q1 * e->y_ratio) : fmaf(q1, e->y_ratio, r * e->r_ratio);
            }
        }
        mxdi_interp_put_int(y, i, mxdi_interp_clampq(v, e->zy, e->q_min, e->q_max));
    }
}

/* x minus the zero point of attribute x_zero_point. */
static mxd_status centered_input(const mxdi_interp_call *c, const int32_t **out)
{
    int32_t z = (int32_t)mxd_node_int(c->node, "x_zero_point", 0);
    const mxd_tensor zero = { .data = &z, .dtype = MXD_S32, .rank = 0 };
    return mxdi_interp_centered(c, &c->in[0], &zero, 0, out);
}

mxd_status mxdi_interp_q_conv(const mxdi_interp_call *c)
{
    mxdi_interp_conv_shape s = { .group = 1 };
    struct epilogue e;
    const int32_t *x, *w;
    const mxd_tensor *const y = &c->out[0];
    MXD_TRY(mxdi_interp_conv_shape_of(c, &s, &c->in[0], &c->in[1], y));
    MXD_TRY(read_epilogue(c, &e, s.filters, mxdi_interp_product(y->dim, 2, y->rank)));
    MXD_TRY(centered_input(c, &x));
    MXD_TRY(mxdi_interp_centered(c, &c->in[1], optional(c, 6), 0, &w));
    int32_t *const acc = mxdi_interp_alloc(c, mxdi_interp_count(y), sizeof(*acc));
    if (!acc)
        return mxdi_nomem(c->err);
    mxdi_interp_convolve(acc, &s, x, w, mxdi_interp_row_s32);
    finish(c, &e, acc);
    return MXD_OK;
}

mxd_status mxdi_interp_q_matmul(const mxdi_interp_call *c)
{
    mxdi_interp_matmul_shape s;
    struct epilogue e;
    const int32_t *a, *w;
    const bool trans = mxd_node_int(c->node, "transB", 0) != 0;
    const mxd_tensor *const y = &c->out[0], *const b = &c->in[1];
    MXD_TRY(mxdi_interp_matmul_shape_of(c, &s, &c->in[0], b, trans, y));
    MXD_TRY(read_epilogue(c, &e, s.columns, 1));
    MXD_TRY(centered_input(c, &a));
    MXD_TRY(mxdi_interp_centered(c, b, optional(c, 6), trans ? b->rank - 2 : b->rank - 1, &w));
    int32_t *const acc = mxdi_interp_alloc(c, mxdi_interp_count(y), sizeof(*acc));
    if (!acc)
        return mxdi_nomem(c->err);
    mxdi_interp_multiply(acc, &s, a, w, mxdi_interp_row_s32);
    finish(c, &e, acc);
    return MXD_OK;
}

mxd_status mxdi_interp_q_add(const mxdi_interp_call *c)
{
    const mxd_node *const n = c->node;
    mxd_tensor *const y = &c->out[0];
    const int64_t za = mxd_node_int(n, "a_zero_point", 0), zb = mxd_node_int(n, "b_zero_point", 0), zy = mxd_node_int(n, "y_zero_point", 0);
    const int64_t lo = mxd_node_int(n, "q_min", 0), hi = mxd_node_int(n, "q_max", 0);
    const float ra = mxd_node_float(n, "a_scale_ratio", 1.0f), rb = mxd_node_float(n, "b_scale_ratio", 1.0f);
    mxdi_interp_walk w;
    mxdi_interp_walk_init(&w, y->dim, y->rank);
    MXD_TRY(mxdi_interp_walk_broadcast(c, &w, 0, &c->in[0]));
    MXD_TRY(mxdi_interp_walk_broadcast(c, &w, 1, &c->in[1]));
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w)) {
        const float a = (float)(mxdi_interp_get_int(&c->in[0], w.at[0]) - za), b = (float)(mxdi_interp_get_int(&c->in[1], w.at[1]) - zb);
        mxdi_interp_put_int(y, i, mxdi_interp_clampq(fmaf(a, ra, b * rb), zy, lo, hi));
    }
    return MXD_OK;
}

mxd_status mxdi_interp_lookup8(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    int64_t lo, hi;
    MXD_TRY(mxdi_interp_want_shape(c, &c->out[0], "output", x->dim, x->rank));
    MXD_TRY(mxdi_interp_want_count(c, &c->in[1], "table", 256));
    if (!mxdi_dtype_range(x->dtype, &lo, &hi) || hi - lo > 255)
        return mxdi_fail(c->err, MXD_E_DTYPE, "input: 8 or 4 bits expected, got %s", mxd_dtype_name(x->dtype));
    const int64_t n = mxdi_interp_count(x);
    for (int64_t i = 0; i < n; i++)
        mxdi_interp_put_int(&c->out[0], i, mxdi_interp_get_int(&c->in[1], mxdi_interp_get_int(x, i) - lo));
    return MXD_OK;
}

mxd_status mxdi_interp_q_average_pool(const mxdi_interp_call *c)
{
    const mxd_node *const n = c->node;
    const mxd_tensor *const x = &c->in[0];
    mxd_tensor *const y = &c->out[0];
    const int64_t zx = mxd_node_int(n, "x_zero_point", 0), zy = mxd_node_int(n, "y_zero_point", 0), lo = mxd_node_int(n, "q_min", 0), hi = mxd_node_int(n, "q_max", 0);
    const bool padding = mxd_node_int(n, "count_include_pad", 0) != 0;
    mxdi_window w;
    MXD_TRY(mxdi_interp_pool_window(c, &w));
    const int64_t size = w.in[0] * w.in[1] * w.in[2], taps = w.kernel[0] * w.kernel[1] * w.kernel[2];
    MXD_TRY(mxdi_interp_want_count(c, &c->in[1], "m", taps + 1));
    const int64_t dim[] = { y->dim[0] * y->dim[1], w.out[0], w.out[1], w.out[2] };
    mxdi_interp_walk o;
    mxdi_interp_walk_init(&o, dim, 4);
    for (int64_t i = 0; o.left > 0; i++, mxdi_interp_walk_next(&o)) {
        int64_t sum = 0, count = 0, at;
        for (int64_t t = 0; t < taps; t++) {
            const mxdi_interp_place place = mxdi_interp_place_of(&w, o.index + 1, t, &at);
            if (place == MXDI_IN_IMAGE)
                sum += mxdi_interp_get_int(x, o.index[0] * size + at) - zx;
            count += place == MXDI_IN_IMAGE || (padding && place == MXDI_IN_PADDING);
        }
        mxdi_interp_put_int(y, i, mxdi_interp_clampq((float)sum * ((const float *)c->in[1].data)[count], zy, lo, hi));
    }
    return MXD_OK;
}

mxd_status mxdi_interp_q_reduce_mean(const mxdi_interp_call *c)
{
    const mxd_node *const n = c->node;
    const mxd_tensor *const x = &c->in[0];
    mxd_tensor *const y = &c->out[0];
    const int64_t zx = mxd_node_int(n, "x_zero_point", 0), zy = mxd_node_int(n, "y_zero_point", 0), lo = mxd_node_int(n, "q_min", 0), hi = mxd_node_int(n, "q_max", 0);
    const float m = mxd_node_float(n, "m", 0.0f);
    int32_t axis[MXD_MAX_RANK];
    uint32_t n_axes;
    bool given;
    int64_t kept[MXD_MAX_RANK], stride[MXD_MAX_RANK];
    MXD_TRY(mxdi_interp_axes(c, UINT32_MAX, "axes", x->rank, axis, &n_axes, &given));
    memcpy(kept, x->dim, sizeof(kept));
    for (uint32_t k = 0; k < n_axes; k++)
        kept[axis[k]] = 1;
    MXD_TRY(mxdi_interp_want_count(c, y, "output", mxdi_interp_product(kept, 0, x->rank)));
    mxdi_interp_strides(stride, kept, x->rank);
    int64_t *const sum = mxdi_interp_alloc(c, mxdi_interp_count(y), sizeof(*sum));
    if (!sum)
        return mxdi_nomem(c->err);
    mxdi_interp_walk w;
    mxdi_interp_walk_init(&w, x->dim, x->rank);
    for (int32_t d = 0; d < x->rank; d++)
        w.stride[0][d] = kept[d] == 1 ? 0 : stride[d];
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w))
        sum[w.at[0]] += mxdi_interp_get_int(x, i) - zx;
    for (int64_t i = 0; i < mxdi_interp_count(y); i++)
        mxdi_interp_put_int(y, i, mxdi_interp_clampq((float)sum[i] * m, zy, lo, hi));
    return MXD_OK;
}

mxd_status mxdi_interp_q_softmax(const mxdi_interp_call *c)
{
    const mxd_node *const n = c->node;
    const mxd_tensor *const x = &c->in[0];
    mxd_tensor *const y = &c->out[0];
    const int64_t zy = mxd_node_int(n, "y_zero_point", 0), lo = mxd_node_int(n, "q_min", 0), hi = mxd_node_int(n, "q_max", 0);
    const float s_y = mxd_node_float(n, "y_scale", 1.0f);
    const int64_t *const table = c->in[1].data;
    int32_t axis;
    MXD_TRY(mxdi_interp_axis(c, mxd_node_int(n, "axis", -1), x->rank, &axis));
    MXD_TRY(mxdi_interp_want_shape(c, y, "output", x->dim, x->rank));
    MXD_TRY(mxdi_interp_want_dtype(c, &c->in[1], "table", MXD_S64));
    MXD_TRY(mxdi_interp_want_count(c, &c->in[1], "table", 256));
    const int64_t length = x->dim[axis], inner = mxdi_interp_product(x->dim, axis + 1, x->rank), outer = mxdi_interp_product(x->dim, 0, axis);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            const int64_t base = o * length * inner + i;
            int64_t max = INT64_MIN;
            uint64_t sum = 0;
            for (int64_t k = 0; k < length; k++) {
                const int64_t q = mxdi_interp_get_int(x, base + k * inner);
                max = q > max ? q : max;
            }
            for (int64_t k = 0; k < length; k++)
                sum += (uint64_t)table[max - mxdi_interp_get_int(x, base + k * inner)];
            for (int64_t k = 0; k < length; k++) {
                const double e = (double)table[max - mxdi_interp_get_int(x, base + k * inner)];
                mxdi_interp_put_int(y, base + k * inner, mxdi_interp_clampq((float)(e / (double)sum) / s_y, zy, lo, hi));
            }
        }
    return MXD_OK;
}
