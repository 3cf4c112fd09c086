/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_f32: random shapes in both layouts, every tile against `ref`. f32 (and bf16 on f32 tiles) is
 * bit-equal; bf16 on bf16 tiles and Winograd stay within derived bounds. Tasks run in random ranges
 * and order, so each must write just its part. */
#include "kernel_test.h"
#include "kernels/conv_f32/conv_f32.h"
#include "kernels/tile_f32/tile_f32.h"
#include "kernels/winograd_f32/winograd_f32.h"

struct problem {
    mxdi_conv_f32_desc desc;
    int64_t            blocks;
    size_t             n_x, n_y, n_w;
    float             *x, *r, *w, *bias;
};

static mxdi_blocked layout_of(int32_t h, int32_t w, int32_t channels, int32_t block, int64_t gap,
                              int64_t skew)
{
    mxdi_blocked l = { h, w, channels, block, channels + gap, 0 };
    l.block_stride = h * mxdi_blocked_row(&l) + skew;
    return l;
}

static int32_t out_size(int32_t in, int32_t k, int32_t s, int32_t d, int32_t pad, int32_t pad_end)
{
    const int32_t room = in + pad + pad_end - (k - 1) * d - 1;
    return room < 0 ? 1 : room / s + 1;
}

static float *random_floats(mxdi_rng *rng, size_t n, float lo, float hi)
{
    float *p = malloc(n * sizeof(*p));
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = random_f32(rng, lo, hi);
    return p;
}

static void problem_fill(struct problem *p, mxdi_rng *rng)
{
    mxdi_conv_f32_desc *d = &p->desc;
    p->n_x                = (size_t)(p->blocks * d->x.block_stride);
    p->n_y                = (size_t)(p->blocks * d->y.block_stride);
    p->n_w =
        (size_t)d->y.channels * (size_t)(d->x.channels / d->groups * d->window.kh * d->window.kw);
    p->x    = random_floats(rng, p->n_x, -1.0f, 1.0f);
    p->r    = random_floats(rng, p->n_y, -1.0f, 1.0f);
    p->w    = random_floats(rng, p->n_w, -1.0f, 1.0f);
    p->bias = random_floats(rng, (size_t)d->y.channels, -1.0f, 1.0f);
    d->w    = p->w;
    d->bias = mxdi_rng_below(rng, 4) ? p->bias : NULL;
}

static struct problem random_problem(mxdi_rng *rng)
{
    static const int32_t channels[] = {
        1, 2, 3, 4, 5, 8, 13, 16, 17, 24, 31, 32, 33, 48, 50, 64, 70
    };
    struct problem      p     = { 0 };
    mxdi_conv_f32_desc *d     = &p.desc;
    mxdi_window2d      *k     = &d->window;
    const int32_t       block = mxdi_rng_below(rng, 2) ? 8 : 1, edge = block == 8 ? 7 : 18;
    const int32_t       h = (int32_t)random_between(rng, 1, edge),
                  w       = (int32_t)random_between(rng, 1, edge);
    k->kh = (int32_t)random_between(rng, 1, 4), k->kw = (int32_t)random_between(rng, 1, 4);
    k->sh = (int32_t)random_between(rng, 1, 3), k->sw = (int32_t)random_between(rng, 1, 3);
    k->dh = (int32_t)random_between(rng, 1, 2), k->dw = (int32_t)random_between(rng, 1, 2);
    k->ph = (int32_t)random_between(rng, -1, k->kh),
    k->pw = (int32_t)random_between(rng, -1, k->kw);
    if (mxdi_rng_below(rng, 3) == 0) /* kernels of 1x1 are the matrix multiplications */
        *k = (mxdi_window2d){ 1, 1, 1, 1, 1, 1, 0, 0 };
    d->groups           = mxdi_rng_below(rng, 4) ? 1 : (int32_t)random_between(rng, 2, 3);
    const int32_t c_in  = channels[mxdi_rng_below(rng, 12)] * d->groups;
    const int32_t c_out = channels[mxdi_rng_below(rng, 17)] * d->groups;
    const int32_t oh = out_size(h, k->kh, k->sh, k->dh, k->ph, (int32_t)random_between(rng, 0, 2));
    const int32_t ow = out_size(w, k->kw, k->sw, k->dw, k->pw, (int32_t)random_between(rng, 0, 2));
    d->x =
        layout_of(h, w, c_in, block, random_between(rng, 0, 1) * 5, random_between(rng, 0, 1) * 16);
    d->y          = layout_of(oh, ow, c_out, block, random_between(rng, 0, 2) * 3,
                              random_between(rng, 0, 1) * 16);
    d->residual   = (int32_t)mxdi_rng_below(rng, 2);
    d->y_min      = mxdi_rng_below(rng, 2) ? 0.0f : -INFINITY;
    d->y_max      = mxdi_rng_below(rng, 2) ? 6.0f : INFINITY;
    d->round_bf16 = mxdi_rng_below(rng, 4) == 0;
    d->algorithm  = MXDI_CONV_F32_DIRECT;
    p.blocks      = random_between(rng, 1, 3);
    problem_fill(&p, rng);
    return p;
}

