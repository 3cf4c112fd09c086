/* SPDX-License-Identifier: Apache-2.0
 *
 * quantize_u8: every variant equals `ref`, and `ref` the definition where it can be said in
 * numbers. */
#include "kernel_test.h"
#include "kernels/quantize_u8/quantize_u8.h"

enum { N = 2 * 64 + 3 };

/* With scale 0.3, multiplying by 1/scale would round some of these ties the other way. */
static void fill(float *x, float scale, mxdi_rng *r)
{
    static const float special[] = { NAN,    -NAN,   INFINITY, -INFINITY, 3e38f,
                                     -3e38f, 1e-40f, -1e-40f,  0.0f,      -0.0f };
    for (size_t i = 0; i < N; i++) {
        x[i] = i % 2 ? scale * ((float)i - 64.5f) * (i % 3 ? 1.0f : 4.0f) : random_f32(r, -90, 90);
        if (i % 7 == 3)
            x[i] = special[i / 7 % (sizeof(special) / sizeof(special[0]))];
    }
}

static const mxdi_quantize_u8_params cases[] = {
    { 0.3f, 0, 0, 255, 0 },      { 0.3f, 255, 0, 255, 0 },   { 0.3f, 125, 0, 255, 0x80 },
    { 1.0f, 128, 0, 255, 0x80 }, { 0.7f, 128, 128, 200, 0 }, { 0.1f, 3, 100, 110, 0 },
    { 1e-30f, 10, 0, 255, 0 },   { 1e30f, 10, 0, 255, 0 },   { 0.5f, 7, 7, 7, 0 },
    { 1e-40f, 128, 1, 255, 0 },
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static void variants_quantize_as_ref(void **state)
{
    (void)state;
    mxdi_rng r = mxdi_rng_seed(1);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (size_t c = 0; c < CASES; c++)
            for (size_t n = 0; n <= N; n++) {
                float x[N];
                fill(x, cases[c].scale, &r);
                float   *exact = exact_copy(x, n * sizeof(*x));
                uint8_t *want = guarded_new(n), *got = guarded_new(n);
                mxdi_quantize_u8_ref.quantize(want, exact, n, &cases[c]);
                mxdi_quantize_u8_variants[v]->quantize(got, exact, n, &cases[c]);
                assert_guarded_equal(got, want, n);
                guarded_free(want);
                guarded_free(got);
                free(exact);
            }
    }
}

static void variants_dequantize_as_ref(void **state)
{
    (void)state;
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (size_t c = 0; c < CASES; c++)
            for (size_t n = 0; n <= 256; n++) {
                uint8_t q[256];
                for (size_t i = 0; i < 256; i++)
                    q[i] = (uint8_t)(i * 7);
                uint8_t *exact = exact_copy(q, n);
                float   *want = guarded_new(n * 4), *got = guarded_new(n * 4);
                mxdi_quantize_u8_ref.dequantize(want, exact, n, &cases[c]);
                mxdi_quantize_u8_variants[v]->dequantize(got, exact, n, &cases[c]);
                assert_guarded_equal(got, want, n * 4);
                guarded_free(want);
                guarded_free(got);
                free(exact);
            }
    }
}

static void ref_is_the_definition(void **state)
{
    (void)state;
    const mxdi_quantize_u8_params p = { 2.0f, 100, 10, 240, 0 }, s8 = { 2.0f, 125, 0, 255, 0x80 };
    const float x[] = { 1, 3, -1, -3, 5, NAN, INFINITY, -INFINITY, -180, -181.5f, 280, 2.9999998f };
    const uint8_t q[] = { 100, 102, 100, 98, 102, 100, 240, 10, 10, 10, 240, 101 };
    const uint8_t b[] = { 0xfd, 0xff, 0xfd, 0xfb, 0xff, 0xfd, 0x7f, 0x80, 0xa3, 0xa2, 0x7f, 0xfe };
    uint8_t       got[12];
    float         back[12];
    mxdi_quantize_u8_ref.quantize(got, x, 12, &p);
    assert_memory_equal(got, q, 12);
    mxdi_quantize_u8_ref.quantize(got, x, 12, &s8); /* int8 with zero point -3 */
    assert_memory_equal(got, b, 12);
    mxdi_quantize_u8_ref.dequantize(back, got, 12, &s8);
    assert_true(back[0] == 0 && back[1] == 4 && back[3] == -4 && back[6] == 260 && back[7] == -250);
}

static void channels_have_their_own_scale(void **state)
{
    (void)state;
    const mxdi_quantize_u8_params p[2] = { { 1, 10, 0, 255, 0 }, { 2, 20, 0, 255, 0 } };
    const float                   x[]  = { 1, 2, 3, 2, 4, 6, -1, -2, -3, -2, -4, -6 };
    const uint8_t                 q[]  = { 11, 12, 13, 21, 22, 23, 9, 8, 7, 19, 18, 17 };
    uint8_t                       got[12];
    float                         back[12];
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        mxdi_quantize_u8_channels(mxdi_quantize_u8_variants[v], got, x, 2, 2, 3, p);
        assert_memory_equal(got, q, 12);
        mxdi_dequantize_u8_channels(mxdi_quantize_u8_variants[v], back, got, 2, 2, 3, p);
        assert_memory_equal(back, x, sizeof(x));
    }
}

static void selection_is_a_function_of_the_flags(void **state)
{
    (void)state;
    assert_string_equal(mxdi_quantize_u8_select(0)->name, "quantize_u8_ref");
#if defined(__x86_64__)
    assert_string_equal(mxdi_quantize_u8_select(MXDI_ISA_AVX2 | MXDI_ISA_AVXVNNI)->name,
                        "quantize_u8_avx2");
    assert_string_equal(mxdi_quantize_u8_select(MXDI_ISA_AVX2 | MXDI_ISA_AVX512)->name,
                        "quantize_u8_avx512");
#elif defined(__aarch64__)
    assert_string_equal(mxdi_quantize_u8_select(MXDI_ISA_NEON | MXDI_ISA_DOTPROD)->name,
                        "quantize_u8_neon");
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_quantize_as_ref),
        cmocka_unit_test(variants_dequantize_as_ref),
        cmocka_unit_test(ref_is_the_definition),
        cmocka_unit_test(channels_have_their_own_scale),
        cmocka_unit_test(selection_is_a_function_of_the_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
