/* SPDX-License-Identifier: Apache-2.0
 *
 * tile_f32 on tile registers, emulated and true: every number of rows against tiles of one row of
 * AVX-512 with BF16, over taps, halves and all that follows the sums. Inputs are small integers, so
 * that every order of the sums is exact and the results are equal bit for bit. */
#include "kernel_test.h"

#include <stdio.h>

#include "kernels/tile_f32/tile_f32.h"

#if defined(__x86_64__)
#include "kernels/amx_emulated.h"

#define AMX_VARIANT(name) name##_emulated
#define AMX_TILE_NAME     "emulated"
extern const struct mxdi_tile_f32 mxdi_tile_f32_emulated, mxdi_tile_f32_amx;
#include "kernels/tile_f32/tile_f32_amx_body.h"

enum { MAX_WORDS = 40, MAX_TAPS = 3, MAX_PITCH = 3 * MAX_WORDS + 8, PITCH_C = 40 };

struct problem {
    mxdi_tile_f32_args args;
    int32_t            rows, lanes; /* of the tile */
    float             *a, *b, *r;
    size_t             n_a, n_b, n_c;
};

/* Words of two bf16 integers, -4 to 4. */
static float *draw_words(mxdi_rng *rng, size_t n)
{
    float *const    values = malloc(2 * (n + 1) * sizeof(float));
    float *const    words  = aligned_alloc(64, (n * sizeof(float) + 127) / 64 * 64);
    uint16_t *const terms  = (uint16_t *)(void *)words;
    assert_true(values && words);
    for (size_t i = 0; i < 2 * n; i++) {
        uint32_t bits;
        values[i] = (float)random_between(rng, -4, 4);
        memcpy(&bits, &values[i], sizeof(bits));
        terms[i] = (uint16_t)(bits >> 16);
    }
    free(values);
    return words;
}

static struct problem draw_problem(mxdi_rng *rng, int32_t rows, float *init)
{
    struct problem      p    = { .rows = rows, .lanes = mxdi_rng_below(rng, 2) ? 32 : 16 };
    mxdi_tile_f32_args *t    = &p.args;
    const int64_t       half = (rows + 1) / 2, kw = random_between(rng, 1, MAX_TAPS);
    t->k      = random_between(rng, 0, MAX_WORDS);
    t->n_kx   = random_between(rng, 0, kw);
    t->n_ky   = random_between(rng, 0, MAX_TAPS);
    t->a_k    = mxdi_rng_below(rng, 4) ? 1 : 2;
    t->a_kx   = t->k * t->a_k + random_between(rng, 0, 3);
    t->a_row  = random_between(rng, 1, 3) * MAX_WORDS;
    t->a_half = mxdi_rng_below(rng, 2) ? half * t->a_row : 17 * t->a_row + 5;
    t->a_ky   = 7;
    t->b_ky   = (kw - t->n_kx) * t->k * p.lanes;
    t->c_row  = PITCH_C;
    t->c_half = half * PITCH_C;
    t->alpha  = 0.5f;
    t->lo     = mxdi_rng_below(rng, 2) ? -INFINITY : -3.0f;
    t->hi     = mxdi_rng_below(rng, 2) ? INFINITY : 50.0f;
    t->finish = (mxdi_tile_f32_finish)mxdi_rng_below(rng, 3);
    t->lanes = t->finish == MXDI_TILE_F32_FULL ? (int32_t)random_between(rng, 1, p.lanes) : p.lanes;
    t->init  = init;
    p.n_a    = (size_t)(34 * t->a_row + MAX_TAPS * (7 + MAX_TAPS * (t->a_kx + 2)) + 2 * t->k + 8);
    p.n_b    = (size_t)(MAX_TAPS * kw * t->k * p.lanes);
    p.n_c    = (size_t)(rows * PITCH_C);
    p.a      = draw_words(rng, p.n_a);
    p.b      = draw_words(rng, p.n_b);
    p.r      = malloc(p.n_c * sizeof(float));
    assert_non_null(p.r);
    for (size_t i = 0; i < p.n_c; i++)
        p.r[i] = (float)random_between(rng, -9, 9);
    t->a = p.a;
    t->b = p.b;
    if (t->finish == MXDI_TILE_F32_FULL) {
        t->r          = mxdi_rng_below(rng, 2) ? p.r : NULL;
        t->round_bf16 = (int32_t)mxdi_rng_below(rng, 2);
    }
    return p;
}

static void free_problem(struct problem *p)
{
    free(p->a);
    free(p->b);
    free(p->r);
}

static float *run(const struct problem *p, const struct mxdi_tile_f32 *tile)
{
    float *const       c    = guarded_new(p->n_c * sizeof(float));
    mxdi_tile_f32_args args = p->args;
    args.c                  = c;
    (p->lanes == 32 ? tile->full_fn : tile->narrow_fn)[p->rows](&args);
    assert_guards(c, p->n_c * sizeof(float));
    return c;
}

static float *run_by_rows(const struct problem *p)
{
    float *const  c    = guarded_new(p->n_c * sizeof(float));
    const int32_t half = (p->rows + 1) / 2;
    for (int32_t i = 0; i < p->rows; i++) {
        mxdi_tile_f32_args args = p->args;
        args.a += i < half ? i * args.a_row : args.a_half + (i - half) * args.a_row;
        args.c = c + i * PITCH_C;
        args.r = args.r ? args.r + i * PITCH_C : NULL;
        (p->lanes == 32 ? mxdi_tile_f32_avx512bf16.full_fn
                        : mxdi_tile_f32_avx512bf16.narrow_fn)[1](&args);
    }
    return c;
}

static void tile_registers_are_exact(void **state)
{
    (void)state;
    static const struct mxdi_tile_f32 *const tiles[] = { &mxdi_tile_f32_emulated,
                                                         &mxdi_tile_f32_amx };
    const uint32_t     needs = mxdi_tile_f32_avx512bf16.needs, here = mxdi_cpu_isa();
    _Alignas(64) float init[32];
    mxdi_rng           rng = mxdi_rng_seed(1);
    if (needs & ~here)
        skip();
    for (size_t i = 0; i < 32; i++)
        init[i] = (float)i;
    for (int32_t number = 0; number < 640; number++) {
        struct problem p    = draw_problem(&rng, 1 + number % MXDI_TILE_F32_MAX_ROWS, init);
        float         *want = run_by_rows(&p);
        for (size_t i = 0; i < (here & MXDI_ISA_AMX ? 2 : 1); i++) {
            float *got = run(&p, tiles[i]);
            if (memcmp(got, want, p.n_c * sizeof(float)) != 0)
                fail_msg("%s, case %d: %d rows of %d lanes differ", tiles[i]->name, number, p.rows,
                         p.lanes);
            guarded_free(got);
        }
        guarded_free(want);
        free_problem(&p);
    }
}
#else
static void tile_registers_are_exact(void **state)
{
    (void)state;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(tile_registers_are_exact) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