static void problem_free(struct problem *p)
{
    free(p->x);
    free(p->r);
    free(p->w);
    free(p->bias);
}

/* y of one instruction set, with guards; all bytes that no task may touch keep GUARD_BYTE. */
static float *run_on(const struct problem *p, uint32_t isa, mxdi_rng *rng)
{
    mxdi_conv_f32 *op       = NULL;
    mxd_error      err      = MXD_ERROR_INIT;
    float         *w        = exact_copy(p->w, p->n_w * sizeof(float)),
          *x                = exact_copy(p->x, p->n_x * sizeof(float));
    float             *y    = guarded_new(p->n_y * sizeof(float));
    mxdi_conv_f32_desc desc = p->desc;
    desc.w                  = w;
    if (mxdi_rng_below(rng, 2)) { /* from others, which then are replaced */
        desc.w    = calloc(p->n_w, sizeof(float));
        desc.bias = desc.bias ? p->w : NULL;
        assert_non_null(desc.w);
    }
    if (mxdi_conv_f32_create(&op, &desc, isa, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    if (desc.w != w) {
        free((void *)desc.w);
        mxdi_conv_f32_set_weights(op, w, p->desc.bias);
    }
    free(w);
    const size_t n = mxdi_conv_f32_tasks(op, p->blocks), scratch_bytes = mxdi_conv_f32_scratch(op);
    const size_t each   = (size_t)random_between(rng, 1, mxdi_rng_below(rng, 2) ? (int64_t)n : 1),
                 ranges = (n + each - 1) / each;
    int64_t *order      = malloc(ranges * sizeof(*order));
    uint8_t *raw        = guarded_new(scratch_bytes + 64);
    void    *scratch    = raw + (64 - (uintptr_t)raw % 64);
    mxdi_rng_permutation(rng, order, ranges);
    for (size_t i = 0; i < ranges; i++) {
        const size_t begin = (size_t)order[i] * each;
        mxdi_conv_f32_run(op, x, p->desc.residual ? p->r : NULL, y, scratch, p->blocks, begin,
                          begin + each < n ? begin + each : n);
    }
    assert_guards(scratch, scratch_bytes);
    assert_guards(y, p->n_y * sizeof(float));
    assert_true(mxdi_conv_f32_bytes(op) > p->n_w * sizeof(float) / 2);
    guarded_free(raw);
    free(order);
    free(x);
    mxdi_conv_f32_destroy(op);
    return y;
}

static bool same_bits(float a, float b)
{
    return memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b));
}

/* Element i of y: its channel, or -1 in the lanes past the channels, or -2 between blocks. */
static int32_t channel_of(const mxdi_blocked *y, size_t i)
{
    const int64_t at = (int64_t)i % y->block_stride;
    if (at >= y->h * mxdi_blocked_row(y))
        return -2;
    return at % y->pitch < y->channels ? (int32_t)(at % y->pitch) : -1;
}

