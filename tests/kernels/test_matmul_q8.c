/* SPDX-License-Identifier: Apache-2.0
 *
 * matmul_q8: every variant, `ref` among them, against the formula: operands and results as views
 * with strides of their own, all tails, zero points on both sides, every epilogue, guards around y.
 */
#include "kernel_test.h"
#include "kernels/matmul_q8/matmul_q8.h"
#include "kernels/simd/q8.h"

enum { MOST_N = 70, BATCH = 3 };

struct problem {
    mxdi_matmul_q8_desc d;
    int32_t             z[MOST_N], bias[MOST_N];
    float               m[MOST_N], bias_float[MOST_N];
    size_t              a_bytes, b_bytes, y_elements;
    uint8_t            *a, *b, *r;
};

static int32_t any_zero(mxdi_rng *rng)
{
    static const int32_t often[] = { 0, 128, 255 };
    return mxdi_rng_below(rng, 2) ? often[mxdi_rng_below(rng, 3)] : random_u8(rng);
}

static uint8_t *any_bytes(mxdi_rng *rng, size_t n)
{
    uint8_t *const p    = malloc(n);
    const uint64_t mode = mxdi_rng_below(rng, 3);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = mode == 0 ? 255 : mode == 1 ? (uint8_t)(random_u8(rng) & 128) : random_u8(rng);
    return p;
}

static void draw_epilogue(struct problem *p, mxdi_rng *rng)
{
    mxdi_q8_epilogue *const e = &p->d.epilogue;
    for (int32_t j = 0; j < MOST_N; j++) {
        p->m[j]          = random_f32(rng, 0.2f, 1.0f) / (40.0f * (float)p->d.k);
        p->bias[j]       = (int32_t)random_between(rng, -3000, 3000);
        p->bias_float[j] = random_f32(rng, -40.0f, 40.0f);
    }
    *e          = (mxdi_q8_epilogue){ .bias           = mxdi_rng_below(rng, 2) ? p->bias : NULL,
                                      .bias_float     = mxdi_rng_below(rng, 2) ? p->bias_float : NULL,
                                      .m              = p->m,
                                      .y_zero_point   = any_zero(rng),
                                      .q_min          = (int32_t)random_between(rng, 0, 60),
                                      .q_max          = (int32_t)random_between(rng, 60, 255),
                                      .y_float        = mxdi_rng_below(rng, 3) == 0,
                                      .y_min          = mxdi_rng_below(rng, 2) ? -INFINITY : -3.0f,
                                      .y_max          = INFINITY,
                                      .residual_first = mxdi_rng_below(rng, 2) != 0,
                                      .r_zero_point   = any_zero(rng),
                                      .mid_zero_point = any_zero(rng),
                                      .mid_q_max      = 255,
                                      .y_scale_ratio  = random_f32(rng, 0.3f, 2.0f),
                                      .r_scale_ratio  = random_f32(rng, 0.3f, 2.0f) };
    e->residual = e->y_float ? 0 : (int32_t)mxdi_rng_below(rng, 3);
}

/* Heads beside each other in a row (as attention has them), or matrices behind each other. */
static void draw_strides(mxdi_matmul_q8_desc *d, mxdi_rng *rng)
{
    const bool a_heads = mxdi_rng_below(rng, 2) != 0, y_heads = mxdi_rng_below(rng, 2) != 0;
    d->a_row      = a_heads ? BATCH * d->k : d->k + random_between(rng, 0, 3);
    d->a_batch[1] = a_heads ? d->k : d->m * d->a_row;
    d->y_row      = y_heads ? BATCH * d->n : d->n + random_between(rng, 0, 3);
    d->y_batch[1] = y_heads ? d->n : d->m * d->y_row;
    switch (mxdi_rng_below(rng, 4)) {
    case 0: /* (k, n), broadcast */
        d->b_k = d->n;
        d->b_n = 1;
        break;
    case 1: /* (k, heads, n) */
        d->b_k        = BATCH * d->n;
        d->b_n        = 1;
        d->b_batch[1] = d->n;
        break;
    case 2: /* (n, heads, k) */
        d->b_k        = 1;
        d->b_n        = BATCH * d->k;
        d->b_batch[1] = d->k;
        break;
    default: /* neither is dense */
        d->b_k        = 2 * d->n;
        d->b_n        = 2;
        d->b_batch[1] = 2 * d->k * d->n;
    }
}

static void draw(struct problem *p, mxdi_rng *rng, int64_t m, int64_t n, int64_t k)
{
    *p = (struct problem){ .d = { .m = m, .n = n, .k = k, .batch = { 2, BATCH, 1, 1, 1, 1 } } };
    mxdi_matmul_q8_desc *const d         = &p->d;
    const bool                 symmetric = mxdi_rng_below(rng, 2) != 0;
    d->b_zero_point                      = p->z;
    draw_strides(d, rng);
    d->a_zero_point = any_zero(rng);
    for (int32_t j = 0; j < MOST_N; j++)
        p->z[j] = symmetric ? 128 : any_zero(rng);
    draw_epilogue(p, rng);
    p->a_bytes    = (size_t)((BATCH - 1) * d->a_batch[1] + (m - 1) * d->a_row + k);
    p->b_bytes    = (size_t)((BATCH - 1) * d->b_batch[1] + (k - 1) * d->b_k + (n - 1) * d->b_n + 1);
    p->y_elements = (size_t)((BATCH - 1) * d->y_batch[1] + (m - 1) * d->y_row + n);
    d->a_batch[0] = (int64_t)p->a_bytes;
    d->b_batch[0] = (int64_t)p->b_bytes;
    d->y_batch[0] = (int64_t)p->y_elements;
    p->a_bytes *= 2;
    p->b_bytes *= 2;
    p->y_elements *= 2;
    p->a = any_bytes(rng, p->a_bytes);
    p->b = any_bytes(rng, p->b_bytes);
    p->r = any_bytes(rng, p->y_elements);
}

