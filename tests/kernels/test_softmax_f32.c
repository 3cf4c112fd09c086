/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax_f32: rows of all lengths and strides within the bounds of softmax_f32.h against
 * binary64. */
#include "kernel_test.h"
#include "kernels/softmax_f32/softmax_f32.h"

static const double u = 0x1p-24;

struct row {
    double max, sum;
};

static struct row row_of(const float *x, const mxdi_axis *a)
{
    struct row r = { -INFINITY, 0 };
    for (int64_t k = 0; k < a->axis; k++)
        r.max = fmax(r.max, (double)x[k * a->x_axis]);
    for (int64_t k = 0; k < a->axis; k++)
        r.sum += exp((double)x[k * a->x_axis] - r.max);
    return r;
}

static void check_row(const float *y, const float *lg, const float *x, const mxdi_axis *a)
{
    const struct row r    = row_of(x, a);
    const double     ln_n = log((double)a->axis);
    for (int64_t k = 0; k < a->axis; k++) {
        const double d = r.max - (double)x[k * a->x_axis], want = exp(-d) / r.sum;
        const double off = fabs((double)y[k * a->y_axis] - want);
        if (!(isinf(d) ? y[k * a->y_axis] == 0
                       : off <= 1.0001 * u * (d + ln_n + 6) * want + 0x1p-148))
            fail_msg("softmax of %g below the maximum: %a, expected %a", d,
                     (double)y[k * a->y_axis], want);
        const double off_log = fabs((double)lg[k * a->y_axis] - (-d - log(r.sum)));
        if (!(isinf(d) ? lg[k * a->y_axis] == -INFINITY
                       : off_log <= 1.0001 * u * (2 * d + 4 * ln_n + 3)))
            fail_msg("log_softmax of %g below the maximum: %a", d, (double)lg[k * a->y_axis]);
    }
}

static void check(const mxdi_axis *a, float spread, mxdi_rng *r)
{
    const size_t nx = (size_t)((a->outer - 1) * a->x_outer + (a->axis - 1) * a->x_axis + a->inner);
    const size_t ny = (size_t)((a->outer - 1) * a->y_outer + (a->axis - 1) * a->y_axis + a->inner);
    float       *x = malloc(nx * 4), *y = guarded_new(ny * 4), *lg = guarded_new(ny * 4);
    for (size_t i = 0; i < nx; i++)
        x[i] = mxdi_rng_below(r, 50) ? random_f32(r, -spread, spread) : -INFINITY;
    for (int64_t o = 0; o < a->outer; o++)
        for (int64_t i = 0; i < a->inner; i++)
            x[o * a->x_outer + i] = spread; /* no row of -inf only */
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
        if (mxdi_vec_rows[v].needs & ~mxdi_cpu_isa())
            continue;
        memset(y, GUARD_BYTE, ny * 4);
        mxdi_softmax_f32_variants[v]->softmax(y, x, a);
        mxdi_softmax_f32_variants[v]->log_softmax(lg, x, a);
        for (int64_t o = 0; o < a->outer; o++)
            for (int64_t i = 0; i < a->inner; i++)
                check_row(y + o * a->y_outer + i, lg + o * a->y_outer + i, x + o * a->x_outer + i,
                          a);
        for (int64_t o = 0; o < a->outer; o++) /* what lies between the rows is untouched */
            for (int64_t k = 0; k < a->axis; k++)
                for (int64_t i = a->inner; i < (a->axis > 1 ? a->y_axis : 0); i++)
                    if (o * a->y_outer + k * a->y_axis + i < (int64_t)ny && k + 1 < a->axis)
                        assert_int_equal(((uint8_t *)(y + o * a->y_outer + k * a->y_axis + i))[3],
                                         GUARD_BYTE);
        assert_guards(y, ny * 4);
        assert_guards(lg, ny * 4);
    }
    free(x);
    guarded_free(y);
    guarded_free(lg);
}

static void rows_of_all_lengths(void **state)
{
    (void)state;
    mxdi_rng r = mxdi_rng_seed(16);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++)
        (void)runs_here(v);
    for (int64_t n = 1; n <= 150; n++) {
        const float     spread = n % 3 == 0 ? 60.0f : n % 3 == 1 ? 4.0f : 0.01f;
        const mxdi_axis rows = mxdi_axis_dense(3, n, 1), lanes = mxdi_axis_dense(2, 1 + n % 7, n);
        const mxdi_axis apart   = { 2, 1 + n % 5, n, 6 * (n + 3), n + 3, 7 * (n + 1), n + 1 };
        const mxdi_axis strided = { 2, n, 1, 3 * n, 2, 4 * n, 3 };
        check(&rows, spread, &r);
        check(&lanes, spread, &r);
        check(&apart, spread, &r);
        check(&strided, spread, &r);
    }
    const mxdi_axis longest = mxdi_axis_dense(1, 50000, 1);
    check(&longest, 8.0f, &r);
}

static void in_place_and_not_finite(void **state)
{
    (void)state;
    const mxdi_axis a = mxdi_axis_dense(1, 37, 1), b = mxdi_axis_dense(1, 37, 1 + 16);
    static float    x[37 * 17], y[37 * 17], z[37 * 17];
    mxdi_rng        r = mxdi_rng_seed(17);
    for (size_t i = 0; i < 37 * 17; i++)
        x[i] = random_f32(&r, -5, 5);
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        const mxdi_softmax_f32 *k = mxdi_softmax_f32_variants[v];
        for (int t = 0; t < 4; t++) {
            void (*const fn)(float *, const float *, const mxdi_axis *) =
                t / 2 ? k->softmax : k->log_softmax;
            memcpy(z, x, sizeof(z));
            memcpy(y, x, sizeof(y));
            fn(y, x, t % 2 ? &a : &b);
            fn(z, z, t % 2 ? &a : &b);
            assert_memory_equal(y, z, sizeof(y));
            static const float bad[] = { NAN, INFINITY };
            for (int i = 0; i < 2; i++) {
                memcpy(z, x, sizeof(z));
                z[t % 2 ? 20 : 20 * 17] = bad[i];
                fn(z, z, t % 2 ? &a : &b);
                for (size_t j = 0; j < 37; j++)
                    assert_true(isnan(z[t % 2 ? j : j * 17]));
            }
            for (size_t i = 0; i < 37 * 17; i++)
                z[i] = -INFINITY;
            fn(z, z, t % 2 ? &a : &b);
            assert_true(isnan(z[0]) && isnan(z[t % 2 ? 36 : 37 * 17 - 1]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows_of_all_lengths),
                                        cmocka_unit_test(in_place_and_not_finite) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
