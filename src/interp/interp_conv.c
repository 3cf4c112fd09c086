/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv as one fmaf chain per output (interp.h gives the order), and ConvTranspose in binary64.
 */
#include "interp/interp_impl.h"

mxd_status mxdi_interp_conv(const mxdi_interp_call *c)
{
    mxd_tensor *const      y = &c->out[0];
    mxdi_interp_conv_shape s = { .group = 1 };
    const float           *x, *w, *bias = NULL;
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", c->in[0].dtype));
    MXD_TRY(mxdi_interp_conv_shape_of(c, &s, &c->in[0], &c->in[1], y));
    MXD_TRY(mxdi_interp_as_f32(c, &c->in[0], &x));
    MXD_TRY(mxdi_interp_as_f32(c, &c->in[1], &w));
    if (mxdi_interp_given(c, 2)) {
        MXD_TRY(mxdi_interp_want_count(c, &c->in[2], "bias", s.filters));
        MXD_TRY(mxdi_interp_as_f32(c, &c->in[2], &bias));
    }
    const int64_t n     = mxdi_interp_count(y);
    const int64_t plane = mxdi_interp_product(y->dim, 2, y->rank);
    float *const  acc   = y->dtype == MXD_F32 ? y->data : mxdi_interp_alloc(c, n, sizeof(*acc));
    if (!acc)
        return mxdi_nomem(c->err);
    for (int64_t i = 0; i < n; i++)
        acc[i] = bias ? bias[i / plane % s.filters] : 0.0f;
    mxdi_interp_convolve(acc, &s, x, w, mxdi_interp_row_f32);
    if (y->dtype != MXD_F32)
        for (int64_t i = 0; i < n; i++)
            mxdi_interp_put(y, i, (double)acc[i]);
    return MXD_OK;
}

/* Three spatial axes, leading ones of extent 1. */
typedef struct transposed {
    int64_t in[MXDI_MAX_SPATIAL], out[MXDI_MAX_SPATIAL], kernel[MXDI_MAX_SPATIAL];
    int64_t stride[MXDI_MAX_SPATIAL], dilation[MXDI_MAX_SPATIAL], pad[MXDI_MAX_SPATIAL];
    int64_t channels, filters, group;
} transposed;

/* Padding before each axis. ONNX ConvTranspose-11: from the output's size when auto_pad or
 * output_shape say so. */
static mxd_status pads_of(const mxdi_interp_call *c, transposed *s, int32_t rank,
                          const int64_t *more)
{
    const char *const how   = mxd_node_string(c->node, "auto_pad", "NOTSET");
    const bool        same  = strncmp(how, "SAME_", 5) == 0;
    const bool        sized = mxd_node_attr(c->node, "output_shape", MXD_ATTR_INTS) != NULL;
    const int32_t     lead  = MXDI_MAX_SPATIAL - rank;
    int64_t           pads[2 * MXDI_MAX_SPATIAL];
    MXD_TRY(mxdi_interp_attr_ints(c, "pads", pads, 2 * rank, 0, 0, INT32_MAX));
    for (int32_t i = 0; i < rank; i++) {
        const int32_t a = lead + i;
        const int64_t whole =
            s->stride[a] * (s->in[a] - 1) + more[i] + (s->kernel[a] - 1) * s->dilation[a] + 1;
        const int64_t total = whole > s->out[a] ? whole - s->out[a] : 0;
        if (same || sized)
            s->pad[a] = strcmp(how, "SAME_UPPER") == 0 ? total / 2 : total - total / 2;
        else
            s->pad[a] = strcmp(how, "VALID") == 0 ? 0 : pads[i];
    }
    return MXD_OK;
}

