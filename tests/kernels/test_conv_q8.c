/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_q8: the plain definition against an own reading of docs/graph-ops.md, and every variant this CPU can run against
 * the plain definition, bit for bit, over random shapes, epilogues and partitions. */
#include "kernels/q8_cases.h"

static const struct {
    const char *name;
    uint32_t    needs;
    bool        s8; /* weights of 8 bits only */
} variants[] = {
    { "conv_q8_ref", 0, false },
#if defined(__x86_64__)
    { "conv_q8_avx2", MXDI_ISA_AVX2, false },
    { "conv_q8_avxvnni", MXDI_ISA_AVX2 | MXDI_ISA_AVXVNNI, true },
    { "conv_q8_avx512", MXDI_ISA_AVX2 | MXDI_ISA_AVX512, false },
    { "conv_q8_avx512vnni", MXDI_ISA_AVX2 | MXDI_ISA_AVX512 | MXDI_ISA_AVX512VNNI, true },
#endif
};
enum { N_VARIANTS = sizeof(variants) / sizeof(variants[0]) };

struct problem {
    mxdi_conv_q8_desc desc;
    struct vectors    vectors;
    int16_t          *w;
    uint8_t          *x, *r;
    int64_t           blocks;
    size_t            size; /* of an output element */
    bool              s8;
};

static size_t n_weights(const mxdi_conv_q8_desc *d)
{
    return (size_t)d->y.channels * (size_t)(d->x.channels / d->groups) * (size_t)d->window.kh * (size_t)d->window.kw;
}

static int16_t *draw_weights(size_t n, bool s8)
{
    int16_t      *w    = malloc((n + 1) * sizeof(int16_t));
    const int32_t mode = draw(0, 3), lo = s8 ? -128 : -255, hi = s8 ? 127 : 255;
    assert_non_null(w);
    for (size_t i = 0; i < n; i++)
        w[i] = (int16_t)(mode == 0 ? lo : mode == 1 && chance(30) ? hi : draw(lo, hi));
    if (!s8)
        w[0] = 200;
    return w;
}

static mxdi_window2d draw_window(int32_t most)
{
    const int32_t k = draw(1, most);
    mxdi_window2d w = { .kh = k, .kw = chance(70) ? k : draw(1, most), .sh = 1, .sw = 1, .dh = 1, .dw = 1 };
    if (chance(40))
        w.sh = w.sw = draw(1, 3);
    if (chance(15))
        w.sw = draw(1, 2);
    if (chance(20))
        w.dh = draw(1, 3), w.dw = draw(1, 3);
    w.ph = draw(0, (w.kh - 1) * w.dh);
    w.pw = chance(60) ? w.ph : draw(0, (w.kw - 1) * w.dw + 1);
    return w;
}

/* x, y, groups and window of a case; everything else follows. */
static void finish_problem(struct problem *p, bool s8)
{
    mxdi_conv_q8_desc *d = &p->desc;
    const float terms = (float)(d->x.channels / d->groups * d->window.kh * d->window.kw);
    p->s8             = s8;
    p->w              = draw_weights(n_weights(d), s8);
    d->w              = p->w;
    d->x_zero_point   = draw_zero_point();
    d->epilogue       = draw_epilogue(&p->vectors, d->y.channels, 8000.0f * sqrtf(terms));
    p->size           = d->epilogue.y_float ? sizeof(float) : 1;
    p->x              = draw_bytes(layout_size(&d->x, p->blocks));
    p->r              = draw_bytes(layout_size(&d->y, p->blocks));
}

