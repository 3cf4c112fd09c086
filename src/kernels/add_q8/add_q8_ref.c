/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of add_q8 in plain C. */
#include <math.h>

#include "kernels/add_q8/add_q8.h"

static uint8_t add_one(uint8_t a, uint8_t b, const mxdi_add_q8_params *p)
{
    const float lo = (float)(p->q_min - p->y_zero_point);
    const float hi = (float)(p->q_max - p->y_zero_point);
    const float vb = (float)(b - p->b_zero_point) * p->b_scale_ratio;
    float       r  = rintf(fmaf((float)(a - p->a_zero_point), p->a_scale_ratio, vb));
    if (isnan(r))
        return (uint8_t)p->y_zero_point;
    r = r < lo ? lo : r;
    r = r > hi ? hi : r;
    return (uint8_t)((int32_t)r + p->y_zero_point);
}

static void add(uint8_t *y, const uint8_t *a, const uint8_t *b, size_t n,
                const mxdi_add_q8_params *p)
{
    for (size_t i = 0; i < n; i++)
        y[i] = add_one(a[i], b[i], p);
}

const mxdi_add_q8 mxdi_add_q8_ref = { "add_q8_ref", add };
