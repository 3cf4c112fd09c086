/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights as integers: each scale and each rounding against the definition, the guard against
 * accumulators that wrap, and blocks.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "quant/qdq.h"
#include "quant/weights.h"

enum { OUTER = 3, CHANNELS = 5, INNER = 7, ALL = OUTER * CHANNELS * INNER };

static void fill(float *w, size_t n, uint64_t seed)
{
    mxdi_rng r = mxdi_rng_seed(seed);
    for (size_t k = 0; k < n; k++)
        w[k] = (float)mxdi_rng_normal(&r);
}

static int32_t rounded(float w, float s, int32_t q_max)
{
    const float q = rintf(w / s);
    return (int32_t)fminf(fmaxf(q, (float)-q_max), (float)q_max);
}

static float largest(const float *w, size_t n)
{
    float m = 0.0f;
    for (size_t k = 0; k < n; k++)
        m = fmaxf(m, fabsf(w[k]));
    return m;
}

/* The error that a scale for few bits makes smallest: the 2.4 norm. */
static double error_of(const float *w, size_t n, float s, int32_t q_max)
{
    double sum = 0.0;
    for (size_t k = 0; k < n; k++)
        sum += pow(fabs((double)w[k] - (double)rounded(w[k], s, q_max) * (double)s), 2.4);
    return sum;
}

/* Elements of channel c, in the order of the view. */
static size_t channel(float *out, const float *w, int c)
{
    size_t n = 0;
    for (int o = 0; o < OUTER; o++)
        for (int i = 0; i < INNER; i++)
            out[n++] = w[(o * CHANNELS + c) * INNER + i];
    return n;
}

static void eight_bits(void **state)
{
    (void)state;
    float                   w[ALL], one[ALL];
    const mxdi_weights_view view = { w, OUTER, CHANNELS, INNER };
    fill(w, ALL, 1);
    for (int k = 0; k < OUTER; k++)
        memset(w + (k * CHANNELS + 2) * INNER, 0, INNER * sizeof(float)); /* channel 2: zeros */
    for (int per_tensor = 0; per_tensor < 2; per_tensor++) {
        mxdi_arena     arena;
        mxdi_weights_q q;
        mxdi_arena_init(&arena, NULL);
        assert_int_equal(mxdi_weights_quantize(&q, &arena, &view, 8, per_tensor, NULL), MXD_OK);
        assert_int_equal(q.n_scales, per_tensor ? 1 : CHANNELS);
        bool seen_end = false;
        for (int c = 0; c < CHANNELS; c++) {
            const size_t n = channel(one, w, c);
            const float  m = per_tensor ? largest(w, ALL) : largest(one, n);
            const float  s = q.scale[per_tensor ? 0 : c];
            assert_true(s == (m > 0.0f ? m / 127.0f : 1.0f));
            for (int o = 0; o < OUTER; o++)
                for (int i = 0; i < INNER; i++) {
                    const int at = (o * CHANNELS + c) * INNER + i;
                    assert_int_equal(q.q[at], rounded(w[at], s, 127));
                    seen_end = seen_end || abs(q.q[at]) == 127;
                }
        }
        assert_true(seen_end);
        mxdi_arena_fini(&arena);
    }
}

/* Ties go to the even step, and -128 is never written. */
static void ties_and_ends(void **state)
{
    (void)state;
    const float             w[]    = { -127.0f, 127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 126.5f };
    const int8_t            want[] = { -127, 127, 0, 2, 2, 0, -2, 126 };
    const mxdi_weights_view view   = { w, 1, 1, 8 };
    mxdi_arena              arena;
    mxdi_weights_q          q;
    mxdi_arena_init(&arena, NULL);
    assert_int_equal(mxdi_weights_quantize(&q, &arena, &view, 8, false, NULL), MXD_OK);
    assert_true(q.scale[0] == 1.0f);
    assert_memory_equal(q.q, want, sizeof(want));
    mxdi_arena_fini(&arena);
}

/* Of the 80 candidates none has a smaller error. */
static void few_bits(void **state)
{
    (void)state;
    for (uint32_t bits = 2; bits <= 7; bits++) {
        float                   w[ALL], one[ALL];
        const mxdi_weights_view view  = { w, OUTER, CHANNELS, INNER };
        const int32_t           q_max = (1 << (bits - 1)) - 1;
        mxdi_arena              arena;
        mxdi_weights_q          q;
        fill(w, ALL, bits);
        mxdi_arena_init(&arena, NULL);
        assert_int_equal(mxdi_weights_quantize(&q, &arena, &view, bits, false, NULL), MXD_OK);
        for (int c = 0; c < CHANNELS; c++) {
            const size_t n   = channel(one, w, c);
            const double got = error_of(one, n, q.scale[c], q_max);
            for (int k = 0; k < 80; k++) {
                const float s = largest(one, n) * (1.0f - 0.01f * (float)k) / (float)q_max;
                assert_true(got <= error_of(one, n, s, q_max) * (1.0 + 1e-12));
            }
            for (int o = 0; o < OUTER; o++)
                for (int i = 0; i < INNER; i++) {
                    const int at = (o * CHANNELS + c) * INNER + i;
                    assert_int_equal(q.q[at], rounded(w[at], q.scale[c], q_max));
                }
        }
        mxdi_arena_fini(&arena);
    }
}

