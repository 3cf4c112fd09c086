/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of Resize (versions 10 to 19) and Upsample (7 and 9). Scales are constants, or attributes
 * of Upsample-7; a constant without elements counts as left out, as files of version 11 write it.
 */
#include "ir/shapes.h"

#include <math.h>

typedef struct floats {
    mxdi_source source;
    uint32_t    n;
    float       v[MXDI_INTS_MAX];
} floats;

static mxd_status read_floats(floats *out, const mxdi_graph *g, const mxd_node *node, uint32_t k,
                              mxd_error *err)
{
    const mxd_value *const v = mxdi_shape_in(g, node, k);
    *out                     = (floats){ .source = MXDI_ABSENT };
    if (!v || (v->rank == 1 && v->dim[0] == 0))
        return MXD_OK;
    MXD_TRY(mxdi_shape_types(g, node, k, MXDI_FLOATS, err));
    MXD_TRY(mxdi_shape_rank(g, node, k, 1, 1, err));
    out->source = MXDI_DATA;
    if (!v->data)
        return MXD_OK;
    if (v->dim[0] > MXDI_INTS_MAX)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "input '%s': got %lld numbers", v->name,
                                 (long long)v->dim[0]);
    out->source = MXDI_KNOWN;
    out->n      = (uint32_t)v->dim[0];
    for (uint32_t i = 0; i < out->n; i++)
        out->v[i] = (float)mxdi_load_f64(v->data, v->dtype, i);
    return MXD_OK;
}

/* floor(size * scale), as files are written with it: in binary32. */
static mxd_status scaled(int64_t *dim, const mxd_node *node, float scale, mxd_error *err)
{
    if (!(scale > 0.0f) || isinf(scale))
        return mxdi_shape_refuse(err, MXD_E_RANGE, node, "scales: expected numbers above 0, got %g",
                                 (double)scale);
    if (*dim < 0)
        return MXD_OK;
    const float size = floorf((float)*dim * scale);
    if (size > (float)INT32_MAX)
        return mxdi_shape_refuse(err, MXD_E_RANGE, node, "scales: %lld x %g is too large",
                                 (long long)*dim, (double)scale);
    *dim = (int64_t)size;
    return MXD_OK;
}

/* One scale for all axes, so that the result is not larger (or not smaller) than sizes (18). */
static mxd_status keep_ratio(int64_t *dim, const mxd_node *node, const mxdi_ints *axes,
                             const mxdi_ints *sizes, bool larger, mxd_error *err)
{
    float scale = larger ? 0.0f : INFINITY;
    for (uint32_t k = 0; k < axes->n; k++) {
        const int64_t from = dim[axes->v[k]];
        if (from == 0)
            return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                     "an axis without elements has no ratio");
        const float ratio = (float)sizes->v[k] / (float)from;
        scale             = (larger ? ratio > scale : ratio < scale) ? ratio : scale;
    }
    for (uint32_t k = 0; k < axes->n; k++) {
        const float size = floorf((float)dim[axes->v[k]] * scale + 0.5f);
        if (size > (float)INT32_MAX)
            return mxdi_shape_refuse(err, MXD_E_RANGE, node, "sizes: too large");
        dim[axes->v[k]] = (int64_t)size;
    }
    return MXD_OK;
}

static mxd_status apply_sizes(int64_t *dim, const mxd_node *node, const mxdi_ints *axes,
                              const mxdi_ints *sizes, mxd_error *err)
{
    static const char *const words[] = { "stretch", "not_larger", "not_smaller" };
    uint32_t                 policy  = 0;
    bool                     known   = true;
    MXD_TRY(mxdi_shape_word(&policy, node, "keep_aspect_ratio_policy", words, 3, err));
    if (sizes->n != axes->n)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "sizes: expected %u numbers, got %u",
                                 (unsigned)axes->n, (unsigned)sizes->n);
    for (uint32_t k = 0; k < axes->n; k++) {
        if (sizes->v[k] < 1 || sizes->v[k] > INT32_MAX)
            return mxdi_shape_refuse(err, MXD_E_RANGE, node, "sizes: expected 1 or more, got %lld",
                                     (long long)sizes->v[k]);
        known = known && dim[axes->v[k]] >= 0;
    }
    if (policy != 0 && known)
        return keep_ratio(dim, node, axes, sizes, policy == 2, err);
    for (uint32_t k = 0; k < axes->n; k++)
        dim[axes->v[k]] = policy == 0 ? sizes->v[k] : -1;
    return MXD_OK;
}

/* With tf_crop_and_resize, scales apply to what the region of interest leaves. */
static mxd_status apply_scales(int64_t *dim, const mxd_node *node, const mxdi_ints *axes,
                               const floats *scales, const floats *roi, mxd_error *err)
{
    if (scales->n != axes->n)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "scales: expected %u numbers, got %u",
                                 (unsigned)axes->n, (unsigned)scales->n);
    for (uint32_t k = 0; k < axes->n; k++) {
        const float part = roi->source == MXDI_KNOWN ? roi->v[axes->n + k] - roi->v[k] : 1.0f;
        MXD_TRY(scaled(&dim[axes->v[k]], node, scales->v[k] * part, err));
    }
    return MXD_OK;
}