static void assert_bit_equal(const struct problem *p, const float *got, const float *want,
                             const char *name)
{
    for (size_t i = 0; i < p->n_y; i++) {
        const int32_t c = channel_of(&p->desc.y, i);
        if (c != -1 && !same_bits(got[i], want[i]))
            fail_msg("%s: element %zu (channel %d): %a instead of %a", name, i, (int)c,
                     (double)got[i], (double)want[i]);
    }
}

/* Every tile this CPU has on problem p, bit by bit against ref. */
static void check_bit_equal(const struct problem *p, mxdi_rng *rng)
{
    float *want = run_on(p, 0, rng);
    for (size_t v = 0; v < mxdi_tile_f32_count; v++) {
        const struct mxdi_tile_f32 *t = mxdi_tile_f32_variants[v];
        if ((t->needs & ~mxdi_cpu_isa()) || (p->desc.bf16 && t->terms != 1))
            continue;
        float *got = run_on(p, t->needs, rng);
        assert_bit_equal(p, got, want, t->name);
        guarded_free(got);
    }
    guarded_free(want);
}

static void f32_is_bit_equal(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(1);
    for (int i = 0; i < 400; i++) {
        struct problem p = random_problem(&rng);
        check_bit_equal(&p, &rng);
        problem_free(&p);
    }
}

static void bf16_on_f32_tiles_is_bit_equal(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(2);
    for (int i = 0; i < 100; i++) {
        struct problem p = random_problem(&rng);
        p.desc.bf16      = 1;
        check_bit_equal(&p, &rng);
        problem_free(&p);
    }
}

/* Problems with a name: each reaches a path of the driver that the small random ones do not. */
static void special_shapes_are_bit_equal(void **state)
{
    (void)state;
    static const struct {
        int32_t h, w, c_in, c_out, k, stride, pad, block;
        int64_t gap, blocks;
        int32_t groups;
    } shape[] = {
        { 1, 1, 300, 200, 1, 1, 0, 1, 0, 1, 1 }, /* one row: wide tiles */
        { 1, 2, 300, 200, 1, 1, 0, 1, 0, 1, 1 },
        { 1, 3, 300, 130, 1, 1, 0, 1, 3, 1, 1 },
        { 1, 700, 20, 40, 1, 1, 0, 1, 0, 1, 1 }, /* a matrix: bands inside one row */
        { 1, 130, 20, 40, 1, 1, 0, 8, 0, 2, 1 },
        { 3, 600, 4, 20, 3, 1, 1, 1, 0, 2, 1 }, /* bands inside rows, with taps */
        { 1, 1, 64, 70, 1, 1, 0, 8, 0, 40, 1 }, /* a matrix in blocks: bands of many blocks */
        { 4, 4, 96, 96, 3, 1, 1, 8, 0, 5, 1 },
        { 7, 7, 40, 64, 3, 1, 1, 1, 0, 1, 1 }, /* pairs of short runs */
        { 14, 14, 64, 128, 3, 2, 1, 1, 0, 1, 1 },
        { 23, 20, 3, 32, 7, 2, 3, 1, 0, 1, 1 }, /* a stem: rows of taps join */
        { 20, 20, 1, 6, 5, 1, 0, 8, 0, 2, 1 },
        { 2, 2, 400, 384, 3, 1, 1, 8, 0, 2, 1 }, /* weights past L2 */
        { 2, 3, 400, 384, 3, 1, 1, 1, 0, 1, 1 },
        { 3, 3, 5, 7, 9, 1, 4, 8, 0, 2, 1 },     /* kernel larger than the image */
        { 3, 3, 5, 7, 3, 5, 9, 1, 0, 3, 1 },     /* outputs that see padding only */
        { 12, 12, 80, 40, 3, 1, 1, 8, 5, 2, 2 }, /* tasks of one group, whose panel is not full */
    };
    mxdi_rng rng = mxdi_rng_seed(3);
    for (size_t i = 0; i < sizeof(shape) / sizeof(shape[0]); i++) {
        struct problem      p = { 0 };
        mxdi_conv_f32_desc *d = &p.desc;
        const int32_t       k = shape[i].k, s = shape[i].stride, pad = shape[i].pad;
        d->window = (mxdi_window2d){ k, k, s, s, 1, 1, pad, pad };
        if (shape[i].h == 1)
            d->window.kh = 1, d->window.ph = 0;
        d->groups = shape[i].groups;
        d->x = layout_of(shape[i].h, shape[i].w, shape[i].c_in, shape[i].block, shape[i].gap, 0);
        d->y = layout_of(out_size(shape[i].h, d->window.kh, s, 1, d->window.ph, d->window.ph),
                         out_size(shape[i].w, k, s, 1, pad, pad), shape[i].c_out, shape[i].block,
                         shape[i].gap, 0);
        d->y_min = -INFINITY;
        d->y_max = INFINITY;
        p.blocks = shape[i].blocks;
        d->exact = 1;
        problem_fill(&p, &rng);
        check_bit_equal(&p, &rng);
        p.desc.bf16 = 1;
        check_bit_equal(&p, &rng);
        problem_free(&p);
    }
}

