/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup8: all 256 bytes through random tables, all lengths, in place; rows through a table for
 * each channel, around whole tiles of every variant. */
#include "kernel_test.h"
#include "kernels/lookup8/lookup8.h"

static void variants_match_ref(void **state)
{
    (void)state;
    enum { N = 256 + 67 };
    mxdi_rng r = mxdi_rng_seed(2);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (size_t n = 0; n <= N; n++) {
            uint8_t table[256], x[N];
            for (size_t i = 0; i < 256; i++)
                table[i] = random_u8(&r);
            for (size_t i = 0; i < N; i++)
                x[i] = n % 2 ? random_u8(&r) : (uint8_t)i;
            uint8_t *exact = exact_copy(x, n), *want = guarded_new(n), *got = guarded_new(n);
            mxdi_lookup8_ref.lookup(want, exact, n, table);
            mxdi_lookup8_variants[v]->lookup(got, exact, n, table);
            assert_guarded_equal(got, want, n);
            memcpy(got, x, n);
            mxdi_lookup8_variants[v]->lookup(got, got, n, table);
            assert_guarded_equal(got, want, n);
            guarded_free(want);
            guarded_free(got);
            free(exact);
        }
    }
}

/* What lies between rows stays as it is. */
static void rows_match_ref(size_t v, int64_t rows, int64_t channels, int64_t pitch, mxdi_rng *r)
{
    const size_t   bytes = (size_t)((rows - 1) * pitch + channels);
    uint8_t *const table = malloc((size_t)channels * 256), *const x = malloc(bytes);
    uint8_t *const want = guarded_new(bytes), *const got = guarded_new(bytes);
    assert_true(table && x);
    for (int64_t i = 0; i < channels * 256; i++)
        table[i] = random_u8(r);
    for (size_t i = 0; i < bytes; i++)
        x[i] = random_u8(r);
    mxdi_lookup8_ref.lookup_rows(want, x, rows, channels, pitch, table);
    mxdi_lookup8_variants[v]->lookup_rows(got, x, rows, channels, pitch, table);
    assert_guarded_equal(got, want, bytes);
    memcpy(want, x, bytes);
    mxdi_lookup8_ref.lookup_rows(want, x, rows, channels, pitch, table);
    memcpy(got, x, bytes);
    mxdi_lookup8_variants[v]->lookup_rows(got, got, rows, channels, pitch, table);
    assert_guarded_equal(got, want, bytes);
    guarded_free(want);
    guarded_free(got);
    free(table);
    free(x);
}

static void tables_of_channels_match_ref(void **state)
{
    (void)state;
    static const int64_t rows[]     = { 1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 128, 131 };
    static const int64_t channels[] = { 1, 3, 15, 16, 17, 32, 47, 64 };
    mxdi_rng             r          = mxdi_rng_seed(3);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            for (size_t k = 0; k < sizeof(channels) / sizeof(channels[0]); k++)
                for (int64_t gap = 0; gap < 8; gap += 7)
                    rows_match_ref(v, rows[i], channels[k], channels[k] + gap, &r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(variants_match_ref),
                                        cmocka_unit_test(tables_of_channels_match_ref) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
