/* SPDX-License-Identifier: Apache-2.0
 *
 * The figures that people decide by: quantiles, intervals, accuracy. All by hand.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mixdown/mixdown.h"

static void latency(void **state)
{
    (void)state;
    double      ms[101];
    mxd_latency l;
    for (int k = 0; k < 101; k++)
        ms[k] = (double)((k * 37) % 101); /* 0 .. 100 in another order */
    mxd_latency_of(&l, ms, 101);
    assert_true(l.runs == 101 && l.min == 0.0 && l.median == 50.0 && l.p90 == 90.0 &&
                l.p99 == 99.0);
    /* ranks 50.5 -+ 1.96 * sqrt(101) / 2 = 40.65, 60.35 */
    assert_true(l.ci_low == 40.0 && l.ci_high == 61.0);
    assert_true(ms[0] == 0.0 && ms[100] == 100.0);
    double even[4] = { 4.0, 1.0, 3.0, 2.0 };
    mxd_latency_of(&l, even, 4);
    assert_true(l.median == 2.5 && l.ci_low == 1.0 && l.ci_high == 4.0);
    double one[1] = { 7.0 };
    mxd_latency_of(&l, one, 1);
    assert_true(l.median == 7.0 && l.ci_low == 7.0 && l.ci_high == 7.0 && l.p99 == 7.0);
}

/* Of equal outputs the first counts; NaN is never right; nor is a class that is none. */
static void accuracy(void **state)
{
    (void)state;
    static const float p[7][3]   = { { 1, 2, 3 },   { 3, 2, 1 },       { 2, 2, 1 }, { 2, 2, 1 },
                                     { 0, NAN, 1 }, { NAN, NAN, NAN }, { 1, 2, 3 } };
    const int64_t      labels[7] = { 2, 0, 0, 1, 2, 0, 9 };
    mxd_accuracy       a;
    mxd_accuracy_of(&a, &p[0][0], labels, 4, 3);
    assert_true(a.samples == 4 && a.top1 == 0.75 &&
                isnan(a.top5)); /* the fourth has the second of two equals */
    assert_true(fabs(a.top1_stderr - sqrt(0.75 * 0.25 / 4.0)) < 1e-15);
    mxd_accuracy_of(&a, &p[5][0], labels + 5, 2, 3);
    assert_true(a.top1 == 0.0);
    float wide[2][6] = { { 6, 5, 4, 3, 2, 1 }, { 6, 5, 4, 3, 2, 1 } };
    mxd_accuracy_of(&a, &wide[0][0], (const int64_t[]){ 4, 5 }, 2, 6);
    assert_true(a.top1 == 0.0 && a.top5 == 0.5);
}

/* As many runs as asked for, of the batch that was asked for. */
static void bench(void **state)
{
    (void)state;
    mxd_context      *ctx = NULL;
    mxd_engine       *e   = NULL;
    mxd_error         err = MXD_ERROR_INIT;
    mxd_build_options o   = MXD_BUILD_OPTIONS_INIT;
    mxd_bench_options b   = MXD_BENCH_OPTIONS_INIT;
    mxd_bench_result  r;
    o.batch[0]   = 4;
    b.threads    = 1;
    b.batch      = 3;
    b.duration_s = 0.0;
    b.iterations = 17;
    if (mxd_context_create(&ctx, NULL, &err) != MXD_OK ||
        mxd_engine_load(&e, ctx, "tests/data/residual.onnx", &o, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    for (int warm = -1; warm <= 1; warm++) {
        b.warm_up_ms = warm;
        assert_int_equal(mxd_bench(&r, e, NULL, &b, &err), MXD_OK);
        assert_true(r.latency.runs == 17 && r.batch == 3 && r.threads == 1 && r.first_ms > 0.0);
        assert_true(r.latency.min <= r.latency.median && r.latency.median <= r.latency.p99);
    }
    b.struct_size = 3;
    assert_int_equal(mxd_bench(&r, e, NULL, &b, &err), MXD_E_INVAL);
    mxd_engine_destroy(e);
    mxd_context_destroy(ctx);
}

/* Structs of callers that know less, or nothing at all. */
static void arguments(void **state)
{
    (void)state;
    mxd_context      *ctx  = NULL;
    mxd_engine       *none = NULL;
    mxd_error         err  = MXD_ERROR_INIT;
    mxd_build_options o    = MXD_BUILD_OPTIONS_INIT;
    mxd_backend_info  info;
    assert_int_equal(mxd_context_create(&ctx, NULL, NULL), MXD_OK);
    o.batch[0] = 3;
    o.batch[1] = 3;
    assert_int_equal(mxd_engine_load(&none, ctx, "tests/data/residual.onnx", &o, &err),
                     MXD_E_USAGE);
    assert_null(none);
    assert_int_equal(mxd_engine_load(&none, ctx, "tests/data/none.onnx", NULL, NULL), MXD_E_IO);
    assert_int_equal(mxd_context_backend(&info, ctx, 99, &err), MXD_E_RANGE);
    assert_int_equal(mxd_context_load_backend(ctx, "tests/data/x.npy", &err), MXD_E_IO);
    mxd_engine_destroy(NULL);
    mxd_session_close(NULL);
    mxd_model_destroy(NULL);
    mxd_dataset_close(NULL);
    mxd_calibration_destroy(NULL);
    mxd_recipe_destroy(NULL);
    mxd_inspection_destroy(NULL);
    mxd_context_destroy(NULL);
    mxd_free(ctx, NULL);
    mxd_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latency),
        cmocka_unit_test(accuracy),
        cmocka_unit_test(bench),
        cmocka_unit_test(arguments),
    };
    return cmocka_run_group_tests_name("api_measure", tests, NULL, NULL);
}
