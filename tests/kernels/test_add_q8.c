/* SPDX-License-Identifier: Apache-2.0
 *
 * add_q8: all pairs of bytes under parameters with ties and saturation, all lengths,
 * broadcasting. */
#include "kernel_test.h"
#include "kernels/add_q8/add_q8.h"

static const mxdi_add_q8_params cases[] = {
    { 0.5f, 0.5f, 128, 128, 128, 0, 255 }, /* every other sum a tie */
    { 0.25f, 0.75f, 0, 255, 3, 3, 255 },   /* zero points at the ends, relu */
    { 1.3f, 2.1f, 120, 131, 128, 0, 255 }, /* saturates at both ends */
    { 0.0131f, 0.977f, 7, 90, 200, 190, 210 }, { 1e-20f, 1e20f, 100, 100, 0, 0, 255 },
    { INFINITY, 1.0f, 100, 100, 40, 0, 255 }, /* 0 * inf is NaN: the zero point */
    { 0.1f, 0.1f, 10, 10, 5, 20, 30 },        /* zero point outside the range */
};
enum { CASES = sizeof(cases) / sizeof(cases[0]), PAIRS = 65536 };

static void all_pairs(void **state)
{
    (void)state;
    uint8_t *a = malloc(PAIRS), *b = malloc(PAIRS), *want = guarded_new(PAIRS),
            *got = guarded_new(PAIRS);
    for (size_t i = 0; i < PAIRS; i++) {
        a[i] = (uint8_t)i;
        b[i] = (uint8_t)(i >> 8);
    }
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (size_t c = 0; c < CASES; c++) {
            mxdi_add_q8_ref.add(want, a, b, PAIRS, &cases[c]);
            mxdi_add_q8_variants[v]->add(got, a, b, PAIRS, &cases[c]);
            assert_guarded_equal(got, want, PAIRS);
        }
    }
    guarded_free(want);
    guarded_free(got);
    free(a);
    free(b);
}

static void all_lengths_in_place(void **state)
{
    (void)state;
    enum { N = 2 * 16 + 17 };
    mxdi_rng r = mxdi_rng_seed(3);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (size_t n = 0; n <= N; n++) {
            uint8_t a[N], b[N];
            for (size_t i = 0; i < N; i++) {
                a[i] = random_u8(&r);
                b[i] = random_u8(&r);
            }
            uint8_t *ea = exact_copy(a, n), *eb = exact_copy(b, n), *want = guarded_new(n),
                    *got = guarded_new(n);
            mxdi_add_q8_ref.add(want, ea, eb, n, &cases[n % CASES]);
            mxdi_add_q8_variants[v]->add(got, ea, eb, n, &cases[n % CASES]);
            assert_guarded_equal(got, want, n);
            memcpy(got, a, n);
            mxdi_add_q8_variants[v]->add(got, got, eb, n, &cases[n % CASES]);
            assert_guarded_equal(got, want, n);
            memcpy(got, b, n);
            mxdi_add_q8_variants[v]->add(got, ea, got, n, &cases[n % CASES]);
            assert_guarded_equal(got, want, n);
            guarded_free(want);
            guarded_free(got);
            free(ea);
            free(eb);
        }
    }
}

static void ref_is_the_definition(void **state)
{
    (void)state;
    const mxdi_add_q8_params p = { 0.5f, 0.5f, 10, 20, 100, 98, 105 };
    const uint8_t a[] = { 10, 11, 13, 15, 9, 5, 30 }, b[] = { 20, 20, 20, 20, 20, 20, 20 };
    const uint8_t want[] = { 100, 100, 102, 102, 100, 98, 105 };
    uint8_t       got[7];
    mxdi_add_q8_ref.add(got, a, b, 7, &p);
    assert_memory_equal(got, want, 7);
}

/* (3, D1, 600) + any subset of broadcast dimensions, y dense or with a stride. */
static void broadcasts(void **state)
{
    (void)state;
    enum { D0 = 3, D1 = 5, D2 = 600, ALL = D0 * D1 * D2 };
    const int64_t  dim[3]    = { D0, D1, D2 };
    const int64_t  dense[3]  = { D1 * D2, D2, 1 };
    const int64_t  sparse[3] = { 2 * D1 * D2, 2 * D2, 2 };
    static uint8_t a[2 * ALL], b[2 * ALL], want[2 * ALL], got[2 * ALL];
    mxdi_rng       r = mxdi_rng_seed(4);
    for (size_t i = 0; i < 2 * ALL; i++) {
        a[i] = random_u8(&r);
        b[i] = random_u8(&r);
    }
    for (int mask = 0; mask < 64; mask++) {
        const int64_t *ys = mask % 3 ? dense : sparse;
        const int64_t *as = mask % 5 ? dense : sparse;
        int64_t        sa[3], sb[3];
        for (int i = 0; i < 3; i++) {
            sa[i] = mask >> i & 1 ? 0 : as[i];
            sb[i] = mask >> (3 + i) & 1 ? 0 : dense[i];
        }
        memset(want, GUARD_BYTE, sizeof(want));
        for (int64_t i = 0; i < D0; i++)
            for (int64_t j = 0; j < D1; j++)
                for (int64_t k = 0; k < D2; k++)
                    mxdi_add_q8_ref.add(&want[i * ys[0] + j * ys[1] + k * ys[2]],
                                        &a[i * sa[0] + j * sa[1] + k * sa[2]],
                                        &b[i * sb[0] + j * sb[1] + k * sb[2]], 1, &cases[mask % 4]);
        for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
            if (!runs_here(v))
                continue;
            memset(got, GUARD_BYTE, sizeof(got));
            mxdi_add_q8_broadcast(mxdi_add_q8_variants[v], got, a, b, 3, dim, ys, sa, sb,
                                  &cases[mask % 4]);
            assert_memory_equal(got, want, sizeof(got));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_pairs),
                                        cmocka_unit_test(all_lengths_in_place),
                                        cmocka_unit_test(ref_is_the_definition),
                                        cmocka_unit_test(broadcasts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
