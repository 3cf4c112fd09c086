/* SPDX-License-Identifier: Apache-2.0
 *
 * binary_f32: every variant equals `ref` bit by bit on random and special operands, all lengths,
 * each operand fixed, in place; broadcasting against one element at a time. */
#include "kernel_test.h"
#include "kernels/binary_f32/binary_f32.h"

static const float special[] = { NAN,   INFINITY, -INFINITY, 0.0f, -0.0f, 1e-40f, -1e-40f,
                                 3e38f, 1,        -1,        2,    3,     0.5f };
enum { SPECIAL = sizeof(special) / sizeof(special[0]), N = 2 * 16 + 17 };

static float any_float(mxdi_rng *r)
{
    return mxdi_rng_below(r, 3) ? random_f32(r, -4, 4) : special[mxdi_rng_below(r, SPECIAL)];
}

/* Bit by bit, but for the bits of a NaN. */
static void assert_same(const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(want[i]) ? !isnan(got[i]) : memcmp(&got[i], &want[i], sizeof(*got)) != 0)
            fail_msg("element %zu of %zu: %a, expected %a", i, n, (double)got[i], (double)want[i]);
    assert_guards(got, n * sizeof(*got));
}

static void variants_match_ref(void **state)
{
    (void)state;
    mxdi_rng r = mxdi_rng_seed(8);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (size_t n = 0; n <= N; n++)
            for (int op = 0; op < MXDI_BINARY_COUNT; op++)
                for (int fixed = MXDI_FIXED_NONE; fixed <= MXDI_FIXED_B; fixed++) {
                    const mxdi_binary_fixed f = (mxdi_binary_fixed)fixed;
                    float                   a[N + 1], b[N + 1];
                    for (size_t i = 0; i <= N; i++) {
                        a[i] = any_float(&r);
                        b[i] = any_float(&r);
                    }
                    float *ea   = exact_copy(a, (fixed == MXDI_FIXED_A ? 1 : n) * 4);
                    float *eb   = exact_copy(b, (fixed == MXDI_FIXED_B ? 1 : n) * 4);
                    float *want = guarded_new(n * 4), *got = guarded_new(n * 4);
                    mxdi_binary_f32_ref.fn[op](want, ea, eb, n, f);
                    mxdi_binary_f32_variants[v]->fn[op](got, ea, eb, n, f);
                    assert_same(got, want, n);
                    if (fixed != MXDI_FIXED_A) {
                        memcpy(got, a, n * 4);
                        mxdi_binary_f32_variants[v]->fn[op](got, got, eb, n, f);
                        assert_same(got, want, n);
                    }
                    free(ea);
                    free(eb);
                    guarded_free(want);
                    guarded_free(got);
                }
    }
}

static float once(mxdi_binary_op op, float a, float b)
{
    float y;
    mxdi_binary_f32_ref.fn[op](&y, &a, &b, 1, MXDI_FIXED_NONE);
    return y;
}

static void ref_is_the_definition(void **state)
{
    (void)state;
    assert_true(once(MXDI_BINARY_SUB, 3, 5) == -2);
    assert_true(once(MXDI_BINARY_DIV, 1, 3) == 1.0f / 3.0f);
    assert_true(isnan(once(MXDI_BINARY_MIN, NAN, 1)) && isnan(once(MXDI_BINARY_MIN, 1, NAN)));
    assert_true(isnan(once(MXDI_BINARY_MAX, NAN, 1)) && isnan(once(MXDI_BINARY_MAX, 1, NAN)));
    assert_true(once(MXDI_BINARY_MAX, -INFINITY, 1) == 1 &&
                once(MXDI_BINARY_MIN, -INFINITY, 1) == -INFINITY);
    assert_true(once(MXDI_BINARY_POW, 2, 10) == 1024 && once(MXDI_BINARY_POW, 9, 0.5f) == 3);
    assert_true(once(MXDI_BINARY_PRELU, -2, 0.25f) == -0.5f &&
                once(MXDI_BINARY_PRELU, 2, 0.25f) == 2);
}

/* (3, 4, 300): any subset of dimensions broadcast, operands transposed or not, y with a stride or
 * not. */
static void broadcasts(void **state)
{
    (void)state;
    enum { D0 = 3, D1 = 4, D2 = 300, ALL = D0 * D1 * D2 };
    const int64_t dim[3] = { D0, D1, D2 }, dense[3] = { D1 * D2, D2, 1 };
    const int64_t turned[3] = { 1, D0 * D2, D0 }, sparse[3] = { 2 * D1 * D2, 2 * D2, 2 };
    static float  a[2 * ALL], b[ALL], want[2 * ALL], got[2 * ALL];
    mxdi_rng      r = mxdi_rng_seed(9);
    for (size_t i = 0; i < 2 * ALL; i++)
        a[i] = random_f32(&r, -4, 4);
    for (size_t i = 0; i < ALL; i++)
        b[i] = random_f32(&r, 0.5f, 4);
    for (int mask = 0; mask < 64; mask++) {
        const mxdi_binary_op op = mask % 2   ? MXDI_BINARY_SUB
                                  : mask % 3 ? MXDI_BINARY_DIV
                                             : MXDI_BINARY_PRELU;
        const int64_t       *ys = mask % 3 ? dense : sparse, *as = mask % 5 == 0   ? turned
                                                                   : mask % 5 == 1 ? sparse
                                                                                   : dense;
        int64_t              sa[3], sb[3];
        for (int i = 0; i < 3; i++) {
            sa[i] = mask >> i & 1 ? 0 : as[i];
            sb[i] = mask >> (3 + i) & 1 ? 0 : dense[i];
        }
        memset(want, 0, sizeof(want));
        for (int64_t i = 0; i < D0; i++)
            for (int64_t j = 0; j < D1; j++)
                for (int64_t k = 0; k < D2; k++)
                    want[i * ys[0] + j * ys[1] + k * ys[2]] =
                        once(op, a[i * sa[0] + j * sa[1] + k * sa[2]],
                             b[i * sb[0] + j * sb[1] + k * sb[2]]);
        for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
            if (!runs_here(v))
                continue;
            memset(got, 0, sizeof(got));
            mxdi_binary_f32_broadcast(mxdi_binary_f32_variants[v], op, got, a, b, 3, dim, ys, sa,
                                      sb);
            assert_memory_equal(got, want, sizeof(got));
        }
    }
    const int64_t empty[1] = { 0 }, one[1] = { 1 };
    got[0] = 5;
    mxdi_binary_f32_broadcast(&mxdi_binary_f32_ref, MXDI_BINARY_ADD, got, a, b, 1, empty, one, one,
                              one);
    assert_true(got[0] == 5);
    mxdi_binary_f32_broadcast(&mxdi_binary_f32_ref, MXDI_BINARY_ADD, got, a, b, 0, NULL, NULL, NULL,
                              NULL);
    assert_true(got[0] == a[0] + b[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(variants_match_ref),
                                        cmocka_unit_test(ref_is_the_definition),
                                        cmocka_unit_test(broadcasts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
