/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows sliding over up to three spatial axes, and convolution of 32-bit words by them: one loop
 * nest for float and integers.
 */
#include "interp/interp_impl.h"

/* Leading axes of extent 1, so that every window has three axes. */
static void widen(mxdi_window *w)
{
    const int32_t     lead = MXDI_MAX_SPATIAL - w->rank;
    const mxdi_window from = *w;
    for (int32_t i = 0; i < MXDI_MAX_SPATIAL; i++) {
        const int32_t k = i - lead;
        w->kernel[i]    = k < 0 ? 1 : from.kernel[k];
        w->stride[i]    = k < 0 ? 1 : from.stride[k];
        w->dilation[i]  = k < 0 ? 1 : from.dilation[k];
        w->pad_begin[i] = k < 0 ? 0 : from.pad_begin[k];
        w->pad_end[i]   = k < 0 ? 0 : from.pad_end[k];
        w->in[i]        = k < 0 ? 1 : from.in[k];
        w->out[i]       = k < 0 ? 1 : from.out[k];
    }
}

mxd_status mxdi_interp_window(const mxdi_interp_call *c, mxdi_window *w, const mxd_tensor *x,
                              const int64_t *kernel)
{
    const int32_t rank = x->rank - 2;
    if (rank < 1 || rank > MXDI_MAX_SPATIAL)
        return mxdi_fail(c->err, MXD_E_UNSUPPORTED, "input: expected 1 to %d spatial axes, got %d",
                         MXDI_MAX_SPATIAL, (int)rank);
    const mxd_status st = mxdi_window_of(w, c->node, x->dim + 2, kernel, rank, NULL);
    if (st !=
        MXD_OK) /* shape inference tells the details, with the name that our caller adds here */
        return mxdi_fail(c->err, st,
                         "kernel_shape, strides, dilations or pads do not fit the input");
    widen(w);
    return MXD_OK;
}

void mxdi_interp_taps_of(mxdi_interp_taps taps[MXDI_MAX_SPATIAL], const mxdi_window *w,
                         const int64_t o[MXDI_MAX_SPATIAL])
{
    for (int axis = 0; axis < MXDI_MAX_SPATIAL; axis++) {
        const int64_t at = mxdi_interp_tap(w, axis, o[axis], 0), step = w->dilation[axis];
        const int64_t first = at < 0 ? (-at + step - 1) / step : 0;
        const int64_t end   = at < w->in[axis] ? (w->in[axis] - 1 - at) / step + 1 : 0;
        const int64_t reach =
            (w->in[axis] + w->pad_end[axis] - 1 - at) / step + 1; /* at: not beyond */
        taps[axis].counted = reach < w->kernel[axis] ? reach : w->kernel[axis];
        taps[axis].end     = end < w->kernel[axis] ? end : w->kernel[axis];
        taps[axis].first   = first < taps[axis].end ? first : taps[axis].end;
    }
}

mxd_status mxdi_interp_pool_window(const mxdi_interp_call *c, mxdi_window *w)
{
    const mxd_tensor *const x = &c->in[0];
    int64_t                 want[MXD_MAX_RANK];
    MXD_TRY(mxdi_interp_window(c, w, x, NULL));
    want[0] = x->dim[0];
    want[1] = x->dim[1];
    for (int32_t i = 2; i < x->rank; i++)
        want[i] = w->out[MXDI_MAX_SPATIAL - x->rank + i];
    return mxdi_interp_want_shape(c, &c->out[0], "output", want, x->rank);
}

