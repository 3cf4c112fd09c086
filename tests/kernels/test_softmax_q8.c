/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax_q8: rows of all lengths, short and long, with and without strides, flat and peaked. */
#include "kernel_test.h"
#include "kernels/softmax_q8/softmax_q8.h"

static void make_table(int64_t *table, double s)
{
    for (int d = 0; d < 256; d++)
        table[d] = (int64_t)rint(ldexp(exp(-s * d), 24));
}

static void check(const mxdi_axis *a, const mxdi_softmax_q8_params *p, mxdi_rng *r)
{
    const size_t nx = (size_t)((a->outer - 1) * a->x_outer + (a->axis - 1) * a->x_axis + a->inner);
    const size_t ny = (size_t)((a->outer - 1) * a->y_outer + (a->axis - 1) * a->y_axis + a->inner);
    uint8_t     *x = malloc(nx), *want = guarded_new(ny), *got = guarded_new(ny);
    const int    span = mxdi_rng_below(r, 3) ? 256 : 3;
    for (size_t i = 0; i < nx; i++)
        x[i] = (uint8_t)mxdi_rng_below(r, (uint64_t)span);
    mxdi_softmax_q8_ref.softmax(want, x, a, p);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (mxdi_vec_rows[v].needs & ~mxdi_cpu_isa())
            continue;
        memset(got, GUARD_BYTE, ny);
        mxdi_softmax_q8_variants[v]->softmax(got, x, a, p);
        assert_guarded_equal(got, want, ny);
        if (a->x_outer == a->y_outer && a->x_axis == a->y_axis) {
            memcpy(got, x, nx);
            mxdi_axis same = *a;
            mxdi_softmax_q8_variants[v]->softmax(got, got, &same, p);
            for (int64_t o = 0; o < a->outer; o++)
                for (int64_t k = 0; k < a->axis; k++) {
                    const size_t at = (size_t)(o * a->y_outer + k * a->y_axis);
                    assert_memory_equal(got + at, want + at, (size_t)a->inner);
                }
            assert_guards(got, ny);
        }
    }
    free(x);
    guarded_free(want);
    guarded_free(got);
}

static void variants_match_ref(void **state)
{
    (void)state;
    mxdi_rng r = mxdi_rng_seed(6);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++)
        (void)runs_here(v);
    for (int64_t n = 1; n <= 300; n++) {
        int64_t table[256];
        make_table(table, n % 2 ? 0.02 : 0.3);
        const mxdi_softmax_q8_params p = { table, n % 3 ? 1.0f / 256 : 0.0021f, n % 5 ? 0 : 128,
                                           n % 7 ? 0 : 9, n % 4 ? 255 : 60 };
        const mxdi_axis rows = mxdi_axis_dense(2, n, 1), columns = mxdi_axis_dense(2, n, 3);
        const mxdi_axis apart = { 2, n, 2, 5 * n + 1, 5, 3 * n + 2, 3 };
        check(&rows, &p, &r);
        check(&columns, &p, &r);
        check(&apart, &p, &r);
    }
}

/* 1/n in steps that put it near k + 1/2: a product with 1 / y_scale would round some of these the
 * other way. */
static void ties(void **state)
{
    (void)state;
    int64_t table[256];
    uint8_t x[8] = { 0 }, want[8], got[8];
    make_table(table, 0.1);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (int64_t n = 1; n <= 8; n++)
            for (int k = 0; k < 255; k++) {
                const float                  scale = (float)(1.0 / (double)n / (k + 0.5));
                const mxdi_softmax_q8_params p     = { table, scale, 0, 0, 255 };
                const mxdi_axis              a     = mxdi_axis_dense(1, n, 1);
                mxdi_softmax_q8_ref.softmax(want, x, &a, &p);
                mxdi_softmax_q8_variants[v]->softmax(got, x, &a, &p);
                assert_memory_equal(got, want, (size_t)n);
            }
    }
}

/* A flat row of n equal bytes is 1/n, and the sum of exponentials does not wrap at 32 bits. */
static void flat_rows(void **state)
{
    (void)state;
    enum { N = 300000 };
    static uint8_t x[N], y[N];
    int64_t        table[256];
    make_table(table, 0.1);
    memset(x, 200, N);
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        const mxdi_softmax_q8_params p = { table, 1.0f / (100.0f * N), 0, 0, 255 };
        const mxdi_axis              a = mxdi_axis_dense(1, N, 1), four = mxdi_axis_dense(1, 4, 1);
        mxdi_softmax_q8_variants[v]->softmax(y, x, &a, &p);
        assert_int_equal(y[0], 100);
        assert_int_equal(y[N - 1], 100);
        const mxdi_softmax_q8_params quarter = { table, 1.0f / 256, 10, 0, 255 };
        mxdi_softmax_q8_variants[v]->softmax(y, x, &four, &quarter);
        assert_int_equal(y[3], 74);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(variants_match_ref),
                                        cmocka_unit_test(ties), cmocka_unit_test(flat_rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
