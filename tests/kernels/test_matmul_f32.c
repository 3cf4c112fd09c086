/* SPDX-License-Identifier: Apache-2.0
 *
 * matmul_f32: random sizes, strides and batches, every tile against `ref`: f32 (and bf16 on f32
 * tiles) bit-equal, bf16 on bf16 tiles within a derived bound. Tasks run in random ranges and
 * order. */
#include "kernel_test.h"
#include "kernels/matmul_f32/matmul_f32.h"
#include "kernels/tile_f32/tile_f32.h"

struct problem {
    mxdi_matmul_f32_desc desc;
    int64_t              outer;
    size_t               n_a, n_b, n_c;
    float               *a, *b;
};

/* Elements up to the last one of `rows` rows of `cols` in the batch. */
static size_t extent(const mxdi_matmul_f32_desc *d, int64_t outer, const int64_t *stride,
                     int64_t rows, int64_t row, int64_t cols)
{
    int64_t last = 0;
    for (int i = 0; i < MXDI_MATMUL_BATCH; i++)
        last += ((i ? d->batch[i] : outer) - 1) * stride[i];
    return rows && cols ? (size_t)(last + (rows - 1) * row + cols) : 0;
}

/* Strides of a batch of matrices of `size` elements, dense or with gaps; 0 where broadcast. */
static void random_strides(mxdi_rng *rng, int64_t *stride, const mxdi_matmul_f32_desc *d,
                           int64_t size, bool broadcast)
{
    int64_t at = size + random_between(rng, 0, 1) * 3;
    for (int i = MXDI_MATMUL_BATCH - 1; i >= 0; i--) {
        stride[i] = broadcast && mxdi_rng_below(rng, 3) == 0 ? 0 : at;
        at *= d->batch[i];
    }
}

static float *random_floats(mxdi_rng *rng, size_t n)
{
    float *p = malloc((n + 1) * sizeof(*p));
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = random_f32(rng, -1.0f, 1.0f);
    return p;
}

static struct problem problem_of(mxdi_rng *rng, int64_t m, int64_t n, int64_t k)
{
    struct problem        p = { 0 };
    mxdi_matmul_f32_desc *d = &p.desc;
    d->m = m, d->n = n, d->k = k;
    d->trans_b = (int32_t)mxdi_rng_below(rng, 2);
    d->alpha   = mxdi_rng_below(rng, 2) ? 1.0f : 0.3f;
    d->a_row   = k + random_between(rng, 0, 1) * 5;
    d->b_row   = (d->trans_b ? k : n) + random_between(rng, 0, 1) * 5;
    d->c_row   = n + random_between(rng, 0, 1) * 5;
    for (int i = 0; i < MXDI_MATMUL_BATCH; i++)
        d->batch[i] = random_between(rng, 1, 3);
    const int64_t b_rows = d->trans_b ? n : k;
    random_strides(rng, d->a_batch, d, m * d->a_row, true);
    random_strides(rng, d->b_batch, d, b_rows * d->b_row, true);
    random_strides(rng, d->c_batch, d, m * d->c_row, false);
    p.outer = d->batch[0];
    p.n_a   = extent(d, p.outer, d->a_batch, m, d->a_row, k);
    p.n_b   = extent(d, p.outer, d->b_batch, b_rows, d->b_row, d->trans_b ? k : n);
    p.n_c   = extent(d, p.outer, d->c_batch, m, d->c_row, n);
    p.a     = random_floats(rng, p.n_a);
    p.b     = random_floats(rng, p.n_b);
    return p;
}

static struct problem random_problem(mxdi_rng *rng)
{
    static const int64_t size[] = { 1, 2, 3, 5, 8, 13, 16, 17, 24, 31, 32, 33, 40, 64, 67, 130 };
    return problem_of(rng, size[mxdi_rng_below(rng, 15)], size[mxdi_rng_below(rng, 16)],
                      size[mxdi_rng_below(rng, 16)]);
}

static void problem_free(struct problem *p)
{
    free(p->a);
    free(p->b);
}

