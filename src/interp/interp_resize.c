/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize-19 and Upsample-9: nearest, linear and cubic, one axis after another, since all three are
 * separable. Along an axis each output position is a weighted sum of input positions: those under a
 * kernel that is laid around the place the position comes from, and stretched when antialiasing.
 * Positions outside count at the nearest edge.
 */
#include "interp/interp_impl.h"

/* What the node asks for along one axis. */
typedef struct axis_plan {
    int64_t in, out;
    double  scale, roi_start, roi_end;
} axis_plan;

typedef struct resize resize;
struct resize {
    double (*place)(const axis_plan *a, double o); /* of output o, on the input's axis */
    double (*kernel)(const resize *r, double d);   /* NULL: nearest */
    double (*nearest)(double place);
    double    support; /* the kernel is 0 from there on */
    double    cubic_a, extrapolation;
    bool      exclude_outside, antialias, crop;
    axis_plan axis[MXD_MAX_RANK];
};

/* ---- coordinate_transformation_mode ---- */

static double half_pixel(const axis_plan *a, double o)
{
    return (o + 0.5) / a->scale - 0.5;
}

static double half_pixel_symmetric(const axis_plan *a, double o)
{
    const double in = (double)a->in, adjustment = (double)a->out / (in * a->scale);
    return in / 2 * (1 - adjustment) + half_pixel(a, o);
}

static double pytorch_half_pixel(const axis_plan *a, double o)
{
    return a->out > 1 ? half_pixel(a, o) : 0;
}

/* The output's length is not rounded here: in * scale. */
static double align_corners(const axis_plan *a, double o)
{
    return a->out > 1 ? o * (double)(a->in - 1) / ((double)a->in * a->scale - 1) : 0;
}

static double asymmetric(const axis_plan *a, double o)
{
    return o / a->scale;
}

/* Of version 11 alone. */
static double tf_half_pixel_for_nn(const axis_plan *a, double o)
{
    return (o + 0.5) / a->scale;
}

static double tf_crop_and_resize(const axis_plan *a, double o)
{
    const double last = (double)(a->in - 1), span = a->roi_end - a->roi_start;
    if (a->out > 1)
        return a->roi_start * last + o * span * last / (double)(a->out - 1);
    return 0.5 * (a->roi_start + a->roi_end) * last;
}

/* ---- nearest_mode; the default first ---- */

static double round_prefer_floor(double place)
{
    return ceil(place - 0.5);
}

static double round_prefer_ceil(double place)
{
    return floor(place + 0.5);
}

/* ---- kernels, of the distance from the place ---- */

static double linear(const resize *r, double d)
{
    (void)r;
    return d < 1 ? 1 - d : 0;
}

