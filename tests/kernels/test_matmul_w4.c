/* SPDX-License-Identifier: Apache-2.0
 *
 * matmul_w4: random sizes, strides, scales and epilogues. f32, and bf16 on f32 words: every tile
 * equal to `ref` bit for bit; all of them equal to conv_f32 over the dequantized weights on the
 * same instruction set. Tasks run in random ranges and order; guards around y, x read to its last
 * element. */
#include "base/half.h"
#include "kernel_test.h"
#include "kernels/conv_f32/conv_f32.h"
#include "kernels/matmul_w4/matmul_w4.h"

static const uint32_t sets[] = { 0, MXDI_ISA_AVX2, MXDI_ISA_AVX512,
                                 MXDI_ISA_AVX512 | MXDI_ISA_AVX512BF16, MXDI_ISA_NEON };
enum { SETS = sizeof(sets) / sizeof(sets[0]) };

struct problem {
    mxdi_matmul_w4_desc desc;
    int64_t             rows, k, blocks;
    int8_t             *w;
    float              *scale, *bias, *x, *r;
    size_t              n_x, n_y;
};

static float *random_floats(mxdi_rng *rng, size_t n, float lo, float hi)
{
    float *p = malloc((n + 1) * sizeof(*p));
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = random_f32(rng, lo, hi);
    return p;
}

static struct problem problem_of(mxdi_rng *rng, int64_t rows, int64_t taps, int64_t c_in, int64_t n)
{
    struct problem       p = { .rows = rows, .k = taps * c_in };
    mxdi_matmul_w4_desc *d = &p.desc;
    d->taps = taps, d->c_in = c_in, d->n = n;
    d->x_tap    = c_in + random_between(rng, 0, 1) * 3;
    d->x_row    = taps * d->x_tap + random_between(rng, 0, 1) * 5;
    d->y_row    = n + random_between(rng, 0, 1) * 7;
    d->block    = mxdi_rng_below(rng, 2) ? 8 * (int32_t)random_between(rng, 1, 5) : 0;
    p.blocks    = d->block ? (p.k + d->block - 1) / d->block : 1;
    d->residual = (int32_t)mxdi_rng_below(rng, 2);
    d->y_min    = mxdi_rng_below(rng, 2) ? -0.5f : -INFINITY;
    d->y_max    = mxdi_rng_below(rng, 2) ? 1.5f : INFINITY;
    p.n_x       = (size_t)((rows - 1) * d->x_row + (taps - 1) * d->x_tap + c_in);
    p.n_y       = (size_t)((rows - 1) * d->y_row + n);
    p.w         = malloc((size_t)(n * p.k));
    assert_non_null(p.w);
    for (int64_t i = 0; i < n * p.k; i++)
        p.w[i] = (int8_t)random_between(rng, -8, 7);
    p.scale  = random_floats(rng, (size_t)(n * p.blocks), 0.01f, 0.2f);
    p.bias   = random_floats(rng, (size_t)n, -1.0f, 1.0f);
    p.x      = random_floats(rng, p.n_x, -1.0f, 1.0f);
    p.r      = random_floats(rng, p.n_y, -1.0f, 1.0f);
    d->w     = p.w;
    d->scale = p.scale;
    d->bias  = mxdi_rng_below(rng, 4) ? p.bias : NULL;
    return p;
}

static void problem_free(struct problem *p)
{
    free(p->w);
    free(p->scale);
    free(p->bias);
    free(p->x);
    free(p->r);
}

