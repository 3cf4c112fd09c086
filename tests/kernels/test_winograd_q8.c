/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_q8 by Winograd's algorithm: every variant this CPU can run against the plain definition, bit
 * for bit: all remainders of the tiles, inputs and weights at their extremes, epilogues,
 * partitions, and panels that leave the range in which it is exact. */
#include <float.h>

#include "kernels/q8_cases.h"
#include "kernels/winograd_q8/winograd_q8.h"

/* Variant v has the algorithm, and can run here. */
static bool is_fast_here(size_t v)
{
    return (mxdi_q8_rows[v].needs & ~mxdi_cpu_isa()) == 0 && mxdi_winograd_q8_variants[v]->rows > 0;
}

/* The best of them; 0: there is none. */
static uint32_t fast_isa(void)
{
    size_t v = MXDI_Q8_COUNT - 1;
    while (v > 0 && !is_fast_here(v))
        v--;
    return mxdi_q8_rows[v].needs;
}

/* All tasks, the last first and in pieces; scratch is what is asked for, and nothing more. */
static uint8_t *run(const struct problem *p, uint32_t isa, const char **name)
{
    mxdi_conv_q8     *op   = NULL;
    mxdi_conv_q8_desc desc = p->desc;
    mxd_error         err  = MXD_ERROR_INIT;
    const uint8_t    *r;
    uint8_t          *y = output(p, &r);
    if (isa == 0)
        desc.algorithm = MXDI_CONV_Q8_AUTO;
    if (mxdi_conv_q8_create(&op, &desc, isa, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    *name               = mxdi_conv_q8_name(op);
    const size_t bytes  = mxdi_conv_q8_scratch(op);
    uint8_t     *memory = aligned_alloc(64, (bytes + 2 * GUARD + 63) / 64 * 64);
    assert_non_null(memory);
    memset(memory, FILL, bytes + 2 * GUARD);
    size_t n = mxdi_conv_q8_tasks(op, p->blocks);
    while (n > 0) {
        const size_t piece = (size_t)draw(1, 3), begin = n > piece ? n - piece : 0;
        mxdi_conv_q8_run(op, p->x, r, y + GUARD, memory + GUARD, p->blocks, begin, n);
        n = begin;
    }
    for (size_t i = 0; i < GUARD; i++)
        if (memory[i] != FILL || memory[GUARD + bytes + i] != FILL)
            fail_msg("%s: wrote outside of its scratch", *name);
    free(memory);
    mxdi_conv_q8_destroy(op);
    return y;
}

/* Every variant as ref has it. fast: whether Winograd's algorithm must be, or must not be, part of
 * it; -1: either. */
static void check(const struct problem *p, int32_t fast, int32_t number)
{
    const char *name = NULL;
    uint8_t    *want = run(p, 0, &name);
    assert_string_equal(name, "conv_q8_ref");
    for (size_t v = 1; v < MXDI_Q8_COUNT; v++) {
        if (!is_fast_here(v))
            continue;
        uint8_t *got = run(p, mxdi_q8_rows[v].needs, &name);
        if (fast >= 0 && (strstr(name, "winograd") != NULL) != (fast != 0))
            fail_msg("case %d: %s", number, name);
        assert_same(got, want, &p->desc.y, p->blocks, p->size, name, number);
        if (p->size > 1)
            assert_finite_pads(got, &p->desc.y, p->blocks);
        if (!p->in_place)
            assert_guards(got, &p->desc.y, p->blocks, p->size, p->size > 1);
        free(got);
    }
    free(want);
}

/* x, y and padding of a 3x3 window; channels as said. */
static struct problem make(int32_t h, int32_t w, int32_t c_in, int32_t c_out, int32_t block)
{
    struct problem     p  = { .blocks = draw(1, 3) };
    mxdi_conv_q8_desc *d  = &p.desc;
    const int32_t      ph = draw(0, 2), pw = draw(0, 2);
    *d   = (mxdi_conv_q8_desc){ .groups    = 1,
                                .window    = { 3, 3, 1, 1, 1, 1, ph, pw },
                                .algorithm = MXDI_CONV_Q8_WINOGRAD };
    d->x = draw_layout(h, w, c_in, block);
    d->y = draw_layout(draw_out(h, 3, 1, 1, ph), draw_out(w, 3, 1, 1, pw), c_out, block);
    return p;
}

/* Biases that leave no sum's range: the others are for ranges_decide. */
static void tame(struct problem *p)
{
    for (int32_t c = 0; c < p->desc.y.channels; c++)
        p->vectors.bias[c] = draw(-3000, 3000);
}

/* Weights at the ends of s8, alone or mixed, which also takes products in between to theirs. */
static void extreme_weights(struct problem *p)
{
    const int32_t mode = draw(0, 3);
    for (size_t i = 0; i < n_weights(&p->desc); i++)
        p->w[i] = (int16_t)(mode == 0 ? -128 : mode == 1 ? 127 : chance(50) ? -128 : 127);
}

static void extreme_inputs(struct problem *p)
{
    const int32_t mode = draw(0, 3);
    for (size_t i = 0; i < layout_size(&p->desc.x, p->blocks); i++)
        p->x[i] = (uint8_t)(mode == 0 ? 0 : mode == 1 ? 255 : chance(50) ? 0 : 255);
}

/* Every height and width from 1 to 9, all epilogues. */
static void sizes_match_ref(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(11);
    for (int32_t number = 0; number < 2 * 81; number++) {
        const int32_t  size = number % 81;
        struct problem p =
            make(1 + size / 9, 1 + size % 9, draw(1, 70), draw(1, 70), 1 + 7 * draw(0, 1));
        finish_problem(&p, true);
        tame(&p);
        p.in_place = p.desc.epilogue.residual && number % 3 == 0;
        check(&p, 1, number);
        free_problem(&p);
    }
}

/* Sums of 64 channels of extremes stay in range, whatever the zero point. */
static void extremes_match_ref(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(12);
    for (int32_t number = 0; number < 120; number++) {
        struct problem p = make(draw(1, 9), draw(1, 9), draw(50, 110), draw(1, 40), 8);
        finish_problem(&p, true);
        tame(&p);
        extreme_weights(&p);
        extreme_inputs(&p);
        p.desc.x_zero_point = number % 3 == 0 ? 0 : number % 3 == 1 ? 255 : draw(0, 255);
        check(&p, 1, number);
        free_problem(&p);
    }
}

/* Bands of several register tiles, several panels, many tasks. */
static void large_layers(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(13);
    for (int32_t number = 0; number < 6; number++) {
        struct problem p =
            make(draw(15, 22), draw(15, 22), draw(60, 130), draw(60, 130), number % 2 ? 8 : 1);
        finish_problem(&p, true);
        tame(&p);
        for (size_t i = 0; i < n_weights(&p.desc); i++)
            p.w[i] = (int16_t)draw(-99, 99);
        check(&p, 1, number);
        free_problem(&p);
    }
}

/* One panel whose channel `c` has equal weights, and with `bias` just reaches the end of the range
 * or just leaves it; so does its output, with all inputs at their end. */
static void check_range(int32_t weight, int32_t zero_point, int32_t bias, bool fast, int32_t number)
{
    struct problem p = make(6, 6, 115, 6, 8);
    const int32_t  c = draw(0, 5);
    finish_problem(&p, true);
    tame(&p);
    p.vectors.bias[c]     = bias;
    p.desc.epilogue.bias  = p.vectors.bias;
    p.desc.epilogue.q_min = 0;
    p.desc.epilogue.q_max = 255;
    p.desc.x_zero_point   = zero_point;
    for (int32_t i = 0; i < (int32_t)n_weights(&p.desc); i++)
        p.w[i] = (int16_t)(i / (9 * 115) == c ? weight : draw(-20, 20));
    memset(p.x, zero_point ? 0 : 255, layout_size(&p.desc.x, p.blocks));
    check(&p, fast, number);
    free_problem(&p);
}

static void range_decides(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(14);
    /* 115 * 9 terms of 255 * 127 are 35957 below 2^25. */
    for (int32_t number = 0; number < 8; number++) {
        check_range(127, 0, 35956, true, number);
        check_range(127, 0, 35957, false, number);
        check_range(-127, 0, -35957, true, number);
        check_range(-127, 0, -35958, false, number);
        check_range(-127, 255, 35956, true, number);
        check_range(-127, 255, 35957, false, number);
        check_range(127, 255, -35957, true, number);
        check_range(127, 255, -35958, false, number);
    }
}

/* Some panels leave the range, and with them the algorithm; all channels are right. */
static void panels_decide_alone(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(15);
    for (int32_t number = 0; number < 24; number++) {
        struct problem p    = make(draw(3, 9), draw(3, 9), draw(130, 170), draw(65, 140), 8);
        const size_t   each = 9 * (size_t)p.desc.x.channels;
        finish_problem(&p, true);
        tame(&p);
        p.in_place = p.desc.epilogue.residual && number % 3 == 0;
        for (size_t i = 0; i < n_weights(&p.desc); i++)
            p.w[i] = (int16_t)draw(-50, 50);
        p.desc.x_zero_point = chance(50) ? 0 : 255;
        for (size_t c = number % 2 ? 8 : 40; c <= 40; c += 32)
            for (size_t i = 0; i < each; i++)
                p.w[c * each + i] = number % 4 < 2 ? 127 : -128;
        extreme_inputs(&p);
        check(&p, 1, number);
        free_problem(&p);
    }
}

/* A multiplier without a 64th; the product shows in an f32 output. */
static void multipliers_decide(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(16);
    for (int32_t number = 0; number < 20; number++) {
        struct problem p    = make(5, 5, 40, 6, 8);
        const bool     fast = number % 2;
        finish_problem(&p, true);
        tame(&p);
        p.desc.epilogue = (mxdi_q8_epilogue){
            .m = p.vectors.m, .y_float = 1, .y_min = -INFINITY, .y_max = INFINITY
        };
        free(p.r);
        p.size = sizeof(float);
        p.r    = draw_bytes(layout_size(&p.desc.y, p.blocks));
        for (int32_t c = 0; c < 6; c++)
            p.vectors.m[c] = FLT_MIN * (fast ? 64.0f : draw_f32(1.0f, 63.0f));
        check(&p, fast, number);
        free_problem(&p);
    }
}

/* Weights of 9 bits, which only some variants take: up to 227 their transform fits 16 bits. */
static void wide_weights_decide(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(17);
    for (int32_t number = 0; number < 20; number++) {
        struct problem p    = make(draw(1, 9), draw(1, 9), draw(1, 60), 6, 8);
        const int16_t  most = number % 2 ? 227 : 228;
        finish_problem(&p, false);
        tame(&p);
        for (size_t i = 0; i < n_weights(&p.desc); i++)
            p.w[i] = chance(50) ? most : (int16_t)-most;
        extreme_inputs(&p);
        check(&p, most == 227, number);
        free_problem(&p);
    }
}

static const char *name_of_choice(int32_t side, int32_t channels, int32_t block, int64_t blocks)
{
    struct problem p  = make(side, side, channels, channels, block);
    mxdi_conv_q8  *op = NULL;
    p.desc.window.ph = p.desc.window.pw = 1;
    p.desc.y                            = p.desc.x;
    finish_problem(&p, true);
    tame(&p);
    p.desc.algorithm = MXDI_CONV_Q8_AUTO;
    p.desc.blocks    = blocks;
    for (size_t i = 0; i < n_weights(&p.desc); i++)
        p.w[i] = (int16_t)draw(-9, 9);
    assert_int_equal(mxdi_conv_q8_create(&op, &p.desc, fast_isa(), NULL, NULL), MXD_OK);
    const char *name = mxdi_conv_q8_name(op); /* a constant */
    mxdi_conv_q8_destroy(op);
    free_problem(&p);
    return name;
}

/* What the shape decides by itself: large maps, and small ones of a batch, but neither few channels
 * nor weights that are read for a few pixels. */
static void shape_decides(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(20);
    if (fast_isa() == 0)
        skip();
    assert_non_null(strstr(name_of_choice(32, 64, 8, 16), "winograd"));
    assert_non_null(strstr(name_of_choice(8, 256, 8, 8), "winograd"));
    assert_null(strstr(name_of_choice(32, 16, 8, 16), "winograd"));
    assert_null(strstr(name_of_choice(5, 64, 8, 1), "winograd"));
    assert_null(strstr(name_of_choice(4, 256, 1, 1), "winograd"));
}

static void allocations_may_fail(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(18);
    if (fast_isa() == 0)
        skip();
    struct problem p  = make(7, 7, 40, 70, 8);
    mxd_status     st = MXD_E_NOMEM;
    finish_problem(&p, true);
    tame(&p);
    p.vectors.bias[0]    = INT32_MAX; /* one panel is direct */
    p.desc.epilogue.bias = p.vectors.bias;
    for (int32_t n = 0; st != MXD_OK; n++) { /* refuse the next one, until none is left */
        struct failing      f     = { .left = n };
        const mxd_allocator alloc = { failing_alloc, failing_free, &f };
        mxdi_conv_q8       *op    = NULL;
        st                        = mxdi_conv_q8_create(&op, &p.desc, fast_isa(), &alloc, NULL);
        assert_true(st == MXD_OK || (st == MXD_E_NOMEM && !op));
        mxdi_conv_q8_destroy(op);
        assert_int_equal(f.live, 0);
    }
    free_problem(&p);
}

static void other_windows_are_refused(void **state)
{
    (void)state;
    rng              = mxdi_rng_seed(19);
    struct problem p = make(9, 9, 8, 8, 8);
    finish_problem(&p, true);
    mxdi_conv_q8_desc d[4];
    mxdi_conv_q8     *op = NULL;
    for (size_t i = 0; i < 4; i++)
        d[i] = p.desc;
    d[0].window.sw = 2;
    d[1].window.dh = 2;
    d[2].window.kw = 2;
    d[3].groups    = 2;
    for (size_t i = 0; i < 5; i++) { /* the last: no variant without a vector unit */
        mxd_error      err = MXD_ERROR_INIT;
        const uint32_t isa = i < 4 ? fast_isa() : 0;
        assert_int_equal(mxdi_conv_q8_create(&op, i < 4 ? &d[i] : &p.desc, isa, NULL, &err),
                         MXD_E_UNSUPPORTED);
        assert_null(op);
        assert_true(err.msg[0] != '\0');
    }
    free_problem(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_match_ref),      cmocka_unit_test(extremes_match_ref),
        cmocka_unit_test(large_layers),         cmocka_unit_test(range_decides),
        cmocka_unit_test(panels_decide_alone),  cmocka_unit_test(multipliers_decide),
        cmocka_unit_test(wide_weights_decide),  cmocka_unit_test(shape_decides),
        cmocka_unit_test(allocations_may_fail), cmocka_unit_test(other_windows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
