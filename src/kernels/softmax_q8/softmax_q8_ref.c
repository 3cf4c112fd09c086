/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of softmax_q8 in plain C. */
#include <math.h>

#include "kernels/softmax_q8/softmax_q8.h"

static uint8_t requantize(float v, const mxdi_softmax_q8_params *p)
{
    const float lo = (float)(p->q_min - p->y_zero_point);
    const float hi = (float)(p->q_max - p->y_zero_point);
    float       r  = rintf(v / p->y_scale);
    if (isnan(r))
        return (uint8_t)p->y_zero_point;
    r = r < lo ? lo : r;
    r = r > hi ? hi : r;
    return (uint8_t)((int32_t)r + p->y_zero_point);
}

static void softmax_row(uint8_t *y, const uint8_t *x, const mxdi_axis *a,
                        const mxdi_softmax_q8_params *p)
{
    uint8_t  max = 0;
    uint64_t sum = 0;
    for (int64_t k = 0; k < a->axis; k++)
        max = x[k * a->x_axis] > max ? x[k * a->x_axis] : max;
    for (int64_t k = 0; k < a->axis; k++)
        sum += (uint64_t)p->table[max - x[k * a->x_axis]];
    for (int64_t k = 0; k < a->axis; k++) {
        const double e   = (double)p->table[max - x[k * a->x_axis]];
        y[k * a->y_axis] = requantize((float)(e / (double)sum), p);
    }
}

static void softmax(uint8_t *y, const uint8_t *x, const mxdi_axis *a,
                    const mxdi_softmax_q8_params *p)
{
    for (int64_t o = 0; o < a->outer; o++)
        for (int64_t i = 0; i < a->inner; i++)
            softmax_row(y + o * a->y_outer + i, x + o * a->x_outer + i, a, p);
}

const mxdi_softmax_q8 mxdi_softmax_q8_ref = { "softmax_q8_ref", softmax };