static float *run_on(const struct problem *p, uint32_t isa, mxdi_rng *rng)
{
    mxdi_matmul_w4 *op  = NULL;
    mxd_error       err = MXD_ERROR_INIT;
    if (mxdi_matmul_w4_create(&op, &p->desc, isa, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    float *const x  = exact_copy(p->x, p->n_x * sizeof(float)),
                 *r = exact_copy(p->r, p->n_y * sizeof(float));
    float *const y  = guarded_new(p->n_y * sizeof(float));
    const size_t n = mxdi_matmul_w4_tasks(op), each = (size_t)random_between(rng, 1, (int64_t)n),
                 ranges = (n + each - 1) / each, bytes = mxdi_matmul_w4_scratch(op);
    int64_t *const order   = malloc((ranges + 1) * sizeof(*order));
    uint8_t *const raw     = guarded_new(bytes + 64);
    void *const    scratch = raw + (64 - (uintptr_t)raw % 64);
    mxdi_rng_permutation(rng, order, ranges);
    for (size_t i = 0; i < ranges; i++) {
        const size_t begin = (size_t)order[i] * each;
        mxdi_matmul_w4_run(op, x, r, y, scratch, p->rows, begin,
                           begin + each < n ? begin + each : n);
    }
    assert_guards(scratch, bytes);
    assert_guards(y, p->n_y * sizeof(float));
    assert_true(mxdi_matmul_w4_bytes(op) > 0);
    guarded_free(raw);
    free(order);
    free(x);
    free(r);
    mxdi_matmul_w4_destroy(op);
    return y;
}

/* The same by conv_f32: a kernel as wide as there are taps over images of one row, over w = q *
 * scale. */
static float *convolved(const struct problem *p, uint32_t isa)
{
    const mxdi_matmul_w4_desc *d   = &p->desc;
    float *const               w   = malloc((size_t)(d->n * p->k) * sizeof(float));
    float *const               x   = calloc((size_t)(p->rows * d->x_row + 64), sizeof(float)),
                 *const        r   = calloc((size_t)(p->rows * d->y_row + 64), sizeof(float)),
                 *const        y   = guarded_new((size_t)(p->rows * d->y_row + 64) * sizeof(float));
    mxdi_conv_f32             *op  = NULL;
    mxd_error                  err = MXD_ERROR_INIT;
    assert_true(w && x && r);
    for (int64_t c = 0; c < d->n; c++) /* (c_out, c_in, taps) */
        for (int64_t k = 0; k < p->k; k++)
            w[c * p->k + k % d->c_in * d->taps + k / d->c_in] =
                (float)p->w[c * p->k + k] * p->scale[c * p->blocks + (d->block ? k / d->block : 0)];
    memcpy(x, p->x, p->n_x * sizeof(float));
    memcpy(r, p->r, p->n_y * sizeof(float));
    const mxdi_conv_f32_desc conv = { .x = { 1, (int32_t)d->taps, (int32_t)d->c_in, 1, d->x_tap,
                                             d->x_row },
                                      .y = { 1, 1, (int32_t)d->n, 1, d->y_row, d->y_row },
                                      .window     = { 1, (int32_t)d->taps, 1, 1, 1, 1, 0, 0 },
                                      .groups     = 1,
                                      .w          = w,
                                      .bias       = d->bias,
                                      .residual   = d->residual,
                                      .y_min      = d->y_min,
                                      .y_max      = d->y_max,
                                      .bf16       = d->bf16,
                                      .round_bf16 = d->round_bf16,
                                      .algorithm  = MXDI_CONV_F32_DIRECT };
    if (mxdi_conv_f32_create(&op, &conv, isa, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    void *const scratch = mxdi_alloc(NULL, mxdi_conv_f32_scratch(op) + 1, 1);
    mxdi_conv_f32_run(op, x, r, y, scratch, p->rows, 0, mxdi_conv_f32_tasks(op, p->rows));
    mxdi_free(NULL, scratch);
    mxdi_conv_f32_destroy(op);
    free(w);
    free(x);
    free(r);
    return y;
}

static bool same(float a, float b)
{
    return memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b));
}

/* Columns of every row; `gaps`: what is between them too. */
static void assert_same(const struct problem *p, const float *got, const float *want, bool gaps,
                        const char *what, uint32_t isa)
{
    for (size_t i = 0; i < p->n_y; i++)
        if ((gaps || (int64_t)i % p->desc.y_row < p->desc.n) && !same(got[i], want[i]))
            fail_msg("%s, isa %x, element %zu of %zu: %a instead of %a", what, isa, i, p->n_y,
                     (double)got[i], (double)want[i]);
}

static void check_all(const struct problem *p, mxdi_rng *rng)
{
    float *const ref = run_on(p, 0, rng);
    for (int k = 0; k < SETS; k++) {
        if (sets[k] & ~mxdi_cpu_isa())
            continue;
        float *const got = run_on(p, sets[k], rng), *const conv = convolved(p, sets[k]);
        if (!p->desc.bf16 || !(sets[k] & MXDI_ISA_AVX512BF16))
            assert_same(p, got, ref, true, "ref", sets[k]);
        assert_same(p, got, conv, false, "conv_f32", sets[k]);
        guarded_free(got);
        guarded_free(conv);
    }
    guarded_free(ref);
}

static struct problem random_problem(mxdi_rng *rng, bool bf16)
{
    static const int64_t size[] = { 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 40, 63, 64, 65, 130 };
    const int64_t        taps   = mxdi_rng_below(rng, 3) ? 1 : random_between(rng, 2, 9);
    int64_t              c_in   = size[mxdi_rng_below(rng, 15)];
    c_in += bf16 && taps > 1 ? c_in % 2 : 0;
    struct problem p  = problem_of(rng, random_between(rng, 1, MXDI_MATMUL_W4_ROWS), taps, c_in,
                                   size[mxdi_rng_below(rng, 15)]);
    p.desc.bf16       = bf16;
    p.desc.round_bf16 = bf16 && mxdi_rng_below(rng, 2);
    return p;
}

static void every_set_is_conv_f32(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(1);
    for (int i = 0; i < 300; i++) {
        struct problem p = random_problem(&rng, i % 3 == 0);
        check_all(&p, &rng);
        problem_free(&p);
    }
}

/* Every number of rows with columns around every number of vectors. */
static void every_tile(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(2);
    for (int64_t rows = 1; rows <= MXDI_MATMUL_W4_ROWS; rows++)
        for (int64_t n = 8; n <= 136; n += 8)
            for (int bf16 = 0; bf16 < 2; bf16++) {
                struct problem p = problem_of(&rng, rows, 1, 21, n - (n / 8) % 3);
                p.desc.bf16      = bf16;
                check_all(&p, &rng);
                problem_free(&p);
            }
}

/* ref against the formula of the header. */
static void ref_is_the_definition(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(3);
    for (int i = 0; i < 20; i++) {
        struct problem             p = random_problem(&rng, false);
        const mxdi_matmul_w4_desc *d = &p.desc;
        float *const               y = run_on(&p, 0, &rng);
        for (int64_t row = 0; row < p.rows; row++)
            for (int64_t c = 0; c < d->n; c++) {
                float acc = d->bias ? p.bias[c] : 0.0f;
                for (int64_t t = 0; t < d->taps; t++)
                    for (int64_t ci = 0; ci < d->c_in; ci++) {
                        const int64_t k = t * d->c_in + ci;
                        const float   w = (float)p.w[c * p.k + k] *
                                        p.scale[c * p.blocks + (d->block ? k / d->block : 0)];
                        acc = fmaf(p.x[row * d->x_row + t * d->x_tap + ci], w, acc);
                    }
                acc += d->residual ? p.r[row * d->y_row + c] : 0.0f;
                acc = fminf(fmaxf(acc, d->y_min), d->y_max);
                assert_true(y[row * d->y_row + c] == acc);
            }
        guarded_free(y);
        problem_free(&p);
    }
}

static void specials_propagate(void **state)
{
    (void)state;
    static const float special[] = { INFINITY, -INFINITY, NAN, -0.0f, 1e38f, 1e-40f };
    mxdi_rng           rng       = mxdi_rng_seed(4);
    for (int i = 0; i < 60; i++) {
        struct problem p = random_problem(&rng, false);
        for (int n = 0; n < 4; n++)
            p.x[mxdi_rng_below(&rng, p.n_x)] = special[mxdi_rng_below(&rng, 6)];
        p.bias[mxdi_rng_below(&rng, (uint64_t)p.desc.n)] = -0.0f;
        check_all(&p, &rng);
        problem_free(&p);
    }
}

static void what_cannot_be_met_is_refused(void **state)
{
    (void)state;
    mxdi_rng       rng = mxdi_rng_seed(5);
    struct problem p   = problem_of(&rng, 2, 3, 5, 4);
    for (int i = 0; i < 6; i++) {
        mxdi_matmul_w4_desc d   = p.desc;
        mxd_error           err = MXD_ERROR_INIT;
        mxdi_matmul_w4     *op  = NULL;
        const float         bad = i == 3 ? -1.0f : i == 4 ? INFINITY : 1e-37f;
        d.block                 = 0;
        switch (i) {
        case 0:
            d.block = 12;
            break;
        case 1:
            d.bf16 = 1;
            break;
        case 2:
            d.n = 0;
            break;
        default:
            d.taps = d.c_in = d.n = 1;
            d.scale               = &bad;
            d.bf16                = i == 5;
        }
        assert_int_equal(mxdi_matmul_w4_create(&op, &d, mxdi_cpu_isa(), NULL, &err),
                         i == 2 ? MXD_E_SHAPE : MXD_E_UNSUPPORTED);
        assert_null(op);
        assert_string_not_equal(err.msg, "");
    }
    problem_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_is_conv_f32),         cmocka_unit_test(every_tile),
        cmocka_unit_test(ref_is_the_definition),         cmocka_unit_test(specials_propagate),
        cmocka_unit_test(what_cannot_be_met_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
