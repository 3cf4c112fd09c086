/* SPDX-License-Identifier: Apache-2.0
 *
 * Rooflines by hand, on a machine of round figures; and profiles: rows add up to the run, and work
 * follows the batch.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mixdown/mixdown.h"

/* 100, 200 and 400 GOP/s; 1000 bytes at 50 GB/s, 10000 at 10, the rest at 1. */
static const mxd_peak machine = {
    .threads   = 1,
    .n_compute = 3,
    .n_memory  = 3,
    .compute   = { { "f32", "fma", 100.0, 0 },
                   { "s16", "pairs", 200.0, 0 },
                   { "u8s8", "dot", 400.0, 0 } },
    .memory    = { { "L2", "mov", 50.0, 1000 },
                   { "L3", "mov", 10.0, 10000 },
                   { "memory", "mov", 1.0, 0 } },
};

static mxd_roof roof_of(const mxd_profile_row *row)
{
    mxd_roof roof;
    mxd_roof_of(&roof, row, 1, &machine);
    return roof;
}

static void near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-9 * fabs(b)))
        fail_msg("%.12g, expected %.12g", a, b);
}

static void products(void **state)
{
    (void)state;
    mxd_profile_row r = { "n", "conv", "u8s8", NULL, 2.0, 200000000, 600, NULL, 100, 576 };
    mxd_roof        f = roof_of(&r);
    near(f.ms, 1.0);
    near(f.gops, 200.0);
    near(f.percent_of_peak, 50.0);
    assert_string_equal(f.bound, "u8s8");
    assert_string_equal(f.why, "compute-bound");
    r.depth = 27;
    assert_true(strstr(roof_of(&r).why, "small K: 27 ") != NULL);
    r.reason = "as the backend says";
    assert_string_equal(roof_of(&r).why, r.reason);
    r.computed = "f32";
    near(roof_of(&r).percent_of_peak, 200.0);
    r.computed = "bf16"; /* no instructions for it: as f32 */
    near(roof_of(&r).ms, 4.0);
}

static void winograd(void **state)
{
    (void)state;
    mxd_profile_row r = { "n", "conv", "u8s8", NULL, 2.0, 200000000, 600, "winograd", 100, 576 };
    near(roof_of(&r).ms, 0.5); /* a quarter of the products, as pairs of 16 bits */
    near(roof_of(&r).gops, 200.0);
    near(roof_of(&r).percent_of_peak, 25.0);
    r.computed = "f32";
    near(roof_of(&r).ms, 1.0);
    r.algorithm = "direct";
    near(roof_of(&r).ms, 4.0);
}

static void memory(void **state)
{
    (void)state;
    mxd_profile_row r = { "n", "relu", "f32", NULL, 1.0, 0, 1000, NULL, 0, 0 };
    near(roof_of(&r).ms, 1000.0 / 50e6);
    assert_true(isnan(roof_of(&r).gops) && isnan(roof_of(&r).percent_of_peak));
    assert_true(strstr(roof_of(&r).why, "not fused") != NULL);
    r.node = "";
    assert_true(strstr(roof_of(&r).why, "reformat") != NULL);
    r.bytes = 1001;
    near(roof_of(&r).ms, 1001.0 / 10e6);
    r.bytes = 10001;
    near(roof_of(&r).ms, 10001.0 / 1e6);
    r.kernel = "interp";
    assert_true(strstr(roof_of(&r).why, "interpreter") != NULL);
    /* constants are those of all rows: 12000 do not stay in a cache, 500 moved bytes do */
    mxd_profile_row two[2] = { { "a", "fc", "u8s8", NULL, 1.0, 8, 6500, NULL, 6000, 512 },
                               { "b", "fc", "u8s8", NULL, 1.0, 8, 6500, NULL, 6000, 512 } };
    mxd_roof        roof[2];
    mxd_roof_of(roof, two, 2, &machine);
    near(roof[1].ms, 6000.0 / 1e6 + 500.0 / 50e6);
    assert_string_equal(roof[1].bound, "memory");
    assert_true(strstr(roof[1].why, "memory-bound") != NULL);
    mxd_roof_of(roof, two, 1, &machine);
    near(roof[0].ms, 6000.0 / 10e6 + 500.0 / 50e6);
}

static void profile(void **state)
{
    (void)state;
    mxd_context      *ctx = NULL;
    mxd_engine       *e   = NULL;
    mxd_session      *s   = NULL;
    mxd_error         err = MXD_ERROR_INIT;
    mxd_build_options o   = MXD_BUILD_OPTIONS_INIT;
    mxd_bench_options b   = MXD_BENCH_OPTIONS_INIT;
    mxd_bench_result  r;
    mxd_profile       p;
    int64_t           macs[3] = { 0 };
    o.batch[0]                = 4;
    b.duration_s              = 0.0;
    b.iterations              = 1100; /* more than are kept */
    if (mxd_context_create(&ctx, NULL, &err) != MXD_OK ||
        mxd_engine_load(&e, ctx, "tests/data/residual.onnx", &o, &err) != MXD_OK ||
        mxd_session_open(&s, e, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    for (int k = 0; k < 3; k++, b.iterations = 1) {
        double sum = 0.0;
        b.batch    = (const int64_t[]){ 4, 2, 8 }[k];
        assert_int_equal(mxd_bench_profile(&r, &p, e, s, &b, &err), MXD_OK);
        assert_true(p.n > 2 && r.batch == b.batch && r.latency.runs == b.iterations);
        for (uint32_t i = 0; i < p.n; i++) {
            sum += p.row[i].ms;
            macs[k] += p.row[i].macs;
            assert_in_range(p.row[i].constant_bytes, 0, p.row[i].bytes);
            if (p.row[i].macs)
                assert_true(p.row[i].depth > 0 && p.row[i].constant_bytes > 0);
        }
        assert_true(sum > 0.0 && sum <= p.whole_ms * 1.000001);
        mxd_free(ctx, p.row);
    }
    assert_true(macs[0] == 2 * macs[1] && macs[2] == 2 * macs[0]);
    b.struct_size = 3;
    assert_int_equal(mxd_bench_profile(&r, &p, e, s, &b, &err), MXD_E_INVAL);
    assert_null(p.row);
    mxd_session_close(s);
    mxd_engine_destroy(e);
    mxd_context_destroy(ctx);
}

static void peak(void **state)
{
    (void)state;
    mxd_peak p;
    assert_int_equal(mxd_peak_measure(&p, NULL, 2, NULL), MXD_OK);
    assert_true(p.threads == 2 && p.n_memory == 3);
    for (uint32_t k = 0; k < p.n_memory; k++)
        assert_true(p.memory[k].per_second > 0.0);
    for (uint32_t k = 0; k < p.n_compute; k++)
        assert_true(p.compute[k].per_second > 0.0);
    assert_int_equal(mxd_peak_measure(&p, "scalar", 1, NULL), MXD_OK);
    assert_int_equal(p.n_compute, 0);
    assert_int_equal(mxd_peak_measure(&p, "none", 1, NULL), MXD_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products), cmocka_unit_test(winograd), cmocka_unit_test(memory),
        cmocka_unit_test(profile),  cmocka_unit_test(peak),
    };
    return cmocka_run_group_tests_name("api_roof", tests, NULL, NULL);
}
