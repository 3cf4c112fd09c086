/* SPDX-License-Identifier: Apache-2.0
 *
 * The variants of quantize_u8, and which of them to take. */
#include "kernels/quantize_u8/quantize_u8.h"

const mxdi_quantize_u8 *const mxdi_quantize_u8_variants[MXDI_VEC_COUNT] = {
#define MXD_VEC(variant, needs) &mxdi_quantize_u8_##variant,
#include "kernels/simd/vec.inc"
#undef MXD_VEC
};

const mxdi_quantize_u8 *mxdi_quantize_u8_select(uint32_t isa)
{
    return mxdi_quantize_u8_variants[mxdi_vec_select(isa)];
}

void mxdi_quantize_u8_channels(const mxdi_quantize_u8 *k, uint8_t *q, const float *x, size_t outer,
                               size_t channels, size_t inner, const mxdi_quantize_u8_params *p)
{
    for (size_t i = 0; i < outer * channels; i++)
        k->quantize(q + i * inner, x + i * inner, inner, &p[i % channels]);
}

void mxdi_dequantize_u8_channels(const mxdi_quantize_u8 *k, float *x, const uint8_t *q,
                                 size_t outer, size_t channels, size_t inner,
                                 const mxdi_quantize_u8_params *p)
{
    for (size_t i = 0; i < outer * channels; i++)
        k->dequantize(x + i * inner, q + i * inner, inner, &p[i % channels]);
}
