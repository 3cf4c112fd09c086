/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize-19 and Upsample-9: nearest, linear and cubic, one axis after another, since all three are separable. Along an
 * axis every output position has a list of source positions and weights; antialiasing is refused.
 */
#include "interp/interp_impl.h"

enum { MAX_TAPS = 4 };

/* What the node asks for along one axis. */
struct axis_plan {
    int64_t in, out;
    double  scale, roi_start, roi_end;
};

struct resize {
    const char *mode, *coordinate, *nearest;
    double      cubic_a, extrapolation;
    bool        exclude_outside, crop;
    struct axis_plan axis[MXD_MAX_RANK];
};

/* ---- coordinates (ONNX Resize, coordinate_transformation_mode) ---- */

static double source_of(const struct resize *r, const struct axis_plan *a, double o)
{
    const char *const m = r->coordinate;
    const double in = (double)a->in, out = (double)a->out, length = in * a->scale;
    if (strcmp(m, "asymmetric") == 0)
        return o / a->scale;
    if (strcmp(m, "align_corners") == 0)
        return out > 1 ? o * (in - 1) / (length - 1) : 0.0;
    if (strcmp(m, "pytorch_half_pixel") == 0)
        return length > 1 ? (o + 0.5) / a->scale - 0.5 : 0.0;
    if (strcmp(m, "half_pixel_symmetric") == 0) {
        const double adjust = out / length, centre = in / 2.0;
        return centre * (1.0 - adjust) + (o + 0.5) / a->scale - 0.5;
    }
    if (strcmp(m, "tf_crop_and_resize") == 0)
        return out > 1 ? a->roi_start * (in - 1) + o * (a->roi_end - a->roi_start) * (in - 1) / (out - 1) : 0.5 * (a->roi_start + a->roi_end) * (in - 1);
    return (o + 0.5) / a->scale - 0.5; /* half_pixel */
}

static int64_t nearest_of(const struct resize *r, double x)
{
    if (strcmp(r->nearest, "round_prefer_ceil") == 0)
        return (int64_t)floor(x + 0.5);
    if (strcmp(r->nearest, "floor") == 0)
        return (int64_t)floor(x);
    if (strcmp(r->nearest, "ceil") == 0)
        return (int64_t)ceil(x);
    return (int64_t)ceil(x - 0.5); /* round_prefer_floor */
}

/* Sources and weights of output o; returns their number, 0: outside of the cropped image. */
static int taps_of(int64_t at[MAX_TAPS], double weight[MAX_TAPS], const struct resize *r, const struct axis_plan *a, int64_t o)
{
    const double x = source_of(r, a, (double)o);
    int n = 1;
    if (r->crop && (x < 0.0 || x > (double)(a->in - 1)))
        return 0;
    if (strcmp(r->mode, "nearest") == 0) {
        at[0] = nearest_of(r, x);
        weight[0] = 1.0;
    } else if (strcmp(r->mode, "cubic") == 0) {
        const double base = floor(x), t = x - base, c = r->cubic_a; /* Keys' kernel */
        const double d[4] = { 1.0 + t, t, 1.0 - t, 2.0 - t };
        n = 4;
        for (int k = 0; k < 4; k++) {
            at[k] = (int64_t)base - 1 + k;
            weight[k] = k == 1 || k == 2 ? ((c + 2) * d[k] - (c + 3)) * d[k] * d[k] + 1 : ((c * d[k] - 5 * c) * d[k] + 8 * c) * d[k] - 4 * c;
        }
    } else {
        const double base = floor(x);
        n = 2;
        at[0] = (int64_t)base;
        at[1] = at[0] + 1;
        weight[1] = x - base;
        weight[0] = 1.0 - weight[1];
    }
    double sum = 0.0;
    for (int k = 0; k < n; k++) {
        if (r->exclude_outside && (at[k] < 0 || at[k] >= a->in))
            weight[k] = 0.0;
        sum += weight[k];
        at[k] = at[k] < 0 ? 0 : at[k] >= a->in ? a->in - 1 : at[k];
    }
    for (int k = 0; r->exclude_outside && k < n && sum != 0.0; k++)
        weight[k] /= sum;
    return n;
}

/* ---- scales, sizes, regions ---- */

/* Numbers of input `k` for the axes that the node resizes. */
static mxd_status axes_of(const mxdi_interp_call *c, int32_t axis[MXD_MAX_RANK], uint32_t *n)
{
    bool given;
    return mxdi_interp_axes(c, UINT32_MAX, "axes", c->in[0].rank, axis, n, &given);
}

static mxd_status read_scales(const mxdi_interp_call *c, struct resize *r)
{
    const bool upsample = mxdi_node_is(c->node, "Upsample"), old = c->node->version < 11;
    const uint32_t k = upsample || old ? 1 : 2;
    const mxd_attr *const attr = mxd_node_attr(c->node, "scales", MXD_ATTR_FLOATS);
    int32_t axis[MXD_MAX_RANK];
    uint32_t n;
    MXD_TRY(axes_of(c, axis, &n));
    const bool given = mxdi_interp_given(c, k) && mxdi_interp_count(&c->in[k]) > 0;
    if (given && mxdi_interp_count(&c->in[k]) != n)
        return mxdi_fail(c->err, MXD_E_SHAPE, "scales: expected %u numbers, got %lld", n, (long long)mxdi_interp_count(&c->in[k]));
    if (attr && attr->n != n)
        return mxdi_fail(c->err, MXD_E_SHAPE, "scales: expected %u numbers, got %u", n, attr->n);
    const bool keeps = !given && strcmp(mxd_node_string(c->node, "keep_aspect_ratio_policy", "stretch"), "stretch") != 0;
    double same = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        struct axis_plan *const a = &r->axis[axis[i]];
        a->scale = given ? mxdi_interp_get(&c->in[k], i) : attr ? (double)attr->floats[i] : (double)a->out / (double)a->in;
        if (keeps && mxdi_interp_given(c, 3)) {
            const double s = mxdi_interp_get(&c->in[3], i) / (double)a->in;
            const bool larger = strcmp(mxd_node_string(c->node, "keep_aspect_ratio_policy", ""), "not_smaller") == 0;
            same = i == 0 || (larger ? s > same : s < same) ? s : same;
        }
    }
    for (uint32_t i = 0; keeps && i < n; i++)
        r->axis[axis[i]].scale = same;
    return MXD_OK;
}

