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

/* The element of the largest tap, or -1 when no tap is in the image; the first of equals. x: one plane. */
static int64_t largest(const mxd_tensor *x, int64_t plane, const mxdi_window *w, const int64_t *o, double *value)
{
    const int64_t taps  = w->kernel[0] * w->kernel[1] * w->kernel[2];
    int64_t       found = -1, at;
    for (int64_t t = 0; t < taps; t++) {
        if (mxdi_interp_place_of(w, o, t, &at) != MXDI_IN_IMAGE)
            continue;
        const double v = mxdi_interp_get(x, plane + at);
        if (found < 0 || v > *value) {
            found  = at;
            *value = v;
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
        const int64_t plane = o.index[0] * size;
        double        value = empty;
        const int64_t at    = largest(x, plane, &w, o.index + 1, &value);
        mxdi_interp_put(y, i, value);
        if (indices)
            ((int64_t *)c->out[1].data)[i] = plane + (at < 0 ? 0 : by_column ? column_major(&w, at) : at);
    }
    return MXD_OK;
}

/* ONNX AveragePool-22: with count_include_pad padding counts, but never what ceil_mode adds beyond it. */
mxd_status mxdi_interp_average_pool(const mxdi_interp_call *c)
{
    const mxd_tensor *const x       = &c->in[0];
    const bool              padding = mxd_node_int(c->node, "count_include_pad", 0) != 0;
    mxd_tensor *const       y       = &c->out[0];
    mxdi_window             w;
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", x->dtype));
    MXD_TRY(mxdi_interp_pool_window(c, &w));
    const int64_t    size = w.in[0] * w.in[1] * w.in[2], taps = w.kernel[0] * w.kernel[1] * w.kernel[2];
    const int64_t    dim[] = { y->dim[0] * y->dim[1], w.out[0], w.out[1], w.out[2] };
    mxdi_interp_walk o;
    mxdi_interp_walk_init(&o, dim, 4);
    for (int64_t i = 0; o.left > 0; i++, mxdi_interp_walk_next(&o)) {
        double  sum = 0;
        int64_t n   = 0, at;
        for (int64_t t = 0; t < taps; t++) {
            const mxdi_interp_place place = mxdi_interp_place_of(&w, o.index + 1, t, &at);
            if (place == MXDI_IN_IMAGE)
                sum += mxdi_interp_get(x, o.index[0] * size + at);
            n += place == MXDI_IN_IMAGE || (padding && place == MXDI_IN_PADDING);
        }
        mxdi_interp_put(y, i, n ? sum / (double)n : 0.0);
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
        return mxdi_fail(c->err, MXD_E_SHAPE, "input: expected rank 2 or more, got %d", (int)x->rank);
    const int64_t planes = x->dim[0] * x->dim[1], size = mxdi_interp_product(x->dim, 2, x->rank);
    MXD_TRY(mxdi_interp_want_count(c, y, "output", planes));
    for (int64_t p = 0; p < planes; p++) {
        double r = mean ? 0.0 : -INFINITY;
        for (int64_t i = 0; i < size; i++) {
            const double v = mxdi_interp_get(x, p * size + i);
            r              = mean ? r + v : v > r ? v : r;
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