static void what_is_no_number(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        float                   w[4] = { 1.0f, 2.0f, k ? NAN : -INFINITY, 0.0f };
        const mxdi_weights_view view = { w, 1, 2, 2 };
        mxdi_arena              arena;
        mxdi_weights_q          q;
        mxd_error               err = MXD_ERROR_INIT;
        mxdi_arena_init(&arena, NULL);
        assert_int_equal(mxdi_weights_quantize(&q, &arena, &view, 8, false, &err), MXD_E_RANGE);
        assert_non_null(strstr(err.msg, "weight 2"));
        assert_int_equal(mxdi_weights_blocks(&q, &arena, w, 2, 2, 1, 8, 4, &err), MXD_E_RANGE);
        mxdi_arena_fini(&arena);
    }
}

/* ---- the guard ---- */

static void guard_keeps_accumulators_and_biases(void **state)
{
    (void)state;
    enum { K = 40000 };
    float *const            w       = malloc(2 * K * sizeof(float));
    const float             bias[2] = { 0.1f, 5.0f };
    const mxdi_weights_view view    = { w, 1, 2, K };
    mxdi_arena              arena;
    mxdi_weights_q          q;
    assert_non_null(w);
    for (int k = 0; k < 2 * K; k++)
        w[k] = k < K ? (k % 3 ? 0.01f : -0.01f)
                     : 1e-12f * (float)(k % 5 - 2); /* long and level; tiny with a large bias */
    mxdi_arena_init(&arena, NULL);
    assert_int_equal(mxdi_weights_quantize(&q, &arena, &view, 8, false, NULL), MXD_OK);
    const float before[2] = { q.scale[0], q.scale[1] };
    mxdi_weights_guard(&q, &view, bias, 0.02, 256, 8);
    for (int c = 0; c < 2; c++) {
        int64_t sum = 0;
        for (int k = 0; k < K; k++) {
            sum += abs(q.q[c * K + k]);
            assert_int_equal(q.q[c * K + k], rounded(w[c * K + k], q.scale[c], 127));
        }
        assert_true(q.scale[c] > before[c]);
        assert_true(sum * 256 < (int64_t)1 << 30);
        assert_true(fabs((double)bias[c]) / (0.02 * (double)q.scale[c]) <= 1073741824.0);
    }
    const float after[2] = { q.scale[0], q.scale[1] };
    mxdi_weights_guard(&q, &view, bias, 0.02, 256, 8); /* and what is safe is left alone */
    assert_true(q.scale[0] == after[0] && q.scale[1] == after[1]);
    mxdi_arena_fini(&arena);
    free(w);
}

/* ---- blocks ---- */

/* (channels, k, inner) with a shorter last block; a scale for each block and inner position. */
static void blocks(void **state)
{
    (void)state;
    enum { M = 2, K = 21, I = 3, B = 8, BLOCKS = 3 };
    float          w[M * K * I];
    mxdi_arena     arena;
    mxdi_weights_q q;
    fill(w, M * K * I, 9);
    mxdi_arena_init(&arena, NULL);
    assert_int_equal(mxdi_weights_blocks(&q, &arena, w, M, K, I, B, 4, NULL), MXD_OK);
    assert_int_equal(q.n_scales, M * BLOCKS * I);
    for (int m = 0; m < M; m++)
        for (int b = 0; b < BLOCKS; b++)
            for (int i = 0; i < I; i++) {
                float       one[B];
                size_t      n = 0;
                const float s = q.scale[(m * BLOCKS + b) * I + i];
                for (int k = b * B; k < K && k < (b + 1) * B; k++) {
                    const int at = (m * K + k) * I + i;
                    one[n++]     = w[at];
                    assert_int_equal(q.q[at], rounded(w[at], s, 7));
                }
                assert_int_equal(n, b < 2 ? B : K - 2 * B);
                assert_true(s <= largest(one, n) / 7.0f * 1.000001f && s > 0.0f);
                assert_true(error_of(one, n, s, 7) <= error_of(one, n, largest(one, n) / 7.0f, 7));
            }
    mxdi_arena_fini(&arena);
}

/* ---- parameters of activations ---- */

static void affine_parameters(void **state)
{
    (void)state;
    static const struct {
        float    low, high;
        uint32_t bits;
        bool     is_signed, symmetric;
        float    scale;
        int32_t  zero;
    } cases[] = {
        { -1.0f, 3.0f, 8, false, false, 4.0f / 255.0f, 64 },
        { -1.0f, 3.0f, 8, true, false, 4.0f / 255.0f, -64 },
        { 0.0f, 5.1f, 8, false, false, 5.1f / 255.0f, 0 },
        { -5.1f, 0.0f, 8, false, false, 5.1f / 255.0f, 255 },
        { -1.6f, 1.4f, 4, false, false, 0.2f, 8 },
        { -2.0f, 1.0f, 8, true, true, 2.0f / 127.0f, 0 },
        { -2.0f, 1.0f, 8, false, true, 2.0f / 127.0f, 128 },
        { 0.0f, 0.0f, 8, false, false, 1.0f, 0 },
        { 0.0f, 0.0f, 8, true, true, 1.0f, 0 },
        { 0.0f, 1e-40f, 8, false, false, 1.0f, 0 },
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        float   s;
        int32_t z;
        mxdi_qdq_affine(&s, &z, cases[k].low, cases[k].high, cases[k].bits, cases[k].is_signed,
                        cases[k].symmetric);
        if (fabsf(s - cases[k].scale) > 1e-6f * cases[k].scale || z != cases[k].zero)
            fail_msg("case %zu: scale %g, zero point %d", k, (double)s, z);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_bits),
        cmocka_unit_test(ties_and_ends),
        cmocka_unit_test(few_bits),
        cmocka_unit_test(what_is_no_number),
        cmocka_unit_test(guard_keeps_accumulators_and_biases),
        cmocka_unit_test(blocks),
        cmocka_unit_test(affine_parameters),
    };
    return cmocka_run_group_tests_name("quant_weights", tests, NULL, NULL);
}
