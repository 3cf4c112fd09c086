/* SPDX-License-Identifier: Apache-2.0
 *
 * mean_q8: runs and lanes of all lengths, with strides, ties and both saturating ends. */
#include "kernel_test.h"
#include "kernels/mean_q8/mean_q8.h"

static const mxdi_mean_q8_params cases[] = {
    { 0.5f, 128, 128, 0, 255 }, /* ties */
    { 0.125f, 0, 200, 0, 255 }, { 3.7f, 255, 128, 0, 255 }, { 0.031f, 90, 12, 12, 60 },
    { 1.0f, 1, 0, 5, 250 },     { NAN, 3, 77, 0, 255 },
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static void check(const mxdi_axis *a, const mxdi_mean_q8_params *p, mxdi_rng *r)
{
    const size_t nx = (size_t)((a->outer - 1) * a->x_outer + (a->axis - 1) * a->x_axis + a->inner);
    const size_t ny = (size_t)((a->outer - 1) * a->y_outer + a->inner);
    uint8_t     *x = malloc(nx), *want = guarded_new(ny), *got = guarded_new(ny);
    for (size_t i = 0; i < nx; i++)
        x[i] = mxdi_rng_below(r, 4) ? random_u8(r) : 255;
    mxdi_mean_q8_ref.mean(want, x, a, p);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (mxdi_vec_rows[v].needs & ~mxdi_cpu_isa())
            continue;
        memset(got, GUARD_BYTE, ny);
        mxdi_mean_q8_variants[v]->mean(got, x, a, p);
        assert_guarded_equal(got, want, ny);
    }
    free(x);
    guarded_free(want);
    guarded_free(got);
}

static void variants_match_ref(void **state)
{
    (void)state;
    mxdi_rng r = mxdi_rng_seed(5);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++)
        (void)runs_here(v);
    for (int64_t n = 1; n <= 200; n++) { /* the last axis */
        const mxdi_axis dense = mxdi_axis_dense(3, n, 1);
        mxdi_axis       apart = dense;
        apart.x_outer += 5;
        apart.y_outer = 2;
        check(&dense, &cases[n % CASES], &r);
        check(&apart, &cases[n % CASES], &r);
    }
    for (int64_t inner = 1; inner <= 70; inner++) { /* an axis before others */
        const mxdi_axis dense = mxdi_axis_dense(2, 1 + inner % 9, inner);
        const mxdi_axis apart = { 2, 9, inner, 9 * (inner + 3) + 7, inner + 3, inner + 1, 0 };
        check(&dense, &cases[inner % CASES], &r);
        check(&apart, &cases[inner % CASES], &r);
    }
    const mxdi_axis large = mxdi_axis_dense(1, 100003, 3);
    check(&large, &cases[3], &r);
}

static void ref_is_the_definition(void **state)
{
    (void)state;
    const mxdi_axis           a    = mxdi_axis_dense(1, 4, 2);
    const mxdi_mean_q8_params p    = { 0.25f, 10, 50, 0, 255 };
    const uint8_t             x[8] = { 10, 20, 12, 20, 14, 22, 10, 20 };
    uint8_t                   y[2]; /* sums 6 and 42 are 1.5 and 10.5: ties */
    mxdi_mean_q8_ref.mean(y, x, &a, &p);
    assert_int_equal(y[0], 52);
    assert_int_equal(y[1], 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(variants_match_ref),
                                        cmocka_unit_test(ref_is_the_definition) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