/* Keys 1981, "Cubic convolution interpolation for digital image processing", equation 4. */
static double cubic(const resize *r, double d)
{
    const double a = r->cubic_a;
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* ---- reading the node ---- */

/* X and scales alone, and none of the words. */
static bool is_old(const mxd_node *node)
{
    return node->version < 11 || mxdi_node_is(node, "Upsample");
}

static mxd_status read_words(const mxdi_interp_call *c, resize *r)
{
    static const struct {
        const char *name;
        double (*place)(const axis_plan *a, double o);
    } places[] = {
        { "half_pixel", half_pixel },
        { "half_pixel_symmetric", half_pixel_symmetric },
        { "pytorch_half_pixel", pytorch_half_pixel },
        { "align_corners", align_corners },
        { "asymmetric", asymmetric },
        { "tf_half_pixel_for_nn", tf_half_pixel_for_nn },
        { "tf_crop_and_resize", tf_crop_and_resize },
    };
    static const struct {
        const char *name;
        double (*nearest)(double place);
    } nearests[] = {
        { "round_prefer_floor", round_prefer_floor },
        { "round_prefer_ceil", round_prefer_ceil },
        { "floor", floor },
        { "ceil", ceil },
    };
    const bool        old   = is_old(c->node);
    const char *const mode  = mxd_node_string(c->node, "mode", "nearest");
    const char *const place = mxd_node_string(c->node, "coordinate_transformation_mode",
                                              old ? "asymmetric" : "half_pixel");
    const char *const nearest =
        mxd_node_string(c->node, "nearest_mode", old ? "floor" : "round_prefer_floor");
    for (size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++)
        if (strcmp(places[k].name, place) == 0)
            r->place = places[k].place;
    for (size_t k = 0; k < sizeof(nearests) / sizeof(nearests[0]); k++)
        if (strcmp(nearests[k].name, nearest) == 0)
            r->nearest = nearests[k].nearest;
    r->kernel  = strcmp(mode, "linear") == 0 ? linear : strcmp(mode, "cubic") == 0 ? cubic : NULL;
    r->support = r->kernel == cubic ? 2 : 1;
    if (!r->place || !r->nearest || (!r->kernel && strcmp(mode, "nearest") != 0))
        return mxdi_fail(c->err, MXD_E_INVAL,
                         "mode '%s', coordinates '%s', nearest '%s': expected known ones", mode,
                         place, nearest);
    return MXD_OK;
}

/* One scale for all axes, as keep_aspect_ratio_policy chooses it among those of `sizes`. */
static void keep_ratio(const mxdi_interp_call *c, resize *r, const char *policy,
                       const int32_t *axis, uint32_t n)
{
    const bool larger = strcmp(policy, "not_smaller") == 0;
    double     same   = 0;
    for (uint32_t i = 0; i < n; i++) {
        const double s = mxdi_interp_get(&c->in[3], i) / (double)r->axis[axis[i]].in;
        same           = i == 0 || (larger ? s > same : s < same) ? s : same;
    }
    for (uint32_t i = 0; i < n; i++)
        r->axis[axis[i]].scale = same;
}

/* Scales are given, or follow from the sizes. */
static mxd_status read_scales(const mxdi_interp_call *c, resize *r, const int32_t *axis, uint32_t n)
{
    const uint32_t        k      = is_old(c->node) ? 1 : 2;
    const mxd_attr *const attr   = mxd_node_attr(c->node, "scales", MXD_ATTR_FLOATS);
    const char *const     policy = mxd_node_string(c->node, "keep_aspect_ratio_policy", "stretch");
    const bool            given  = mxdi_interp_given(c, k) && mxdi_interp_count(&c->in[k]) > 0;
    if (given)
        MXD_TRY(mxdi_interp_want_count(c, &c->in[k], "scales", n));
    if (attr && attr->n != n)
        return mxdi_fail(c->err, MXD_E_SHAPE, "scales: expected %u numbers, got %u", n, attr->n);
    for (uint32_t i = 0; i < n; i++) {
        axis_plan *const a = &r->axis[axis[i]];
        a->scale           = given  ? mxdi_interp_get(&c->in[k], i)
                             : attr ? (double)attr->floats[i]
                                    : (double)a->out / (double)a->in;
        if (!(a->scale > 0))
            return mxdi_fail(c->err, MXD_E_RANGE, "scales: expected numbers above 0, got %g",
                             a->scale);
    }
    if (given || attr || strcmp(policy, "stretch") == 0)
        return MXD_OK;
    if (!mxdi_interp_given(c, 3))
        return mxdi_fail(c->err, MXD_E_INVAL, "expected scales or sizes, got neither");
    MXD_TRY(mxdi_interp_want_count(c, &c->in[3], "sizes", n));
    keep_ratio(c, r, policy, axis, n);
    return MXD_OK;
}

static mxd_status read_region(const mxdi_interp_call *c, resize *r, const int32_t *axis, uint32_t n)
{
    if (!mxdi_interp_given(c, 1))
        return mxdi_fail(c->err, MXD_E_INVAL, "roi: expected %u numbers, got none", 2 * n);
    MXD_TRY(mxdi_interp_want_count(c, &c->in[1], "roi", 2 * (int64_t)n));
    for (uint32_t i = 0; i < n; i++) {
        r->axis[axis[i]].roi_start = mxdi_interp_get(&c->in[1], i);
        r->axis[axis[i]].roi_end   = mxdi_interp_get(&c->in[1], n + i);
    }
    return MXD_OK;
}

static mxd_status read_node(const mxdi_interp_call *c, resize *r)
{
    const mxd_tensor *const x = &c->in[0], *const y = &c->out[0];
    int32_t  axis[MXD_MAX_RANK];
    uint32_t n;
    bool     given;
    *r = (resize){ .cubic_a         = (double)mxd_node_float(c->node, "cubic_coeff_a", -0.75f),
                   .extrapolation   = (double)mxd_node_float(c->node, "extrapolation_value", 0.0f),
                   .exclude_outside = mxd_node_int(c->node, "exclude_outside", 0) != 0,
                   .antialias       = mxd_node_int(c->node, "antialias", 0) != 0 };
    MXD_TRY(read_words(c, r));
    r->crop = r->place == tf_crop_and_resize;
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", x->dtype));
    if (y->rank != x->rank)
        return mxdi_fail(c->err, MXD_E_SHAPE, "output: expected rank %d, got %d", (int)x->rank,
                         (int)y->rank);
    for (int32_t d = 0; d < x->rank; d++)
        r->axis[d] = (axis_plan){ x->dim[d], y->dim[d], 1, 0, 1 };
    MXD_TRY(mxdi_interp_axes(c, UINT32_MAX, "axes", x->rank, axis, &n, &given));
    MXD_TRY(read_scales(c, r, axis, n));
    for (int32_t d = 0; d < x->rank && (r->antialias || !r->crop); d++)
        if (4 * (double)x->dim[d] * r->axis[d].scale <
            (double)y->dim[d]) /* bounds the work of antialiasing */
            return mxdi_fail(c->err, MXD_E_SHAPE, "axis %d: %lld by %g does not give %lld", (int)d,
                             (long long)x->dim[d], r->axis[d].scale, (long long)y->dim[d]);
    return r->crop ? read_region(c, r, axis, n) : MXD_OK;
}

/* ---- one axis ---- */

/* The input positions [*first, *end) of output o, with their weights; none: outside of the cropped
 * image. */
static void taps_of(double *weight, int64_t *first, int64_t *end, const resize *r,
                    const axis_plan *a, int64_t o)
{
    const double last    = (double)(a->in - 1);
    const double squeeze = r->antialias && a->scale < 1 ? a->scale : 1,
                 reach   = r->support / squeeze;
    double place = r->place(a, (double)o), sum = 0;
    *first = *end = 0;
    if (!isfinite(place) || (r->crop && (place < 0 || place > last)))
        return;
    if (!r->kernel) {
        *first         = (int64_t)fmin(fmax(r->nearest(place), 0), last);
        *end           = *first + 1;
        weight[*first] = 1;
        return;
    }
    place  = fmin(fmax(place, -reach - 1), last + reach + 1); /* all on an edge beyond that */
    *first = (int64_t)fmin(fmax(floor(place - reach), 0), last);
    *end   = (int64_t)fmin(fmax(ceil(place + reach), 0), last) + 1;
    memset(weight + *first, 0, (size_t)(*end - *first) * sizeof(*weight));
    for (double p = floor(place - reach); p <= place + reach; p++) {
        const double w = r->kernel(r, fabs(p - place) * squeeze);
        if (r->exclude_outside && (p < 0 || p > last))
            continue;
        weight[(int64_t)fmin(fmax(p, 0), last)] += w;
        sum += w;
    }
    for (int64_t p = *first; p < *end && (squeeze < 1 || r->exclude_outside) && sum != 0; p++)
        weight[p] /= sum;
}

/* y (outer, out, inner) from x (outer, in, inner); weight: room for `in`. */
static void resize_axis(double *y, const double *x, double *weight, const resize *r,
                        const axis_plan *a, int64_t outer, int64_t inner)
{
    for (int64_t o = 0; o < a->out; o++) {
        int64_t first, end;
        taps_of(weight, &first, &end, r, a, o);
        for (int64_t k = 0; k < outer; k++)
            for (int64_t i = 0; i < inner; i++) {
                double sum = first < end ? 0 : r->extrapolation;
                for (int64_t p = first; p < end; p++)
                    sum += weight[p] * x[(k * a->in + p) * inner + i];
                y[(k * a->out + o) * inner + i] = sum;
            }
    }
}

static void store(mxd_tensor *y, const double *v, int64_t n)
{
    int64_t lo, hi;
    for (int64_t i = 0; i < n; i++)
        if (mxdi_dtype_range(y->dtype, &lo, &hi)) /* cubic overshoots */
            mxdi_interp_put(y, i, fmin(fmax(rint(v[i]), (double)lo), (double)hi));
        else
            mxdi_interp_put(y, i, v[i]);
}

/* Axes that shrink come first: then nothing in between is larger than both ends. */
mxd_status mxdi_interp_resize(const mxdi_interp_call *c)
{
    const mxd_tensor *const x    = &c->in[0];
    const int64_t           n_in = mxdi_interp_count(x), n_out = mxdi_interp_count(&c->out[0]);
    const int64_t           most = n_in > n_out ? n_in : n_out;
    resize                  r;
    int64_t                 dim[MXD_MAX_RANK];
    if (n_out == 0)
        return MXD_OK;
    if (n_in == 0)
        return mxdi_fail(c->err, MXD_E_SHAPE, "input: expected elements, got none");
    MXD_TRY(read_node(c, &r));
    double *from         = mxdi_interp_alloc(c, most, sizeof(*from)),
           *to           = mxdi_interp_alloc(c, most, sizeof(*to));
    double *const weight = mxdi_interp_alloc(c, n_in, sizeof(*weight));
    if (!from || !to || !weight)
        return mxdi_nomem(c->err);
    for (int64_t i = 0; i < n_in; i++)
        from[i] = mxdi_interp_get(x, i);
    memcpy(dim, x->dim, sizeof(dim));
    for (int32_t k = 0; k < 2 * x->rank; k++) {
        const int32_t          d     = k % x->rank;
        const axis_plan *const a     = &r.axis[d];
        const bool             moves = a->in != a->out || a->scale != 1.0 || r.crop;
        if (!moves || (k < x->rank) != (a->out <= a->in))
            continue;
        resize_axis(to, from, weight, &r, a, mxdi_interp_product(dim, 0, d),
                    mxdi_interp_product(dim, d + 1, x->rank));
        dim[d]             = a->out;
        double *const swap = from;
        from               = to;
        to                 = swap;
    }
    store(&c->out[0], from, n_out);
    return MXD_OK;
}
