/* SPDX-License-Identifier: Apache-2.0
 *
 * pool_grad_f32: random windows, layouts and counts with many ties, every variant against `ref`;
 * `ref` by examples, and as the transpose of pool_blocked's averages. */
#include "blocked_test.h"
#include "kernels/pool_grad_f32/pool_grad_f32.h"

enum { BLOCKS = 3 };

static size_t elements(const mxdi_blocked *l)
{
    return (size_t)(BLOCKS * l->block_stride);
}

static mxdi_pool_desc random_desc(mxdi_rng *r)
{
    static const int32_t channel[] = { 1, 3, 6, 8, 16, 17, 31, 32, 64, 70 };
    mxdi_pool_desc       d         = { 0 };
    const int32_t        c = channel[mxdi_rng_below(r, 10)], block = mxdi_rng_below(r, 2) ? 8 : 1;
    const int64_t        gap = random_between(r, 0, 1) * 5;
    mxdi_window2d       *k   = &d.window;
    k->kh = (int32_t)random_between(r, 1, 4), k->kw = (int32_t)random_between(r, 1, 4);
    k->sh = (int32_t)random_between(r, 1, 3), k->sw = (int32_t)random_between(r, 1, 3);
    k->dh = (int32_t)random_between(r, 1, 2), k->dw = (int32_t)random_between(r, 1, 2);
    k->ph = (int32_t)random_between(r, 0, k->kh), k->pw = (int32_t)random_between(r, 0, k->kw);
    d.ph_end = (int32_t)random_between(r, 0, 2), d.pw_end = (int32_t)random_between(r, 0, 2);
    d.count_include_pad = (int32_t)mxdi_rng_below(r, 2);
    d.x = blocked_layout((int32_t)random_between(r, 1, 9), (int32_t)random_between(r, 1, 9), c,
                         block, gap, 7);
    d.y = blocked_layout((int32_t)random_between(r, 1, 6), (int32_t)random_between(r, 1, 6), c,
                         block, mxdi_rng_below(r, 2) ? gap : 3, 5);
    return d;
}

/* Few values, so that maxima tie; now and then NaN. */
static float *tied(mxdi_rng *r, size_t n)
{
    float *p = malloc(n * sizeof(*p));
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = mxdi_rng_below(r, 50) ? (float)random_between(r, -2, 2) : NAN;
    return p;
}

static void check(const mxdi_pool_desc *d, const mxdi_pool_grad_f32 *k, const float *x,
                  const float *y, const float *dy, mxdi_rng *r)
{
    const size_t  bytes      = elements(&d->x) * sizeof(float);
    const int     accumulate = (int)mxdi_rng_below(r, 2);
    const int64_t begin = random_between(r, 0, BLOCKS), end = random_between(r, begin, BLOCKS);
    float        *want = guarded_new(bytes), *got = guarded_new(bytes);
    for (int average = 0; average < 2; average++) {
        for (size_t i = 0; i < elements(&d->x); i++)
            want[i] = got[i] = random_f32(r, -1, 1);
        if (average) {
            mxdi_pool_grad_f32_ref.average(want, dy, d, accumulate, begin, end);
            k->average(got, dy, d, accumulate, begin, end);
        } else {
            mxdi_pool_grad_f32_ref.max(want, dy, x, y, d, accumulate, begin, end);
            k->max(got, dy, x, y, d, accumulate, begin, end);
        }
        assert_guarded_equal(got, want, bytes);
    }
    guarded_free(want);
    guarded_free(got);
}

static void variants_match_ref(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(1);
    for (int i = 0; i < 300; i++) {
        const mxdi_pool_desc d  = random_desc(&rng);
        float               *x  = tied(&rng, elements(&d.x));
        float               *y  = malloc(elements(&d.y) * sizeof(float));
        float               *dy = blocked_random(&rng, &d.y, BLOCKS, false);
        assert_non_null(y);
        mxdi_pool_blocked_ref.max_f32(y, x, &d, 0, BLOCKS * d.y.h);
        for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
            if (!(mxdi_vec_rows[v].needs & ~mxdi_cpu_isa()))
                check(&d, mxdi_pool_grad_f32_variants[v], x, y, dy, &rng);
        }
        free(x);
        free(y);
        free(dy);
    }
}

