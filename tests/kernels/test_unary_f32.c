/* SPDX-License-Identifier: Apache-2.0
 *
 * unary_f32: single operations equal `ref` bit by bit, the others stay within the bound of
 * unary_f32.inc against binary64, over all exponents with random significands and around every
 * change of method; all lengths, in place. */
#include "kernel_test.h"
#include "kernels/unary_f32/unary_f32.h"

static const struct {
    const char *name;
    double      ulp;
} functions[] = {
#define MXD_UNARY(NAME, name, ulp) { #name, ulp },
#include "kernels/unary_f32/unary_f32.inc"
#undef MXD_UNARY
};

static const mxdi_unary_params params[MXDI_UNARY_COUNT] = {
    [MXDI_UNARY_CLIP]         = { -1.5f, 2.5f },
    [MXDI_UNARY_LEAKY_RELU]   = { 0.01f, 0 },
    [MXDI_UNARY_HARD_SIGMOID] = { 0.2f, 0.5f },
    [MXDI_UNARY_ELU]          = { 0.7f, 0 },
};

static double sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

/* The function in binary64, for those with a bound. */
static double exact(int op, double x)
{
    switch (op) {
    case MXDI_UNARY_EXP:
        return exp(x);
    case MXDI_UNARY_LOG:
        return log(x);
    case MXDI_UNARY_SIGMOID:
        return sigmoid(x);
    case MXDI_UNARY_TANH:
        return tanh(x);
    case MXDI_UNARY_ELU:
        return x < 0 ? (double)params[op].alpha * expm1(x) : x;
    case MXDI_UNARY_SOFTPLUS:
        return isnan(x) ? x : fmax(x, 0) + log1p(exp(-fabs(x)));
    case MXDI_UNARY_ERF:
        return erf(x);
    case MXDI_UNARY_GELU:
        return x * 0.5 * erfc(-x * 0.70710678118654752440);
    case MXDI_UNARY_GELU_TANH:
        return x * sigmoid(2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x));
    default:
        return NAN;
    }
}

/* Distance to `want` in units of its last place as an f32; subnormals share one. */
static double ulps(float got, double want)
{
    int exponent;
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) ? 0 : INFINITY;
    if (fabs(want) >= 0x1.ffffffp127)
        return got == (want > 0 ? INFINITY : -INFINITY) ? 0 : INFINITY;
    if (isinf(got)) /* overflow starts half an ulp early at most */
        return fabs(want) >= 0x1.fffffcp127 ? 1 : INFINITY;
    (void)frexp(want, &exponent);
    return fabs((double)got - want) / ldexp(1, exponent < -125 ? -149 : exponent - 24);
}

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

static void check(size_t v, int op, const float *x, size_t n)
{
    float *got = malloc(n * 4), *want = malloc(n * 4);
    mxdi_unary_f32_variants[v]->fn[op](got, x, n, &params[op]);
    mxdi_unary_f32_ref.fn[op](want, x, n, &params[op]);
    for (size_t i = 0; i < n; i++) {
        double off; /* infinities go to limits: gelu(-inf) is one that binary64 does not give */
        if (functions[op].ulp > 0 && !isinf(x[i]))
            off = ulps(got[i], exact(op, (double)x[i]));
        else if (functions[op].ulp > 0)
            off = got[i] == want[i] || (isnan(want[i]) && isnan(got[i])) ? 0 : INFINITY;
        else
            off =
                (isnan(want[i]) ? isnan(got[i]) : memcmp(&got[i], &want[i], 4) == 0) ? 0 : INFINITY;
        if (!(off <= functions[op].ulp))
            fail_msg("%s %s(%a) = %a, expected %a, %g ulp off", mxdi_vec_rows[v].name,
                     functions[op].name, (double)x[i], (double)got[i], (double)want[i], off);
    }
    free(got);
    free(want);
}

/* Both signs, all exponents (subnormals, infinity and NaN too), `EACH` random significands each. */
static void whole_range(void **state)
{
    (void)state;
    enum { EACH = 64, N = 512 * EACH };
    mxdi_rng r = mxdi_rng_seed(13);
    float   *x = malloc(N * 4);
    for (uint32_t i = 0; i < N; i++)
        x[i] = from_bits(i / EACH << 23 |
                         (i % EACH == 0 ? 0 : (uint32_t)mxdi_rng_below(&r, 1u << 23)));
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++)
        if (runs_here(v))
            for (int op = 0; op < MXDI_UNARY_COUNT; op++)
                check(v, op, x, N);
    free(x);
}

