/* SPDX-License-Identifier: Apache-2.0
 *
 * norm_f32: rows and layouts of all widths within the bound of norm_f32.h, also where the mean is
 * large against the deviation; the per-channel scale and shift bit by bit. */
#include "kernel_test.h"
#include "kernels/norm_f32/norm_f32.h"

struct moments {
    long double mean, inverse;
};

static struct moments moments_of(const float *x, int64_t n, int64_t step, float epsilon)
{
    long double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (long double)x[i * step];
    const long double mean = sum / (long double)n;
    for (int64_t i = 0; i < n; i++)
        squares += ((long double)x[i * step] - mean) * ((long double)x[i * step] - mean);
    return (struct moments){ mean, 1 / sqrtl(squares / (long double)n + (long double)epsilon) };
}

static void assert_near(float got, float x, const struct moments *m, float scale, float shift,
                        int64_t n)
{
    const double u = 0x1p-24, v = (double)(((long double)x - m->mean) * m->inverse);
    const double want = v * (double)scale + (double)shift;
    const double bound =
        2 * u * fabs(v * (double)scale) + u * fabs(want) +
        0x1p-51 * (double)((n + 2) * (n + 2)) * (fabs(v) + 1) * fabs((double)scale);
    if (!(fabs((double)got - want) <= 1.0001 * bound + 1e-40))
        fail_msg("normalising %a gives %a, expected %a +- %a", (double)x, (double)got, want, bound);
}

/* Offsets up to 10^6 standard deviations; the first element an outlier now and then. */
static void fill(float *x, size_t n, mxdi_rng *r)
{
    static const float offsets[] = { 0, 0.5f, -100, 1e6f };
    const float        offset    = offsets[mxdi_rng_below(r, 4)];
    for (size_t i = 0; i < n; i++)
        x[i] = offset + random_f32(r, -1, 1);
    if (mxdi_rng_below(r, 4) == 0)
        x[0] = -1e5f;
}

static void layers(void **state)
{
    (void)state;
    enum { ROWS = 3, N = 1030 };
    static float x[ROWS * (N + 3)], scale[N], shift[N];
    mxdi_rng     r = mxdi_rng_seed(19);
    for (size_t i = 0; i < N; i++) {
        scale[i] = random_f32(&r, -2, 2);
        shift[i] = random_f32(&r, -1, 1);
    }
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (int64_t n = 1; n <= N; n += n < 70 ? 1 : 160) {
            const int64_t xs = n + n % 4, ys = n + n % 3;
            const size_t  ny      = (size_t)((ROWS - 1) * ys + n);
            const float   epsilon = n % 2 ? 1e-5f : 1e-12f, *b = n % 5 ? shift : NULL;
            float        *y = guarded_new(ny * 4);
            fill(x, sizeof(x) / 4, &r);
            mxdi_norm_f32_variants[v]->layer(y, x, scale, b, ROWS, n, xs, ys, epsilon);
            assert_guards(y, ny * 4);
            for (int64_t row = 0; row < ROWS; row++) {
                const struct moments m = moments_of(x + row * xs, n, 1, epsilon);
                for (int64_t i = 0; i < n; i++)
                    assert_near(y[row * ys + i], x[row * xs + i], &m, scale[i], b ? b[i] : 0, n);
                for (int64_t i = n; row + 1 < ROWS && i < ys; i++)
                    assert_int_equal(((uint8_t *)(y + row * ys + i))[0], GUARD_BYTE);
            }
            guarded_free(y);
        }
    }
}

struct shape {
    mxdi_blocked x, y;
    size_t       nx, ny;
};
enum { BLOCKS = 2 };

static struct shape random_shape(mxdi_rng *r)
{
    struct shape s   = { .x = { .h = (int32_t)random_between(r, 1, 5),
                                .w = (int32_t)random_between(r, 1, 5) } };
    s.x.channels     = (int32_t)random_between(r, 1, 40);
    s.x.block        = mxdi_rng_below(r, 2) ? 8 : 1;
    s.x.pitch        = s.x.channels + random_between(r, 0, 5);
    s.y              = s.x;
    s.y.pitch        = s.x.channels + random_between(r, 0, 5);
    s.x.block_stride = s.x.h * mxdi_blocked_row(&s.x) + random_between(r, 0, 5);
    s.y.block_stride = s.y.h * mxdi_blocked_row(&s.y) + random_between(r, 0, 5);
    s.nx             = (size_t)(BLOCKS * s.x.block_stride);
    s.ny             = (size_t)(BLOCKS * s.y.block_stride);
    return s;
}

