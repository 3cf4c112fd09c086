/* SPDX-License-Identifier: Apache-2.0
 *
 * ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd over any axes. Floats accumulate in
 * binary64, integers modulo 2^64.
 */
#include "interp/interp_impl.h"

typedef struct reduction {
    const char *name;
    double (*real)(double r, double v);
    int64_t (*whole)(int64_t r, int64_t v);
    double  real_start; /* of no elements */
    int64_t whole_start;
    bool    mean;
} reduction;

static double f_sum(double r, double v)
{
    return r + v;
}

static double f_prod(double r, double v)
{
    return r * v;
}

static double f_max(double r, double v)
{
    return isnan(v) || v > r ? v : r;
}

static double f_min(double r, double v)
{
    return isnan(v) || v < r ? v : r;
}

static int64_t i_sum(int64_t r, int64_t v)
{
    return (int64_t)((uint64_t)r + (uint64_t)v);
}

static int64_t i_prod(int64_t r, int64_t v)
{
    return (int64_t)((uint64_t)r * (uint64_t)v);
}

static int64_t i_max(int64_t r, int64_t v)
{
    return v > r ? v : r;
}

static int64_t i_min(int64_t r, int64_t v)
{
    return v < r ? v : r;
}

static const reduction reductions[] = {
    { "ReduceMax", f_max, i_max, -INFINITY, INT64_MIN, false },
    { "ReduceMean", f_sum, i_sum, 0, 0, true },
    { "ReduceMin", f_min, i_min, INFINITY, INT64_MAX, false },
    { "ReduceProd", f_prod, i_prod, 1, 1, false },
    { "ReduceSum", f_sum, i_sum, 0, 0, false },
};

mxd_status mxdi_interp_reduced(const mxdi_interp_call *c, mxdi_interp_walk *w, const int32_t *axis,
                               uint32_t n_axes, bool keep)
{
    const mxd_tensor *const x = &c->in[0];
    int64_t                 want[MXD_MAX_RANK], kept[MXD_MAX_RANK], stride[MXD_MAX_RANK];
    int32_t                 rank = 0;
    memcpy(kept, x->dim, sizeof(kept));
    for (uint32_t i = 0; i < n_axes; i++)
        kept[axis[i]] = 1;
    mxdi_interp_strides(stride, kept, x->rank);
    mxdi_interp_walk_init(w, x->dim, x->rank);
    memcpy(w->stride[0], stride, (size_t)x->rank * sizeof(*stride));
    for (uint32_t i = 0; i < n_axes; i++)
        w->stride[0][axis[i]] = 0;
    for (int32_t d = 0; d < x->rank; d++) {
        bool gone = false;
        for (uint32_t i = 0; i < n_axes; i++)
            gone |= axis[i] == d;
        if (keep || !gone)
            want[rank++] = kept[d];
    }
    return mxdi_interp_want_shape(c, &c->out[0], "output", want, rank);
}

static mxd_status reduce_real(const mxdi_interp_call *c, const reduction *f, mxdi_interp_walk *w,
                              int64_t each)
{
    mxd_tensor *const y   = &c->out[0];
    const int64_t     n   = mxdi_interp_count(y);
    double *const     acc = mxdi_interp_alloc(c, n, sizeof(*acc));
    if (!acc)
        return mxdi_nomem(c->err);
    for (int64_t i = 0; i < n; i++)
        acc[i] = f->real_start;
    for (int64_t i = 0; w->left > 0; i++, mxdi_interp_walk_next(w))
        acc[w->at[0]] = f->real(acc[w->at[0]], mxdi_interp_get(&c->in[0], i));
    for (int64_t i = 0; i < n; i++)
        mxdi_interp_put(y, i, f->mean ? acc[i] / (double)each : acc[i]);
    return MXD_OK;
}

static mxd_status reduce_whole(const mxdi_interp_call *c, const reduction *f, mxdi_interp_walk *w,
                               int64_t each)
{
    mxd_tensor *const y   = &c->out[0];
    const int64_t     n   = mxdi_interp_count(y);
    int64_t *const    acc = mxdi_interp_alloc(c, n, sizeof(*acc));
    int64_t           lo = 0, hi = 0;
    if (!acc)
        return mxdi_nomem(c->err);
    mxdi_dtype_range(y->dtype, &lo, &hi);
    for (int64_t i = 0; i < n; i++) /* no elements: the nearest end of the type */
        acc[i] = f->whole_start < lo ? lo : f->whole_start > hi ? hi : f->whole_start;
    for (int64_t i = 0; w->left > 0; i++, mxdi_interp_walk_next(w))
        acc[w->at[0]] = f->whole(acc[w->at[0]], mxdi_interp_get_int(&c->in[0], i));
    for (int64_t i = 0; i < n; i++)
        mxdi_interp_put_int(y, i, f->mean && each ? acc[i] / each : acc[i]);
    return MXD_OK;
}

/* Axes are an attribute or, from opset 13 (ReduceSum) and 18 on, input 1. None: all, or with
 * noop_with_empty_axes none. */
mxd_status mxdi_interp_reduce(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    const reduction        *f = reductions;
    int32_t                 axis[MXD_MAX_RANK];
    uint32_t                n;
    bool                    given;
    mxdi_interp_walk        w;
    int64_t                 each = 1;
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", x->dtype));
    MXD_TRY(mxdi_interp_axes(c, 1, "axes", x->rank, axis, &n, &given));
    if (given && n == 0) {
        n = (uint32_t)x->rank;
        for (int32_t i = 0; i < x->rank; i++)
            axis[i] = i;
        given = false;
    }
    if (!given && mxd_node_int(c->node, "noop_with_empty_axes", 0) != 0)
        n = 0;
    while (strcmp(f->name, c->node->op) != 0)
        f++; /* the table of ops brings only names that stand here */
    MXD_TRY(mxdi_interp_reduced(c, &w, axis, n, mxd_node_int(c->node, "keepdims", 1) != 0));
    for (uint32_t i = 0; i < n; i++)
        each *= x->dim[axis[i]];
    return (mxdi_dtype_is_float(x->dtype) ? reduce_real : reduce_whole)(c, f, &w, each);
}