static void examples(void **state)
{
    (void)state;
    const float    nan = NAN;
    mxdi_pool_desc d   = { .x      = blocked_layout(3, 3, 1, 1, 0, 0),
                           .y      = blocked_layout(2, 2, 1, 1, 0, 0),
                           .window = { 2, 2, 1, 1, 1, 1, 0, 0 } };
    const float    x[] = { 1, 2, 2, 2, 2, nan, 0, 2, 3 }, y[] = { 2, 2, 2, 3 };
    const float    dy[] = { 10, 20, 40, 80 };
    /* windows: first maxima are (0,1), (0,1), (1,0) and (2,2) */
    const float max[]     = { 0, 30, 0, 40, 0, 0, 0, 0, 80 };
    const float average[] = { 2.5f, 7.5f, 5, 12.5f, 37.5f, 25, 10, 30, 20 };
    float       dx[9];
    mxdi_pool_grad_f32_ref.max(dx, dy, x, y, &d, 0, 0, 1);
    assert_memory_equal(dx, max, sizeof(max));
    mxdi_pool_grad_f32_ref.average(dx, dy, &d, 0, 0, 1);
    assert_memory_equal(dx, average, sizeof(average));

    /* one output with three taps of its window in the padding */
    d.y         = blocked_layout(1, 1, 1, 1, 0, 0);
    d.window.ph = d.window.pw = 1;
    const float with[]        = { 12.5f, 1, 1, 1, 1, 1, 1, 1, 1 };
    for (int i = 0; i < 9; i++)
        dx[i] = 1;
    mxdi_pool_grad_f32_ref.average(dx, (const float[]){ 11.5f }, &d, 1, 0, 1);
    assert_memory_equal(dx, with, sizeof(with));
    d.count_include_pad = 1;
    dx[0]               = 9.625f;
    mxdi_pool_grad_f32_ref.average(dx, (const float[]){ 11.5f }, &d, 1, 0, 1);
    assert_memory_equal(dx, with, sizeof(with));
}

/* sum(average(x) * dy) = sum(x * dx), within roundings of either side. */
static void averages_are_transposed(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(2);
    for (int i = 0; i < 100; i++) {
        const mxdi_pool_desc d  = random_desc(&rng);
        float               *x  = blocked_random(&rng, &d.x, BLOCKS, false);
        float               *dy = blocked_random(&rng, &d.y, BLOCKS, false);
        float               *y  = malloc(elements(&d.y) * sizeof(float)),
              *dx               = malloc(elements(&d.x) * sizeof(float));
        double forward = 0, backward = 0, all = 0;
        assert_true(y && dx);
        mxdi_pool_blocked_ref.average_f32(y, x, &d, 0, BLOCKS * d.y.h);
        mxdi_pool_grad_f32_ref.average(dx, dy, &d, 0, 0, BLOCKS);
        for (size_t k = 0; k < blocked_count(&d.y, BLOCKS); k++) {
            if (blocked_is_channel(&d.y, k)) {
                forward += (double)y[k] * (double)dy[k];
                all += fabs((double)dy[k]); /* |x| <= 1: averages of |x| are no more */
            }
        }
        for (size_t k = 0; k < blocked_count(&d.x, BLOCKS); k++) {
            if (blocked_is_channel(&d.x, k))
                backward += (double)x[k] * (double)dx[k];
        }
        /* a term is rounded once by division and once per window that an input is in: 16 at
         * most, or per tap of a window */
        assert_true(fabs(forward - backward) <= 2 * rounding_bound(17, all));
        free(x);
        free(y);
        free(dx);
        free(dy);
    }
    assert_ptr_equal(mxdi_pool_grad_f32_select(0), &mxdi_pool_grad_f32_ref);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_match_ref),
        cmocka_unit_test(examples),
        cmocka_unit_test(averages_are_transposed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
