/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax and LogSoftmax. Before opset 13 they flatten: everything from `axis` (default 1) on is
 * one distribution.
 */
#include "interp/interp_impl.h"

/* One distribution of n elements, `step` apart, from element `first`. */
static void normalize(const mxdi_interp_call *c, int64_t first, int64_t n, int64_t step,
                      bool logarithm)
{
    const mxd_tensor *const x   = &c->in[0];
    double                  max = -INFINITY, sum = 0;
    for (int64_t k = 0; k < n; k++) {
        const double v = mxdi_interp_get(x, first + k * step);
        max            = isnan(v) || v > max ? v : max;
    }
    for (int64_t k = 0; k < n; k++)
        sum += exp(mxdi_interp_get(x, first + k * step) - max);
    const double log_sum = log(sum);
    for (int64_t k = 0; k < n; k++) {
        const double d = mxdi_interp_get(x, first + k * step) - max;
        mxdi_interp_put(&c->out[0], first + k * step, logarithm ? d - log_sum : exp(d) / sum);
    }
}

mxd_status mxdi_interp_softmax(const mxdi_interp_call *c)
{
    const mxd_tensor *const x       = &c->in[0];
    const bool              flatten = c->node->version < 13;
    const bool              logs    = strcmp(c->node->op, "LogSoftmax") == 0;
    const int64_t           named   = mxd_node_int(c->node, "axis", flatten ? 1 : -1);
    int32_t                 axis;
    MXD_TRY(mxdi_interp_like_input(c, 0));
    MXD_TRY(mxdi_interp_axis(c, named, x->rank, &axis));
    const int64_t outer = mxdi_interp_product(x->dim, 0, axis);
    const int64_t n     = flatten ? mxdi_interp_product(x->dim, axis, x->rank) : x->dim[axis];
    const int64_t inner = flatten ? 1 : mxdi_interp_product(x->dim, axis + 1, x->rank);
    for (int64_t o = 0; o < outer * inner; o++)
        normalize(c, o / inner * n * inner + o % inner, n, inner, logs);
    return MXD_OK;
}