static mxd_status transposed_of(const mxdi_interp_call *c, transposed *s)
{
    const mxd_tensor *const x = &c->in[0], *const w = &c->in[1], *const y = &c->out[0];
    const int32_t rank = x->rank - 2, lead = MXDI_MAX_SPATIAL - rank;
    int64_t       stride[MXD_MAX_RANK], dilation[MXD_MAX_RANK], more[MXD_MAX_RANK];
    if (rank < 1 || rank > MXDI_MAX_SPATIAL || w->rank != x->rank || y->rank != x->rank)
        return mxdi_fail(c->err, MXD_E_SHAPE,
                         "expected 1 to %d spatial axes in input, weight and output, got %d",
                         MXDI_MAX_SPATIAL, (int)rank);
    s->group    = mxd_node_int(c->node, "group", 1);
    s->channels = x->dim[1];
    s->filters  = y->dim[1];
    if (s->group < 1 || w->dim[0] != s->channels || s->channels % s->group != 0 ||
        s->filters % s->group != 0 || w->dim[1] != s->filters / s->group || y->dim[0] != x->dim[0])
        return mxdi_fail(c->err, MXD_E_SHAPE,
                         "%lld input and %lld output channels, weight %lld x %lld x group %lld",
                         (long long)s->channels, (long long)s->filters, (long long)w->dim[0],
                         (long long)w->dim[1], (long long)s->group);
    MXD_TRY(mxdi_interp_attr_ints(c, "strides", stride, rank, 1, 1, INT32_MAX));
    MXD_TRY(mxdi_interp_attr_ints(c, "dilations", dilation, rank, 1, 1, INT32_MAX));
    MXD_TRY(mxdi_interp_attr_ints(c, "output_padding", more, rank, 0, 0, INT32_MAX));
    for (int32_t i = 0; i < MXDI_MAX_SPATIAL; i++) {
        const bool real = i >= lead;
        s->in[i]        = real ? x->dim[2 + i - lead] : 1;
        s->out[i]       = real ? y->dim[2 + i - lead] : 1;
        s->kernel[i]    = real ? w->dim[2 + i - lead] : 1;
        s->stride[i]    = real ? stride[i - lead] : 1;
        s->dilation[i]  = real ? dilation[i - lead] : 1;
        s->pad[i]       = 0;
        if (s->in[i] > INT32_MAX || s->out[i] > INT32_MAX || s->kernel[i] > UINT16_MAX)
            return mxdi_fail(c->err, MXD_E_RANGE, "spatial axis %d is too large", (int)(i - lead));
    }
    return pads_of(c, s, rank, more);
}

/* The input position that tap k spreads to output o, or -1. */
static int64_t source_of(const transposed *s, int axis, int64_t o, int64_t k)
{
    const int64_t at = o + s->pad[axis] - k * s->dilation[axis];
    return at < 0 || at % s->stride[axis] || at / s->stride[axis] >= s->in[axis]
               ? -1
               : at / s->stride[axis];
}

/* Sum over taps and channels of one group for output o. x: its first channel; w: its first filter,
 * at column m. */
static double transposed_at(const transposed *s, const float *x, const float *w,
                            const int64_t o[MXDI_MAX_SPATIAL])
{
    const int64_t plane = s->in[0] * s->in[1] * s->in[2];
    const int64_t taps  = s->kernel[0] * s->kernel[1] * s->kernel[2];
    const int64_t step  = taps * (s->filters / s->group);
    double        sum   = 0;
    for (int64_t kz = 0; kz < s->kernel[0]; kz++)
        for (int64_t ky = 0; ky < s->kernel[1]; ky++)
            for (int64_t kx = 0; kx < s->kernel[2]; kx++) {
                const int64_t z = source_of(s, 0, o[0], kz), y = source_of(s, 1, o[1], ky);
                const int64_t v = source_of(s, 2, o[2], kx);
                if (z < 0 || y < 0 || v < 0)
                    continue;
                const int64_t at  = (z * s->in[1] + y) * s->in[2] + v;
                const int64_t tap = (kz * s->kernel[1] + ky) * s->kernel[2] + kx;
                for (int64_t ch = 0; ch < s->channels / s->group; ch++)
                    sum += (double)x[ch * plane + at] * (double)w[ch * step + tap];
            }
    return sum;
}

mxd_status mxdi_interp_conv_transpose(const mxdi_interp_call *c)
{
    mxd_tensor *const y = &c->out[0];
    transposed        s = { .group = 1 };
    const float      *x, *w, *bias = NULL;
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", c->in[0].dtype));
    MXD_TRY(transposed_of(c, &s));
    MXD_TRY(mxdi_interp_as_f32(c, &c->in[0], &x));
    MXD_TRY(mxdi_interp_as_f32(c, &c->in[1], &w));
    if (mxdi_interp_given(c, 2)) {
        MXD_TRY(mxdi_interp_want_count(c, &c->in[2], "bias", s.filters));
        MXD_TRY(mxdi_interp_as_f32(c, &c->in[2], &bias));
    }
    const int64_t plane     = s.in[0] * s.in[1] * s.in[2],
                  taps      = s.kernel[0] * s.kernel[1] * s.kernel[2];
    const int64_t    per_in = s.channels / s.group, per_out = s.filters / s.group;
    const int64_t    dim[] = { y->dim[0], s.filters, s.out[0], s.out[1], s.out[2] };
    mxdi_interp_walk at;
    mxdi_interp_walk_init(&at, dim, 5);
    for (int64_t i = 0; at.left > 0; i++, mxdi_interp_walk_next(&at)) {
        const int64_t      f = at.index[1], g = f / per_out;
        const float *const image  = x + (at.index[0] * s.channels + g * per_in) * plane;
        const float *const filter = w + (g * per_in * per_out + f % per_out) * taps;
        mxdi_interp_put(
            y, i, transposed_at(&s, image, filter, at.index + 2) + (bias ? (double)bias[f] : 0.0));
    }
    return MXD_OK;
}
