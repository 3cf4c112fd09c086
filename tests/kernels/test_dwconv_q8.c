/* SPDX-License-Identifier: Apache-2.0
 *
 * dwconv_q8: the plain definition against an own reading of docs/graph-ops.md, and every variant
 * this CPU can run against the plain definition, bit for bit, over random shapes, epilogues and
 * partitions. */
#include "kernels/q8_cases.h"

#include "kernels/dwconv_q8/dwconv_q8.h"

static mxdi_dwconv_q8_desc depthwise(const mxdi_conv_q8_desc *d)
{
    return (mxdi_dwconv_q8_desc){ .x            = d->x,
                                  .y            = d->y,
                                  .window       = d->window,
                                  .w            = d->w,
                                  .x_zero_point = d->x_zero_point,
                                  .epilogue     = d->epilogue };
}

/* All tasks, the last first and in pieces. */
static uint8_t *run(const struct problem *p, uint32_t isa, const char **name)
{
    const mxdi_dwconv_q8_desc desc = depthwise(&p->desc);
    mxdi_dwconv_q8           *op   = NULL;
    mxd_error                 err  = MXD_ERROR_INIT;
    const uint8_t            *r;
    uint8_t                  *y = output(p, &r);
    if (mxdi_dwconv_q8_create(&op, &desc, isa, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    *name = mxdi_dwconv_q8_name(op);
    assert_true(mxdi_dwconv_q8_bytes(op) > 0);
    size_t n = mxdi_dwconv_q8_tasks(op, p->blocks);
    while (n > 0) {
        const size_t piece = (size_t)draw(1, 3), begin = n > piece ? n - piece : 0;
        mxdi_dwconv_q8_run(op, p->x, r, y + GUARD, p->blocks, begin, n);
        n = begin;
    }
    mxdi_dwconv_q8_destroy(op);
    return y;
}

static const struct family dwconv = { "dwconv_q8", run, true };

static void draw_problem(struct problem *p, int32_t most_pixels, mxdi_window2d window)
{
    const int32_t block = chance(50) ? 8 : 1, channels = chance(40) ? draw(1, 20) : draw(1, 150);
    const int32_t h = draw(1, most_pixels), w = draw(1, most_pixels);
    *p = (struct problem){ .blocks = draw(1, 2), .desc = { .groups = channels, .window = window } };
    p->desc.x = draw_layout(h, w, channels, block);
    p->desc.y =
        draw_layout(draw_out(h, window.kh, window.sh, window.dh, window.ph),
                    draw_out(w, window.kw, window.sw, window.dw, window.pw), channels, block);
    if (chance(60)) { /* one pitch: images, and pixels, become more channels */
        p->desc.y.pitch        = p->desc.x.pitch;
        p->desc.y.block_stride = mxdi_blocked_row(&p->desc.y) * p->desc.y.h;
    }
    finish_problem(p, chance(75));
    p->in_place = p->desc.epilogue.residual && chance(30);
}

static void ref_is_the_formula(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(1);
    for (int32_t number = 0; number < 150; number++) {
        struct problem p;
        draw_problem(&p, 7, draw_window(7));
        p.in_place = false;
        check_formula(&p, &dwconv, number);
        free_problem(&p);
    }
}

static void variants_match_ref(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(2);
    for (int32_t number = 0; number < 500; number++) {
        struct problem p;
        draw_problem(&p, 13, draw_window(chance(80) ? 5 : 11));
        check_variants(&p, &dwconv, number);
        free_problem(&p);
    }
}

/* The windows that have kernels of their own, wide enough for those to run. */
static void usual_windows_match_ref(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(3);
    for (int32_t number = 0; number < 150; number++) {
        struct problem p;
        const int32_t  k = 3 + 2 * draw(0, 2), s = draw(1, 2);
        draw_problem(&p, 20, (mxdi_window2d){ k, k, s, s, 1, 1, k / 2, k / 2 });
        check_variants(&p, &dwconv, number);
        free_problem(&p);
    }
}

/* Enough work for parts of rows and of vectors. */
static void large_layers_match_ref(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(4);
    for (int32_t number = 0; number < 4; number++) {
        struct problem p        = { .blocks = 1 };
        const int32_t  channels = 260, side = number < 2 ? 3 : 30, block = number % 2 ? 8 : 1;
        p.desc   = (mxdi_conv_q8_desc){ .groups = channels, .window = { 3, 3, 1, 1, 1, 1, 1, 1 } };
        p.desc.x = draw_layout(side, side, channels, block);
        p.desc.y = draw_layout(side, side, channels, block);
        finish_problem(&p, true);
        check_variants(&p, &dwconv, number);
        free_problem(&p);
    }
}

static void allocations_may_fail(void **state)
{
    (void)state;
    rng = mxdi_rng_seed(6);
    for (uint32_t isa = 0;; isa = mxdi_cpu_isa()) {
        struct problem p;
        mxd_status     st = MXD_E_NOMEM;
        draw_problem(&p, 7, draw_window(5));
        const mxdi_dwconv_q8_desc desc = depthwise(&p.desc);
        for (int32_t n = 0; st != MXD_OK; n++) { /* refuse the next one, until none is left */
            struct failing      f     = { .left = n };
            const mxd_allocator alloc = { failing_alloc, failing_free, &f };
            mxdi_dwconv_q8     *op    = NULL;
            st                        = mxdi_dwconv_q8_create(&op, &desc, isa, &alloc, NULL);
            assert_true(st == MXD_OK || (st == MXD_E_NOMEM && !op));
            mxdi_dwconv_q8_destroy(op);
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
    static const float   m[1] = { 1.0f }, bad[1] = { INFINITY };
    const mxdi_blocked   one = { 1, 1, 1, 1, 1, 1 };
    mxdi_dwconv_q8_desc good = { .x = one, .y = one, .window = { 1, 1, 1, 1, 1, 1, 0, 0 }, .w = w };
    good.epilogue            = (mxdi_q8_epilogue){ .m = m, .q_max = 255 };
    mxdi_dwconv_q8_desc d[5];
    for (size_t i = 0; i < 5; i++)
        d[i] = good;
    d[0].y             = (mxdi_blocked){ 1, 1, 2, 1, 2, 2 };
    d[1].window.kw     = 0;
    d[2].x_zero_point  = -1;
    d[3].w             = w + 1;
    d[4].epilogue.m    = bad;
    mxdi_dwconv_q8 *op = NULL;
    for (size_t i = 0; i < 5; i++) {
        mxd_error err = MXD_ERROR_INIT;
        assert_int_not_equal(mxdi_dwconv_q8_create(&op, &d[i], mxdi_cpu_isa(), NULL, &err), MXD_OK);
        assert_null(op);
        assert_true(err.msg[0] != '\0');
    }
    assert_int_equal(mxdi_dwconv_q8_create(&op, &good, mxdi_cpu_isa(), NULL, NULL), MXD_OK);
    mxdi_dwconv_q8_destroy(op);
    mxdi_dwconv_q8_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref_is_the_formula),      cmocka_unit_test(variants_match_ref),
        cmocka_unit_test(usual_windows_match_ref), cmocka_unit_test(large_layers_match_ref),
        cmocka_unit_test(allocations_may_fail),    cmocka_unit_test(bad_operators_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
