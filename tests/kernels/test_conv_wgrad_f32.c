/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_wgrad_f32: random shapes in both layouts against sums in binary64, within the bound of the
 * header, Winograd's within its own of docs/numerics.md; exactly where all terms are small
 * integers. Tasks run in random ranges and order, which may not change a bit. */
#include "blocked_test.h"
#include "kernels/conv_wgrad_f32/conv_wgrad_f32.h"
#include "kernels/winograd_f32/winograd_f32.h"

struct problem {
    mxdi_conv_wgrad_f32_desc desc;
    int64_t                  blocks;
    bool                     whole; /* numbers: every sum is exact */
    size_t                   n_w;
    float                   *x, *dy;
    double                  *want, *bound;
};

/* One element of dw, and the bound on its error. */
static void define(struct problem *p, size_t i)
{
    const mxdi_conv_wgrad_f32_desc *d    = &p->desc;
    const mxdi_window2d            *k    = &d->window;
    const int32_t                   c_in = d->x.channels / d->groups;
    const int32_t                   kx = (int32_t)i % k->kw, ky = (int32_t)i / k->kw % k->kh;
    const int32_t ci = (int32_t)i / k->kw / k->kh % c_in, co = (int32_t)i / k->kw / k->kh / c_in;
    const int32_t from = co / (d->y.channels / d->groups) * c_in + ci;
    double        sum = 0, all = 0, n = 0;
    for (int64_t b = 0; b < p->blocks; b++)
        for (int32_t y = 0; y < d->y.h; y++)
            for (int32_t x = 0; x < d->y.w; x++) {
                const int32_t iy = y * k->sh + ky * k->dh - k->ph,
                              ix = x * k->sw + kx * k->dw - k->pw;
                if (iy < 0 || iy >= d->x.h || ix < 0 || ix >= d->x.w)
                    continue;
                for (int32_t image = 0; image < d->x.block; image++) {
                    const float a =
                        p->x[b * d->x.block_stride + iy * mxdi_blocked_row(&d->x) +
                             ix * mxdi_blocked_pixel(&d->x) + image * d->x.pitch + from];
                    const float g = p->dy[b * d->y.block_stride + y * mxdi_blocked_row(&d->y) +
                                          x * mxdi_blocked_pixel(&d->y) + image * d->y.pitch + co];
                    sum += (double)a * (double)g;
                    all += fabs((double)a * (double)g);
                    n++;
                }
            }
    p->want[i]  = sum;
    p->bound[i] = p->whole ? 0 : rounding_bound(n, all) + n * 0x1p-149;
}

static void problem_init(struct problem *p, mxdi_rng *rng)
{
    const mxdi_conv_wgrad_f32_desc *d = &p->desc;
    p->n_w   = (size_t)(d->y.channels * (d->x.channels / d->groups) * d->window.kh * d->window.kw);
    p->x     = blocked_random(rng, &d->x, p->blocks, p->whole);
    p->dy    = blocked_random(rng, &d->y, p->blocks, p->whole);
    p->want  = malloc(p->n_w * sizeof(*p->want));
    p->bound = malloc(p->n_w * sizeof(*p->bound));
    assert_true(p->want && p->bound);
    for (size_t i = 0; i < p->n_w; i++)
        define(p, i);
}

static void problem_free(struct problem *p)
{
    free(p->x);
    free(p->dy);
    free(p->want);
    free(p->bound);
}

