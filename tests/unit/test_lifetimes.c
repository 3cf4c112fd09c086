/* SPDX-License-Identifier: Apache-2.0
 *
 * Buffers that live at once are disjoint, and memory is no larger than it must be where that is
 * easy to say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/lifetimes.h"
#include "base/rng.h"

static bool meet(const mxdi_lifetime *a, const mxdi_lifetime *b)
{
    return a->born <= b->dies && b->born <= a->dies;
}

static void assert_disjoint(const mxdi_lifetime *r, uint32_t n, size_t total)
{
    for (uint32_t i = 0; i < n; i++) {
        assert_true(r[i].at + r[i].bytes <= total);
        for (uint32_t k = 0; k < i; k++)
            if (meet(&r[i], &r[k]))
                assert_true(r[i].at + r[i].bytes <= r[k].at || r[k].at + r[k].bytes <= r[i].at);
    }
}

static void random_lives(void **state)
{
    (void)state;
    mxdi_rng rng = mxdi_rng_seed(1);
    for (int round = 0; round < 500; round++) {
        mxdi_lifetime  r[40];
        const uint32_t n     = 1 + (uint32_t)mxdi_rng_below(&rng, 40);
        size_t         total = 0, sum = 0;
        for (uint32_t k = 0; k < n; k++) {
            const uint32_t born = (uint32_t)mxdi_rng_below(&rng, 30);
            r[k] = (mxdi_lifetime){ 99, 64 * (1 + (size_t)mxdi_rng_below(&rng, 20)), born,
                                    born + (uint32_t)mxdi_rng_below(&rng, 10), k };
            sum += r[k].bytes;
        }
        assert_int_equal(mxdi_lifetimes_place(&total, r, n, NULL, NULL), MXD_OK);
        assert_disjoint(r, n, total);
        assert_true(total <= sum);
    }
}

/* A chain needs the two largest neighbours; a step's input and output are neighbours, too. */
static void chain(void **state)
{
    (void)state;
    mxdi_lifetime r[] = {
        { 0, 64, 0, 1, 0 }, { 0, 256, 1, 2, 1 }, { 0, 128, 2, 3, 2 }, { 0, 64, 3, 4, 3 }
    };
    size_t total;
    assert_int_equal(mxdi_lifetimes_place(&total, r, 4, NULL, NULL), MXD_OK);
    assert_disjoint(r, 4, total);
    assert_int_equal(total, 384);
}

static void nothing_and_too_much(void **state)
{
    (void)state;
    size_t        total = 1;
    mxd_error     err   = MXD_ERROR_INIT;
    mxdi_lifetime huge  = { 0, SIZE_MAX / 2, 0, 1, 0 };
    assert_int_equal(mxdi_lifetimes_place(&total, NULL, 0, NULL, &err), MXD_OK);
    assert_int_equal(total, 0);
    assert_int_equal(mxdi_lifetimes_place(&total, &huge, 1, NULL, &err), MXD_E_RANGE);
    assert_string_equal(err.msg, "activations are too large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_lives),
        cmocka_unit_test(chain),
        cmocka_unit_test(nothing_and_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
