/* SPDX-License-Identifier: Apache-2.0
 *
 * matmul_s32: every variant against `ref`, and `ref` against the formula: all tails, sums that
 * wrap, guards around c. */
#include "kernel_test.h"
#include "kernels/matmul_s32/matmul_s32.h"

enum { MOST_K = 21, MOST_ROWS = 9, MOST_N = 70 };

struct problem {
    int64_t  rows, k, n, c_row;
    int32_t *a, *b; /* (rows, k), (k, n) */
};

static int32_t *differences(mxdi_rng *rng, int64_t n, int32_t most)
{
    int32_t *const v = malloc((size_t)n * sizeof(*v));
    assert_non_null(v);
    for (int64_t i = 0; i < n; i++)
        v[i] = mxdi_rng_below(rng, 4) ? (int32_t)random_between(rng, -most, most)
                                      : (mxdi_rng_below(rng, 2) ? most : -most);
    return v;
}

static int32_t *words_of_a(const struct problem *p, int64_t row)
{
    int32_t *const w = malloc((size_t)(p->rows * row) * sizeof(*w));
    assert_non_null(w);
    for (int64_t i = 0; i < p->rows * row; i++)
        w[i] = 0x55555555;
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t k = 0; k < p->k; k += 2)
            w[i * row + k / 2] =
                mxdi_pair_s16(p->a[i * p->k + k], k + 1 < p->k ? p->a[i * p->k + k + 1] : 0);
    return w;
}

static int32_t *panels_of_b(const struct problem *p, int32_t lanes)
{
    const int64_t  pairs = (p->k + 1) / 2, panels = (p->n + lanes - 1) / lanes;
    int32_t *const w = calloc((size_t)(panels * pairs * lanes), sizeof(*w));
    assert_non_null(w);
    for (int64_t j = 0; j < p->n; j++)
        for (int64_t k = 0; k < p->k; k += 2)
            w[(j / lanes * pairs + k / 2) * lanes + j % lanes] =
                mxdi_pair_s16(p->b[k * p->n + j], k + 1 < p->k ? p->b[(k + 1) * p->n + j] : 0);
    return w;
}

static int32_t *run_on(const mxdi_matmul_s32 *v, const struct problem *p)
{
    const int64_t  pairs = (p->k + 1) / 2, row = pairs + 3;
    int32_t *const a = words_of_a(p, row), *const b = panels_of_b(p, v->lanes),
                   *const c = guarded_new((size_t)((p->rows - 1) * p->c_row + p->n) * sizeof(*c));
    const mxdi_matmul_s32_args args = { a, b, c, row, p->c_row, p->rows, pairs, p->n };
    v->run(&args);
    free(a);
    free(b);
    return c;
}

static struct problem problem_of(mxdi_rng *rng, int64_t rows, int64_t k, int64_t n, int32_t most)
{
    return (struct problem){ rows,
                             k,
                             n,
                             n + random_between(rng, 0, 3),
                             differences(rng, rows * k, most),
                             differences(rng, k * n, most) };
}

static void check(const struct problem *p)
{
    const size_t   bytes = (size_t)((p->rows - 1) * p->c_row + p->n) * sizeof(int32_t);
    int32_t *const want  = run_on(&mxdi_matmul_s32_ref, p);
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->n; j++) {
            uint32_t sum = 0;
            for (int64_t k = 0; k < p->k; k++)
                sum += (uint32_t)p->a[i * p->k + k] * (uint32_t)p->b[k * p->n + j];
            assert_int_equal(want[i * p->c_row + j], (int32_t)sum);
        }
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (mxdi_vec_rows[v].needs & ~mxdi_cpu_isa())
            continue;
        int32_t *const got = run_on(mxdi_matmul_s32_variants[v], p);
        assert_guarded_equal(got, want, bytes);
        guarded_free(got);
    }
    guarded_free(want);
}

static void every_size(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(1);
    for (int64_t rows = 1; rows <= MOST_ROWS; rows++)
        for (int64_t n = 1; n <= MOST_N; n++) {
            struct problem p = problem_of(&rng, rows, random_between(&rng, 1, MOST_K), n, 255);
            check(&p);
            free(p.a);
            free(p.b);
        }
}

/* 16 bits on both sides: pairs of products stay below 2^31, sums pass it. */
static void sums_wrap(void **state)
{
    (void)state;
    mxdi_rng       rng = mxdi_rng_seed(2);
    struct problem p   = problem_of(&rng, 5, 101, 37, 32767);
    for (int64_t i = 0; i < p.k; i++)
        p.a[i] = p.b[i * p.n] = 32767; /* one sum of squares */
    check(&p);
    free(p.a);
    free(p.b);
}

int main(void)
{
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++)
        (void)runs_here(v);
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_size), cmocka_unit_test(sums_wrap) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