/* Groups with few or many channels, each as many outputs as fits a quick definition. */
static struct problem random_problem(mxdi_rng *rng)
{
    static const int32_t      some[] = { 1, 2, 3, 5, 8, 10, 13, 14, 15, 17, 29 };
    static const int32_t      many[] = { 1, 4, 7, 8, 10, 16, 17, 31, 33, 64, 70, 150 };
    struct problem            p      = { 0 };
    mxdi_conv_wgrad_f32_desc *d      = &p.desc;
    mxdi_window2d            *k      = &d->window;
    const int32_t             block  = mxdi_rng_below(rng, 3) ? 8 : 1;
    int32_t c_in = some[mxdi_rng_below(rng, 11)], c_out = many[mxdi_rng_below(rng, 12)];
    d->groups = mxdi_rng_below(rng, 3) ? 1 : (int32_t)random_between(rng, 2, 4);
    if (mxdi_rng_below(rng, 4) == 0) {
        d->groups = many[mxdi_rng_below(rng, 11)];
        c_in = c_out = 1;
    }
    k->kh = (int32_t)random_between(rng, 1, 4), k->kw = (int32_t)random_between(rng, 1, 4);
    k->sh = (int32_t)random_between(rng, 1, 3), k->sw = (int32_t)random_between(rng, 1, 3);
    k->dh = (int32_t)random_between(rng, 1, 3), k->dw = (int32_t)random_between(rng, 1, 3);
    k->ph = (int32_t)random_between(rng, 0, k->kh), k->pw = (int32_t)random_between(rng, 0, k->kw);
    d->x = blocked_layout((int32_t)random_between(rng, 1, 9), (int32_t)random_between(rng, 1, 9),
                          c_in * d->groups, block, random_between(rng, 0, 1) * 5,
                          random_between(rng, 0, 1) * 16);
    d->y = blocked_layout((int32_t)random_between(rng, 1, 7), (int32_t)random_between(rng, 1, 7),
                          c_out * d->groups, block, random_between(rng, 0, 2) * 6,
                          random_between(rng, 0, 1) * 16);
    p.blocks     = random_between(rng, 1, 3);
    p.whole      = mxdi_rng_below(rng, 2);
    d->algorithm = MXDI_CONV_F32_DIRECT;
    problem_init(&p, rng);
    return p;
}

struct call {
    const mxdi_conv_wgrad_f32 *op;
    const struct problem      *p;
    void                      *workspace, *scratch;
    float                     *dw;
};

static void run_range(void *arg, size_t begin, size_t end)
{
    const struct call *c = arg;
    mxdi_conv_wgrad_f32_run(c->op, c->p->x, c->p->dy, c->workspace, c->scratch, c->p->blocks, begin,
                            end);
}

static void finish_range(void *arg, size_t begin, size_t end)
{
    const struct call *c = arg;
    mxdi_conv_wgrad_f32_finish(c->op, c->dw, c->workspace, c->p->blocks, begin, end);
}

