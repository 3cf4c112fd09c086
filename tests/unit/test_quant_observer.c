/* SPDX-License-Identifier: Apache-2.0
 *
 * Observers: a histogram that grows with what it sees, and the ranges that each method chooses.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "quant/observer.h"

enum { N = 20000 };

static mxdi_observer *observer(void)
{
    mxdi_observer *const o = calloc(1, sizeof(*o));
    assert_non_null(o);
    return o;
}

static void add(mxdi_observer *o, const float *x, int64_t n)
{
    mxd_error err = MXD_ERROR_INIT;
    if (mxdi_observer_add(o, x, n, &err) != MXD_OK)
        fail_msg("%s", err.msg);
}

static uint64_t total(const mxdi_observer *o)
{
    uint64_t n = 0;
    for (int k = 0; k < MXDI_BINS; k++)
        n += o->bin[k];
    return n;
}

/* ---- the histogram ---- */

static void counts_what_it_sees(void **state)
{
    (void)state;
    mxdi_observer *const o       = observer();
    const float          first[] = { 1.0f, -0.5f, 0.25f, 0.0f };
    add(o, first, 0);
    assert_true(o->count == 0 && total(o) == 0);
    add(o, first, 4);
    assert_true(o->min == -0.5f && o->max == 1.0f && o->limit == 1.0 && o->count == 4);
    assert_true(o->bin[MXDI_BINS - 1] == 1);                 /* 1, the limit itself */
    assert_true(o->bin[MXDI_BINS / 4] == 1);                 /* -0.5 */
    assert_true(o->bin[MXDI_BINS / 2 + MXDI_BINS / 8] == 1); /* 0.25 */
    assert_true(o->bin[MXDI_BINS / 2] == 1);                 /* 0 */
    free(o);
}

/* Twice the range: neighbours join, and everything stays where it was in value. */
static void grows_by_doubling(void **state)
{
    (void)state;
    mxdi_observer *const o = observer();
    mxdi_rng             r = mxdi_rng_seed(1);
    float                x[N];
    uint64_t             below = 0;
    for (int k = 0; k < N; k++) {
        x[k] = 2.0f * mxdi_rng_f32(&r) - 1.0f;
        below += x[k] < 0.5f * 1.0f;
    }
    x[0] = 1.0f; /* the limit */
    add(o, x, N);
    const float large = -7.9f;
    add(o, &large, 1);
    assert_true(o->limit == 8.0 && o->min == -7.9f && o->max == 1.0f);
    assert_true(o->count == N + 1 && total(o) == N + 1);
    uint64_t got = 0; /* below 0.5: bins of width 8/1024 */
    for (int k = 0; k < MXDI_BINS / 2 + 64; k++)
        got += o->bin[k];
    assert_true(got >= below && got <= below + 2); /* the large one, and x[0] that was replaced */
    free(o);
}

static void zeros_first(void **state)
{
    (void)state;
    mxdi_observer *const o        = observer();
    const float          zeros[3] = { 0 }, later[2] = { 4.0f, -1.0f };
    add(o, zeros, 3);
    assert_true(o->limit == 0.0 && o->count == 3 && o->bin[MXDI_BINS / 2] == 3);
    add(o, later, 2);
    assert_true(o->limit == 4.0 && o->bin[MXDI_BINS / 2] == 3 && total(o) == 5);
    free(o);
}

static void refuses_what_is_no_number(void **state)
{
    (void)state;
    const float bad[2][3] = { { 1.0f, 2.0f, NAN }, { 1.0f, -INFINITY, 0.0f } };
    const char *word[2]   = { "NaN at element 2", "infinity at element 1" };
    mxd_error   err;
    for (int k = 0; k < 2; k++) {
        mxdi_observer *const o = observer();
        assert_int_equal(mxdi_observer_add(o, bad[k], 3, &err), MXD_E_RANGE);
        assert_non_null(strstr(err.msg, word[k]));
        free(o);
    }
}

/* ---- ranges ---- */

static void extremes(void **state)
{
    (void)state;
    static const struct {
        float a, b;
        bool  symmetric;
        float low, high;
    } cases[] = {
        { -1.0f, 3.0f, false, -1.0f, 3.0f }, { -1.0f, 3.0f, true, -3.0f, 3.0f },
        { 2.0f, 5.0f, false, 0.0f, 5.0f },   { -5.0f, -2.0f, false, -5.0f, 0.0f },
        { -5.0f, -2.0f, true, -5.0f, 5.0f }, { 0.0f, 0.0f, false, 0.0f, 0.0f },
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        mxdi_observer *const o = observer();
        float                low, high;
        add(o, (const float[]){ cases[k].a, cases[k].b }, 2);
        mxdi_observer_range(&low, &high, o, MXDI_MINMAX, 8, cases[k].symmetric);
        assert_true(low == cases[k].low && high == cases[k].high);
        free(o);
    }
    mxdi_observer *const nothing = observer();
    float                low = 1.0f, high = 1.0f;
    for (int m = MXDI_MINMAX; m <= MXDI_ENTROPY; m++) {
        mxdi_observer_range(&low, &high, nothing, (mxdi_method)m, 8, false);
        assert_true(low == 0.0f && high == 0.0f);
    }
    free(nothing);
}

