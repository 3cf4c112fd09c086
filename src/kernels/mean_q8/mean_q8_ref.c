/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of mean_q8 in plain C. */
#include <math.h>

#include "kernels/mean_q8/mean_q8.h"

static uint8_t requantize(int32_t sum, const mxdi_mean_q8_params *p)
{
    const float lo = (float)(p->q_min - p->y_zero_point);
    const float hi = (float)(p->q_max - p->y_zero_point);
    float       r  = rintf((float)sum * p->m);
    if (isnan(r))
        return (uint8_t)p->y_zero_point;
    r = r < lo ? lo : r;
    r = r > hi ? hi : r;
    return (uint8_t)((int32_t)r + p->y_zero_point);
}

static void mean(uint8_t *y, const uint8_t *x, const mxdi_axis *a, const mxdi_mean_q8_params *p)
{
    for (int64_t o = 0; o < a->outer; o++)
        for (int64_t i = 0; i < a->inner; i++) {
            int32_t sum = 0;
            for (int64_t k = 0; k < a->axis; k++)
                sum += x[o * a->x_outer + k * a->x_axis + i] - p->x_zero_point;
            y[o * a->y_outer + i] = requantize(sum, p);
        }
}

const mxdi_mean_q8 mxdi_mean_q8_ref = { "mean_q8_ref", mean };
