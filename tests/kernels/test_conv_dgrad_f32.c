/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_dgrad_f32: random shapes in both layouts against the definition. Numbers are such that every
 * order of summation is exact, and Winograd's transforms too (weights are multiples of 576), so
 * nothing hides behind a bound. Tasks run in random ranges and order. */
#include <stdio.h>

#include "blocked_test.h"
#include "kernels/conv_dgrad_f32/conv_dgrad_f32.h"
#include "kernels/conv_f32/conv_f32.h"

struct problem {
    mxdi_conv_dgrad_f32_desc desc;
    int64_t                  blocks;
    size_t                   n_x, n_w;
    float                   *dy, *w, *dx; /* dx: what is there before */
    double                  *want;
};

/* Adds what one output channel of one output pixel gives to dx. */
static void spread(const struct problem *p, int64_t image, int64_t block, int32_t y, int32_t x,
                   int32_t co)
{
    const mxdi_conv_dgrad_f32_desc *d    = &p->desc;
    const mxdi_window2d            *k    = &d->window;
    const int32_t                   c_in = d->x.channels / d->groups;
    const int32_t                   from = co / (d->y.channels / d->groups) * c_in;
    const double dy = (double)p->dy[block * d->y.block_stride + y * mxdi_blocked_row(&d->y) +
                                    x * mxdi_blocked_pixel(&d->y) + image * d->y.pitch + co];
    const float *w  = p->w + (int64_t)co * c_in * k->kh * k->kw;
    for (int32_t ci = 0; ci < c_in; ci++)
        for (int32_t ky = 0; ky < k->kh; ky++)
            for (int32_t kx = 0; kx < k->kw; kx++, w++) {
                const int32_t iy = y * k->sh + ky * k->dh - k->ph,
                              ix = x * k->sw + kx * k->dw - k->pw;
                if (iy >= 0 && iy < d->x.h && ix >= 0 && ix < d->x.w)
                    p->want[block * d->x.block_stride + iy * mxdi_blocked_row(&d->x) +
                            ix * mxdi_blocked_pixel(&d->x) + image * d->x.pitch + from + ci] +=
                        dy * (double)*w;
            }
}

static void problem_init(struct problem *p, mxdi_rng *rng)
{
    mxdi_conv_dgrad_f32_desc *d = &p->desc;
    p->n_x                      = blocked_count(&d->x, p->blocks);
    p->n_w  = (size_t)(d->y.channels * (d->x.channels / d->groups) * d->window.kh * d->window.kw);
    p->dy   = blocked_random(rng, &d->y, p->blocks, true);
    p->dx   = blocked_random(rng, &d->x, p->blocks, true);
    p->w    = malloc(p->n_w * sizeof(*p->w));
    p->want = malloc(p->n_x * sizeof(*p->want));
    assert_true(p->w && p->want);
    d->w = p->w;
    for (size_t i = 0; i < p->n_w; i++)
        p->w[i] = 576.0f * (float)random_between(rng, -1, 1);
    for (size_t i = 0; i < blocked_count(&d->y, p->blocks); i++)
        p->dy[i] =
            fminf(fmaxf(p->dy[i], -1.0f), blocked_is_channel(&d->y, i) ? 1.0f : blocked_poison);
    for (size_t i = 0; i < p->n_x; i++)
        p->want[i] = d->accumulate ? (double)p->dx[i] : 0;
    for (int64_t b = 0; b < p->blocks; b++)
        for (int64_t i = 0; i < (int64_t)d->y.h * d->y.w * d->y.block; i++)
            for (int32_t co = 0; co < d->y.channels; co++)
                spread(p, i % d->y.block, b, (int32_t)(i / d->y.block / d->y.w),
                       (int32_t)(i / d->y.block % d->y.w), co);
}

static void problem_free(struct problem *p)
{
    free(p->dy);
    free(p->dx);
    free(p->w);
    free(p->want);
}

