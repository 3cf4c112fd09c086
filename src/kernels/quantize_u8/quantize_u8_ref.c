/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of quantize_u8 in plain C. */
#include <math.h>

#include "kernels/quantize_u8/quantize_u8.h"

static uint8_t quantize_one(float x, const mxdi_quantize_u8_params *p)
{
    const float lo = (float)(p->q_min - p->zero_point);
    const float hi = (float)(p->q_max - p->zero_point);
    float       r  = rintf(x / p->scale);
    if (isnan(r))
        return (uint8_t)(p->zero_point ^ p->flip);
    r = r < lo ? lo : r;
    r = r > hi ? hi : r;
    return (uint8_t)(((int32_t)r + p->zero_point) ^ p->flip);
}

static void quantize(uint8_t *q, const float *x, size_t n, const mxdi_quantize_u8_params *p)
{
    for (size_t i = 0; i < n; i++)
        q[i] = quantize_one(x[i], p);
}

static void dequantize(float *x, const uint8_t *q, size_t n, const mxdi_quantize_u8_params *p)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((q[i] ^ p->flip) - p->zero_point) * p->scale;
}

const mxdi_quantize_u8 mxdi_quantize_u8_ref = { "quantize_u8_ref", quantize, dequantize };
