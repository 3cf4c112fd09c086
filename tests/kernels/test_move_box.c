/* SPDX-License-Identifier: Apache-2.0
 *
 * move_box: random boxes of every element size, ranks and orders against one element at a time. */
#include "kernel_test.h"
#include "kernels/move_box/move_box.h"

enum { ROOM = 1 << 16 };

struct box {
    int32_t rank;
    int64_t dim[MXDI_BOX_RANK], y[MXDI_BOX_RANK], x[MXDI_BOX_RANK];
    int64_t y_at, x_at; /* first elements: strides may be negative */
};

/* Strides of an array whose dimensions stand in a random order, with gaps and signs. */
static int64_t random_strides(int64_t *stride, const struct box *b, bool repeats, mxdi_rng *r)
{
    int64_t order[MXDI_BOX_RANK], step = mxdi_rng_below(r, 3) ? 1 : 2, at = 0;
    mxdi_rng_permutation(r, order, (size_t)b->rank);
    if (mxdi_rng_below(r, 2))
        for (int32_t i = 0; i < b->rank; i++)
            order[i] = b->rank - 1 - i;
    for (int32_t i = 0; i < b->rank; i++) {
        const int64_t d = order[i];
        if (repeats && mxdi_rng_below(r, 5) == 0) {
            stride[d] = 0;
            continue;
        }
        stride[d] = step;
        step *= b->dim[d];
        step += mxdi_rng_below(r, 4) ? 0 : 1;
        if (mxdi_rng_below(r, 8) == 0) {
            at += stride[d] * (b->dim[d] - 1);
            stride[d] = -stride[d];
        }
    }
    return at;
}

static struct box random_box(mxdi_rng *r)
{
    struct box b = { .rank = (int32_t)mxdi_rng_below(r, 6) };
    int64_t    n = 1;
    for (int32_t i = 0; i < b.rank; i++) {
        b.dim[i] = random_between(r, 1, mxdi_rng_below(r, 3) ? 5 : 40);
        if (n * b.dim[i] > 3000)
            b.dim[i] = 1;
        n *= b.dim[i];
    }
    b.y_at = random_strides(b.y, &b, false, r);
    b.x_at = random_strides(b.x, &b, true, r);
    return b;
}

/* Visits every element of the box; returns false after the last. */
static bool next(const struct box *b, int64_t *index)
{
    for (int32_t i = b->rank; i-- > 0;) {
        if (++index[i] < b->dim[i])
            return true;
        index[i] = 0;
    }
    return false;
}

static size_t offset(const struct box *b, const int64_t *index, const int64_t *stride, int64_t at)
{
    for (int32_t i = 0; i < b->rank; i++)
        at += index[i] * stride[i];
    assert_true(at >= 0 && at < ROOM);
    return (size_t)at;
}

static uint8_t x[8 * ROOM], want[8 * ROOM], got[8 * ROOM];

static void copies_and_fills(void **state)
{
    (void)state;
    mxdi_rng r = mxdi_rng_seed(10);
    for (size_t i = 0; i < sizeof(x); i++)
        x[i] = random_u8(&r);
    for (int round = 0; round < 1500; round++) {
        const struct box b                    = random_box(&r);
        const size_t     size                 = (size_t)1 << round % 4;
        int64_t          index[MXDI_BOX_RANK] = { 0 };
        memset(want, GUARD_BYTE, sizeof(want));
        memset(got, GUARD_BYTE, sizeof(got));
        do
            memcpy(want + offset(&b, index, b.y, b.y_at) * size,
                   x + offset(&b, index, b.x, b.x_at) * size, size);
        while (next(&b, index));
        mxdi_move_copy(got + (size_t)b.y_at * size, x + (size_t)b.x_at * size, size, b.rank, b.dim,
                       b.y, b.x);
        assert_memory_equal(got, want, sizeof(got));
        do
            memcpy(want + offset(&b, index, b.y, b.y_at) * size, x, size);
        while (next(&b, index));
        mxdi_move_fill(got + (size_t)b.y_at * size, x, size, b.rank, b.dim, b.y);
        assert_memory_equal(got, want, sizeof(got));
    }
}

static void empty_box_moves_nothing(void **state)
{
    (void)state;
    const int64_t dim[2] = { 3, 0 }, stride[2] = { 1, 1 };
    uint8_t       y = 1;
    mxdi_move_copy(&y, x, 1, 2, dim, stride, stride);
    mxdi_move_fill(&y, x, 1, 2, dim, stride);
    assert_int_equal(y, 1);
}

static void transposes_large_planes(void **state)
{
    (void)state;
    enum { R = 67, C = 130 };
    static uint32_t from[R * C], to[R * C];
    const int64_t   dim[2] = { C, R }, ys[2] = { R, 1 }, xs[2] = { 1, C };
    for (uint32_t i = 0; i < R * C; i++)
        from[i] = i * 2654435761u;
    mxdi_move_copy(to, from, 4, 2, dim, ys, xs);
    for (size_t i = 0; i < R; i++)
        for (size_t j = 0; j < C; j++)
            assert_int_equal(to[j * R + i], from[i * C + j]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(copies_and_fills),
                                        cmocka_unit_test(empty_box_moves_nothing),
                                        cmocka_unit_test(transposes_large_planes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
