/* SPDX-License-Identifier: Apache-2.0
 *
 * round_half: every upper half of a float with the lower halves where rounding turns, all lengths,
 * in place; and the definition against base/half.h. */
#include "base/half.h"
#include "kernel_test.h"
#include "kernels/round_half/round_half.h"

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

static void assert_same(const float *got, const float *want, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const bool same =
            isnan(want[i]) ? isnan(got[i]) : memcmp(&got[i], &want[i], sizeof(*got)) == 0;
        if (!same)
            fail_msg("%a rounds to %a, expected %a", (double)x[i], (double)got[i], (double)want[i]);
    }
}

static const uint32_t low[] = { 0,      1,      0x0fff, 0x1000, 0x1001, 0x2000, 0x2fff, 0x3000,
                                0x3001, 0x7fff, 0x8000, 0x8001, 0xefff, 0xf000, 0xf001, 0xffff };
enum { LOW = sizeof(low) / sizeof(low[0]) };

static void every_exponent_and_tie(void **state)
{
    (void)state;
    for (uint32_t high = 0; high < 65536; high++) {
        float x[LOW], want[LOW], got[LOW];
        for (size_t i = 0; i < LOW; i++)
            x[i] = from_bits(high << 16 | low[i]);
        for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
            if (mxdi_vec_rows[v].needs & ~mxdi_cpu_isa())
                continue;
            for (size_t i = 0; i < LOW; i++)
                want[i] = mxdi_bf16_to_f32(mxdi_f32_to_bf16(x[i]));
            mxdi_round_half_variants[v]->bf16(got, x, LOW);
            assert_same(got, want, x, LOW);
            for (size_t i = 0; i < LOW; i++)
                want[i] = mxdi_f16_to_f32(mxdi_f32_to_f16(x[i]));
            mxdi_round_half_variants[v]->f16(got, x, LOW);
            assert_same(got, want, x, LOW);
        }
    }
}

static void all_lengths_in_place(void **state)
{
    (void)state;
    enum { N = 2 * 16 + 17 };
    mxdi_rng r = mxdi_rng_seed(7);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (size_t n = 0; n <= N; n++) {
            float x[N];
            for (size_t i = 0; i < N; i++)
                x[i] = random_f32(&r, -70000, 70000);
            float *exact = exact_copy(x, n * 4), *want = guarded_new(n * 4),
                  *got = guarded_new(n * 4);
            mxdi_round_half_ref.bf16(want, exact, n);
            mxdi_round_half_variants[v]->bf16(got, exact, n);
            assert_guarded_equal(got, want, n * 4);
            mxdi_round_half_ref.f16(want, exact, n);
            memcpy(got, x, n * 4);
            mxdi_round_half_variants[v]->f16(got, got, n);
            assert_guarded_equal(got, want, n * 4);
            free(exact);
            guarded_free(want);
            guarded_free(got);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_exponent_and_tie),
                                        cmocka_unit_test(all_lengths_in_place) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