static float *run_on(const struct problem *p, uint32_t isa, mxdi_rng *rng)
{
    mxdi_matmul_f32 op;
    mxd_error       err = MXD_ERROR_INIT;
    if (mxdi_matmul_f32_init(&op, &p->desc, isa, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    float *a                   = exact_copy(p->a, p->n_a * sizeof(float)),
          *b                   = exact_copy(p->b, p->n_b * sizeof(float));
    float       *c             = guarded_new(p->n_c * sizeof(float));
    const size_t n             = mxdi_matmul_f32_tasks(&op, p->outer),
                 scratch_bytes = mxdi_matmul_f32_scratch(&op);
    const size_t each          = n ? (size_t)random_between(rng, 1, (int64_t)n) : 1,
                 ranges        = (n + each - 1) / each;
    int64_t *order             = malloc((ranges + 1) * sizeof(*order));
    uint8_t *raw               = guarded_new(scratch_bytes + 64);
    void    *scratch           = raw + (64 - (uintptr_t)raw % 64);
    mxdi_rng_permutation(rng, order, ranges);
    for (size_t i = 0; i < ranges; i++) {
        const size_t begin = (size_t)order[i] * each;
        mxdi_matmul_f32_run(&op, a, b, c, scratch, p->outer, begin,
                            begin + each < n ? begin + each : n);
    }
    assert_guards(scratch, scratch_bytes);
    assert_guards(c, p->n_c * sizeof(float));
    guarded_free(raw);
    free(order);
    free(a);
    free(b);
    return c;
}

static bool same(float a, float b)
{
    return memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b));
}

/* Gaps between rows keep GUARD_BYTE in both, so all bytes are compared; NaN equals NaN. */
static void assert_bit_equal(const struct problem *p, const float *got, const float *want,
                             const char *name)
{
    for (size_t i = 0; i < p->n_c; i++) {
        if (!same(got[i], want[i]))
            fail_msg("%s: element %zu: %a instead of %a", name, i, (double)got[i], (double)want[i]);
    }
}

static void check_bit_equal(const struct problem *p, mxdi_rng *rng)
{
    float *want = run_on(p, 0, rng);
    for (size_t v = 0; v < mxdi_tile_f32_count; v++) {
        const struct mxdi_tile_f32 *t = mxdi_tile_f32_variants[v];
        if ((t->needs & ~mxdi_cpu_isa()) || (p->desc.bf16 && t->terms != 1))
            continue;
        float *got = run_on(p, t->needs, rng);
        assert_bit_equal(p, got, want, t->name);
        guarded_free(got);
    }
    guarded_free(want);
}

static void f32_is_bit_equal(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(1);
    for (int i = 0; i < 200; i++) {
        struct problem p = random_problem(&rng);
        p.desc.bf16      = mxdi_rng_below(&rng, 4) == 0;
        check_bit_equal(&p, &rng);
        problem_free(&p);
    }
}

/* ref against the formula of the header, by strides alone. */
static void ref_is_the_definition(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(7);
    for (int i = 0; i < 30; i++) {
        struct problem              p   = random_problem(&rng);
        const mxdi_matmul_f32_desc *d   = &p.desc;
        float                      *got = run_on(&p, 0, &rng);
        for (int n = 0; n < 200; n++) {
            int64_t a = 0, b = 0, c = 0;
            for (int j = 0; j < MXDI_MATMUL_BATCH; j++) {
                const int64_t at = random_between(&rng, 0, d->batch[j] - 1);
                a += at * d->a_batch[j], b += at * d->b_batch[j], c += at * d->c_batch[j];
            }
            const int64_t row = random_between(&rng, 0, d->m - 1),
                          col = random_between(&rng, 0, d->n - 1);
            float sum         = 0.0f;
            for (int64_t k = 0; k < d->k; k++)
                sum = fmaf(p.a[a + row * d->a_row + k],
                           p.b[b + (d->trans_b ? col * d->b_row + k : k * d->b_row + col)], sum);
            assert_true(got[c + row * d->c_row + col] == d->alpha * sum);
        }
        guarded_free(got);
        problem_free(&p);
    }
}

static void specials_propagate(void **state)
{
    (void)state;
    static const float special[] = { INFINITY, -INFINITY, NAN, -0.0f, 1e38f, 1e-40f };
    mxdi_rng           rng       = mxdi_rng_seed(2);
    for (int i = 0; i < 60; i++) {
        struct problem p = random_problem(&rng);
        for (int n = 0; n < 4; n++) {
            p.a[mxdi_rng_below(&rng, p.n_a)] = special[mxdi_rng_below(&rng, 6)];
            p.b[mxdi_rng_below(&rng, p.n_b)] = special[mxdi_rng_below(&rng, 6)];
        }
        check_bit_equal(&p, &rng);
        problem_free(&p);
    }
}

/* Rows past one item, panels in several items, and products without terms or without elements. */
static void special_sizes_are_bit_equal(void **state)
{
    (void)state;
    static const int64_t size[][3] = {
        { 600, 40, 30 }, { 50, 300, 40 }, { 3, 5, 0 }, { 0, 4, 4 }, { 4, 0, 4 }
    };
    mxdi_rng rng = mxdi_rng_seed(3);
    for (size_t i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
        struct problem p = problem_of(&rng, size[i][0], size[i][1], size[i][2]);
        for (int n = 0; n < 4; n++) {
            p.desc.bf16 = n & 1;
            check_bit_equal(&p, &rng);
        }
        problem_free(&p);
    }
}