/* Infinities, NaN and signed zeros come out as the definition has them: padding does not meet them.
 */
static void specials_propagate(void **state)
{
    (void)state;
    static const float special[] = { INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 1e38f, 1e-40f };
    mxdi_rng           rng       = mxdi_rng_seed(4);
    for (int i = 0; i < 100; i++) {
        struct problem p = random_problem(&rng);
        for (int n = 0; n < 6; n++) {
            p.x[mxdi_rng_below(&rng, p.n_x)] = special[mxdi_rng_below(&rng, 7)];
            p.w[mxdi_rng_below(&rng, p.n_w)] = special[mxdi_rng_below(&rng, 7)];
        }
        check_bit_equal(&p, &rng);
        problem_free(&p);
    }
}

/* |b| + sum |x w| of the rounded inputs, and the number of terms: `ref` on absolute values. */
static float *magnitudes(const struct problem *p, mxdi_rng *rng)
{
    struct problem a = *p;
    a.x              = exact_copy(p->x, p->n_x * sizeof(float));
    a.w              = exact_copy(p->w, p->n_w * sizeof(float));
    a.bias           = exact_copy(p->bias, (size_t)p->desc.y.channels * sizeof(float));
    for (size_t i = 0; i < p->n_x; i++)
        a.x[i] = fabsf(a.x[i]);
    for (size_t i = 0; i < p->n_w; i++)
        a.w[i] = fabsf(a.w[i]);
    for (int32_t i = 0; i < p->desc.y.channels; i++)
        a.bias[i] = fabsf(a.bias[i]);
    a.desc.bias       = p->desc.bias ? a.bias : NULL;
    a.desc.residual   = 0;
    a.desc.round_bf16 = 0;
    a.desc.y_min      = -INFINITY;
    a.desc.y_max      = INFINITY;
    float *sum        = run_on(&a, 0, rng);
    free(a.x);
    free(a.w);
    free(a.bias);
    return sum;
}

/* bf16 tiles add the same exact products (8+8 bits of significand fit in 24) in another order, n of
 * them to the bias. Any order of n roundings is within g = n u / (1 - n u) times S = |b| + sum |x
 * w| of the exact sum, u = 2^-24 (Higham 2002, section 4.2); so two orders differ by at most 2 g S.
 * S itself is computed in f32: times 1 + g. Rounding both to bf16 adds at most one unit in the last
 * place, 2^-7 |v|, |v| <= S (1 + g); the residual one rounding of each sum, u (S + |r|)(1 + g)
 * twice; the clamp adds nothing. The inputs are not subnormal, which VDPBF16PS would take as 0.
 * What is not finite is the same in any order: an infinity, or NaN. */
