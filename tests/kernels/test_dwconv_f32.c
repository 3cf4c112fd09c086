/* SPDX-License-Identifier: Apache-2.0
 *
 * dwconv_f32: random shapes in both layouts, every variant bit-equal to `ref`; and `ref` against
 * conv_f32 with as many groups as channels, which defines the same sums. Tasks run in random ranges
 * and order. */
#include "kernel_test.h"
#include "kernels/conv_f32/conv_f32.h"
#include "kernels/dwconv_f32/dwconv_f32.h"

struct problem {
    mxdi_dwconv_f32_desc desc;
    int64_t              blocks;
    size_t               n_x, n_y, n_w;
    float               *x, *r, *w, *bias;
};

static mxdi_blocked layout_of(int32_t h, int32_t w, int32_t channels, int32_t block, int64_t gap,
                              int64_t skew)
{
    mxdi_blocked l = { h, w, channels, block, channels + gap, 0 };
    l.block_stride = h * mxdi_blocked_row(&l) + skew;
    return l;
}

static float *random_floats(mxdi_rng *rng, size_t n)
{
    float *p = malloc(n * sizeof(*p));
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = random_f32(rng, -1.0f, 1.0f);
    return p;
}

static struct problem random_problem(mxdi_rng *rng)
{
    static const int32_t  channels[] = { 1, 3, 7, 8, 9, 16, 20, 32, 33, 48, 70 };
    struct problem        p          = { 0 };
    mxdi_dwconv_f32_desc *d          = &p.desc;
    mxdi_window2d        *k          = &d->window;
    const int32_t block = mxdi_rng_below(rng, 2) ? 8 : 1, c = channels[mxdi_rng_below(rng, 11)];
    k->kh = (int32_t)random_between(rng, 1, 5), k->kw = (int32_t)random_between(rng, 1, 5);
    k->sh = (int32_t)random_between(rng, 1, 3), k->sw = (int32_t)random_between(rng, 1, 3);
    k->dh = (int32_t)random_between(rng, 1, 2), k->dw = (int32_t)random_between(rng, 1, 2);
    k->ph = (int32_t)random_between(rng, 0, k->kh), k->pw = (int32_t)random_between(rng, 0, k->kw);
    d->x = layout_of((int32_t)random_between(rng, 1, 12), (int32_t)random_between(rng, 1, 24), c,
                     block, random_between(rng, 0, 1) * 5, random_between(rng, 0, 1) * 16);
    d->y = layout_of((int32_t)random_between(rng, 1, 12), (int32_t)random_between(rng, 1, 24), c,
                     block, random_between(rng, 0, 2) * 6, random_between(rng, 0, 1) * 16);
    d->residual   = (int32_t)mxdi_rng_below(rng, 2);
    d->y_min      = mxdi_rng_below(rng, 2) ? 0.0f : -INFINITY;
    d->y_max      = mxdi_rng_below(rng, 2) ? 6.0f : INFINITY;
    d->bf16       = mxdi_rng_below(rng, 3) == 0;
    d->round_bf16 = mxdi_rng_below(rng, 3) == 0;
    p.blocks      = random_between(rng, 1, 3);
    p.n_x         = (size_t)(p.blocks * d->x.block_stride);
    p.n_y         = (size_t)(p.blocks * d->y.block_stride);
    p.n_w         = (size_t)(c * k->kh * k->kw);
    p.x           = random_floats(rng, p.n_x);
    p.r           = random_floats(rng, p.n_y);
    p.w           = random_floats(rng, p.n_w);
    p.bias        = random_floats(rng, (size_t)c);
    d->w          = p.w;
    d->bias       = mxdi_rng_below(rng, 4) ? p.bias : NULL;
    return p;
}

static void problem_free(struct problem *p)
{
    free(p->x);
    free(p->r);
    free(p->w);
    free(p->bias);
}

static float *run_on(const struct problem *p, uint32_t isa, mxdi_rng *rng)
{
    mxdi_dwconv_f32     *op   = NULL;
    mxd_error            err  = MXD_ERROR_INIT;
    mxdi_dwconv_f32_desc desc = p->desc;
    /* x ends with the last channel of the last pixel: sanitizers see a read past it */
    const size_t x_end =
        (size_t)((p->blocks - 1) * desc.x.block_stride + desc.x.h * mxdi_blocked_row(&desc.x) -
                 desc.x.pitch + desc.x.channels);
    float *w = exact_copy(p->w, p->n_w * sizeof(float)),
          *x = exact_copy(p->x, x_end * sizeof(float));
    float *y = guarded_new(p->n_y * sizeof(float));
    desc.w   = w;
    if (mxdi_rng_below(rng, 2)) { /* from others, which then are replaced */
        desc.w    = calloc(p->n_w, sizeof(float));
        desc.bias = desc.bias ? p->w : NULL;
        assert_non_null(desc.w);
    }
    if (mxdi_dwconv_f32_create(&op, &desc, isa, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    if (desc.w != w) {
        free((void *)desc.w);
        mxdi_dwconv_f32_set_weights(op, w, p->desc.bias);
    }
    free(w);
    const size_t n    = mxdi_dwconv_f32_tasks(op, p->blocks);
    const size_t each = (size_t)random_between(rng, 1, (int64_t)n), ranges = (n + each - 1) / each;
    int64_t     *order = malloc(ranges * sizeof(*order));
    mxdi_rng_permutation(rng, order, ranges);
    for (size_t i = 0; i < ranges; i++) {
        const size_t begin = (size_t)order[i] * each;
        mxdi_dwconv_f32_run(op, x, desc.residual ? p->r : NULL, y, p->blocks, begin,
                            begin + each < n ? begin + each : n);
    }
    assert_guards(y, p->n_y * sizeof(float));
    assert_true(mxdi_dwconv_f32_bytes(op) > p->n_w * sizeof(float));
    free(order);
    free(x);
    mxdi_dwconv_f32_destroy(op);
    return y;
}

static bool same_bits(float a, float b)
{
    return memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b));
}

