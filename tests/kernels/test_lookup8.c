/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup8: all 256 bytes through random tables, all lengths, in place. */
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

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(variants_match_ref) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