static void bf16_tiles_are_within_bound(void **state)
{
    (void)state;
    static const float special[] = { INFINITY, -INFINITY, NAN };
    mxdi_rng           rng       = mxdi_rng_seed(5);
    for (int i = 0; i < 150; i++) {
        struct problem p = random_problem(&rng);
        p.desc.bf16      = 1;
        if (i % 3 == 0) {
            p.x[mxdi_rng_below(&rng, p.n_x)] = special[mxdi_rng_below(&rng, 3)];
            p.w[mxdi_rng_below(&rng, p.n_w)] = special[mxdi_rng_below(&rng, 3)];
        }
        float       *want = run_on(&p, 0, &rng), *sum = magnitudes(&p, &rng);
        const double u = 0x1p-24, n = (double)p.n_w / p.desc.y.channels, g = n * u / (1 - n * u);
        for (size_t v = 0; v < mxdi_tile_f32_count; v++) {
            const struct mxdi_tile_f32 *t = mxdi_tile_f32_variants[v];
            if ((t->needs & ~mxdi_cpu_isa()) || t->terms == 1)
                continue;
            float *got = run_on(&p, t->needs, &rng);
            for (size_t e = 0; e < p.n_y; e++) {
                if (channel_of(&p.desc.y, e) < 0)
                    continue;
                const double s = sum[e] * (1 + g);
                const double bound =
                    2 * g * s + (p.desc.round_bf16 ? 0x1p-7 * s * (1 + g) : 0) +
                    (p.desc.residual ? 2 * u * (s * (1 + 0x1p-7) + fabsf(p.r[e])) * (1 + g) : 0);
                if (!same_bits(got[e], want[e]) && !(fabs((double)got[e] - want[e]) <= bound))
                    fail_msg("%s: element %zu: %a, %a, bound %a", t->name, e, (double)got[e],
                             (double)want[e], bound);
            }
            guarded_free(got);
        }
        guarded_free(want);
        guarded_free(sum);
        problem_free(&p);
    }
}

/* A 3x3 convolution for Winograd, every kind of edge. */
static struct problem winograd_problem(mxdi_rng *rng)
{
    struct problem      p    = random_problem(rng);
    mxdi_conv_f32_desc *d    = &p.desc;
    const int32_t       c_in = (int32_t)random_between(rng, 1, 40),
                  c_out      = (int32_t)random_between(rng, 1, 200);
    const int64_t gap_x = d->x.pitch - d->x.channels, gap_y = d->y.pitch - d->y.channels;
    problem_free(&p);
    d->window = (mxdi_window2d){
        3, 3, 1, 1, 1, 1, (int32_t)random_between(rng, 0, 3), (int32_t)random_between(rng, 0, 3)
    };
    d->groups    = 1;
    d->algorithm = MXDI_CONV_F32_WINOGRAD;
    d->x         = layout_of(d->x.h, d->x.w, c_in, d->x.block, gap_x, 0);
    d->y         = layout_of(out_size(d->x.h, 3, 1, 1, d->window.ph, 1),
                             out_size(d->x.w, 3, 1, 1, d->window.pw, 2), c_out, d->x.block, gap_y, 16);
    problem_fill(&p, rng);
    return p;
}

/* Integers for which every step of Winograd is exact: 576 G w G^T is integer. Whatever order and
 * whichever algorithm, the result is the same, so nothing hides behind a bound. */