static float *run_on(const struct problem *p, uint32_t isa, mxdi_rng *rng)
{
    mxdi_conv_wgrad_f32 *op  = NULL;
    mxd_error            err = MXD_ERROR_INIT;
    if (mxdi_conv_wgrad_f32_create(&op, &p->desc, isa, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    const size_t n_space   = mxdi_conv_wgrad_f32_workspace(op, p->blocks);
    const size_t n_scratch = mxdi_conv_wgrad_f32_scratch(op);
    struct call  c         = { op, p, guarded_new(n_space), guarded_new(n_scratch),
                               guarded_new(p->n_w * sizeof(float)) };
    in_random_ranges(rng, mxdi_conv_wgrad_f32_tasks(op, p->blocks), run_range, &c);
    in_random_ranges(rng, mxdi_conv_wgrad_f32_finish_tasks(op), finish_range, &c);
    assert_guards(c.workspace, n_space);
    assert_guards(c.scratch, n_scratch);
    assert_guards(c.dw, p->n_w * sizeof(float));
    guarded_free(c.workspace);
    guarded_free(c.scratch);
    mxdi_conv_wgrad_f32_destroy(op);
    return c.dw;
}

static void check_variants(const struct problem *p, mxdi_rng *rng)
{
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
        const uint32_t isa = mxdi_vec_rows[v].needs;
        if (!runs_here(v) || (v == 0 && p->desc.algorithm == MXDI_CONV_F32_WINOGRAD))
            continue;
        float *dw = run_on(p, isa, rng), *again = run_on(p, isa, rng);
        for (size_t i = 0; i < p->n_w; i++) {
            if (!(fabs((double)dw[i] - p->want[i]) <= p->bound[i]))
                fail_msg("%s: element %zu: %a instead of %a +- %a", mxdi_isa_name(isa), i,
                         (double)dw[i], p->want[i], p->bound[i]);
        }
        assert_guarded_equal(again, dw, p->n_w * sizeof(float));
        guarded_free(dw);
        guarded_free(again);
    }
}

static void variants_match_the_definition(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(1);
    for (int i = 0; i < 250; i++) {
        struct problem p = random_problem(&rng);
        check_variants(&p, &rng);
        problem_free(&p);
    }
}

/* Cells of whole blocks, of rows and of parts of a row; more pieces and shares than one. */
static void large_ones_are_cut(void **state)
{
    (void)state;
    static const mxdi_window2d one = { 1, 1, 1, 1, 1, 1, 0, 0 }, three = { 3, 3, 1, 1, 1, 1, 1, 1 },
                               two = { 3, 3, 2, 2, 1, 1, 1, 1 }, wide = { 1, 5, 1, 2, 1, 3, 0, 6 };
    const struct {
        int32_t       h, w, h_out, w_out, c_in, c_out, groups, block;
        int64_t       blocks;
        mxdi_window2d window;
    } cases[] = {
        { 1, 1, 1, 1, 70, 150, 1, 8, 150, one },   { 1, 5000, 1, 5000, 20, 40, 1, 1, 1, one },
        { 4, 4, 4, 4, 30, 40, 1, 8, 21, three },   { 31, 32, 16, 16, 6, 33, 1, 8, 2, two },
        { 2, 4000, 2, 2000, 3, 9, 1, 1, 1, wide }, { 20, 20, 20, 20, 40, 40, 40, 8, 2, three },
        { 9, 9, 9, 9, 32, 32, 8, 8, 3, three },
    };
    mxdi_rng rng = mxdi_rng_seed(2);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct problem p = { 0 };
        p.desc           = (mxdi_conv_wgrad_f32_desc){
                      blocked_layout(cases[i].h, cases[i].w, cases[i].c_in, cases[i].block, 3, 16),
                      blocked_layout(cases[i].h_out, cases[i].w_out, cases[i].c_out, cases[i].block, 2, 0),
                      cases[i].window, cases[i].groups, MXDI_CONV_F32_DIRECT
        };
        p.blocks = cases[i].blocks;
        p.whole  = i % 2;
        problem_init(&p, &rng);
        check_variants(&p, &rng);
        problem_free(&p);
    }
}

/* Element (y, x) of channel c of an image, its place given by `at`; 0 outside. */
static double element(const float *p, const mxdi_blocked *l, int64_t at, int32_t y, int32_t x,
                      int32_t c)
{
    if (y < 0 || y >= l->h || x < 0 || x >= l->w)
        return 0;
    return fabs((double)p[at + y * mxdi_blocked_row(l) + x * mxdi_blocked_pixel(l) + c]);
}

/* The n x n elements of one tile, absolute, transformed by |t| (6, n): u (6, 6). */
static void transform_abs(double u[6][6], const double t[6][6], double e[6][6], int n)
{
    double half[6][6] = { { 0 } };
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < n; j++)
            for (int k = 0; k < n; k++)
                half[i][j] += t[i][k] * e[k][j];
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            u[i][j] = 0;
            for (int k = 0; k < n; k++)
                u[i][j] += half[i][k] * t[j][k];
        }
}