/* Equal at all channels and, untouched, between the blocks; lanes past the channels may hold
 * anything. */
static void assert_bit_equal(const struct problem *p, const float *got, const float *want,
                             const char *name)
{
    const mxdi_blocked *y = &p->desc.y;
    for (size_t i = 0; i < p->n_y; i++) {
        const int64_t at = (int64_t)i % y->block_stride;
        if (at < y->h * mxdi_blocked_row(y) && at % y->pitch >= y->channels)
            continue;
        if (!same_bits(got[i], want[i]))
            fail_msg("%s: element %zu: %a instead of %a", name, i, (double)got[i], (double)want[i]);
    }
}

static void check_variants(const struct problem *p, mxdi_rng *rng)
{
    float *want = run_on(p, 0, rng);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        float *got = run_on(p, mxdi_vec_rows[v].needs, rng);
        assert_bit_equal(p, got, want, mxdi_vec_rows[v].name);
        guarded_free(got);
    }
    guarded_free(want);
}

static void variants_are_bit_equal(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(1);
    for (int i = 0; i < 400; i++) {
        struct problem p = random_problem(&rng);
        check_variants(&p, &rng);
        problem_free(&p);
    }
}

static void specials_propagate(void **state)
{
    (void)state;
    static const float special[] = { INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 1e38f, 1e-40f };
    mxdi_rng           rng       = mxdi_rng_seed(2);
    for (int i = 0; i < 100; i++) {
        struct problem p = random_problem(&rng);
        for (int n = 0; n < 6; n++) {
            p.x[mxdi_rng_below(&rng, p.n_x)] = special[mxdi_rng_below(&rng, 7)];
            p.w[mxdi_rng_below(&rng, p.n_w)] = special[mxdi_rng_below(&rng, 7)];
        }
        check_variants(&p, &rng);
        problem_free(&p);
    }
}

static void ref_is_the_grouped_convolution(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(3);
    for (int i = 0; i < 60; i++) {
        struct problem                    p    = random_problem(&rng);
        const mxdi_dwconv_f32_desc *const d    = &p.desc;
        const mxdi_conv_f32_desc          desc = { .x          = d->x,
                                                   .y          = d->y,
                                                   .window     = d->window,
                                                   .groups     = d->x.channels,
                                                   .w          = d->w,
                                                   .bias       = d->bias,
                                                   .residual   = d->residual,
                                                   .y_min      = d->y_min,
                                                   .y_max      = d->y_max,
                                                   .bf16       = d->bf16,
                                                   .round_bf16 = d->round_bf16 };
        float         *want = guarded_new(p.n_y * sizeof(float)), *got = run_on(&p, 0, &rng);
        mxdi_conv_f32 *op = NULL;
        assert_int_equal(mxdi_conv_f32_create(&op, &desc, 0, NULL, NULL), MXD_OK);
        mxdi_conv_f32_run(op, p.x, p.r, want, NULL, p.blocks, 0, mxdi_conv_f32_tasks(op, p.blocks));
        assert_bit_equal(&p, got, want, "ref");
        mxdi_conv_f32_destroy(op);
        guarded_free(want);
        guarded_free(got);
        problem_free(&p);
    }
}

static void bad_descriptions_are_refused(void **state)
{
    (void)state;
    mxdi_rng       rng = mxdi_rng_seed(4);
    struct problem p   = random_problem(&rng);
    for (int i = 0; i < 4; i++) {
        mxdi_dwconv_f32_desc d   = p.desc;
        mxdi_dwconv_f32     *op  = NULL;
        mxd_error            err = MXD_ERROR_INIT;
        switch (i) {
        case 0:
            d.y.channels++, d.y.pitch = d.y.channels, d.y.block_stride *= 2;
            break;
        case 1:
            d.x.h = 0;
            break;
        case 2:
            d.y.block_stride = 1;
            break;
        default:
            d.window.dw = 0;
            break;
        }
        assert_int_equal(mxdi_dwconv_f32_create(&op, &d, mxdi_cpu_isa(), NULL, &err), MXD_E_SHAPE);
        assert_null(op);
        assert_string_not_equal(err.msg, "");
    }
    problem_free(&p);
    mxdi_dwconv_f32_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_are_bit_equal),
        cmocka_unit_test(specials_propagate),
        cmocka_unit_test(ref_is_the_grouped_convolution),
        cmocka_unit_test(bad_descriptions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
