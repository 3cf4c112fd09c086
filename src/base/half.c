/* SPDX-License-Identifier: Apache-2.0
 *
 * Small floats by integer arithmetic on their bits: exact, and independent of the CPU's rounding
 * mode and flags. Formats: binary16 (IEEE 754), bfloat16 (the upper half of binary32), E4M3FN (OCP
 * 8-bit floating point, 2023: no infinity, 0x7F and 0xFF are NaN, largest finite 448).
 */
#include "base/half.h"

#include <string.h>

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof(u));
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof(f));
    return f;
}

/* value >> shift, rounded to nearest, ties to even; shift in 1..31. */
static uint32_t shift_round(uint32_t value, unsigned shift)
{
    const uint32_t half = 1u << (shift - 1);
    const uint32_t odd  = (value >> shift) & 1u;
    return (value + half - 1 + odd) >> shift;
}

/* The magnitude `mag` (binary32 bits without sign, finite) in a format of `mantissa` bits whose
 * least normal exponent is `min_exp`: its bits without sign, as if the exponent had no upper end.
 */
static uint32_t narrow(uint32_t mag, unsigned mantissa, int min_exp)
{
    const int      exp      = (int)(mag >> 23) - 127;
    const unsigned dropped  = 23 - mantissa;
    const uint32_t fraction = mag & 0x7FFFFFu;
    if (exp >= min_exp) {
        const uint32_t biased = (uint32_t)(exp - min_exp + 1) << 23;
        return shift_round(biased | fraction,
                           dropped); /* a carry moves into the exponent, as it should */
    }
    const unsigned shift =
        dropped + (unsigned)(min_exp - exp); /* subnormal: the leading one becomes a digit */
    return shift > 24 ? 0 : shift_round(0x800000u | fraction, shift);
}

float mxdi_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    const uint32_t exp = (h >> 10) & 31u, fraction = h & 0x3FFu;
    if (exp == 31)
        return float_of(sign | 0x7F800000u | fraction << 13);
    if (exp)
        return float_of(sign | (exp + 112) << 23 | fraction << 13);
    return float_of(sign | bits_of((float)fraction * 0x1p-24f));
}

uint16_t mxdi_f32_to_f16(float f)
{
    const uint32_t u = bits_of(f), mag = u & 0x7FFFFFFFu;
    const uint32_t sign = (u >> 16) & 0x8000u;
    if (mag > 0x7F800000u)
        return (uint16_t)(sign | 0x7E00u | ((mag >> 13) & 0x1FFu));
    if (mag >= 0x47800000u) /* 65536 and more */
        return (uint16_t)(sign | 0x7C00u);
    return (uint16_t)(sign | narrow(mag, 10, -14)); /* 65520 and more carry into infinity */
}

float mxdi_bf16_to_f32(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}

uint16_t mxdi_f32_to_bf16(float f)
{
    const uint32_t u = bits_of(f);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u)
        return (uint16_t)(u >> 16 | 0x40u); /* quiet, and never infinity */
    return (uint16_t)((u + 0x7FFFu + ((u >> 16) & 1u)) >> 16);
}

float mxdi_f8e4m3_to_f32(uint8_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x80u) << 24;
    const uint32_t exp = (h >> 3) & 15u, fraction = h & 7u;
    if ((h & 0x7Fu) == 0x7Fu)
        return float_of(sign | 0x7FC00000u);
    if (exp)
        return float_of(sign | (exp + 120) << 23 | fraction << 20);
    return float_of(sign | bits_of((float)fraction * 0x1p-9f));
}

uint8_t mxdi_f32_to_f8e4m3(float f)
{
    const uint32_t u = bits_of(f), mag = u & 0x7FFFFFFFu;
    const uint32_t sign = (u >> 24) & 0x80u;
    if (mag > 0x7F800000u)
        return (uint8_t)(sign | 0x7Fu);
    if (mag >= 0x43E00000u) /* 448 and more */
        return (uint8_t)(sign | 0x7Eu);
    return (uint8_t)(sign | narrow(mag, 3, -6));
}
