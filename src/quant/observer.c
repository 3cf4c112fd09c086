/* SPDX-License-Identifier: Apache-2.0
 * One tensor's values as a histogram, and ranges chosen from it. */
#include "quant/observer.h"

#include <math.h>
#include <string.h>

static const char *const names[] = { "minmax", "percentile", "mse", "entropy" };

int mxdi_method_parse(const char *name)
{
    for (int k = 0; k < 4; k++)
        if (strcmp(name, names[k]) == 0)
            return k;
    return -1;
}

const char *mxdi_method_name(mxdi_method m)
{
    return names[m];
}

/* ---- feeding ---- */

/* Twice the range: each pair of bins becomes one, in the middle half. */
static void widen(mxdi_observer *o)
{
    uint64_t half[MXDI_BINS / 2];
    for (int k = 0; k < MXDI_BINS / 2; k++)
        half[k] = o->bin[2 * k] + o->bin[2 * k + 1];
    memset(o->bin, 0, sizeof(o->bin));
    memcpy(o->bin + MXDI_BINS / 4, half, sizeof(half));
    o->limit *= 2.0;
}

mxd_status mxdi_observer_add(mxdi_observer *o, const float *x, int64_t n, mxd_error *err)
{
    float lo = o->count ? o->min : INFINITY, hi = o->count ? o->max : -INFINITY;
    for (int64_t k = 0; k < n; k++) {
        if (!isfinite(x[k]))
            return mxdi_fail(err, MXD_E_RANGE, "%s at element %lld",
                             isnan(x[k]) ? "NaN" : "infinity", (long long)k);
        lo = x[k] < lo ? x[k] : lo;
        hi = x[k] > hi ? x[k] : hi;
    }
    if (n == 0)
        return MXD_OK;
    const double largest = fmax(fabs((double)lo), fabs((double)hi));
    if (o->limit == 0.0 && largest > 0.0) {
        o->limit = largest; /* zeros seen so far lie in the middle, whatever the limit */
    }
    while (o->limit > 0.0 && o->limit < largest)
        widen(o);
    if (o->limit == 0.0) {
        o->bin[MXDI_BINS / 2] += (uint64_t)n;
    } else {
        const double scale = (MXDI_BINS / 2) / o->limit;
        for (int64_t k = 0; k < n; k++) {
            const int b = (int)((double)x[k] * scale + MXDI_BINS / 2);
            o->bin[b < 0 ? 0 : b >= MXDI_BINS ? MXDI_BINS - 1 : b]++;
        }
    }
    o->min = lo;
    o->max = hi;
    o->count += (uint64_t)n;
    return MXD_OK;
}

/* ---- ranges ---- */

static double centre(const mxdi_observer *o, int bin)
{
    return ((double)bin + 0.5) / (MXDI_BINS / 2) * o->limit - o->limit;
}

double mxdi_observer_outside(const mxdi_observer *o, float low, float high)
{
    uint64_t n = 0;
    for (int k = 0; k < MXDI_BINS && o->limit > 0.0; k++)
        if (centre(o, k) < (double)low || centre(o, k) > (double)high)
            n += o->bin[k];
    return o->count ? (double)n / (double)o->count : 0.0;
}

static void percentile(double *low, double *high, const mxdi_observer *o)
{
    const double tail = (double)o->count * 1e-4;
    double       sum  = 0.0;
    for (int k = 0; k < MXDI_BINS / 2 && sum + (double)o->bin[k] <= tail; k++) {
        sum += (double)o->bin[k];
        *low = fmin(0.0, centre(o, k + 1));
    }
    sum = 0.0;
    for (int k = MXDI_BINS - 1; k >= MXDI_BINS / 2 && sum + (double)o->bin[k] <= tail; k--) {
        sum += (double)o->bin[k];
        *high = fmax(0.0, centre(o, k - 1));
    }
}

/* Mean squared error of quantizing to `levels` steps over [low, high]: uniform rounding error
 * s^2/12 inside, distance outside. */
static double squared_error(const mxdi_observer *o, double low, double high, double levels)
{
    const double s   = (high - low) / levels;
    double       sum = 0.0;
    for (int k = 0; k < MXDI_BINS; k++) {
        if (!o->bin[k])
            continue;
        const double v = centre(o, k), d = v < low - s / 2    ? low - v
                                           : v > high + s / 2 ? v - high
                                                              : 0.0;
        sum += (double)o->bin[k] * (d > 0.0 ? d * d : s * s / 12.0);
    }
    return sum;
}

