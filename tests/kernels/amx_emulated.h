/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of src/kernels/simd/amx.h in plain C, after the SDM's pseudocode, so that what is built
 * on them is tested on any CPU. Shapes that the instructions would refuse fail the test. */
#ifndef MIXDOWN_TESTS_AMX_EMULATED_H
#define MIXDOWN_TESTS_AMX_EMULATED_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/simd/amx_shape.h"

static struct {
    struct amx_shape shape;
    uint8_t          bytes[8][AMX_ROWS][64];
} amx;

static inline void amx_configure(const struct amx_shape *shape)
{
    assert_int_equal(shape->palette, 1);
    for (int t = 0; t < 16; t++) {
        assert_true(shape->rows[t] <= (t < 8 ? AMX_ROWS : 0));
        assert_true(shape->bytes[t] <= 64 && shape->bytes[t] % 4 == 0);
        assert_true((shape->rows[t] == 0) == (shape->bytes[t] == 0));
    }
    memset(&amx, 0, sizeof(amx));
    amx.shape = *shape;
}

static inline void amx_release(void)
{
    memset(&amx, 0, sizeof(amx));
}

static inline void amx_load(int t, const void *p, int64_t row)
{
    assert_true(amx.shape.rows[t] > 0);
    memset(amx.bytes[t], 0, sizeof(amx.bytes[t]));
    for (int64_t i = 0; i < amx.shape.rows[t]; i++)
        memcpy(amx.bytes[t][i], (const uint8_t *)p + i * row, amx.shape.bytes[t]);
}

static inline void amx_store(int t, void *p, int64_t row)
{
    assert_true(amx.shape.rows[t] > 0);
    for (int64_t i = 0; i < amx.shape.rows[t]; i++)
        memcpy((uint8_t *)p + i * row, amx.bytes[t][i], amx.shape.bytes[t]);
}

static inline void amx_check_shapes(int c, int a, int b)
{
    const struct amx_shape *s = &amx.shape;
    assert_true(s->rows[a] > 0 && s->rows[b] > 0);
    assert_int_equal(s->rows[c], s->rows[a]);
    assert_int_equal(s->bytes[c], s->bytes[b]);
    assert_int_equal(s->bytes[a], 4 * s->rows[b]);
}

static inline void amx_dot_u8s8(int c, int a, int b)
{
    amx_check_shapes(c, a, b);
    for (int m = 0; m < amx.shape.rows[c]; m++)
        for (int n = 0; n < amx.shape.bytes[c] / 4; n++) {
            uint32_t sum;
            memcpy(&sum, &amx.bytes[c][m][4 * n], sizeof(sum));
            for (int k = 0; k < amx.shape.bytes[a]; k++)
                sum += (uint32_t)(amx.bytes[a][m][k] * (int8_t)amx.bytes[b][k / 4][4 * n + k % 4]);
            memcpy(&amx.bytes[c][m][4 * n], &sum, sizeof(sum));
        }
}

/* Subnormal numbers count as 0, and become it. */
static inline float amx_flush(float v)
{
    return fpclassify(v) == FP_SUBNORMAL ? copysignf(0.0f, v) : v;
}

static inline float amx_bf16(const uint8_t *p)
{
    uint8_t bytes[4] = { 0, 0, p[0], p[1] };
    float   v;
    memcpy(&v, bytes, sizeof(v));
    return amx_flush(v);
}

static inline void amx_dot_bf16(int c, int a, int b)
{
    amx_check_shapes(c, a, b);
    for (int m = 0; m < amx.shape.rows[c]; m++)
        for (int n = 0; n < amx.shape.bytes[c] / 4; n++) {
            float sum, part[2] = { 0.0f, 0.0f };
            for (int k = 0; k < amx.shape.bytes[a] / 2; k++)
                part[k % 2] =
                    amx_flush(fmaf(amx_bf16(&amx.bytes[a][m][2 * k]),
                                   amx_bf16(&amx.bytes[b][k / 2][4 * n + k % 2 * 2]), part[k % 2]));
            memcpy(&sum, &amx.bytes[c][m][4 * n], sizeof(sum));
            sum = amx_flush(amx_flush(sum) + amx_flush(part[0] + part[1]));
            memcpy(&amx.bytes[c][m][4 * n], &sum, sizeof(sum));
        }
}
#endif
