/* SPDX-License-Identifier: Apache-2.0
 *
 * reduce_f32: runs and lanes of all lengths with strides; sums within the bound, extremes exact,
 * NaN wherever one is. */
#include "kernel_test.h"
#include "kernels/reduce_f32/reduce_f32.h"

static void check_sums(const mxdi_reduce_f32 *k, const float *x, float *y, size_t ny,
                       const mxdi_axis *a)
{
    for (int mean = 0; mean < 2; mean++) {
        memset(y, GUARD_BYTE, ny * 4);
        (mean ? k->mean : k->sum)(y, x, a);
        assert_guards(y, ny * 4);
        for (int64_t o = 0; o < a->outer; o++)
            for (int64_t i = 0; i < a->inner; i++) {
                long double sum = 0, size = 0;
                for (int64_t j = 0; j < a->axis; j++) {
                    sum += (long double)x[o * a->x_outer + j * a->x_axis + i];
                    size += fabsl((long double)x[o * a->x_outer + j * a->x_axis + i]);
                }
                const long double by  = mean ? (long double)a->axis : 1,
                                  got = (long double)y[o * a->y_outer + i];
                const long double off = fabsl(got - sum / by);
                assert_true(off <= 0x1p-24L * fabsl(got) +
                                       (long double)(a->axis + 1) * 0x1p-53L * size / by);
            }
    }
}

static bool same_number(float a, float b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void check_extremes(const mxdi_reduce_f32 *k, const float *x, float *y, float *want,
                           size_t ny, const mxdi_axis *a)
{
    for (int lowest = 0; lowest < 2; lowest++) {
        memset(y, GUARD_BYTE, ny * 4);
        (lowest ? k->min : k->max)(y, x, a);
        (lowest ? mxdi_reduce_f32_ref.min : mxdi_reduce_f32_ref.max)(want, x, a);
        assert_guards(y, ny * 4);
        for (int64_t o = 0; o < a->outer; o++)
            for (int64_t i = 0; i < a->inner; i++)
                assert_true(same_number(y[o * a->y_outer + i], want[o * a->y_outer + i]));
    }
}

static void check(const mxdi_axis *a, mxdi_rng *r)
{
    const size_t nx = (size_t)((a->outer - 1) * a->x_outer + (a->axis - 1) * a->x_axis + a->inner);
    const size_t ny = (size_t)((a->outer - 1) * a->y_outer + a->inner);
    float       *x = malloc(nx * 4), *y = guarded_new(ny * 4), *want = malloc(ny * 4);
    for (size_t i = 0; i < nx; i++)
        x[i] = mxdi_rng_below(r, 2) ? random_f32(r, -1, 1) : random_f32(r, -9e7f, 1e8f);
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
        if (mxdi_vec_rows[v].needs & ~mxdi_cpu_isa())
            continue;
        check_sums(mxdi_reduce_f32_variants[v], x, y, ny, a);
        check_extremes(mxdi_reduce_f32_variants[v], x, y, want, ny, a);
        const size_t at   = (size_t)mxdi_rng_below(r, nx);
        const float  kept = x[at];
        x[at] = mxdi_rng_below(r, 2) ? NAN : mxdi_rng_below(r, 2) ? INFINITY : -INFINITY;
        check_extremes(mxdi_reduce_f32_variants[v], x, y, want, ny, a);
        x[at] = kept;
    }
    free(x);
    free(want);
    guarded_free(y);
}

static void variants_reduce(void **state)
{
    (void)state;
    mxdi_rng r = mxdi_rng_seed(18);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++)
        (void)runs_here(v);
    for (int64_t n = 1; n <= 100; n++) {
        const mxdi_axis rows = mxdi_axis_dense(3, n, 1), lanes = mxdi_axis_dense(2, 1 + n % 9, n);
        const mxdi_axis apart   = { 2, 1 + n % 9, n, 9 * (n + 2) + 5, n + 2, n + 1, 0 };
        const mxdi_axis strided = { 2, n, 1, 3 * n + 1, 3, 2, 0 };
        check(&rows, &r);
        check(&lanes, &r);
        check(&apart, &r);
        check(&strided, &r);
    }
}

/* 10^8 + 1 - 10^8 and the like: what f32 accumulation loses. */
static void sums_keep_what_f32_loses(void **state)
{
    (void)state;
    enum { N = 40 };
    float           x[N] = { 1e8f, 1, -1e8f, 1 }, y[1];
    const mxdi_axis run = mxdi_axis_dense(1, N, 1), lane = { 1, 4, 1, 4, 1, 1, 0 };
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        mxdi_reduce_f32_variants[v]->sum(y, x, &run);
        assert_true(y[0] == 2);
        mxdi_reduce_f32_variants[v]->mean(y, x, &lane);
        assert_true(y[0] == 0.5f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(variants_reduce),
                                        cmocka_unit_test(sums_keep_what_f32_loses) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