static void winograd_of_integers_is_exact(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(7);
    for (int i = 0; i < 100; i++) {
        struct problem p = winograd_problem(&rng);
        for (size_t e = 0; e < p.n_x; e++)
            p.x[e] = (float)random_between(&rng, -1, 1);
        for (size_t e = 0; e < p.n_w; e++)
            p.w[e] = 576.0f * (float)random_between(&rng, -1, 1);
        for (int32_t c = 0; c < p.desc.y.channels; c++)
            p.bias[c] = (float)random_between(&rng, -9, 9);
        for (size_t e = 0; e < p.n_y; e++)
            p.r[e] = (float)random_between(&rng, -9, 9);
        struct problem direct = p;
        direct.desc.algorithm = MXDI_CONV_F32_DIRECT;
        float *want           = run_on(&direct, 0, &rng);
        for (size_t v = 0; v < mxdi_tile_f32_count; v++) {
            const struct mxdi_tile_f32 *t = mxdi_tile_f32_variants[v];
            if ((t->needs & ~mxdi_cpu_isa()) || t->terms != 1)
                continue;
            float *got = run_on(&p, t->needs, &rng);
            assert_bit_equal(&p, got, want, t->name);
            guarded_free(got);
        }
        guarded_free(want);
        problem_free(&p);
    }
}

static const double at_abs[4][6] = {
    { 1, 1, 1, 1, 1, 0 }, { 0, 1, 1, 2, 2, 0 }, { 0, 1, 1, 4, 4, 0 }, { 0, 1, 1, 8, 8, 1 }
};
static const double bt_abs[6][6] = { { 4, 0, 5, 0, 1, 0 }, { 0, 4, 4, 1, 1, 0 },
                                     { 0, 4, 4, 1, 1, 0 }, { 0, 2, 1, 2, 1, 0 },
                                     { 0, 2, 1, 2, 1, 0 }, { 0, 4, 0, 5, 0, 1 } };

/* Input (y, x) of channel c, image and block given by `at`; 0 outside. */
static double input_at(const struct problem *p, int64_t at, int32_t y, int32_t x, int32_t c)
{
    const mxdi_blocked *l = &p->desc.x;
    if (y < 0 || y >= l->h || x < 0 || x >= l->w)
        return 0;
    return p->x[at + y * mxdi_blocked_row(l) + x * mxdi_blocked_pixel(l) + c];
}

/* For output (y, x) of channel c: the sum in binary64, and E of the bound below. */
static void winograd_exact(const struct problem *p, int64_t at, int32_t y, int32_t x, int32_t c,
                           double *sum, double *e)
{
    const mxdi_conv_f32_desc *d   = &p->desc;
    const int32_t             top = y / 4 * 4 - d->window.ph, left = x / 4 * 4 - d->window.pw;
    double                    m[6][6] = { { 0 } };
    *sum = *e = 0;
    for (int32_t i = 0; i < d->x.channels; i++) {
        const float *w = p->w + ((int64_t)c * d->x.channels + i) * 9;
        double       u[36], half[6][6], v[6][6];
        mxdi_winograd_f32_weights(u, w);
        for (int k = 0; k < 9; k++)
            *sum += (double)w[k] *
                    input_at(p, at, y - d->window.ph + k / 3, x - d->window.pw + k % 3, i);
        for (int a = 0; a < 6; a++) {
            for (int b = 0; b < 6; b++) {
                half[a][b] = 0;
                for (int k = 0; k < 6; k++)
                    half[a][b] += bt_abs[a][k] * fabs(input_at(p, at, top + k, left + b, i));
            }
        }
        for (int a = 0; a < 6; a++) {
            for (int b = 0; b < 6; b++) {
                v[a][b] = 0;
                for (int k = 0; k < 6; k++)
                    v[a][b] += half[a][k] * bt_abs[b][k];
                m[a][b] += fabs(u[a * 6 + b]) * v[a][b];
            }
        }
    }
    for (int a = 0; a < 6; a++) {
        for (int b = 0; b < 6; b++)
            *e += at_abs[y % 4][a] * m[a][b] * at_abs[x % 4][b];
    }
    if (d->bias) {
        *sum += (double)p->bias[c];
        *e += fabs((double)p->bias[c]);
    }
}

/* Each term of the sum is rounded at most n = C + 12 times: twice per pass of B^T (4), once in U,
 * once per channel in the product, three times per pass of A^T (6), once with the bias. No pass
 * uses an input twice, so absolute values carry through: |y' - y| <= g E, g = n u / (1 - n u), E =
 * |b| + |A^T| (sum |U| . (|B^T| |d| |B|)) |A|. bf16 rounding adds 2^-8 of the result, the residual
 * one rounding. */