/* sum |a b| of every output, alpha left out: `ref` on absolute values. */
static float *magnitudes(const struct problem *p, mxdi_rng *rng)
{
    struct problem q = *p;
    q.a              = exact_copy(p->a, p->n_a * sizeof(float));
    q.b              = exact_copy(p->b, p->n_b * sizeof(float));
    for (size_t i = 0; i < p->n_a; i++)
        q.a[i] = fabsf(q.a[i]);
    for (size_t i = 0; i < p->n_b; i++)
        q.b[i] = fabsf(q.b[i]);
    q.desc.alpha = 1.0f;
    float *sum   = run_on(&q, 0, rng);
    problem_free(&q);
    return sum;
}

/* As in test_conv_f32: two orders of k roundings of the same exact products differ by at most 2 g
 * S, g = k u / (1 - k u), S = sum |a b| <= its f32 value times 1 + g; times alpha, and each result
 * is rounded once more: u (1 + g) alpha S. */
static void bf16_tiles_are_within_bound(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(4);
    for (int i = 0; i < 100; i++) {
        struct problem p = random_problem(&rng);
        p.desc.bf16      = 1;
        if (i % 3 == 0)
            p.b[mxdi_rng_below(&rng, p.n_b)] =
                i % 2 ? INFINITY : NAN; /* not finite, or NaN, in any order */
        float       *want = run_on(&p, 0, &rng), *sum = magnitudes(&p, &rng);
        const double u = 0x1p-24, k = (double)p.desc.k, g = k * u / (1 - k * u);
        for (size_t v = 0; v < mxdi_tile_f32_count; v++) {
            const struct mxdi_tile_f32 *t = mxdi_tile_f32_variants[v];
            if ((t->needs & ~mxdi_cpu_isa()) || t->terms == 1)
                continue;
            float *got = run_on(&p, t->needs, &rng);
            for (size_t e = 0; e < p.n_c; e++) {
                const double s     = (double)p.desc.alpha * sum[e] * (1 + g),
                             bound = 2 * g * s + 2 * u * s * (1 + g);
                if (!same(got[e], want[e]) && !(fabs((double)got[e] - want[e]) <= bound))
                    fail_msg("%s: element %zu: %a, %a, bound %a", t->name, e, (double)got[e],
                             (double)want[e], bound);
            }
            guarded_free(got);
        }
        guarded_free(want);
        guarded_free(sum);
        problem_free(&p);
    }
}

/* outer below the built maximum runs the first products only. */
static void outer_may_be_smaller(void **state)
{
    (void)state;
    mxdi_rng       rng = mxdi_rng_seed(5);
    struct problem p   = random_problem(&rng);
    p.desc.batch[0]    = 3;
    p.outer            = 1;
    p.n_c              = extent(&p.desc, 1, p.desc.c_batch, p.desc.m, p.desc.c_row, p.desc.n);
    check_bit_equal(&p, &rng);
    mxdi_matmul_f32 op;
    assert_int_equal(mxdi_matmul_f32_init(&op, &p.desc, mxdi_cpu_isa(), NULL), MXD_OK);
    assert_int_equal(mxdi_matmul_f32_tasks(&op, 0), 0);
    mxdi_matmul_f32_run(&op, NULL, NULL, NULL, NULL, 0, 0, 0);
    problem_free(&p);
}

static void bad_descriptions_are_refused(void **state)
{
    (void)state;
    mxdi_rng       rng = mxdi_rng_seed(6);
    struct problem p   = random_problem(&rng);
    for (int i = 0; i < 5; i++) {
        mxdi_matmul_f32_desc d   = p.desc;
        mxd_error            err = MXD_ERROR_INIT;
        mxdi_matmul_f32      op;
        switch (i) {
        case 0:
            d.m = -1;
            break;
        case 1:
            d.a_row = d.k - 1;
            break;
        case 2:
            d.b_row = -1;
            break;
        case 3:
            d.c_row = d.n - 1;
            break;
        default:
            d.batch[2] = -1;
            break;
        }
        assert_int_equal(mxdi_matmul_f32_init(&op, &d, mxdi_cpu_isa(), &err), MXD_E_SHAPE);
        assert_string_not_equal(err.msg, "");
    }
    problem_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_is_bit_equal),
        cmocka_unit_test(ref_is_the_definition),
        cmocka_unit_test(specials_propagate),
        cmocka_unit_test(special_sizes_are_bit_equal),
        cmocka_unit_test(bf16_tiles_are_within_bound),
        cmocka_unit_test(outer_may_be_smaller),
        cmocka_unit_test(bad_descriptions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
