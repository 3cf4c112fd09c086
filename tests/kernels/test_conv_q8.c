/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_q8: the plain definition against an own reading of docs/graph-ops.md, and every variant this
 * CPU can run against the plain definition, bit for bit, over random shapes, epilogues and
 * partitions; tile registers also emulated, where they are not. */
#include "kernels/q8_cases.h"

#include "kernels/conv_q8/conv_q8_op.h"

#if defined(__x86_64__)
#include "kernels/amx_emulated.h"
#define AMX_VARIANT(name)        name##_emulated
#define AMX_VARIANT_NAME(family) family "_emulated"
extern const struct mxdi_conv_q8_kernel mxdi_conv_q8_emulated;
#include "kernels/conv_q8/conv_q8_amx_body.h"
#endif

static void draw_problem(struct problem *p, int32_t most_pixels)
{
    mxdi_conv_q8_desc *d     = &p->desc;
    const int32_t      block = chance(50) ? 8 : 1;
    const int32_t      c_in = chance(30) ? draw(1, 4) : draw(1, 70), c_out = draw(1, 70);
    p->in_place = false;
    *d          = (mxdi_conv_q8_desc){ .groups    = 1,
                                       .window    = draw_window(chance(90) ? 4 : 7),
                                       .algorithm = MXDI_CONV_Q8_DIRECT };
    p->blocks   = draw(1, 2);
    if (chance(25))
        d->groups = draw(2, 5);
    const int32_t in = d->groups > 1 ? draw(1, 9) : c_in, out = d->groups > 1 ? draw(1, 20) : c_out;
    const int32_t h = draw(1, most_pixels), w = chance(70) ? draw(1, most_pixels) : draw(1, 3);
    const mxdi_window2d *win   = &d->window;
    const int32_t        h_out = draw_out(h, win->kh, win->sh, win->dh, win->ph);
    const int32_t        w_out = draw_out(w, win->kw, win->sw, win->dw, win->pw);
    d->x                       = draw_layout(h, w, in * d->groups, block);
    d->y                       = draw_layout(h_out, w_out, out * d->groups, block);
    finish_problem(p, chance(75));
}