/* Where results leave the normal range, methods change and errors are largest: dense around
 * each. */
static void turning_points(void **state)
{
    (void)state;
    static const float at[] = {
        0.0f,    0.41421f, 0.5f,   0.625f,          0.70710677f, 0.75f,
        0.84f,   1.0f,     1.31f,  1.4142135f,      1.84f,       2.0f,
        3.0f,    3.465f,   3.9f,   5.25f,           8.5f,        10.77f,
        13.1f,   14.2f,    20.0f,  87.3f,           88.72f,      103.28f,
        103.97f, 120.0f,   1e-38f, 1.17549435e-38f, 0.3465736f,  1.0397208f
    };
    enum { POINTS = sizeof(at) / sizeof(at[0]), EACH = 400, N = POINTS * EACH * 2 };
    mxdi_rng r = mxdi_rng_seed(14);
    float   *x = malloc(N * 4);
    for (size_t i = 0; i < N; i++) {
        const float p    = at[i / 2 / EACH] * (i % 2 ? 1.0f : -1.0f);
        const float wide = mxdi_rng_below(&r, 2) ? 0.05f : 1e-5f;
        x[i]             = p * (1 + random_f32(&r, -wide, wide)) +
               (at[i / 2 / EACH] == 0 ? random_f32(&r, -1, 1) : 0);
    }
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++)
        if (runs_here(v))
            for (int op = 0; op < MXDI_UNARY_COUNT; op++)
                check(v, op, x, N);
    free(x);
}

static void ends(void **state)
{
    (void)state;
    const float x[6] = { -INFINITY, INFINITY, -0.0f, 0.0f, -3e38f, 3e38f };
    float       y[6];
    for (size_t v = 0; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (int op = MXDI_UNARY_GELU; op <= MXDI_UNARY_GELU_TANH; op++) {
            mxdi_unary_f32_variants[v]->fn[op](y, x, 6, &params[op]);
            assert_true(y[0] == 0 && y[1] == INFINITY && y[2] == 0 && y[3] == 0 && y[4] == 0 &&
                        y[5] == 3e38f);
        }
        mxdi_unary_f32_variants[v]->fn[MXDI_UNARY_SIGMOID](y, x, 6, &params[0]);
        assert_true(y[0] == 0 && y[1] == 1 && y[2] == 0.5f && y[4] == 0 && y[5] == 1);
        mxdi_unary_f32_variants[v]->fn[MXDI_UNARY_LOG](y, x, 6, &params[0]);
        assert_true(isnan(y[0]) && y[1] == INFINITY && y[2] == -INFINITY && y[3] == -INFINITY &&
                    isnan(y[4]));
        mxdi_unary_f32_variants[v]->fn[MXDI_UNARY_ROUND](
            y, (const float[]){ 0.5f, 1.5f, -2.5f, 2.5f, 1e9f, NAN }, 6, &params[0]);
        assert_true(y[0] == 0 && y[1] == 2 && y[2] == -2 && y[3] == 2 && y[4] == 1e9f &&
                    isnan(y[5]));
    }
}

static void all_lengths_in_place(void **state)
{
    (void)state;
    enum { N = 2 * 16 + 17 };
    mxdi_rng r = mxdi_rng_seed(15);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (size_t n = 0; n <= N; n++)
            for (int op = 0; op < MXDI_UNARY_COUNT; op++) {
                float x[N], whole[64] = { 0 };
                for (size_t i = 0; i < N; i++)
                    whole[i] = x[i] = random_f32(&r, -6, 6);
                mxdi_unary_f32_variants[v]->fn[op](whole, whole, 64, &params[op]);
                float *from = exact_copy(x, n * 4), *want = guarded_new(n * 4),
                      *got = guarded_new(n * 4);
                memcpy(want, whole, n * 4);
                mxdi_unary_f32_variants[v]->fn[op](got, from, n, &params[op]);
                assert_guarded_equal(got, want, n * 4);
                memcpy(got, x, n * 4);
                mxdi_unary_f32_variants[v]->fn[op](got, got, n, &params[op]);
                assert_guarded_equal(got, want, n * 4);
                free(from);
                guarded_free(want);
                guarded_free(got);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(whole_range),
                                        cmocka_unit_test(turning_points), cmocka_unit_test(ends),
                                        cmocka_unit_test(all_lengths_in_place) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
