/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the gradient families share: layouts, and tensors in them whose lanes past the
 * channels and gaps between blocks hold something that would be seen in any sum. */
#ifndef MXDI_TESTS_BLOCKED_TEST_H
#define MXDI_TESTS_BLOCKED_TEST_H

#include "kernel_test.h"
#include "kernels/layout.h"

static const float blocked_poison = 1e30f;

static inline mxdi_blocked blocked_layout(int32_t h, int32_t w, int32_t channels, int32_t block,
                                          int64_t gap, int64_t skew)
{
    mxdi_blocked l = { h, w, channels, block, channels + gap, 0 };
    l.block_stride = h * mxdi_blocked_row(&l) + skew;
    return l;
}

/* Elements up to the last channel of the last pixel: a sanitizer sees reads past it. */
static inline size_t blocked_count(const mxdi_blocked *l, int64_t blocks)
{
    return (size_t)((blocks - 1) * l->block_stride + l->h * mxdi_blocked_row(l) - l->pitch +
                    l->channels);
}

/* Whether element i is a channel of a pixel. */
static inline bool blocked_is_channel(const mxdi_blocked *l, size_t i)
{
    const int64_t at = (int64_t)i % l->block_stride;
    return at < l->h * mxdi_blocked_row(l) && at % l->pitch < l->channels;
}

/* Channels in [-1, 1), or with `whole` integers in [-4, 4]; poison elsewhere. Free with free. */
static inline float *blocked_random(mxdi_rng *rng, const mxdi_blocked *l, int64_t blocks,
                                    bool whole)
{
    const size_t n = blocked_count(l, blocks);
    float       *p = malloc(n * sizeof(*p));
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) {
        p[i] = whole ? (float)random_between(rng, -4, 4) : random_f32(rng, -1.0f, 1.0f);
        if (!blocked_is_channel(l, i))
            p[i] = blocked_poison;
    }
    return p;
}

/* The bound g(n) of docs/numerics.md on n roundings, times what is rounded. */
static inline double rounding_bound(double n, double sum)
{
    const double nu = n * 0x1p-24;
    return nu / (1 - nu) * sum;
}

/* Calls run(arg, begin, end) over [0, n) in ranges of random length and order. */
static inline void in_random_ranges(mxdi_rng *rng, size_t                                   n,
                                    void (*run)(void *arg, size_t begin, size_t end), void *arg)
{
    const size_t each = (size_t)random_between(rng, 1, (int64_t)n), ranges = (n + each - 1) / each;
    int64_t     *order = malloc(ranges * sizeof(*order));
    assert_non_null(order);
    mxdi_rng_permutation(rng, order, ranges);
    for (size_t i = 0; i < ranges; i++) {
        const size_t begin = (size_t)order[i] * each;
        run(arg, begin, begin + each < n ? begin + each : n);
    }
    free(order);
}
#endif