static void check_winograd(const struct problem *p, const float *got, mxdi_rng *rng)
{
    const mxdi_conv_f32_desc *d = &p->desc;
    const double              u = 0x1p-24, n = d->x.channels + 12, g = n * u / (1 - n * u);
    for (int i = 0; i < 60; i++) {
        const int64_t b     = random_between(rng, 0, p->blocks - 1),
                      image = random_between(rng, 0, d->y.block - 1);
        const int32_t y     = (int32_t)random_between(rng, 0, d->y.h - 1),
                      x     = (int32_t)random_between(rng, 0, d->y.w - 1);
        const int32_t c     = (int32_t)random_between(rng, 0, d->y.channels - 1);
        const int64_t at    = b * d->y.block_stride + y * mxdi_blocked_row(&d->y) +
                           x * mxdi_blocked_pixel(&d->y) + image * d->y.pitch + c;
        double want, e;
        winograd_exact(p, b * d->x.block_stride + image * d->x.pitch, y, x, c, &want, &e);
        double bound = g * e;
        if (d->round_bf16)
            bound += 0x1p-8 * (fabs(want) + bound);
        if (d->residual) {
            want += (double)p->r[at];
            bound += u * (fabs(want) + bound);
        }
        want = fmin(fmax(want, (double)d->y_min), (double)d->y_max);
        if (!(fabs((double)got[at] - want) <= bound))
            fail_msg("(%d, %d, %d): %a instead of %a, bound %a", (int)y, (int)x, (int)c,
                     (double)got[at], want, bound);
    }
}

static void winograd_is_within_bound(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(8);
    for (int i = 0; i < 100; i++) {
        struct problem p    = winograd_problem(&rng);
        float         *last = NULL;
        for (size_t v = 0; v < mxdi_tile_f32_count; v++) {
            const struct mxdi_tile_f32 *t = mxdi_tile_f32_variants[v];
            if ((t->needs & ~mxdi_cpu_isa()) || t->terms != 1)
                continue;
            float *got = run_on(&p, t->needs, &rng);
            check_winograd(&p, got, &rng);
            if (last) { /* one definition: the instruction sets agree in every bit */
                assert_bit_equal(&p, got, last, t->name);
                guarded_free(last);
            }
            last = got;
        }
        if (last)
            guarded_free(last);
        problem_free(&p);
    }
}

static bool name_has(const mxdi_conv_f32_desc *d, const char *word)
{
    mxdi_conv_f32 *op = NULL;
    assert_int_equal(mxdi_conv_f32_create(&op, d, mxdi_cpu_isa(), NULL, NULL), MXD_OK);
    const bool has = strstr(mxdi_conv_f32_name(op), word) != NULL;
    mxdi_conv_f32_destroy(op);
    return has;
}

/* Vectors of weights are transformed to the bits of one at a time. */
static void weights_are_transformed_alike(void **state)
{
    (void)state;
    enum { LANES = 32, PLANE = LANES + 16 };
    mxdi_rng           rng = mxdi_rng_seed(9);
    _Alignas(64) float w[9 * LANES], u[MXDI_WINOGRAD_F32_POINTS * PLANE];
    for (size_t i = 0; i < sizeof(w) / sizeof(w[0]); i++)
        w[i] = random_f32(&rng, -1.0f, 1.0f);
    for (size_t v = 0; v < mxdi_tile_f32_count; v++) {
        const uint32_t isa = mxdi_tile_f32_variants[v]->needs;
        if (isa & ~mxdi_cpu_isa())
            continue;
        mxdi_winograd_f32_filter f = { .w = w, .lanes = LANES, .u = u, .plane = PLANE };
        for (int i = 0; i < 9; i++)
            f.row[i] = (8 - i) * LANES;
        mxdi_winograd_f32_select(isa)->weights(&f);
        for (int n = 0; n < LANES; n++) {
            float  one[9];
            double want[MXDI_WINOGRAD_F32_POINTS];
            for (int i = 0; i < 9; i++)
                one[i] = w[f.row[i] + n];
            mxdi_winograd_f32_weights(want, one);
            for (int i = 0; i < MXDI_WINOGRAD_F32_POINTS; i++)
                assert_true(same_bits(u[i * PLANE + n], (float)want[i]));
        }
    }
}

