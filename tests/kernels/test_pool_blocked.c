/* SPDX-License-Identifier: Apache-2.0
 *
 * pool_blocked: random windows, layouts and counts, every variant against `ref`; ONNX counting by
 * examples. */
#include "kernel_test.h"
#include "kernels/pool_blocked/pool_blocked.h"

enum { BLOCKS = 2 };

static mxdi_blocked layout_of(int32_t h, int32_t w, int32_t channels, int32_t block, int64_t pitch,
                              int64_t skew)
{
    mxdi_blocked l = { h, w, channels, block, pitch, 0 };
    l.block_stride = h * mxdi_blocked_row(&l) + skew;
    return l;
}

static size_t elements(const mxdi_blocked *l)
{
    return (size_t)(BLOCKS * l->block_stride);
}

static mxdi_pool_desc random_desc(mxdi_rng *r, float *m)
{
    static const int32_t channel[] = { 1, 3, 6, 8, 16, 17, 31, 32, 64, 70 };
    mxdi_pool_desc       d         = { 0 };
    const int32_t        h = (int32_t)random_between(r, 1, 9), w = (int32_t)random_between(r, 1, 9);
    const int32_t        c = channel[mxdi_rng_below(r, 10)], block = mxdi_rng_below(r, 2) ? 8 : 1;
    mxdi_window2d       *k = &d.window;
    k->kh = (int32_t)random_between(r, 1, 4), k->kw = (int32_t)random_between(r, 1, 4);
    k->sh = (int32_t)random_between(r, 1, 3), k->sw = (int32_t)random_between(r, 1, 3);
    k->dh = (int32_t)random_between(r, 1, 2), k->dw = (int32_t)random_between(r, 1, 2);
    k->ph = (int32_t)random_between(r, 0, k->kh), k->pw = (int32_t)random_between(r, 0, k->kw);
    d.ph_end = (int32_t)random_between(r, 0, 2), d.pw_end = (int32_t)random_between(r, 0, 2);
    d.count_include_pad = (int32_t)mxdi_rng_below(r, 2);
    const int64_t gap_x = random_between(r, 0, 1) * 5, gap_y = random_between(r, 0, 1) * 3;
    d.x  = layout_of(h, w, c, block, c + gap_x, 7);
    d.y  = layout_of((int32_t)random_between(r, 1, 6), (int32_t)random_between(r, 1, 6), c, block,
                     c + gap_y, 5);
    m[0] = 0;
    for (int32_t n = 1; n <= k->kh * k->kw; n++)
        m[n] = (mxdi_rng_below(r, 2) ? 1.0f : 1.7f) / (float)n;
    d.m            = m;
    d.x_zero_point = (int32_t)random_between(r, 0, 255);
    d.y_zero_point = (int32_t)random_between(r, 0, 255);
    d.q_min        = (int32_t)random_between(r, 0, 40);
    d.q_max        = (int32_t)random_between(r, 200, 255);
    return d;
}

static void check_u8(const mxdi_pool_desc *d, int64_t begin, int64_t end, mxdi_rng *r)
{
    const size_t nx = elements(&d->x), ny = elements(&d->y);
    uint8_t     *x = malloc(nx), *want = guarded_new(ny), *got = guarded_new(ny);
    for (size_t i = 0; i < nx; i++)
        x[i] = random_u8(r);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (mxdi_vec_rows[v].needs & ~mxdi_cpu_isa())
            continue;
        memset(want, GUARD_BYTE, ny);
        memset(got, GUARD_BYTE, ny);
        mxdi_pool_blocked_ref.max_u8(want, x, d, begin, end);
        mxdi_pool_blocked_variants[v]->max_u8(got, x, d, begin, end);
        assert_guarded_equal(got, want, ny);
        mxdi_pool_blocked_ref.average_u8(want, x, d, begin, end);
        mxdi_pool_blocked_variants[v]->average_u8(got, x, d, begin, end);
        assert_guarded_equal(got, want, ny);
    }
    free(x);
    guarded_free(want);
    guarded_free(got);
}

static void check_f32(const mxdi_pool_desc *d, int64_t begin, int64_t end, mxdi_rng *r)
{
    const size_t nx = elements(&d->x), ny = elements(&d->y);
    float       *x = malloc(nx * 4), *want = guarded_new(ny * 4), *got = guarded_new(ny * 4);
    for (size_t i = 0; i < nx; i++)
        x[i] = random_f32(r, -3, 3);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (mxdi_vec_rows[v].needs & ~mxdi_cpu_isa())
            continue;
        memset(want, GUARD_BYTE, ny * 4);
        memset(got, GUARD_BYTE, ny * 4);
        mxdi_pool_blocked_ref.average_f32(want, x, d, begin, end);
        mxdi_pool_blocked_variants[v]->average_f32(got, x, d, begin, end);
        assert_guarded_equal(got, want, ny * 4);
        x[mxdi_rng_below(r, nx)] = NAN;
        mxdi_pool_blocked_ref.max_f32(want, x, d, begin, end);
        mxdi_pool_blocked_variants[v]->max_f32(got, x, d, begin, end);
        assert_guarded_equal(got, want, ny * 4);
    }
    free(x);
    guarded_free(want);
    guarded_free(got);
}

static void variants_match_ref(void **state)
{
    (void)state;
    mxdi_rng r = mxdi_rng_seed(11);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++)
        (void)runs_here(v);
    for (int round = 0; round < 600; round++) {
        float                m[17];
        const mxdi_pool_desc d     = random_desc(&r, m);
        const int64_t        lines = BLOCKS * d.y.h, begin = random_between(&r, 0, lines - 1);
        const int64_t        end = random_between(&r, begin, lines);
        check_u8(&d, begin, end, &r);
        check_f32(&d, 0, lines, &r);
    }
}

/* A row of four ones under windows of 3, stride 2: pads 1 and 0, two outputs; a third one where
 * ceil_mode adds it. */
static void counts_as_onnx(void **state)
{
    (void)state;
    const float    x[4] = { 1, 1, 1, 1 };
    float          y[3];
    mxdi_pool_desc d = { 0 };
    d.x              = (mxdi_blocked){ 1, 4, 1, 1, 1, 4 };
    d.y              = (mxdi_blocked){ 1, 3, 1, 1, 1, 3 };
    d.window         = (mxdi_window2d){ 1, 3, 1, 2, 1, 1, 0, 1 };
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        d.count_include_pad = 0;
        d.pw_end            = 0;
        mxdi_pool_blocked_variants[v]->average_f32(y, x, &d, 0, 1);
        assert_true(y[0] == 1 && y[1] == 1 && y[2] == 1);
        d.count_include_pad = 1; /* the left pad counts; what hangs over the end does not */
        mxdi_pool_blocked_variants[v]->average_f32(y, x, &d, 0, 1);
        assert_true(y[0] == 2.0f / 3.0f && y[1] == 1 && y[2] == 1);
        d.pw_end = 1; /* now one more column counts */
        mxdi_pool_blocked_variants[v]->average_f32(y, x, &d, 0, 1);
        assert_true(y[2] == 0.5f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(variants_match_ref),
                                        cmocka_unit_test(counts_as_onnx) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
