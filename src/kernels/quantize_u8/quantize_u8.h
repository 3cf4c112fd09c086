/* SPDX-License-Identifier: Apache-2.0
 *
 * f32 to u8 and back: QuantizeLinear and DequantizeLinear of contiguous elements with one scale.
 *
 *     quantize    q[i] = (clamp(rint(x[i] / scale), q_min - zero_point, q_max - zero_point)
 *                         + zero_point) ^ flip
 *     dequantize  x[i] = (float)((q[i] ^ flip) - zero_point) * scale
 *
 * Divides truly (x * (1/scale) rounds some ties the other way), rounds half to even, clamps as a
 * float; NaN -> zero_point. Zero point and range are those of the u8 as the backend stores it: an
 * s8 value is stored + 128, its zero point moves alike. flip = 0x80 makes or takes plain s8 bytes
 * instead, flip = 0 is u8. scale > 0 and finite; 0 <= zero_point, q_min <= q_max <= 255. q and x do
 * not overlap. Reads and writes exactly n elements. Every variant is bit-exact with `ref`. */
#ifndef MXDI_KERNELS_QUANTIZE_U8_H
#define MXDI_KERNELS_QUANTIZE_U8_H

#include "kernels/simd/vec.h"

typedef struct mxdi_quantize_u8_params {
    float   scale;
    int32_t zero_point, q_min, q_max; /* dequantize ignores the range */
    uint8_t flip;
} mxdi_quantize_u8_params;

typedef struct mxdi_quantize_u8 {
    const char *name;
    void (*quantize)(uint8_t *q, const float *x, size_t n, const mxdi_quantize_u8_params *p);
    void (*dequantize)(float *x, const uint8_t *q, size_t n, const mxdi_quantize_u8_params *p);
} mxdi_quantize_u8;

#define MXD_VEC(variant, needs) extern const mxdi_quantize_u8 mxdi_quantize_u8_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_quantize_u8 *const mxdi_quantize_u8_variants[MXDI_VEC_COUNT];
const mxdi_quantize_u8              *mxdi_quantize_u8_select(uint32_t isa);

/* Per channel: q, x are dense (outer, channels, inner), channel c uses p[c]. */
void mxdi_quantize_u8_channels(const mxdi_quantize_u8 *k, uint8_t *q, const float *x, size_t outer,
                               size_t channels, size_t inner, const mxdi_quantize_u8_params *p);
void mxdi_dequantize_u8_channels(const mxdi_quantize_u8 *k, float *x, const uint8_t *q,
                                 size_t outer, size_t channels, size_t inner,
                                 const mxdi_quantize_u8_params *p);
#endif