/* Adds |A| |dy| |A^T| . |B^T| |x| |B| of one tile of one pair of channels. */
static void add_tile(double sum[6][6], const struct problem *p, int64_t tile, int32_t ci,
                     int32_t co)
{
    static const double a[6][6] = { { 1 },          { 1, 1, 1, 1 }, { 1, 1, 1, 1 },
                                    { 1, 2, 4, 8 }, { 1, 2, 4, 8 }, { 0, 0, 0, 1 } };
    static const double b[6][6] = { { 4, 0, 5, 0, 1, 0 }, { 0, 4, 4, 1, 1, 0 },
                                    { 0, 4, 4, 1, 1, 0 }, { 0, 2, 1, 2, 1, 0 },
                                    { 0, 2, 1, 2, 1, 0 }, { 0, 4, 0, 5, 0, 1 } };
    const mxdi_blocked *lx = &p->desc.x, *ly = &p->desc.y;
    const int64_t       wide = (ly->w + 3) / 4, high = (ly->h + 3) / 4, image = tile / wide / high;
    const int32_t       y = (int32_t)(tile / wide % high) * 4, x = (int32_t)(tile % wide) * 4;
    const int64_t       block = image / lx->block, lane = image % lx->block;
    double              e[6][6] = { { 0 } }, dy[6][6], in[6][6];
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            e[i][j] =
                element(p->dy, ly, block * ly->block_stride + lane * ly->pitch, y + i, x + j, co);
    transform_abs(dy, a, e, 4);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++)
            e[i][j] = element(p->x, lx, block * lx->block_stride + lane * lx->pitch,
                              y + i - p->desc.window.ph, x + j - p->desc.window.pw, ci);
    transform_abs(in, b, e, 6);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++)
            sum[i][j] += dy[i][j] * in[i][j];
}

/* The bound of docs/numerics.md for every pair of channels. */
static void bound_winograd(struct problem *p)
{
    const int64_t tiles =
        p->blocks * p->desc.x.block * ((p->desc.y.h + 3) / 4) * ((p->desc.y.w + 3) / 4);
    for (int32_t co = 0; co < p->desc.y.channels; co++)
        for (int32_t ci = 0; ci < p->desc.x.channels; ci++) {
            double sum[6][6] = { { 0 } },
                   *bound    = p->bound + ((int64_t)co * p->desc.x.channels + ci) * 9;
            for (int64_t t = 0; t < tiles; t++)
                add_tile(sum, p, t, ci, co);
            for (int k = 0; k < 9; k++) {
                double e = 0;
                for (int i = 0; i < 36; i++)
                    e += fabs(mxdi_winograd_f32_g[i / 6][k / 3]) * sum[i / 6][i % 6] *
                         fabs(mxdi_winograd_f32_g[i % 6][k % 3]);
                bound[k] = rounding_bound((double)tiles + 16, e);
            }
        }
}

static void winograd_is_within_bound(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(3);
    for (int i = 0; i < 60; i++) {
        struct problem p     = { 0 };
        const int32_t  block = mxdi_rng_below(&rng, 3) ? 8 : 1;
        const int32_t  c_in  = i % 10 == 0 ? 170 : i % 10 == 5 ? 4 : 30;
        const int32_t  c_out = i % 10 == 0 ? 3 : i % 10 == 5 ? 300 : 40;
        p.desc               = (mxdi_conv_wgrad_f32_desc){
                          blocked_layout((int32_t)random_between(&rng, 1, 9), (int32_t)random_between(&rng, 1, 9),
                                         (int32_t)random_between(&rng, 1, c_in), block,
                                         random_between(&rng, 0, 1) * 5, 16),
                          blocked_layout((int32_t)random_between(&rng, 1, 9), (int32_t)random_between(&rng, 1, 9),
                                         (int32_t)random_between(&rng, 1, c_out), block,
                                         random_between(&rng, 0, 1) * 6, 0),
                          { 3, 3, 1, 1, 1, 1, (int32_t)random_between(&rng, 0, 3),
                            (int32_t)random_between(&rng, 0, 3) },
                          1,
                          MXDI_CONV_F32_WINOGRAD,
        };
        p.blocks = random_between(&rng, 1, 3);
        if (i == 0) { /* several pieces of several cells */
            p.desc.x = p.desc.y = blocked_layout(14, 15, 20, 8, 3, 0);
            p.blocks            = 5;
        }
        problem_init(&p, &rng);
        bound_winograd(&p);
        check_variants(&p, &rng);
        problem_free(&p);
    }
}