static mxd_status read_region(const mxdi_interp_call *c, struct resize *r)
{
    int32_t axis[MXD_MAX_RANK];
    uint32_t n;
    MXD_TRY(axes_of(c, axis, &n));
    if (!r->crop)
        return MXD_OK;
    if (!mxdi_interp_given(c, 1) || mxdi_interp_count(&c->in[1]) != 2 * (int64_t)n)
        return mxdi_fail(c->err, MXD_E_SHAPE, "roi: expected %u numbers", 2 * n);
    for (uint32_t i = 0; i < n; i++) {
        r->axis[axis[i]].roi_start = mxdi_interp_get(&c->in[1], i);
        r->axis[axis[i]].roi_end = mxdi_interp_get(&c->in[1], n + i);
    }
    return MXD_OK;
}

static mxd_status read_node(const mxdi_interp_call *c, struct resize *r)
{
    const mxd_tensor *const x = &c->in[0], *const y = &c->out[0];
    const bool old = c->node->version < 11 || mxdi_node_is(c->node, "Upsample");
    *r = (struct resize){ .mode = mxd_node_string(c->node, "mode", "nearest"),
                          .coordinate = old ? "asymmetric" : mxd_node_string(c->node, "coordinate_transformation_mode", "half_pixel"),
                          .nearest = old ? "floor" : mxd_node_string(c->node, "nearest_mode", "round_prefer_floor"),
                          .cubic_a = (double)mxd_node_float(c->node, "cubic_coeff_a", -0.75f),
                          .extrapolation = (double)mxd_node_float(c->node, "extrapolation_value", 0.0f),
                          .exclude_outside = mxd_node_int(c->node, "exclude_outside", 0) != 0 };
    r->crop = strcmp(r->coordinate, "tf_crop_and_resize") == 0;
    if (mxd_node_int(c->node, "antialias", 0))
        return mxdi_fail(c->err, MXD_E_UNSUPPORTED, "antialias: 0 expected");
    if (y->rank != x->rank || y->dtype != x->dtype)
        return mxdi_fail(c->err, MXD_E_SHAPE, "output: the input's rank and type expected");
    for (int32_t d = 0; d < x->rank; d++) {
        r->axis[d] = (struct axis_plan){ x->dim[d], y->dim[d], 1.0, 0.0, 1.0 };
        if (x->dim[d] < 1)
            return mxdi_fail(c->err, MXD_E_SHAPE, "input: axis %d is empty", d);
    }
    MXD_TRY(read_scales(c, r));
    return read_region(c, r);
}

/* ---- one axis ---- */

/* y (outer, out, inner) from x (outer, in, inner). */
static void resize_axis(double *y, const double *x, const struct resize *r, const struct axis_plan *a, int64_t outer, int64_t inner)
{
    for (int64_t o = 0; o < a->out; o++) {
        int64_t at[MAX_TAPS];
        double weight[MAX_TAPS];
        const int n = taps_of(at, weight, r, a, o);
        for (int64_t k = 0; k < outer; k++)
            for (int64_t i = 0; i < inner; i++) {
                double sum = n ? 0.0 : r->extrapolation;
                for (int t = 0; t < n; t++)
                    sum += weight[t] * x[(k * a->in + at[t]) * inner + i];
                y[(k * a->out + o) * inner + i] = sum;
            }
    }
}

mxd_status mxdi_interp_resize(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    struct resize r;
    int64_t dim[MXD_MAX_RANK], n = mxdi_interp_count(x);
    MXD_TRY(read_node(c, &r));
    if (n == 0 || mxdi_interp_count(&c->out[0]) == 0)
        return MXD_OK;
    double *from = mxdi_interp_alloc(c, n, sizeof(*from));
    if (!from)
        return mxdi_nomem(c->err);
    for (int64_t i = 0; i < n; i++)
        from[i] = mxdi_interp_get(x, i);
    memcpy(dim, x->dim, sizeof(dim));
    for (int32_t d = 0; d < x->rank; d++) {
        const struct axis_plan *const a = &r.axis[d];
        if (a->in == a->out && a->scale == 1.0 && !r.crop)
            continue;
        const int64_t outer = mxdi_interp_product(dim, 0, d), inner = mxdi_interp_product(dim, d + 1, x->rank);
        double *const to = mxdi_interp_alloc(c, outer * a->out * inner, sizeof(*to));
        if (!to)
            return mxdi_nomem(c->err);
        resize_axis(to, from, &r, a, outer, inner);
        dim[d] = a->out;
        from = to;
    }
    for (int64_t i = 0; i < mxdi_interp_count(&c->out[0]); i++)
        mxdi_interp_put(&c->out[0], i, mxdi_dtype_is_float(x->dtype) ? from[i] : rint(from[i]));
    return MXD_OK;
}