/* Shrinks either end in steps of 1 % down to 20 % of what was seen, whichever lowers the error,
 * until neither does. */
static void least_squares(double *low, double *high, const mxdi_observer *o, double levels,
                          bool symmetric)
{
    const double low0 = *low, high0 = *high;
    double       best = squared_error(o, low0, high0, levels);
    if (symmetric) {
        for (int k = 1; k <= 80; k++) {
            const double a = 1.0 - 0.01 * k, e = squared_error(o, low0 * a, high0 * a, levels);
            if (e < best) {
                best  = e;
                *low  = low0 * a;
                *high = high0 * a;
            }
        }
        return;
    }
    for (int round = 0; round < 3; round++) {
        const double before = best;
        for (int end = 0; end < 2; end++)
            for (int k = 0; k <= 80; k++) {
                const double a = 1.0 - 0.01 * k, l = end ? *low : low0 * a,
                             h = end ? high0 * a : *high;
                const double e = h > l ? squared_error(o, l, h, levels) : INFINITY;
                if (e < best) {
                    best  = e;
                    *low  = l;
                    *high = h;
                }
            }
        if (best >= before)
            return;
    }
}

/* KL divergence of clipping |x| at bin i (of n) and spreading i bins over `levels` levels;
 * docs/recipe.md, entropy. */
static double divergence(const double *h, int n, int i, int levels)
{
    double              outliers = 0.0, total = 0.0, q_total = 0.0, d = 0.0;
    static const double tiny = 1e-12;
    double              q[MXDI_BINS / 2];
    for (int k = i; k < n; k++)
        outliers += h[k];
    for (int level = 0; level < levels; level++) {
        const int from = (int)((int64_t)level * i / levels),
                  to   = (int)((int64_t)(level + 1) * i / levels);
        double mass    = 0.0;
        int    filled  = 0;
        for (int k = from; k < to; k++) {
            mass += h[k];
            filled += h[k] > 0.0;
        }
        for (int k = from; k < to; k++)
            q[k] = h[k] > 0.0 ? mass / filled : 0.0;
    }
    for (int k = 0; k < i; k++) {
        total += h[k];
        q_total += q[k];
    }
    total += outliers;
    for (int k = 0; k < i && total > 0.0 && q_total > 0.0; k++) {
        const double p = (h[k] + (k == i - 1 ? outliers : 0.0)) / total;
        if (p > 0.0)
            d += p * log(p / fmax(q[k] / q_total, tiny));
    }
    return d;
}

static double least_divergence(const mxdi_observer *o, int levels)
{
    double    h[MXDI_BINS / 2], best = INFINITY;
    const int n  = MXDI_BINS / 2;
    int       at = n;
    for (int k = 0; k < n; k++)
        h[k] = (double)o->bin[n + k] + (double)o->bin[n - 1 - k];
    h[0] = h[1];
    for (int i = levels < n ? levels : n; i <= n; i += 4) {
        const double d = divergence(h, n, i, levels < i ? levels : i);
        if (d <= best) {
            best = d;
            at   = i;
        }
    }
    return (double)at / n * o->limit;
}

void mxdi_observer_range(float *low, float *high, const mxdi_observer *o, mxdi_method method,
                         uint32_t bits, bool symmetric)
{
    const double levels = (double)((1u << bits) - 1);
    double       lo     = fmin(0.0, o->count ? (double)o->min : 0.0),
           hi           = fmax(0.0, o->count ? (double)o->max : 0.0);
    if (symmetric) {
        hi = fmax(hi, -lo);
        lo = -hi;
    }
    if (o->limit > 0.0 && method == MXDI_PERCENTILE) {
        double l = lo, h = hi;
        percentile(&l, &h, o);
        lo = fmax(lo, symmetric ? fmin(l, -h) : l);
        hi = fmin(hi, symmetric ? fmax(h, -l) : h);
    } else if (o->limit > 0.0 && method == MXDI_MSE) {
        least_squares(&lo, &hi, o, levels, symmetric);
    } else if (o->limit > 0.0 && method == MXDI_ENTROPY) {
        const double a = least_divergence(o, 1 << (lo < 0.0 ? bits - 1 : bits));
        lo             = fmax(lo, -a);
        hi             = fmin(hi, a);
    }
    *low  = (float)lo;
    *high = (float)hi;
}