/* N values in (0, 1) and a few far away: 0.01 % at either end may be cut, no more. */
static void percentile(void **state)
{
    (void)state;
    for (int outliers = 1; outliers <= 3; outliers++) {
        mxdi_observer *const o = observer();
        mxdi_rng             r = mxdi_rng_seed(2);
        float                x[N], low, high;
        for (int k = 0; k < N; k++)
            x[k] = k < outliers ? 50.0f : 0.001f + 0.99f * mxdi_rng_f32(&r);
        add(o, x, N);
        mxdi_observer_range(&low, &high, o, MXDI_PERCENTILE, 8, false);
        const float bin = 64.0f / (MXDI_BINS / 2); /* at most: the limit is 50 or its double */
        assert_true(low <= 0.0f && low >= -bin);
        if (outliers <= 2) /* 2 = 0.01 % of N */
            assert_true(high <= 1.0f + bin && high >= 0.95f);
        else
            assert_true(high > 49.0f && high <= 50.0f);
        assert_true(fabs(mxdi_observer_outside(o, low, high) -
                         (outliers <= 2 ? (double)outliers / N : 0.0)) < 3.0 / N);
        mxdi_observer_range(&low, &high, o, MXDI_PERCENTILE, 8, true);
        assert_true(low == -high);
        free(o);
    }
}

static double error_of(const float *x, float low, float high, double levels)
{
    const double s   = ((double)high - (double)low) / levels;
    double       sum = 0.0;
    for (int k = 0; k < N; k++) {
        const double q =
            fmin(fmax(rint((double)x[k] / s), rint((double)low / s)), rint((double)high / s));
        sum += ((double)x[k] - q * s) * ((double)x[k] - q * s);
    }
    return sum;
}

/* Against the error of the values themselves: no worse than all that was seen, and much better
 * where tails are long and bits are few. */
static void least_squares(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++)
        for (uint32_t bits = 4; bits <= 8; bits += 4)
            for (int symmetric = 0; symmetric < 2; symmetric++) {
                mxdi_observer *const o = observer();
                mxdi_rng             r = mxdi_rng_seed(3 + (uint64_t)kind);
                float                x[N], low, high, l0, h0;
                for (int k = 0; k < N; k++) {
                    const float g = (float)mxdi_rng_normal(&r);
                    x[k]          = kind == 0   ? 2.0f * mxdi_rng_f32(&r) - 1.0f
                                    : kind == 1 ? g
                                                : fabsf(g * g * g);
                }
                add(o, x, N);
                const double levels = (double)((1 << bits) - 1);
                mxdi_observer_range(&l0, &h0, o, MXDI_MINMAX, bits, symmetric);
                mxdi_observer_range(&low, &high, o, MXDI_MSE, bits, symmetric);
                assert_true(l0 <= low && low <= 0.0f && 0.0f <= high && high <= h0);
                assert_true(!symmetric || low == -high);
                const double got = error_of(x, low, high, levels),
                             all = error_of(x, l0, h0, levels);
                assert_true(got <= all * 1.08); /* ends of a grid of 15 steps fall between steps */
                if (kind == 0)
                    assert_true(high > 0.92f * h0); /* nothing is gained by cutting what is level */
                if (kind == 2 && bits == 4)
                    assert_true(got < 0.7 * all);
                free(o);
            }
}

/* Level magnitudes are kept; a long tail is cut, and the more the fewer the bits. */
static void least_divergence(void **state)
{
    (void)state;
    float high[2][2]; /* level or long, 4 or 8 bits */
    for (int kind = 0; kind < 2; kind++) {
        mxdi_observer *const o = observer();
        mxdi_rng             r = mxdi_rng_seed(7);
        float                x[N], low;
        for (int k = 0; k < N; k++) {
            const double g = mxdi_rng_normal(&r);
            x[k]           = kind == 0 ? mxdi_rng_f32(&r) : (float)fabs(g * g * g);
        }
        add(o, x, N);
        for (int k = 0; k < 2; k++) {
            mxdi_observer_range(&low, &high[kind][k], o, MXDI_ENTROPY, k ? 8 : 4, false);
            assert_true(low == 0.0f && high[kind][k] <= o->max);
        }
        if (kind == 1)
            assert_true(high[1][0] < 0.3f * o->max && high[1][1] < 0.7f * o->max);
        free(o);
    }
    assert_true(high[0][1] > 0.9f);
    assert_true(high[1][0] < high[1][1]);
}

static void names(void **state)
{
    (void)state;
    for (int m = MXDI_MINMAX; m <= MXDI_ENTROPY; m++)
        assert_int_equal(mxdi_method_parse(mxdi_method_name((mxdi_method)m)), m);
    assert_int_equal(mxdi_method_parse("MSE"), -1);
    assert_int_equal(mxdi_method_parse(""), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_what_it_sees),
        cmocka_unit_test(grows_by_doubling),
        cmocka_unit_test(zeros_first),
        cmocka_unit_test(refuses_what_is_no_number),
        cmocka_unit_test(extremes),
        cmocka_unit_test(percentile),
        cmocka_unit_test(least_squares),
        cmocka_unit_test(least_divergence),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests_name("quant_observer", tests, NULL, NULL);
}