static size_t size_of(const struct problem *p)
{
    return p->d.epilogue.y_float ? sizeof(float) : 1;
}

static void *formula(const struct problem *p, int64_t outer, int64_t m)
{
    const mxdi_matmul_q8_desc *const d = &p->d;
    uint8_t *const                   y = guarded_new(p->y_elements * size_of(p));
    for (int64_t o = 0; o < outer; o++)
        for (int64_t h = 0; h < BATCH; h++)
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < d->n; j++) {
                    const uint8_t *const a = p->a + o * d->a_batch[0] + h * d->a_batch[1] +
                                             i * d->a_row,
                                         *const b = p->b + o * d->b_batch[0] + h * d->b_batch[1] +
                                                    j * d->b_n;
                    const int64_t at  = o * d->y_batch[0] + h * d->y_batch[1] + i * d->y_row + j;
                    int64_t       acc = d->epilogue.bias ? p->bias[j] : 0;
                    for (int64_t k = 0; k < d->k; k++)
                        acc += (a[k] - d->a_zero_point) * (b[k * d->b_k] - p->z[j]);
                    mxdi_post_q8_ref(y + at * (int64_t)size_of(p), (int32_t)acc, (int32_t)j,
                                     p->r + at, &d->epilogue);
                }
    return y;
}

static void check_variant(const struct problem *p, uint32_t isa, int64_t outer, int64_t m,
                          const void *want)
{
    mxd_error      err = MXD_ERROR_INIT;
    mxdi_arena     arena;
    mxdi_matmul_q8 op;
    mxdi_arena_init(&arena, NULL);
    assert_int_equal(mxdi_matmul_q8_init(&op, &p->d, isa, &arena, &err), MXD_OK);
    const size_t tasks = mxdi_matmul_q8_tasks(&op, outer, m), bytes = p->y_elements * size_of(p),
                 room   = (mxdi_matmul_q8_scratch(&op) + 63) / 64 * 64;
    void *const scratch = room ? aligned_alloc(64, room) : NULL, *const y = guarded_new(bytes);
    uint8_t *const a = exact_copy(p->a, p->a_bytes), *const b = exact_copy(p->b, p->b_bytes),
                   *const     r    = exact_copy(p->r, p->y_elements);
    const mxdi_matmul_q8_args args = {
        a, b, p->d.epilogue.residual ? r : NULL, y, scratch, outer, m
    };
    for (size_t t = tasks; t-- > 0;)
        mxdi_matmul_q8_run(&op, &args, t, t + 1);
    assert_guarded_equal(y, want, bytes);
    guarded_free(y);
    free(a);
    free(b);
    free(r);
    free(scratch);
    mxdi_arena_fini(&arena);
}

static void check(mxdi_rng *rng, int64_t m, int64_t n, int64_t k)
{
    struct problem p;
    draw(&p, rng, m, n, k);
    const int64_t outer = random_between(rng, 1, 2), rows = random_between(rng, (m + 1) / 2, m);
    void *const   want = formula(&p, outer, rows);
    for (size_t v = 0; v < MXDI_Q8_COUNT; v++)
        if ((mxdi_q8_rows[v].needs & ~mxdi_cpu_isa()) == 0)
            check_variant(&p, mxdi_q8_rows[v].needs, outer, rows, want);
    guarded_free(want);
    free(p.a);
    free(p.b);
    free(p.r);
}

static void tails(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(81);
    for (int64_t m = 1; m <= 26; m++)
        check(&rng, m, random_between(&rng, 1, MOST_N), random_between(&rng, 1, 40));
    for (int64_t n = 1; n <= MOST_N; n++)
        check(&rng, random_between(&rng, 1, 15), n, random_between(&rng, 1, 40));
    for (int64_t k = 1; k <= 40; k++)
        check(&rng, random_between(&rng, 1, 15), random_between(&rng, 1, MOST_N), k);
    check(&rng, 300, 33, 9); /* two tasks */
}

static void refusals(void **state)
{
    (void)state;
    mxdi_rng       rng = mxdi_rng_seed(82);
    struct problem p;
    mxdi_arena     arena;
    mxdi_matmul_q8 op;
    draw(&p, &rng, 4, 5, 6);
    mxdi_arena_init(&arena, NULL);
    mxdi_matmul_q8_desc d = p.d;
    d.a_row               = 5;
    assert_int_equal(mxdi_matmul_q8_init(&op, &d, 0, &arena, NULL), MXD_E_SHAPE);
    d   = p.d;
    d.k = 0;
    assert_int_equal(mxdi_matmul_q8_init(&op, &d, 0, &arena, NULL), MXD_E_SHAPE);
    d              = p.d;
    d.a_zero_point = 256;
    assert_int_equal(mxdi_matmul_q8_init(&op, &d, 0, &arena, NULL), MXD_E_RANGE);
    p.z[4] = -1;
    assert_int_equal(mxdi_matmul_q8_init(&op, &p.d, 0, &arena, NULL), MXD_E_RANGE);
    mxdi_arena_fini(&arena);
    free(p.a);
    free(p.b);
    free(p.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tails),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
