/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of reduce_f32 in plain C. */
#include <math.h>

#include "kernels/reduce_f32/reduce_f32.h"

static void sum_scaled(float *y, const float *x, const mxdi_axis *a, int64_t divisor)
{
    for (int64_t o = 0; o < a->outer; o++)
        for (int64_t i = 0; i < a->inner; i++) {
            double sum = 0;
            for (int64_t k = 0; k < a->axis; k++)
                sum += (double)x[o * a->x_outer + k * a->x_axis + i];
            y[o * a->y_outer + i] = (float)(sum / (double)divisor);
        }
}

static void sum(float *y, const float *x, const mxdi_axis *a)
{
    sum_scaled(y, x, a, 1);
}

static void mean(float *y, const float *x, const mxdi_axis *a)
{
    sum_scaled(y, x, a, a->axis);
}

static void extreme(float *y, const float *x, const mxdi_axis *a, int sign)
{
    for (int64_t o = 0; o < a->outer; o++)
        for (int64_t i = 0; i < a->inner; i++) {
            float best = x[o * a->x_outer + i];
            for (int64_t k = 1; k < a->axis; k++) {
                const float v = x[o * a->x_outer + k * a->x_axis + i];
                if (isnan(v) || (sign > 0 ? v > best : v < best))
                    best = v;
            }
            y[o * a->y_outer + i] = best;
        }
}

static void max(float *y, const float *x, const mxdi_axis *a)
{
    extreme(y, x, a, 1);
}

static void min(float *y, const float *x, const mxdi_axis *a)
{
    extreme(y, x, a, -1);
}

const mxdi_reduce_f32 mxdi_reduce_f32_ref = { "reduce_f32_ref", sum, mean, max, min };