static mxd_status check_words(const mxd_node *node, bool *crop, mxd_error *err)
{
    static const char *const modes[]   = { "nearest", "linear", "cubic" };
    static const char *const nearest[] = { "round_prefer_floor", "round_prefer_ceil", "floor",
                                           "ceil" };
    static const char *const places[]  = { "half_pixel",         "half_pixel_symmetric",
                                           "pytorch_half_pixel", "align_corners",
                                           "asymmetric",         "tf_half_pixel_for_nn",
                                           "tf_crop_and_resize" };
    uint32_t                 which     = 0;
    MXD_TRY(mxdi_shape_word(&which, node, "mode", modes, 3, err));
    MXD_TRY(mxdi_shape_word(&which, node, "nearest_mode", nearest, 4, err));
    MXD_TRY(mxdi_shape_word(&which, node, "coordinate_transformation_mode", places, 7, err));
    *crop = which == 6;
    return MXD_OK;
}

static mxd_status resize_axes(mxdi_ints *axes, const mxdi_graph *g, const mxd_node *node,
                              int32_t rank, mxd_error *err)
{
    MXD_TRY(mxdi_shape_axes(axes, g, node, "axes", MXD_NO_VALUE, rank, err));
    if (axes->source == MXDI_KNOWN)
        return MXD_OK;
    axes->n = (uint32_t)rank;
    for (int32_t k = 0; k < rank; k++)
        axes->v[k] = k;
    return MXD_OK;
}

mxd_status mxdi_shape_of_resize(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    const mxd_value *const x    = mxdi_shape_in(g, node, 0);
    const bool             old  = node->version < 11; /* X, scales; later X, roi, scales, sizes */
    bool                   crop = false;
    floats                 roi  = { .source = MXDI_ABSENT }, scales;
    mxdi_ints              axes, sizes = { .source = MXDI_ABSENT };
    int64_t                dim[MXD_MAX_RANK];
    MXD_TRY(check_words(node, &crop, err));
    MXD_TRY(resize_axes(&axes, g, node, x->rank, err));
    MXD_TRY(read_floats(&scales, g, node, old ? 1 : 2, err));
    if (!old && crop)
        MXD_TRY(read_floats(&roi, g, node, 1, err));
    if (!old)
        MXD_TRY(mxdi_shape_ints(&sizes, g, node, NULL, 3, err));
    const bool by_size = sizes.source != MXDI_ABSENT && (sizes.source == MXDI_DATA || sizes.n > 0);
    if ((scales.source != MXDI_ABSENT) == by_size)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "expected scales or sizes, got %s",
                                 by_size ? "both" : "neither");
    if (scales.source == MXDI_DATA || sizes.source == MXDI_DATA || roi.source == MXDI_DATA)
        return mxdi_shape_out_open(g, node, 0, x->dtype);
    if (crop && roi.n != 2 * axes.n)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "roi: expected %u numbers, got %u",
                                 (unsigned)(2 * axes.n), (unsigned)roi.n);
    memcpy(dim, x->dim, sizeof(dim));
    if (by_size)
        MXD_TRY(apply_sizes(dim, node, &axes, &sizes, err));
    else
        MXD_TRY(apply_scales(dim, node, &axes, &scales, &roi, err));
    return mxdi_shape_out(g, node, 0, x->dtype, dim, x->rank, err);
}

mxd_status mxdi_shape_of_upsample(mxdi_graph *g, const mxd_node *node, mxd_error *err)
{
    static const char *const modes[] = { "nearest", "linear" };
    const mxd_value *const   x       = mxdi_shape_in(g, node, 0);
    const mxd_attr *const    attr    = mxd_node_attr(node, "scales", MXD_ATTR_FLOATS);
    uint32_t                 which   = 0;
    floats                   scales;
    int64_t                  dim[MXD_MAX_RANK];
    MXD_TRY(mxdi_shape_word(&which, node, "mode", modes, 2, err));
    MXD_TRY(read_floats(&scales, g, node, 1, err));
    if (scales.source == MXDI_DATA)
        return mxdi_shape_out_open(g, node, 0, x->dtype);
    const float *const v = scales.source == MXDI_KNOWN ? scales.v : attr ? attr->floats : NULL;
    const uint32_t     n = scales.source == MXDI_KNOWN ? scales.n : attr ? attr->n : 0;
    if (!v || n != (uint32_t)x->rank)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "scales: expected %d numbers, got %u",
                                 (int)x->rank, (unsigned)n);
    memcpy(dim, x->dim, sizeof(dim));
    for (int32_t k = 0; k < x->rank; k++)
        MXD_TRY(scaled(&dim[k], node, v[k], err));
    return mxdi_shape_out(g, node, 0, x->dtype, dim, x->rank, err);
}
