/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of softmax_f32 in plain C, in binary64 and rounded once. */
#include <math.h>

#include "kernels/softmax_f32/softmax_f32.h"

static void row(float *y, const float *x, const mxdi_axis *a, int logarithm)
{
    double max = -INFINITY, sum = 0;
    for (int64_t k = 0; k < a->axis; k++)
        max = fmax(max, (double)x[k * a->x_axis]);
    for (int64_t k = 0; k < a->axis; k++)
        sum += exp((double)x[k * a->x_axis] - max);
    for (int64_t k = 0; k < a->axis; k++) {
        const double d   = (double)x[k * a->x_axis] - max;
        y[k * a->y_axis] = (float)(logarithm ? d - log(sum) : exp(d) / sum);
    }
}

static void rows(float *y, const float *x, const mxdi_axis *a, int logarithm)
{
    for (int64_t o = 0; o < a->outer; o++)
        for (int64_t i = 0; i < a->inner; i++)
            row(y + o * a->y_outer + i, x + o * a->x_outer + i, a, logarithm);
}

static void softmax(float *y, const float *x, const mxdi_axis *a)
{
    rows(y, x, a, 0);
}

static void log_softmax(float *y, const float *x, const mxdi_axis *a)
{
    rows(y, x, a, 1);
}

const mxdi_softmax_f32 mxdi_softmax_f32_ref = { "softmax_f32_ref", softmax, log_softmax };