static void draw_problem(struct problem *p, int32_t most_pixels)
{
    mxdi_conv_q8_desc *d     = &p->desc;
    const int32_t      block = chance(50) ? 8 : 1;
    const int32_t      c_in = chance(30) ? draw(1, 4) : draw(1, 70), c_out = draw(1, 70);
    *d        = (mxdi_conv_q8_desc){ .groups = 1, .window = draw_window(chance(90) ? 4 : 7) };
    p->blocks = draw(1, 2);
    if (chance(25))
        d->groups = draw(2, 5);
    const int32_t in = d->groups > 1 ? draw(1, 9) : c_in, out = d->groups > 1 ? draw(1, 20) : c_out;
    const int32_t h = draw(1, most_pixels), w = chance(70) ? draw(1, most_pixels) : draw(1, 3);
    const mxdi_window2d *win = &d->window;
    d->x = draw_layout(h, w, in * d->groups, block);
    d->y = draw_layout(draw_out(h, win->kh, win->sh, win->dh, win->ph), draw_out(w, win->kw, win->sw, win->dw, win->pw),
                       out * d->groups, block);
    finish_problem(p, chance(75));
}

static void free_problem(struct problem *p)
{
    free(p->w);
    free(p->x);
    free(p->r);
}

/* All tasks, the last first and in pieces; y (inside its guards) is new and the caller's. */
static uint8_t *run(const struct problem *p, uint32_t isa, const char **name)
{
    mxdi_conv_q8 *op    = NULL;
    mxd_error     err   = MXD_ERROR_INIT;
    const size_t  bytes = layout_size(&p->desc.y, p->blocks) * p->size + 2 * GUARD;
    uint8_t      *y     = malloc(bytes);
    assert_non_null(y);
    memset(y, 0x55, bytes);
    if (mxdi_conv_q8_create(&op, &p->desc, isa, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    *name = mxdi_conv_q8_name(op);
    assert_true(mxdi_conv_q8_bytes(op) > 0);
    const uint8_t *r = p->desc.epilogue.residual ? p->r : NULL;
    size_t         n = mxdi_conv_q8_tasks(op, p->blocks);
    while (n > 0) {
        const size_t piece = (size_t)draw(1, 3) < n ? (size_t)draw(1, 3) : n;
        const size_t begin = n > piece ? n - piece : 0;
        mxdi_conv_q8_run(op, p->x, r, y + GUARD, p->blocks, begin, n);
        n = begin;
    }
    mxdi_conv_q8_destroy(op);
    return y;
}

static void check_variants(const struct problem *p, int32_t number)
{
    const char *name = NULL;
    uint8_t    *want = run(p, 0, &name);
    assert_string_equal(name, "conv_q8_ref");
    for (size_t v = 1; v < N_VARIANTS; v++) {
        if (variants[v].needs & ~mxdi_cpu_isa())
            continue;
        uint8_t *got = run(p, variants[v].needs, &name);
        if (p->s8 || !variants[v].s8)
            assert_string_equal(name, variants[v].name);
        else
            assert_string_not_equal(name, variants[v].name);
        assert_same(got, want, &p->desc.y, p->blocks, p->size, name, number);
        assert_guards(got, &p->desc.y, p->blocks, p->size, p->size > 1);
        free(got);
    }
    free(want);
}

/* The accumulator over an explicitly padded image: padding is x_zero_point, and so adds 0. */
static int64_t exact_sum(const struct problem *p, int64_t block, int64_t row, int64_t column, int64_t image, int32_t c)
{
    const mxdi_conv_q8_desc *d   = &p->desc;
    const mxdi_window2d     *win = &d->window;
    const int32_t in = d->x.channels / d->groups, out = d->y.channels / d->groups, group = c / out;
    int64_t       sum = d->epilogue.bias ? d->epilogue.bias[c] : 0;
    for (int32_t ky = 0; ky < win->kh; ky++)
        for (int32_t kx = 0; kx < win->kw; kx++)
            for (int32_t i = 0; i < in; i++) {
                const int64_t y = row * win->sh + (int64_t)ky * win->dh - win->ph;
                const int64_t x = column * win->sw + (int64_t)kx * win->dw - win->pw;
                const bool    inside = y >= 0 && y < d->x.h && x >= 0 && x < d->x.w;
                const int64_t q =
                    inside ? p->x[element(&d->x, block, y, x, image, group * in + i)] : d->x_zero_point;
                sum += (q - d->x_zero_point) * p->w[((c * in + i) * win->kh + ky) * win->kw + kx];
            }
    return sum;
}

static void ref_is_the_formula(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(1);
    for (int32_t number = 0; number < 150; number++) {
        struct problem p;
        const char    *name = NULL;
        draw_problem(&p, 6);
        uint8_t            *got = run(&p, 0, &name);
        const mxdi_blocked *l   = &p.desc.y;
        for (int64_t i = 0; i < p.blocks * l->h * l->w * l->block * l->channels; i++) {
            const int64_t c = i % l->channels, image = i / l->channels % l->block, pixel = i / l->channels / l->block;
            const int64_t column = pixel % l->w, row = pixel / l->w % l->h, block = pixel / l->w / l->h;
            const int64_t at = element(l, block, row, column, image, c);
            const float   want = expected(exact_sum(&p, block, row, column, image, (int32_t)c), (int32_t)c, p.r[at],
                                          &p.desc.epilogue);
            float         y = got[GUARD + at];
            if (p.size > 1)
                memcpy(&y, got + GUARD + at * 4, sizeof(y));
            if (!(y == want))
                fail_msg("case %d, element %d: %g, expected %g", number, (int)i, (double)y, (double)want);
        }
        assert_guards(got, l, p.blocks, p.size, false);
        free(got);
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
        check_variants(&p, number);
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
        p.desc = (mxdi_conv_q8_desc){ .groups = 1, .window = { 1, 1, 1, 1, 1, 1, 0, 0 } };
        const int32_t rows = 1 + number % 43;
        p.desc.x = draw_layout(1, rows, draw(1, 300) , 1);
        p.desc.y = draw_layout(1, rows, 1 + number, 1);
        finish_problem(&p, number % 4 != 0);
        check_variants(&p, number);
        free_problem(&p);
    }
}

/* Sums past 2^31 wrap alike: 2^15 terms of 255 * -128 and a bias at the end of int32. */
static void sums_wrap(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(4);
    struct problem p = { .blocks = 1 };
    p.desc = (mxdi_conv_q8_desc){ .groups = 1, .window = { 1, 1, 1, 1, 1, 1, 0, 0 } };
    p.desc.x = draw_layout(1, 2, 1 << 17, 1);
    p.desc.y = draw_layout(1, 2, 3, 1);
    finish_problem(&p, true);
    memset(p.x, 255, layout_size(&p.desc.x, 1));
    for (size_t i = 0; i < n_weights(&p.desc); i++)
        p.w[i] = -128;
    check_variants(&p, 0);
    free_problem(&p);
}

/* Weights larger than L2's share, and enough work for many tasks. */
static void large_layers(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(5);
    for (int32_t number = 0; number < 4; number++) {
        struct problem p = { .blocks = 1 };
        p.desc = (mxdi_conv_q8_desc){ .groups = 1, .window = { 3, 3, 1, 1, 1, 1, 1, 1 } };
        const int32_t side = number < 2 ? 3 : 17, channels = number < 2 ? 150 : 40, block = number % 2 ? 8 : 1;
        p.desc.x = draw_layout(side, side, number < 2 ? 600 : 40, block);
        p.desc.y = draw_layout(side, side, channels, block);
        finish_problem(&p, true);
        check_variants(&p, number);
        free_problem(&p);
    }
}

static void bad_operators_are_refused(void **state)
{
    (void)state;
    static const int16_t w[2] = { 1, 256 };
    static const float   m[1] = { 1.0f }, bad[1] = { NAN };
    const mxdi_blocked   one  = { 1, 1, 1, 1, 1, 1 };
    mxdi_conv_q8_desc    good = { .x = one, .y = one, .window = { 1, 1, 1, 1, 1, 1, 0, 0 }, .groups = 1, .w = w };
    good.epilogue             = (mxdi_q8_epilogue){ .m = m, .q_max = 255 };
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
        cmocka_unit_test(ref_is_the_formula),        cmocka_unit_test(variants_match_ref),
        cmocka_unit_test(tails_match_ref),           cmocka_unit_test(sums_wrap),
        cmocka_unit_test(large_layers),              cmocka_unit_test(bad_operators_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
