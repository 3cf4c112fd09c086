/* SPDX-License-Identifier: Apache-2.0
 *
 * channel_sum_f32: every variant against `ref`, over ranges of channels with all tails; `ref` by
 * sums of integers. */
#include "blocked_test.h"
#include "kernels/channel_sum_f32/channel_sum_f32.h"

enum { BLOCKS = 2, CHANNELS = 70 };

static void variants_match_ref(void **state)
{
    (void)state;
    mxdi_rng rng  = mxdi_rng_seed(1);
    float   *want = guarded_new(CHANNELS * sizeof(float)),
          *got    = guarded_new(CHANNELS * sizeof(float));
    for (int round = 0; round < 300; round++) {
        const int32_t      block = mxdi_rng_below(&rng, 2) ? 8 : 1;
        const mxdi_blocked l =
            blocked_layout((int32_t)random_between(&rng, 1, 4), (int32_t)random_between(&rng, 1, 4),
                           CHANNELS, block, random_between(&rng, 0, 3), 5);
        const int32_t begin = (int32_t)random_between(&rng, 0, CHANNELS - 1);
        const int32_t end   = (int32_t)random_between(&rng, begin, CHANNELS);
        float        *x     = blocked_random(&rng, &l, BLOCKS, false);
        for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
            if (mxdi_vec_rows[v].needs & ~mxdi_cpu_isa())
                continue;
            memset(want, GUARD_BYTE, CHANNELS * sizeof(float));
            memset(got, GUARD_BYTE, CHANNELS * sizeof(float));
            mxdi_channel_sum_f32_ref.run(want, x, &l, BLOCKS, begin, end);
            mxdi_channel_sum_f32_variants[v]->run(got, x, &l, BLOCKS, begin, end);
            assert_guarded_equal(got, want, CHANNELS * sizeof(float));
        }
        free(x);
    }
    guarded_free(want);
    guarded_free(got);
}

/* In f32 the ones would be lost beside 2^24; 2^24 + 3 rounds to 2^24 + 4. */
static void sums_are_rounded_once(void **state)
{
    (void)state;
    static const float big[] = { 0x1p24f, 1, 1, 1, -0x1p24f };
    const mxdi_blocked l     = { 1, 1, 1, 1, 1, 1 };
    float              sum   = 0;
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        mxdi_channel_sum_f32_variants[v]->run(&sum, big, &l, 5, 0, 1);
        assert_true(sum == 3.0f);
        mxdi_channel_sum_f32_variants[v]->run(&sum, big, &l, 4, 0, 1);
        assert_true(sum == 0x1p24f + 4);
    }
    assert_ptr_equal(mxdi_channel_sum_f32_select(0), &mxdi_channel_sum_f32_ref);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_match_ref),
        cmocka_unit_test(sums_are_rounded_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
