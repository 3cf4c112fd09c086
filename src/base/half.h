/* SPDX-License-Identifier: Apache-2.0
 * 16-bit and 8-bit floats to binary32 and back, round to nearest even; NaN stays NaN, f8e4m3
 * saturates as ONNX Cast. */
#ifndef MXDI_BASE_HALF_H
#define MXDI_BASE_HALF_H

#include <stdint.h>

float    mxdi_f16_to_f32(uint16_t h);
uint16_t mxdi_f32_to_f16(float f);
float    mxdi_bf16_to_f32(uint16_t h);
uint16_t mxdi_f32_to_bf16(float f);
float    mxdi_f8e4m3_to_f32(uint8_t h);
uint8_t  mxdi_f32_to_f8e4m3(float f);
#endif