/* Auto takes Winograd where it pays, never with `exact`, and what cannot be is refused with the
 * reason. */
static void algorithm_is_chosen_by_shape(void **state)
{
    (void)state;
    if (mxdi_vec_select(mxdi_cpu_isa()) == 0)
        return;
    mxdi_rng       rng = mxdi_rng_seed(9);
    struct problem p   = winograd_problem(&rng);
    problem_free(&p);
    p.desc.x      = layout_of(16, 16, 64, 8, 0, 0);
    p.desc.y      = layout_of(16, 16, 64, 8, 0, 0);
    p.desc.window = (mxdi_window2d){ 3, 3, 1, 1, 1, 1, 1, 1 };
    problem_fill(&p, &rng);
    mxdi_conv_f32_desc d = p.desc;
    d.algorithm          = MXDI_CONV_F32_AUTO;
    assert_true(name_has(&d, "winograd"));
    d.exact = 1;
    assert_false(name_has(&d, "winograd"));
    d.exact = 0;
    d.x.h = d.x.w = d.y.h = d.y.w = 1; /* one useful tap in nine */
    assert_false(name_has(&d, "winograd"));
    for (int i = 0; i < 5; i++) {
        mxdi_conv_f32 *op  = NULL;
        mxd_error      err = MXD_ERROR_INIT;
        d                  = p.desc;
        switch (i) {
        case 0:
            d.exact = 1;
            break;
        case 1:
            d.bf16 = 1;
            break;
        case 2:
            d.groups = 2;
            break;
        case 3:
            d.window.sw = 2;
            break;
        default:
            d.window.dh = 2;
            break;
        }
        assert_int_equal(mxdi_conv_f32_create(&op, &d, mxdi_cpu_isa(), NULL, &err),
                         MXD_E_UNSUPPORTED);
        assert_non_null(strstr(err.msg, "winograd"));
    }
    problem_free(&p);
}

static void bad_descriptions_are_refused(void **state)
{
    (void)state;
    mxdi_rng       rng = mxdi_rng_seed(6);
    struct problem p   = random_problem(&rng);
    for (int i = 0; i < 6; i++) {
        mxdi_conv_f32_desc d   = p.desc;
        mxdi_conv_f32     *op  = NULL;
        mxd_error          err = MXD_ERROR_INIT;
        switch (i) {
        case 0:
            d.groups = 0;
            break;
        case 1:
            d.groups = d.x.channels + 1;
            break;
        case 2:
            d.x.block = 4;
            break;
        case 3:
            d.y.block = 9 - d.x.block;
            break;
        case 4:
            d.window.sh = 0;
            break;
        default:
            d.y.pitch = d.y.channels - 1;
            break;
        }
        assert_int_equal(mxdi_conv_f32_create(&op, &d, mxdi_cpu_isa(), NULL, &err), MXD_E_SHAPE);
        assert_null(op);
        assert_string_not_equal(err.msg, "");
    }
    problem_free(&p);
    mxdi_conv_f32_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_is_bit_equal),
        cmocka_unit_test(bf16_on_f32_tiles_is_bit_equal),
        cmocka_unit_test(special_shapes_are_bit_equal),
        cmocka_unit_test(specials_propagate),
        cmocka_unit_test(bf16_tiles_are_within_bound),
        cmocka_unit_test(winograd_of_integers_is_exact),
        cmocka_unit_test(winograd_is_within_bound),
        cmocka_unit_test(weights_are_transformed_alike),
        cmocka_unit_test(algorithm_is_chosen_by_shape),
        cmocka_unit_test(bad_descriptions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
