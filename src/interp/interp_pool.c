/* SPDX-License-Identifier: Apache-2.0
 *
 * MaxPool, AveragePool and their global forms.
 */
#include "interp/interp_impl.h"

/* Index of an element in a plane when the first spatial axis runs fastest (storage_order = 1). */
static int64_t column_major(const mxdi_window *w, int64_t at)
{
    const int64_t x = at % w->in[2], y = at / w->in[2] % w->in[1], z = at / (w->in[2] * w->in[1]);
    return z + w->in[0] * (y + w->in[1] * x);
}

/* The element of the largest tap, or -1 when no tap is in the image; the first of equals. */
static int64_t largest(const mxd_tensor *x, int64_t plane, const mxdi_window *w, const int64_t *o)
{
    mxdi_interp_taps t[MXDI_MAX_SPATIAL];
    int64_t          found = -1;
    double           most  = 0;
    mxdi_interp_taps_of(t, w, o);
    for (int64_t kz = t[0].first; kz < t[0].end; kz++)
        for (int64_t ky = t[1].first; ky < t[1].end; ky++)
            for (int64_t kx = t[2].first; kx < t[2].end; kx++) {
                const int64_t z  = mxdi_interp_tap(w, 0, o[0], kz),
                              y  = mxdi_interp_tap(w, 1, o[1], ky);
                const int64_t at = (z * w->in[1] + y) * w->in[2] + mxdi_interp_tap(w, 2, o[2], kx);
                const double  v  = mxdi_interp_get(x, plane + at);
                if (found < 0 || v > most) {
                    found = at;
                    most  = v;
                }
            }
    return found;
}

mxd_status mxdi_interp_max_pool(const mxdi_interp_call *c)
{
    const mxd_tensor *const x         = &c->in[0];
    const bool              by_column = mxd_node_int(c->node, "storage_order", 0) != 0;
    const bool              indices   = mxdi_interp_wanted(c, 1);
    mxd_tensor *const       y         = &c->out[0];
    mxdi_window             w;
    int64_t                 lowest, highest;
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", x->dtype));
    MXD_TRY(mxdi_interp_pool_window(c, &w));
    if (indices) {
        MXD_TRY(mxdi_interp_want_dtype(c, &c->out[1], "Indices", MXD_S64));
        MXD_TRY(mxdi_interp_want_shape(c, &c->out[1], "Indices", y->dim, y->rank));
    }
    const double empty = mxdi_dtype_range(x->dtype, &lowest, &highest) ? (double)lowest : -INFINITY;
    const int64_t    size  = w.in[0] * w.in[1] * w.in[2];
    const int64_t    dim[] = { y->dim[0] * y->dim[1], w.out[0], w.out[1], w.out[2] };
    mxdi_interp_walk o;
    mxdi_interp_walk_init(&o, dim, 4);
    for (int64_t i = 0; o.left > 0; i++, mxdi_interp_walk_next(&o)) {
        const int64_t plane = o.index[0] * size, at = largest(x, plane, &w, o.index + 1);
        if (at < 0)
            mxdi_interp_put(y, i, empty);
        else
            mxdi_interp_move(y, i, x, plane + at);
        if (indices)
            ((int64_t *)c->out[1].data)[i] = plane + (at < 0      ? 0
                                                      : by_column ? column_major(&w, at)
                                                                  : at);
    }
    return MXD_OK;
}

double mxdi_interp_window_sum(const mxd_tensor *x, int64_t plane, const mxdi_window *w,
                              const int64_t *o, const mxdi_interp_taps *t)
{
    double sum = 0;
    for (int64_t kz = t[0].first; kz < t[0].end; kz++)
        for (int64_t ky = t[1].first; ky < t[1].end; ky++) {
            const int64_t z = mxdi_interp_tap(w, 0, o[0], kz), y = mxdi_interp_tap(w, 1, o[1], ky);
            const int64_t row = plane + (z * w->in[1] + y) * w->in[2];
            for (int64_t kx = t[2].first; kx < t[2].end; kx++)
                sum += mxdi_interp_get(x, row + mxdi_interp_tap(w, 2, o[2], kx));
        }
    return sum;
}

/* ONNX AveragePool-22: with count_include_pad padding counts, but never what ceil_mode adds beyond
 * it. */
mxd_status mxdi_interp_average_pool(const mxdi_interp_call *c)
{
    const mxd_tensor *const x       = &c->in[0];
    const bool              padding = mxd_node_int(c->node, "count_include_pad", 0) != 0;
    mxd_tensor *const       y       = &c->out[0];
    mxdi_window             w;
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", x->dtype));
    MXD_TRY(mxdi_interp_pool_window(c, &w));
    const int64_t    size  = w.in[0] * w.in[1] * w.in[2];
    const int64_t    dim[] = { y->dim[0] * y->dim[1], w.out[0], w.out[1], w.out[2] };
    mxdi_interp_walk o;
    mxdi_interp_walk_init(&o, dim, 4);
    for (int64_t i = 0; o.left > 0; i++, mxdi_interp_walk_next(&o)) {
        mxdi_interp_taps t[MXDI_MAX_SPATIAL];
        mxdi_interp_taps_of(t, &w, o.index + 1);
        const double n   = mxdi_interp_taps_count(t, padding);
        const double sum = mxdi_interp_window_sum(x, o.index[0] * size, &w, o.index + 1, t);
        mxdi_interp_put(y, i, n > 0 ? sum / n : 0.0);
    }
    return MXD_OK;
}

/* One number for each plane. */
static mxd_status global(const mxdi_interp_call *c, bool mean)
{
    const mxd_tensor *const x = &c->in[0];
    mxd_tensor *const       y = &c->out[0];
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", x->dtype));
    if (x->rank < 2)
        return mxdi_fail(c->err, MXD_E_SHAPE, "input: expected rank 2 or more, got %d",
                         (int)x->rank);
    const int64_t planes = x->dim[0] * x->dim[1], size = mxdi_interp_product(x->dim, 2, x->rank);
    MXD_TRY(mxdi_interp_want_count(c, y, "output", planes));
    for (int64_t p = 0; p < planes; p++) {
        double r = mean ? 0.0 : -INFINITY;
        for (int64_t i = 0; i < size; i++) {
            const double v = mxdi_interp_get(x, p * size + i);
            r              = mean ? r + v : isnan(v) || v > r ? v : r;
        }
        mxdi_interp_put(y, p, mean ? r / (double)size : r);
    }
    return MXD_OK;
}

mxd_status mxdi_interp_global_average_pool(const mxdi_interp_call *c)
{
    return global(c, true);
}

mxd_status mxdi_interp_global_max_pool(const mxdi_interp_call *c)
{
    return global(c, false);
}
