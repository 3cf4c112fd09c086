/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of round_half in plain C: any binary format narrower than binary32, by the size of
 * its last place. */
#include <float.h>
#include <math.h>

#include "kernels/round_half/round_half.h"

/* `digits` of significand, least normal exponent `min_exp` and largest finite `max`. */
static float round_one(float x, int digits, int min_exp, double max)
{
    if (isnan(x) || isinf(x) || x == 0)
        return x;
    int exponent; /* |x| in [1/2, 1) * 2^exponent */
    (void)frexp((double)x, &exponent);
    if (exponent < min_exp)
        exponent = min_exp; /* subnormals share one last place */
    const double unit = ldexp(1.0, exponent - digits);
    const double r    = rint((double)x / unit) * unit; /* both steps exact but for rint itself */
    return fabs(r) > max ? copysignf(INFINITY, x) : (float)copysign(r, (double)x);
}

static void bf16(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = round_one(x[i], 8, -125, ldexp(255, 120));
}

static void f16(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = round_one(x[i], 11, -13, 65504);
}

const mxdi_round_half mxdi_round_half_ref = { "round_half_ref", bf16, f16 };