mxd_status mxdi_interp_conv_shape_of(const mxdi_interp_call *c, mxdi_interp_conv_shape *s,
                                     const mxd_tensor *x, const mxd_tensor *w, const mxd_tensor *y)
{
    int64_t want[MXD_MAX_RANK];
    s->group = mxd_node_int(c->node, "group", 1);
    if (x->rank < 3 || w->rank != x->rank)
        return mxdi_fail(c->err, MXD_E_SHAPE, "weight: expected rank %d, at least 3, got %d",
                         (int)x->rank, (int)w->rank);
    MXD_TRY(mxdi_interp_window(c, &s->window, x, w->dim + 2));
    const int32_t lead = MXDI_MAX_SPATIAL - (x->rank - 2);
    s->batch           = x->dim[0];
    s->channels        = x->dim[1];
    s->filters         = w->dim[0];
    if (s->group < 1 || s->filters % s->group != 0 || w->dim[1] > s->channels ||
        w->dim[1] * s->group != s->channels)
        return mxdi_fail(c->err, MXD_E_SHAPE,
                         "%lld input channels and %lld filters, weight wants %lld x group %lld",
                         (long long)s->channels, (long long)s->filters, (long long)w->dim[1],
                         (long long)s->group);
    want[0] = s->batch;
    want[1] = s->filters;
    for (int32_t i = 2; i < x->rank; i++) {
        if (s->window.kernel[lead + i - 2] != w->dim[i])
            return mxdi_fail(c->err, MXD_E_SHAPE, "kernel_shape: axis %d: expected %lld, got %lld",
                             (int)i - 2, (long long)w->dim[i],
                             (long long)s->window.kernel[lead + i - 2]);
        want[i] = s->window.out[lead + i - 2];
    }
    return mxdi_interp_want_shape(c, y, "output", want, x->rank);
}

/* One row of outputs along the last axis, all taps and channels of one filter. x: the first channel
 * of the group; w: the filter. Both are words. */
static void convolve_row(char *acc, const mxdi_interp_conv_shape *s, const char *x, const char *w,
                         int64_t oz, int64_t oy, mxdi_interp_row row)
{
    enum { WORD = 4 };
    const mxdi_window *const v     = &s->window;
    const int64_t            per   = s->channels / s->group;
    const int64_t            plane = v->in[0] * v->in[1] * v->in[2];
    const int64_t            taps  = v->kernel[0] * v->kernel[1] * v->kernel[2];
    int64_t                  tap   = 0;
    for (int64_t kz = 0; kz < v->kernel[0]; kz++)
        for (int64_t ky = 0; ky < v->kernel[1]; ky++)
            for (int64_t kx = 0; kx < v->kernel[2]; kx++, tap++) {
                const int64_t z = mxdi_interp_tap(v, 0, oz, kz), y = mxdi_interp_tap(v, 1, oy, ky);
                if (z < 0 || z >= v->in[0] || y < 0 || y >= v->in[1])
                    continue;
                int64_t       first = 0, end = v->out[2]; /* outputs whose tap is inside */
                const int64_t at = mxdi_interp_tap(v, 2, 0, kx);
                if (at < 0)
                    first = (-at + v->stride[2] - 1) / v->stride[2];
                if (at >= v->in[2])
                    continue;
                if (at + (end - 1) * v->stride[2] >= v->in[2])
                    end = (v->in[2] - 1 - at) / v->stride[2] + 1;
                if (first >= end)
                    continue;
                const int64_t from = (z * v->in[1] + y) * v->in[2] + at + first * v->stride[2];
                for (int64_t ch = 0; ch < per; ch++)
                    row(acc + first * WORD, x + (ch * plane + from) * WORD, v->stride[2],
                        w + (ch * taps + tap) * WORD, end - first);
            }
}

void mxdi_interp_convolve(void *acc, const mxdi_interp_conv_shape *s, const void *x, const void *w,
                          mxdi_interp_row row)
{
    enum { WORD = 4 };
    const mxdi_window *const v         = &s->window;
    const int64_t            per       = s->channels / s->group;
    const int64_t            plane_in  = v->in[0] * v->in[1] * v->in[2];
    const int64_t            plane_out = v->out[0] * v->out[1] * v->out[2];
    const int64_t            taps      = v->kernel[0] * v->kernel[1] * v->kernel[2];
    for (int64_t n = 0; n < s->batch; n++)
        for (int64_t f = 0; f < s->filters; f++) {
            const int64_t     channel = f / (s->filters / s->group) * per;
            const char *const image =
                (const char *)x + (n * s->channels + channel) * plane_in * WORD;
            const char *const filter = (const char *)w + f * per * taps * WORD;
            char *const       plane  = (char *)acc + (n * s->filters + f) * plane_out * WORD;
            for (int64_t oz = 0; oz < v->out[0]; oz++)
                for (int64_t oy = 0; oy < v->out[1]; oy++)
                    convolve_row(plane + (oz * v->out[1] + oy) * v->out[2] * WORD, s, image, filter,
                                 oz, oy, row);
        }
}