static struct problem random_problem(mxdi_rng *rng, bool strided)
{
    static const int32_t      some[] = { 1, 2, 3, 5, 8, 10, 16, 17, 29, 33, 70 };
    struct problem            p      = { 0 };
    mxdi_conv_dgrad_f32_desc *d      = &p.desc;
    mxdi_window2d            *k      = &d->window;
    const int32_t             block = mxdi_rng_below(rng, 3) ? 8 : 1, most = strided ? 4 : 1;
    int32_t c_in = some[mxdi_rng_below(rng, 11)], c_out = some[mxdi_rng_below(rng, 11)];
    d->groups = mxdi_rng_below(rng, 3) ? 1 : (int32_t)random_between(rng, 2, 4);
    if (mxdi_rng_below(rng, 4) == 0) {
        d->groups = some[mxdi_rng_below(rng, 11)];
        c_in = c_out = 1;
    }
    k->kh = (int32_t)random_between(rng, 1, 4), k->kw = (int32_t)random_between(rng, 1, 4);
    k->sh = (int32_t)random_between(rng, 1, most), k->sw = (int32_t)random_between(rng, 1, most);
    k->dh = (int32_t)random_between(rng, 1, 3), k->dw = (int32_t)random_between(rng, 1, 3);
    k->ph = (int32_t)random_between(rng, 0, 5), k->pw = (int32_t)random_between(rng, 0, 5);
    d->x = blocked_layout((int32_t)random_between(rng, 1, 9), (int32_t)random_between(rng, 1, 9),
                          c_in * d->groups, block, random_between(rng, 0, 1) * 5,
                          random_between(rng, 0, 1) * 16);
    d->y = blocked_layout((int32_t)random_between(rng, 1, 7), (int32_t)random_between(rng, 1, 7),
                          c_out * d->groups, block, random_between(rng, 0, 2) * 6,
                          random_between(rng, 0, 1) * 16);
    d->accumulate = (int32_t)mxdi_rng_below(rng, 2);
    p.blocks      = random_between(rng, 1, 3);
    problem_init(&p, rng);
    return p;
}

struct call {
    const mxdi_conv_dgrad_f32 *op;
    const struct problem      *p;
    void                      *scratch;
    float                     *dx;
};

static void run_range(void *arg, size_t begin, size_t end)
{
    const struct call *c = arg;
    mxdi_conv_dgrad_f32_run(c->op, c->p->dy, c->dx, c->scratch, c->p->blocks, begin, end);
}

