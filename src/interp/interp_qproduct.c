/* SPDX-License-Identifier: Apache-2.0
 *
 * QConv and QMatMul of docs/graph-ops.md, as written there: an int32 accumulator, then a
 * multiplier, a residual, a range.
 */
#include "interp/interp_impl.h"

/* What follows the accumulator. */
typedef struct epilogue {
    const mxd_tensor  *b, *bf, *m, *r;  /* NULL: absent */
    int64_t            channels, inner; /* channel of element i: i / inner % channels */
    mxdi_interp_qrange y, middle;
    int64_t            zr;
    bool               mid, residual_first;
    float              y_ratio, r_ratio, min, max;
} epilogue;

static const mxd_tensor *optional(const mxdi_interp_call *c, uint32_t k)
{
    return mxdi_interp_given(c, k) ? &c->in[k] : NULL;
}

/* Input k, of this type: one element, or one for each channel. */
static mxd_status check_vector(const mxdi_interp_call *c, uint32_t k, const char *what,
                               mxd_dtype dtype, int64_t channels)
{
    if (!mxdi_interp_given(c, k))
        return MXD_OK;
    MXD_TRY(mxdi_interp_want_dtype(c, &c->in[k], what, dtype));
    return mxdi_interp_count(&c->in[k]) == 1 ? MXD_OK
                                             : mxdi_interp_want_count(c, &c->in[k], what, channels);
}

static mxd_status check_ends(const mxdi_interp_call *c, const epilogue *e)
{
    const mxd_tensor *const y = &c->out[0];
    int64_t                 lo, hi;
    if (!e->m)
        return mxdi_fail(c->err, MXD_E_INVAL, "input 4, m: expected a tensor, got none");
    MXD_TRY(check_vector(c, 2, "b", MXD_S32, e->channels));
    MXD_TRY(check_vector(c, 3, "bf", MXD_F32, e->channels));
    MXD_TRY(check_vector(c, 4, "m", MXD_F32, e->channels));
    if (y->dtype != MXD_F32 && !mxdi_dtype_range(y->dtype, &lo, &hi))
        return mxdi_fail(c->err, MXD_E_DTYPE, "output: expected f32 or integers, got %s",
                         mxd_dtype_name(y->dtype));
    if (!e->r)
        return MXD_OK;
    if (y->dtype == MXD_F32)
        return mxdi_fail(c->err, MXD_E_INVAL, "residual: expected none beside an f32 output");
    return mxdi_interp_want_shape(c, e->r, "residual", y->dim, y->rank);
}

static mxd_status read_epilogue(const mxdi_interp_call *c, epilogue *e, int64_t channels,
                                int64_t inner)
{
    const mxd_node *const n = c->node;
    *e                      = (epilogue){ .channels = channels, .inner = inner };
    e->b                    = optional(c, 2);
    e->bf                   = optional(c, 3);
    e->m                    = optional(c, 4);
    e->r                    = optional(c, 5);
    e->mid                  = mxd_node_int(n, "mid", 0) != 0;
    e->residual_first       = mxd_node_int(n, "residual_first", 0) != 0;
    e->y_ratio              = mxd_node_float(n, "y_scale_ratio", 1.0f);
    e->r_ratio              = mxd_node_float(n, "r_scale_ratio", 1.0f);
    e->min                  = mxd_node_float(n, "min", -INFINITY);
    e->max                  = mxd_node_float(n, "max", INFINITY);
    MXD_TRY(mxdi_interp_qrange_of(c, &e->y, "y_zero_point", "q_min", "q_max"));
    MXD_TRY(mxdi_interp_qrange_of(c, &e->middle, "mid_zero_point", "mid_q_min", "mid_q_max"));
    MXD_TRY(mxdi_interp_zero_of(c, "r_zero_point", &e->zr));
    return check_ends(c, e);
}

static int64_t at_channel(const mxd_tensor *t, int64_t channel)
{
    return mxdi_interp_count(t) == 1 ? 0 : channel;
}

/* (float)acc * m, or with bf added before the rounding. */
static float scaled(const epilogue *e, int32_t acc, int64_t channel)
{
    const uint32_t b = e->b ? (uint32_t)mxdi_interp_get_int(e->b, at_channel(e->b, channel)) : 0;
    const float    a = (float)(int32_t)((uint32_t)acc + b);
    const float    m = ((const float *)e->m->data)[at_channel(e->m, channel)];
    return e->bf ? fmaf(a, m, ((const float *)e->bf->data)[at_channel(e->bf, channel)]) : a * m;
}

/* v and the residual's element i, in steps of y. */
static float joined(const epilogue *e, float v, int64_t i)
{
    const float r = (float)(mxdi_interp_get_int(e->r, i) - e->zr);
    if (!e->mid)
        return fmaf(r, e->r_ratio, v);
    const float q1 = (float)(mxdi_interp_clampq(v, &e->middle) - e->middle.z);
    return e->residual_first ? fmaf(r, e->r_ratio, q1 * e->y_ratio)
                             : fmaf(q1, e->y_ratio, r * e->r_ratio);
}

static void finish(const mxdi_interp_call *c, const epilogue *e, const int32_t *acc)
{
    mxd_tensor *const y = &c->out[0];
    const int64_t     n = mxdi_interp_count(y);
    for (int64_t i = 0; i < n; i++) {
        float v = scaled(e, acc[i], i / e->inner % e->channels);
        if (y->dtype == MXD_F32) {
            v                     = v < e->min ? e->min : v;
            ((float *)y->data)[i] = v > e->max ? e->max : v;
        } else {
            mxdi_interp_put_int(y, i, mxdi_interp_clampq(e->r ? joined(e, v, i) : v, &e->y));
        }
    }
}

/* Input 0 minus the zero point of attribute x_zero_point. */
static mxd_status centered_input(const mxdi_interp_call *c, const int32_t **out)
{
    int64_t          z;
    const mxd_tensor zero = { .data = &z, .dtype = MXD_S64, .rank = 0 };
    MXD_TRY(mxdi_interp_zero_of(c, "x_zero_point", &z));
    return mxdi_interp_centered(c, &c->in[0], &zero, 0, out);
}

mxd_status mxdi_interp_q_conv(const mxdi_interp_call *c)
{
    const mxd_tensor *const y = &c->out[0];
    mxdi_interp_conv_shape  s;
    epilogue                e;
    const int32_t          *x, *w;
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
    const mxd_tensor *const y = &c->out[0], *const b = &c->in[1];
    const bool               trans = mxd_node_int(c->node, "transB", 0) != 0;
    mxdi_interp_matmul_shape s;
    epilogue                 e;
    const int32_t           *a, *w;
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
