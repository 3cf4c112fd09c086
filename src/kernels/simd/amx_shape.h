/* SPDX-License-Identifier: Apache-2.0
 *
 * How the kernels for tile registers use them. A tile is up to 32 rows in two parts, top and
 * bottom, times one or two vectors of 16 lanes; a step multiplies some words (of four bytes) of
 * each row. Registers:
 *
 *     0, 1   sums of the top rows, by vector       4   inputs of the top rows
 *     2, 3   sums of the bottom rows               5   inputs of the bottom rows
 *     6, 7   weights, by vector: (words, 16 lanes)
 */
#ifndef MXDI_KERNELS_SIMD_AMX_SHAPE_H
#define MXDI_KERNELS_SIMD_AMX_SHAPE_H

#include <stdint.h>

enum { AMX_ROWS = 16, AMX_WORDS = 16, AMX_LANES = 16 }; /* of a register */

/* The operand of LDTILECFG: palette 1 has eight registers of 16 rows of 64 bytes. */
struct amx_shape {
    uint8_t  palette, start_row, reserved[14];
    uint16_t bytes[16]; /* of a row, by register */
    uint8_t  rows[16];
};

/* Registers of rows that are not there stay out of use. */
static inline struct amx_shape amx_shape_of(int32_t top, int32_t bottom, int32_t words)
{
    struct amx_shape s = { .palette = 1 };
    for (int t = 0; t < 4; t++) {
        s.rows[t]  = (uint8_t)(t < 2 ? top : bottom);
        s.bytes[t] = s.rows[t] ? 4 * AMX_LANES : 0;
    }
    for (int t = 4; t < 6; t++) {
        s.rows[t]  = s.rows[2 * (t - 4)];
        s.bytes[t] = (uint16_t)(s.rows[t] ? 4 * words : 0);
    }
    for (int t = 6; t < 8; t++) {
        s.rows[t]  = (uint8_t)words;
        s.bytes[t] = 4 * AMX_LANES;
    }
    return s;
}

/* A product over n words: whole steps, and words that a second pass has to add. */
struct amx_steps {
    int64_t n;
    int32_t words; /* of a step */
    int32_t rest;  /* fewer than AMX_WORDS */
};

/* Equal steps where as few as possible can be equal. */
static inline struct amx_steps amx_steps_of(int64_t n)
{
    const int64_t least = (n + AMX_WORDS - 1) / AMX_WORDS;
    if (least > 0 && n % least == 0)
        return (struct amx_steps){ least, (int32_t)(n / least), 0 };
    return (struct amx_steps){ n / AMX_WORDS, AMX_WORDS, (int32_t)(n % AMX_WORDS) };
}
#endif