/* All tasks, the last first and in pieces; kernel NULL: the best. */
static uint8_t *run_with(const struct problem *p, uint32_t isa,
                         const struct mxdi_conv_q8_kernel *kernel, const char **name)
{
    mxdi_conv_q8  *op  = NULL;
    mxd_error      err = MXD_ERROR_INIT;
    const uint8_t *r;
    uint8_t       *y = output(p, &r);
    if (mxdi_conv_q8_create_with(&op, &p->desc, isa, kernel, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    *name = mxdi_conv_q8_name(op);
    assert_true(mxdi_conv_q8_bytes(op) > 0);
    uint8_t *scratch = aligned_alloc(64, mxdi_conv_q8_scratch(op) + 64);
    size_t   n       = mxdi_conv_q8_tasks(op, p->blocks);
    while (n > 0) {
        const size_t piece = (size_t)draw(1, 3), begin = n > piece ? n - piece : 0;
        mxdi_conv_q8_run(op, p->x, r, y + GUARD, scratch, p->blocks, begin, n);
        n = begin;
    }
    mxdi_conv_q8_destroy(op);
    free(scratch);
    return y;
}

static uint8_t *run(const struct problem *p, uint32_t isa, const char **name)
{
    return run_with(p, isa, NULL, name);
}

static const struct family conv = { "conv_q8", run, false };

/* The tile registers, emulated and true, on any shape: not only where they win. */
static void check_tile_registers(const struct problem *p, int32_t number)
{
#if defined(__x86_64__)
    static const struct mxdi_conv_q8_kernel *const kernels[] = { &mxdi_conv_q8_emulated,
                                                                 &mxdi_conv_q8_amx };
    const uint32_t needs = mxdi_q8_rows[MXDI_Q8_avx512vnni].needs, here = mxdi_cpu_isa();
    const char    *name = NULL;
    if ((needs & ~here) || !p->s8)
        return;
    uint8_t *want = run(p, 0, &name);
    for (size_t i = 0; i < (here & MXDI_ISA_AMX ? 2 : 1); i++) {
        uint8_t *got = run_with(p, needs, kernels[i], &name);
        assert_same(got, want, &p->desc.y, p->blocks, p->size, name, number);
        if (p->size > 1)
            assert_finite_pads(got, &p->desc.y, p->blocks);
        if (!p->in_place)
            assert_guards(got, &p->desc.y, p->blocks, p->size, p->size > 1);
        free(got);
    }
    free(want);
#else
    (void)p;
    (void)number;
#endif
}

static void check_all(const struct problem *p, int32_t number)
{
    check_variants(p, &conv, number);
    check_tile_registers(p, number);
}

static void ref_is_the_formula(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(1);
    for (int32_t number = 0; number < 150; number++) {
        struct problem p;
        draw_problem(&p, 6);
        check_formula(&p, &conv, number);
        free_problem(&p);
    }
}

static void variants_match_ref(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(2);
    for (int32_t number = 0; number < 700; number++) {
        struct problem p;
        draw_problem(&p, number % 10 ? 7 : 20);
        p.in_place = p.desc.epilogue.residual && number % 3 == 0;
        check_all(&p, number);
        free_problem(&p);
    }
}

/* Every width of a panel's tail and every number of rows, as matrix products. */
static void tails_match_ref(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(3);
    for (int32_t number = 0; number < 130; number++) {
        struct problem p = { .blocks = 1 };
        p.desc           = (mxdi_conv_q8_desc){ .groups = 1, .window = { 1, 1, 1, 1, 1, 1, 0, 0 } };
        const int32_t rows = 1 + number % 43;
        p.desc.x           = draw_layout(1, rows, draw(1, 300), 1);
        p.desc.y           = draw_layout(1, rows, 1 + number, 1);
        finish_problem(&p, number % 4 != 0);
        check_all(&p, number);
        free_problem(&p);
    }
}

/* Dilation takes the last column of one row of the window next to the first of the following. */
static void rows_meet(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(7);
    for (int32_t number = 0; number < 20; number++) {
        struct problem p = { .blocks = 1 };
        p.desc           = (mxdi_conv_q8_desc){ .groups = 1, .window = { 2, 2, 1, 1, 1, 2, 1, 1 } };
        p.desc.x         = draw_layout(6, 3, 68, 1);
        p.desc.y         = draw_layout(7, 3, draw(1, 40), 1);
        finish_problem(&p, true);
        check_all(&p, number);
        free_problem(&p);
    }
}

/* Sums past 2^31 wrap alike: 2^15 terms of 255 * -128 and a bias at the end of int32. */
static void sums_wrap(void **state)
{
    (void)state;
    rng              = mxdi_rng_seed(4);
    struct problem p = { .blocks = 1 };
    p.desc           = (mxdi_conv_q8_desc){ .groups = 1, .window = { 1, 1, 1, 1, 1, 1, 0, 0 } };
    p.desc.x         = draw_layout(1, 2, 1 << 17, 1);
    p.desc.y         = draw_layout(1, 2, 3, 1);
    finish_problem(&p, true);
    memset(p.x, 255, layout_size(&p.desc.x, 1));
    for (size_t i = 0; i < n_weights(&p.desc); i++)
        p.w[i] = -128;
    check_all(&p, 0);
    free_problem(&p);
}

/* Weights larger than L2's share, and enough work for many tasks. */
static void large_layers(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(5);
    for (int32_t number = 0; number < 4; number++) {
        struct problem p   = { .blocks = 1 };
        p.desc             = (mxdi_conv_q8_desc){ .groups    = 1,
                                                  .window    = { 3, 3, 1, 1, 1, 1, 1, 1 },
                                                  .algorithm = MXDI_CONV_Q8_DIRECT };
        const int32_t side = number < 2 ? 3 : 17, channels = number < 2 ? 150 : 40,
                      block = number % 2 ? 8 : 1;
        p.desc.x            = draw_layout(side, side, number < 2 ? 600 : 40, block);
        p.desc.y            = draw_layout(side, side, channels, block);
        finish_problem(&p, true);
        check_all(&p, number);
        free_problem(&p);
    }
}

/* The largest of each 2x2 of `conv`, the output of the same convolution without a pool. */
static void pool(uint8_t *y, const mxdi_blocked *l, const uint8_t *conv_y, const mxdi_blocked *from,
                 int64_t blocks)
{
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t row = 0; row < l->h; row++)
            for (int64_t column = 0; column < l->w; column++)
                for (int64_t image = 0; image < l->block; image++)
                    for (int64_t c = 0; c < l->channels; c++) {
                        uint8_t best = 0;
                        for (int64_t k = 0; k < 4; k++) {
                            const uint8_t v = conv_y[element(from, b, 2 * row + k / 2,
                                                             2 * column + k % 2, image, c)];
                            best            = v > best ? v : best;
                        }
                        y[element(l, b, row, column, image, c)] = best;
                    }
}

/* A stem of 1 or 2 channels with `p->desc.y` as the output before a pool. */
static void draw_stem(struct problem *p)
{
    const int32_t block = chance(50) ? 8 : 1, c_in = draw(1, 2), h = draw(1, 12), w = draw(1, 40);
    p->in_place = false;
    p->blocks   = draw(1, 2);
    p->desc     = (mxdi_conv_q8_desc){ .groups = 1, .window = draw_window(chance(80) ? 5 : 9) };
    mxdi_window2d *win = &p->desc.window;
    win->sw            = 1;
    p->desc.x          = draw_layout(h, w, c_in, block);
    p->desc.y          = draw_layout(draw_out(h, win->kh, win->sh, win->dh, win->ph),
                                     draw_out(w, win->kw, 1, win->dw, win->pw), draw(1, 64), block);
    if (chance(50))
        p->desc.x.pitch = 4;
    p->desc.x.block_stride = (int64_t)h * w * block * p->desc.x.pitch;
    finish_problem(p, chance(75));
}

/* Stems, also with a pool, give what the plain definition gives; how many there were. */
static int32_t check_stems(struct problem *p, bool pooled, int32_t number)
{
    const mxdi_blocked from   = p->desc.y;
    const char        *name   = NULL;
    int32_t            n      = 0;
    uint8_t           *conv_y = run(p, 0, &name), *want = conv_y;
    const uint8_t     *r;
    if (pooled) {
        p->desc.y = draw_layout(from.h / 2, from.w / 2, from.channels, from.block);
        want      = output(p, &r);
        pool(want + GUARD, &p->desc.y, conv_y + GUARD, &from, p->blocks);
    }
    p->desc.pooled    = pooled;
    p->desc.algorithm = MXDI_CONV_Q8_STEM;
    for (size_t v = 0; v < MXDI_Q8_COUNT; v++) {
        mxdi_conv_q8    *op  = NULL;
        const uint32_t   isa = mxdi_q8_rows[v].needs;
        const mxd_status st  = isa & ~mxdi_cpu_isa()
                                   ? MXD_E_UNSUPPORTED
                                   : mxdi_conv_q8_create(&op, &p->desc, isa, NULL, NULL);
        mxdi_conv_q8_destroy(op);
        assert_true(st == MXD_OK || st == MXD_E_UNSUPPORTED);
        if (st != MXD_OK)
            continue;
        uint8_t *got = run(p, isa, &name);
        assert_non_null(strstr(name, "conv_q8_stem_"));
        assert_same(got, want, &p->desc.y, p->blocks, 1, name, number);
        assert_guards(got, &p->desc.y, p->blocks, 1, false);
        free(got);
        n++;
    }
    if (want != conv_y)
        free(want);
    free(conv_y);
    return n;
}

static void stems_match_ref(void **state)
{
    (void)state;
    rng       = mxdi_rng_seed(8);
    int32_t n = 0;
    for (int32_t number = 0; number < 600; number++) {
        struct problem p;
        draw_stem(&p);
        const bool pooled        = number % 2 && p.desc.y.h > 1 && p.desc.y.w > 1;
        p.desc.epilogue.residual = p.desc.epilogue.y_float = 0;
        p.size                                             = 1;
        n += check_stems(&p, pooled, number);
        free_problem(&p);
    }
    assert_true(n > 100 || mxdi_q8_select(mxdi_cpu_isa(), -1, 1) == 0);
}

static void allocations_may_fail(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(6);
    for (uint32_t isa = 0;; isa = mxdi_cpu_isa()) {
        struct problem p;
        mxd_status     st = MXD_E_NOMEM;
        draw_problem(&p, 7);
        for (int32_t n = 0; st != MXD_OK; n++) { /* refuse the next one, until none is left */
            struct failing      f     = { .left = n };
            const mxd_allocator alloc = { failing_alloc, failing_free, &f };
            mxdi_conv_q8       *op    = NULL;
            st                        = mxdi_conv_q8_create(&op, &p.desc, isa, &alloc, NULL);
            assert_true(st == MXD_OK || (st == MXD_E_NOMEM && !op));
            mxdi_conv_q8_destroy(op);
            assert_int_equal(f.live, 0);
        }
        free_problem(&p);
        if (isa == mxdi_cpu_isa())
            break;
    }
}

static void bad_operators_are_refused(void **state)
{
    (void)state;
    static const int16_t w[2] = { 1, 256 };
    static const float   m[1] = { 1.0f }, bad[1] = { NAN };
    const mxdi_blocked   one  = { 1, 1, 1, 1, 1, 1 };
    mxdi_conv_q8_desc    good = {
           .x = one, .y = one, .window = { 1, 1, 1, 1, 1, 1, 0, 0 }, .groups = 1, .w = w
    };
    good.epilogue = (mxdi_q8_epilogue){ .m = m, .q_max = 255 };
    mxdi_conv_q8_desc d[9];
    for (size_t i = 0; i < 9; i++)
        d[i] = good;
    d[0].groups              = 2;
    d[1].x.block             = 3;
    d[2].x.block             = 8;
    d[2].x.block_stride      = 8;
    d[3].window.sw           = 0;
    d[4].x_zero_point        = 256;
    d[5].w                   = w + 1;
    d[6].epilogue.m          = bad;
    d[7].epilogue.q_max      = 256;
    d[8].epilogue.bias_float = bad;
    mxdi_conv_q8 *op         = NULL;
    for (size_t i = 0; i < 9; i++) {
        mxd_error err = MXD_ERROR_INIT;
        assert_int_not_equal(mxdi_conv_q8_create(&op, &d[i], mxdi_cpu_isa(), NULL, &err), MXD_OK);
        assert_null(op);
        assert_true(err.msg[0] != '\0');
    }
    assert_int_equal(mxdi_conv_q8_create(&op, &good, mxdi_cpu_isa(), NULL, NULL), MXD_OK);
    mxdi_conv_q8_destroy(op);
    mxdi_conv_q8_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref_is_the_formula),
        cmocka_unit_test(variants_match_ref),
        cmocka_unit_test(tails_match_ref),
        cmocka_unit_test(rows_meet),
        cmocka_unit_test(sums_wrap),
        cmocka_unit_test(large_layers),
        cmocka_unit_test(stems_match_ref),
        cmocka_unit_test(allocations_may_fail),
        cmocka_unit_test(bad_operators_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
