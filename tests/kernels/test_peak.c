/* SPDX-License-Identifier: Apache-2.0
 *
 * peak: loops of this CPU run and are told apart by instruction set; how fast they are is no test's
 * business. */
#include "base/cpu.h"
#include "kernel_test.h"
#include "kernels/peak/peak.h"

static void the_last_row_that_fits(void **state)
{
    (void)state;
    assert_null(mxdi_peak_select("u8s8", 0));
    assert_null(mxdi_peak_select("u8", ~0u));
    assert_int_equal(mxdi_peak_reader_select(0)->needs, 0);
    for (size_t k = 0; k < mxdi_peak_n_rows; k++) {
        const mxdi_peak_row *const row = &mxdi_peak_rows[k];
        const mxdi_peak_row *const got = mxdi_peak_select(row->computed, row->needs);
        assert_non_null(got);
        assert_ptr_equal(got, row);
    }
}

static void loops_end(void **state)
{
    (void)state;
    static _Alignas(64) uint8_t memory[1024];
    for (size_t k = 0; k < mxdi_peak_n_rows; k++)
        if (!(mxdi_peak_rows[k].needs & ~mxdi_cpu_isa()))
            mxdi_peak_rows[k].run(3);
    for (size_t k = 0; k < mxdi_peak_n_readers; k++)
        if (!(mxdi_peak_readers[k].needs & ~mxdi_cpu_isa()))
            mxdi_peak_readers[k].run(memory, sizeof(memory));
}

static void rates_are_positive(void **state)
{
    (void)state;
    mxdi_pool *pool = NULL;
    double     rate = 0.0;
    assert_int_equal(mxdi_pool_create(&pool, 2, NULL), MXD_OK);
    const mxdi_peak_row *const row = mxdi_peak_select("f32", mxdi_cpu_isa());
    if (row)
        assert_true(mxdi_peak_compute(row, pool) > 0.0);
    assert_int_equal(mxdi_peak_read(&rate, mxdi_peak_reader_select(mxdi_cpu_isa()), 4096 + 511,
                                    pool, NULL, NULL),
                     MXD_OK);
    assert_true(rate > 0.0);
    mxdi_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_row_that_fits),
        cmocka_unit_test(loops_end),
        cmocka_unit_test(rates_are_positive),
    };
    return cmocka_run_group_tests_name("peak", tests, NULL, NULL);
}