/* By name, on the best instruction set. */
static bool takes_winograd(int32_t size, int32_t c_in, int32_t c_out, int32_t kernel,
                           int32_t algorithm)
{
    const mxdi_blocked x             = blocked_layout(size, size, c_in, 8, 0, 0),
                       y             = blocked_layout(size, size, c_out, 8, 0, 0);
    const mxdi_conv_wgrad_f32_desc d = {
        x, y, { kernel, kernel, 1, 1, 1, 1, kernel / 2, kernel / 2 }, 1, algorithm
    };
    mxdi_conv_wgrad_f32 *op = NULL;
    assert_int_equal(mxdi_conv_wgrad_f32_create(&op, &d, mxdi_cpu_isa(), NULL, NULL), MXD_OK);
    const bool is = strstr(mxdi_conv_wgrad_f32_name(op), "winograd") != NULL;
    mxdi_conv_wgrad_f32_destroy(op);
    return is;
}

static void winograd_is_taken_where_it_pays(void **state)
{
    (void)state;
    if (mxdi_vec_select(mxdi_cpu_isa()) > 0) {
        assert_true(takes_winograd(8, 64, 64, 3, MXDI_CONV_F32_AUTO));
        assert_true(takes_winograd(4, 512, 512, 3, MXDI_CONV_F32_AUTO));
        assert_true(takes_winograd(1, 2, 2, 3, MXDI_CONV_F32_WINOGRAD));
    }
    assert_false(takes_winograd(8, 64, 64, 3, MXDI_CONV_F32_DIRECT));
    assert_false(takes_winograd(8, 64, 64, 5, MXDI_CONV_F32_AUTO));
    assert_false(takes_winograd(8, 3, 64, 3, MXDI_CONV_F32_AUTO));
    assert_false(takes_winograd(1, 64, 64, 3, MXDI_CONV_F32_AUTO));
}

static void bad_descriptions_are_refused(void **state)
{
    (void)state;
    const mxdi_conv_wgrad_f32_desc good = { blocked_layout(3, 3, 6, 8, 0, 0),
                                            blocked_layout(3, 3, 4, 8, 0, 0),
                                            { 3, 3, 1, 1, 1, 1, 1, 1 },
                                            2,
                                            0 };
    for (int i = 0; i < 6; i++) {
        mxdi_conv_wgrad_f32_desc d    = good;
        mxdi_conv_wgrad_f32     *op   = NULL;
        mxd_error                err  = MXD_ERROR_INIT;
        mxd_status               want = MXD_E_SHAPE;
        switch (i) {
        case 0:
            d.groups = 4;
            break;
        case 1:
            d.groups = 0;
            break;
        case 2:
            d.y.block = 1;
            break;
        case 3:
            d.window.sw = 0;
            break;
        case 4:
            d.algorithm = MXDI_CONV_F32_WINOGRAD; /* two groups */
            want        = MXD_E_UNSUPPORTED;
            break;
        default:
            d.window.kh = d.window.kw = INT32_MAX;
            want                      = MXD_E_RANGE;
            break;
        }
        assert_int_equal(mxdi_conv_wgrad_f32_create(&op, &d, mxdi_cpu_isa(), NULL, &err), want);
        assert_null(op);
        assert_string_not_equal(err.msg, "");
    }
    mxdi_conv_wgrad_f32_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_match_the_definition),
        cmocka_unit_test(large_ones_are_cut),
        cmocka_unit_test(winograd_is_within_bound),
        cmocka_unit_test(winograd_is_taken_where_it_pays),
        cmocka_unit_test(bad_descriptions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