static void check_instance(const struct shape *s, const float *y, const float *x,
                           const float *scale, const float *shift, float epsilon)
{
    const int64_t n = (int64_t)s->x.h * s->x.w;
    for (int64_t image = 0; image < BLOCKS * s->x.block; image++)
        for (int32_t c = 0; c < s->x.channels; c++) {
            const int64_t        block = image / s->x.block, b = image % s->x.block;
            const float         *from = x + block * s->x.block_stride + b * s->x.pitch + c;
            const float         *to   = y + block * s->y.block_stride + b * s->y.pitch + c;
            const struct moments m    = moments_of(from, n, mxdi_blocked_pixel(&s->x), epsilon);
            for (int64_t i = 0; i < n; i++)
                assert_near(to[i * mxdi_blocked_pixel(&s->y)], from[i * mxdi_blocked_pixel(&s->x)],
                            &m, scale[c], shift ? shift[c] : 0, n);
        }
}

static void assert_same_gaps(const float *got, const float *want, size_t n)
{
    float mark;
    memset(&mark, GUARD_BYTE, sizeof(mark));
    for (size_t i = 0; i < n; i++) /* `ref` left it alone */
        if (want[i] == mark)
            assert_true(got[i] == mark);
    assert_guards(got, n * 4);
}

static void layouts(void **state)
{
    (void)state;
    mxdi_rng r = mxdi_rng_seed(20);
    float    scale[40], shift[40];
    for (size_t i = 0; i < 40; i++) {
        scale[i] = random_f32(&r, -2, 2);
        shift[i] = random_f32(&r, -1, 1);
    }
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (int round = 0; round < 150; round++) {
            const struct shape   s = random_shape(&r);
            const mxdi_norm_f32 *k = mxdi_norm_f32_variants[v];
            const float         *b = round % 4 ? shift : NULL;
            float               *x = malloc(s.nx * 4), *want = guarded_new(s.ny * 4),
                  *got = guarded_new(s.ny * 4);
            fill(x, s.nx, &r);
            mxdi_norm_f32_ref.affine(want, x, scale, b, &s.y, &s.x, BLOCKS);
            k->affine(got, x, scale, b, &s.y, &s.x, BLOCKS);
            assert_guarded_equal(got, want, s.ny * 4);
            mxdi_norm_f32_ref.instance(want, x, scale, b, &s.y, &s.x, BLOCKS, 1e-5f);
            check_instance(&s, want, x, scale, b, 1e-5f);
            memset(got, GUARD_BYTE, s.ny * 4);
            k->instance(got, x, scale, b, &s.y, &s.x, BLOCKS, 1e-5f);
            check_instance(&s, got, x, scale, b, 1e-5f);
            assert_same_gaps(got, want, s.ny);
            free(x);
            guarded_free(want);
            guarded_free(got);
        }
    }
}

static void not_finite(void **state)
{
    (void)state;
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        float x[20], y[20], one[20];
        for (size_t i = 0; i < 20; i++) {
            x[i]   = (float)i;
            one[i] = 1;
        }
        x[17] = NAN;
        mxdi_norm_f32_variants[v]->layer(y, x, one, NULL, 1, 20, 20, 20, 1e-5f);
        assert_true(isnan(y[0]) && isnan(y[17]) && isnan(y[19]));
        for (size_t i = 0; i < 20; i++)
            x[i] = 3.1f; /* no variance: epsilon alone divides */
        mxdi_norm_f32_variants[v]->layer(y, x, one, one, 1, 20, 20, 20, 1e-5f);
        assert_true(y[0] == 1 && y[19] == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(layers), cmocka_unit_test(layouts),
                                        cmocka_unit_test(not_finite) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
