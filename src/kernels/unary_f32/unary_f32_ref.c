/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of unary_f32 in plain C: single operations in binary32 as written, the others in
 * binary64 by the C library and rounded once. */
#include <math.h>

#include "kernels/unary_f32/unary_f32.h"

static const double root_half = 0.70710678118654752440, root_2_over_pi = 0.79788456080286535588;

static float clip(float x, float lo, float hi)
{
    const float v = lo > x ? lo : x;
    return hi < v ? hi : v;
}

static double sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double softplus(double x)
{
    return isnan(x) ? x : fmax(x, 0) + log1p(exp(-fabs(x)));
}

/* x P(Z < x), by the function that is accurate where the result is small. */
static double gelu(double x)
{
    return x == -INFINITY ? -0.0 : x * 0.5 * erfc(-x * root_half);
}

static double gelu_tanh(double x)
{
    return x == -INFINITY ? -0.0 : x * sigmoid(2 * root_2_over_pi * (x + 0.044715 * x * x * x));
}

#define DEFINE(name, expression)                                                               \
    static void name##_each(float *y, const float *from, size_t n, const mxdi_unary_params *p) \
    {                                                                                          \
        for (size_t i = 0; i < n; i++) {                                                       \
            const float x = from[i];                                                           \
            (void)p;                                                                           \
            y[i] = (float)(expression);                                                        \
        }                                                                                      \
    }
DEFINE(relu, 0 > x ? 0 : x)
DEFINE(clip, clip(x, p->alpha, p->beta))
DEFINE(leaky_relu, x < 0 ? p->alpha * x : x)
DEFINE(hard_sigmoid, clip(p->alpha *x + p->beta, 0, 1))
DEFINE(hard_swish, x *clip(x *(1.0f / 6.0f) + 0.5f, 0, 1))
DEFINE(abs, fabsf(x))
DEFINE(neg, -x)
DEFINE(sign, x > 0 ? 1 : x < 0 ? -1 : x)
DEFINE(reciprocal, 1 / x)
DEFINE(sqrt, sqrtf(x))
DEFINE(floor, floorf(x))
DEFINE(ceil, ceilf(x))
DEFINE(round, rintf(x))
DEFINE(exp, exp((double)x))
DEFINE(log, log((double)x))
DEFINE(sigmoid, sigmoid((double)x))
DEFINE(tanh, tanh((double)x))
DEFINE(elu, x < 0 ? (double)p->alpha * expm1((double)x) : (double)x)
DEFINE(softplus, softplus((double)x))
DEFINE(erf, erf((double)x))
DEFINE(gelu, gelu((double)x))
DEFINE(gelu_tanh, gelu_tanh((double)x))
#undef DEFINE

const mxdi_unary_f32 mxdi_unary_f32_ref = { "unary_f32_ref",
                                            {
#define MXD_UNARY(NAME, name, ulp) name##_each,
#include "kernels/unary_f32/unary_f32.inc"
#undef MXD_UNARY
                                            } };
