/* SPDX-License-Identifier: Apache-2.0
 *
 * BatchNormalization (inference), InstanceNormalization, LayerNormalization, LRN. Sums and
 * quotients in binary64.
 */
#include "interp/interp_impl.h"

mxd_status mxdi_interp_batch_normalization(const mxdi_interp_call *c)
{
    static const char *const name[] = { "", "scale", "B", "input_mean", "input_var" };
    const mxd_tensor *const  x      = &c->in[0];
    const double             eps    = (double)mxd_node_float(c->node, "epsilon", 1e-5f);
    MXD_TRY(mxdi_interp_like_input(c, 0));
    if (mxd_node_int(c->node, "training_mode", 0) != 0 ||
        mxd_node_int(c->node, "spatial", 1) != 1 || mxdi_interp_wanted(c, 1))
        return mxdi_fail(c->err, MXD_E_UNSUPPORTED, "only inference per channel is supported");
    const int64_t channels = x->rank > 1 ? x->dim[1] : 1;
    const int64_t inner    = mxdi_interp_product(x->dim, x->rank > 1 ? 2 : x->rank, x->rank);
    for (uint32_t k = 1; k < 5; k++)
        MXD_TRY(mxdi_interp_want_count(c, &c->in[k], name[k], channels));
    const int64_t n = mxdi_interp_count(x);
    for (int64_t i = 0; i < n; i++) {
        const int64_t ch = i / inner % channels;
        const double  s =
            mxdi_interp_get(&c->in[1], ch) / sqrt(mxdi_interp_get(&c->in[4], ch) + eps);
        const double v = mxdi_interp_get(x, i) - mxdi_interp_get(&c->in[3], ch);
        mxdi_interp_put(&c->out[0], i, v * s + mxdi_interp_get(&c->in[2], ch));
    }
    return MXD_OK;
}

/* Mean and 1 / standard deviation of n elements from `first`. */
static void moments(const mxd_tensor *x, int64_t first, int64_t n, double eps, double *mean,
                    double *inv)
{
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++)
        sum += mxdi_interp_get(x, first + i);
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        const double d = mxdi_interp_get(x, first + i) - *mean;
        square += d * d;
    }
    *inv = 1 / sqrt(square / (double)n + eps);
}

mxd_status mxdi_interp_instance_normalization(const mxdi_interp_call *c)
{
    const mxd_tensor *const x   = &c->in[0];
    const double            eps = (double)mxd_node_float(c->node, "epsilon", 1e-5f);
    MXD_TRY(mxdi_interp_like_input(c, 0));
    if (x->rank < 2)
        return mxdi_fail(c->err, MXD_E_SHAPE, "input: expected rank 2 or more, got %d",
                         (int)x->rank);
    const int64_t channels = x->dim[1], n = mxdi_interp_product(x->dim, 2, x->rank);
    MXD_TRY(mxdi_interp_want_count(c, &c->in[1], "scale", channels));
    MXD_TRY(mxdi_interp_want_count(c, &c->in[2], "B", channels));
    for (int64_t p = 0; p < x->dim[0] * channels; p++) {
        const double scale = mxdi_interp_get(&c->in[1], p % channels),
                     b     = mxdi_interp_get(&c->in[2], p % channels);
        double mean, inv;
        moments(x, p * n, n, eps, &mean, &inv);
        for (int64_t i = p * n; i < (p + 1) * n; i++)
            mxdi_interp_put(&c->out[0], i, (mxdi_interp_get(x, i) - mean) * inv * scale + b);
    }
    return MXD_OK;
}

mxd_status mxdi_interp_layer_normalization(const mxdi_interp_call *c)
{
    const mxd_tensor *const x    = &c->in[0];
    const double            eps  = (double)mxd_node_float(c->node, "epsilon", 1e-5f);
    const bool              bias = mxdi_interp_given(c, 2);
    int32_t                 axis;
    mxdi_interp_walk        w;
    MXD_TRY(mxdi_interp_like_input(c, 0));
    MXD_TRY(mxdi_interp_axis(c, mxd_node_int(c->node, "axis", -1), x->rank, &axis));
    const int64_t outer = mxdi_interp_product(x->dim, 0, axis),
                  n     = mxdi_interp_product(x->dim, axis, x->rank);
    for (uint32_t k = 1; k < 3; k++)
        if (mxdi_interp_wanted(c, k))
            MXD_TRY(mxdi_interp_want_count(c, &c->out[k], k == 1 ? "Mean" : "InvStdDev", outer));
    mxdi_interp_walk_init(&w, x->dim, x->rank);
    MXD_TRY(mxdi_interp_walk_broadcast(c, &w, 0, &c->in[1]));
    if (bias)
        MXD_TRY(mxdi_interp_walk_broadcast(c, &w, 1, &c->in[2]));
    for (int64_t o = 0; o < outer; o++) {
        double mean, inv;
        moments(x, o * n, n, eps, &mean, &inv);
        for (int64_t i = o * n; i < (o + 1) * n; i++, mxdi_interp_walk_next(&w)) {
            const double scale = mxdi_interp_get(&c->in[1], w.at[0]);
            const double b     = bias ? mxdi_interp_get(&c->in[2], w.at[1]) : 0;
            mxdi_interp_put(&c->out[0], i, (mxdi_interp_get(x, i) - mean) * inv * scale + b);
        }
        if (mxdi_interp_wanted(c, 1))
            mxdi_interp_put(&c->out[1], o, mean);
        if (mxdi_interp_wanted(c, 2))
            mxdi_interp_put(&c->out[2], o, inv);
    }
    return MXD_OK;
}

/* y = x / (bias + alpha / size * sum of x^2 over `size` channels around)^beta. */
mxd_status mxdi_interp_lrn(const mxdi_interp_call *c)
{
    const mxd_tensor *const x     = &c->in[0];
    const double            alpha = (double)mxd_node_float(c->node, "alpha", 1e-4f);
    const double            beta  = (double)mxd_node_float(c->node, "beta", 0.75f);
    const double            bias  = (double)mxd_node_float(c->node, "bias", 1.0f);
    const int64_t           size  = mxd_node_int(c->node, "size", 0);
    MXD_TRY(mxdi_interp_like_input(c, 0));
    if (x->rank < 2 || size < 1 || size > INT32_MAX)
        return mxdi_fail(c->err, MXD_E_INVAL,
                         "expected rank 2 or more and a positive size, got rank %d, size %lld",
                         (int)x->rank, (long long)size);
    const int64_t channels = x->dim[1], inner = mxdi_interp_product(x->dim, 2, x->rank),
                  n = mxdi_interp_count(x);
    for (int64_t i = 0; i < n; i++) {
        const int64_t ch    = i / inner % channels;
        const int64_t first = ch - (size - 1) / 2 < 0 ? 0 : ch - (size - 1) / 2;
        const int64_t last  = ch + size / 2 < channels ? ch + size / 2 : channels - 1;
        double        sum   = 0;
        for (int64_t k = first; k <= last; k++) {
            const double v = mxdi_interp_get(x, i + (k - ch) * inner);
            sum += v * v;
        }
        mxdi_interp_put(&c->out[0], i,
                        mxdi_interp_get(x, i) / pow(bias + alpha / (double)size * sum, beta));
    }
    return MXD_OK;
}