static void check_on(const struct problem *p, uint32_t isa, const char *needle, mxdi_rng *rng)
{
    mxdi_conv_dgrad_f32     *op   = NULL;
    mxd_error                err  = MXD_ERROR_INIT;
    mxdi_conv_dgrad_f32_desc desc = p->desc;
    const mxdi_blocked      *x    = &desc.x;
    const size_t             n    = (size_t)(p->blocks * x->block_stride);
    float                   *w    = exact_copy(p->w, p->n_w * sizeof(float));
    float                   *zero = calloc(p->n_w, sizeof(float));
    const bool               set  = mxdi_rng_below(rng, 2); /* instead of weights of 0 */
    assert_non_null(zero);
    desc.w = set ? zero : w;
    if (mxdi_conv_dgrad_f32_create(&op, &desc, isa, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    if (set)
        mxdi_conv_dgrad_f32_set_weights(op, w);
    free(w);
    free(zero);
    assert_non_null(strstr(mxdi_conv_dgrad_f32_name(op), needle));
    assert_true(mxdi_conv_dgrad_f32_bytes(op) > 0);
    const size_t n_scratch = mxdi_conv_dgrad_f32_scratch(op);
    struct call  c         = { op, p, guarded_new(n_scratch), guarded_new(n * sizeof(float)) };
    memcpy(c.dx, p->dx, p->n_x * sizeof(float));
    in_random_ranges(rng, mxdi_conv_dgrad_f32_tasks(op, p->blocks), run_range, &c);
    for (size_t i = 0; i < p->n_x; i++) {
        const bool inside = (int64_t)i % x->block_stride < x->h * mxdi_blocked_row(x);
        if (blocked_is_channel(x, i) ? (double)c.dx[i] != p->want[i]
                                     : !inside && c.dx[i] != p->dx[i])
            fail_msg("%s: element %zu: %a instead of %a", mxdi_conv_dgrad_f32_name(op), i,
                     (double)c.dx[i], p->want[i]);
    }
    assert_guards(c.dx, n * sizeof(float));
    assert_guards(c.scratch, n_scratch);
    guarded_free(c.dx);
    guarded_free(c.scratch);
    mxdi_conv_dgrad_f32_destroy(op);
}

/* The name of every variant but `ref` has `needle` in it, the variant's own behind its last "_". */
static void check_variants(const struct problem *p, const char *needle, mxdi_rng *rng)
{
    const size_t n = strlen(needle);
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
        char        name[32];
        const char *own = n && needle[n - 1] == '_' ? mxdi_vec_rows[v].name : "";
        (void)snprintf(name, sizeof(name), "%s%s", needle, own);
        if (runs_here(v))
            check_on(p, mxdi_vec_rows[v].needs, v ? name : "", rng);
    }
}

static void variants_match_the_definition(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(1);
    for (int i = 0; i < 300; i++) {
        struct problem p = random_problem(&rng, i % 3 != 0);
        check_variants(&p, "", &rng);
        problem_free(&p);
    }
}

/* The layers of residual networks; Winograd is taken where conv_f32 would. */
static void usual_layers(void **state)
{
    (void)state;
    static const struct {
        int32_t     h, k, stride, pad, c_in, c_out, groups;
        const char *name;
    } layers[] = {
        { 8, 3, 1, 1, 40, 64, 1, "winograd" },      { 9, 3, 1, 0, 64, 33, 1, "winograd" },
        { 9, 3, 1, 2, 32, 33, 1, "winograd" },      { 16, 3, 2, 1, 20, 40, 1, "conv_f32_" },
        { 16, 1, 2, 0, 20, 40, 1, "conv_f32_" },    { 15, 3, 2, 1, 24, 24, 24, "dwconv_f32_" },
        { 14, 3, 1, 1, 24, 24, 24, "dwconv_f32_" }, { 1, 1, 1, 0, 70, 10, 1, "conv_f32_" },
    };
    mxdi_rng rng = mxdi_rng_seed(2);
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
        const int32_t k = layers[i].k, s = layers[i].stride, pad = layers[i].pad;
        const int32_t out = (layers[i].h + 2 * pad - k) / s + 1;
        for (int32_t accumulate = 0; accumulate < 2; accumulate++) {
            struct problem p = { 0 };
            p.desc           = (mxdi_conv_dgrad_f32_desc){
                          .x          = blocked_layout(layers[i].h, layers[i].h, layers[i].c_in, 8, 8, 0),
                          .y          = blocked_layout(out, out, layers[i].c_out, 8, 0, 16),
                          .window     = { k, k, s, s, 1, 1, pad, pad },
                          .groups     = layers[i].groups,
                          .accumulate = accumulate,
            };
            p.blocks = 2;
            problem_init(&p, &rng);
            check_variants(&p, layers[i].name, &rng);
            p.desc.algorithm = MXDI_CONV_F32_DIRECT;
            check_variants(&p, "conv_f32", &rng);
            problem_free(&p);
        }
    }
}

static void bad_descriptions_are_refused(void **state)
{
    (void)state;
    static const float             w[54] = { 0 };
    const mxdi_conv_dgrad_f32_desc good  = { .x      = blocked_layout(3, 3, 6, 8, 0, 0),
                                             .y      = blocked_layout(3, 3, 2, 8, 0, 0),
                                             .window = { 3, 3, 1, 1, 1, 1, 1, 1 },
                                             .groups = 2,
                                             .w      = w };
    for (int i = 0; i < 5; i++) {
        mxdi_conv_dgrad_f32_desc d    = good;
        mxdi_conv_dgrad_f32     *op   = NULL;
        mxd_error                err  = MXD_ERROR_INIT;
        mxd_status               want = MXD_E_SHAPE;
        switch (i) {
        case 0:
            d.groups = 4;
            break;
        case 1:
            d.y.block = 1;
            break;
        case 2:
            d.window.sw = 0;
            break;
        case 3:
            d.algorithm = MXDI_CONV_F32_WINOGRAD; /* two groups */
            want        = MXD_E_UNSUPPORTED;
            break;
        default:
            d.window.kh = d.window.kw = INT32_MAX;
            want                      = MXD_E_RANGE;
            break;
        }
        assert_int_equal(mxdi_conv_dgrad_f32_create(&op, &d, mxdi_cpu_isa(), NULL, &err), want);
        assert_null(op);
        assert_string_not_equal(err.msg, "");
    }
    mxdi_conv_dgrad_f32_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_match_the_definition),
        cmocka_unit_test(usual_layers),
        cmocka_unit_test(bad_descriptions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
