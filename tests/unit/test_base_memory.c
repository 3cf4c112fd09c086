/* SPDX-License-Identifier: Apache-2.0
 *
 * base: allocation, arenas, byte strings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/bytes.h"

/* An allocator that refuses after `left` blocks and counts those alive. */
struct failing {
    long left, live;
};

static void *failing_alloc(void *user, size_t bytes)
{
    struct failing *const f = user;
    if (f->left-- <= 0)
        return NULL;
    f->live++;
    return mxdi_default_allocator()->alloc(NULL, bytes);
}

static void failing_free(void *user, void *p)
{
    struct failing *const f = user;
    f->live -= p != NULL;
    mxdi_default_allocator()->free(NULL, p);
}

static void alloc_is_zeroed_aligned_and_checked(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300; n += 7) {
        uint8_t *const p = mxdi_alloc(NULL, n, 1);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, n);
        mxdi_free(NULL, p);
    }
    assert_null(mxdi_alloc(NULL, SIZE_MAX / 2, 3));
    assert_null(mxdi_alloc(NULL, SIZE_MAX, 1));
    mxdi_free(NULL, NULL);
    size_t product = 0;
    assert_true(mxdi_mul_size(&product, 1000, 1000) && product == 1000000);
    assert_false(mxdi_mul_size(&product, (size_t)1 << 40, (size_t)1 << 40));
}

static void realloc_keeps_and_zeroes(void **state)
{
    (void)state;
    struct failing      f = { 2, 0 };
    const mxd_allocator a = { failing_alloc, failing_free, &f };
    uint32_t           *p = MXDI_ALLOC(&a, uint32_t, 3);
    for (uint32_t i = 0; i < 3; i++)
        p[i] = i + 1;
    p = mxdi_realloc(&a, p, 3, 100, sizeof(*p));
    assert_non_null(p);
    assert_int_equal(p[2], 3);
    for (size_t i = 3; i < 100; i++)
        assert_int_equal(p[i], 0);
    assert_null(mxdi_realloc(&a, p, 100, 200, sizeof(*p))); /* refused: the old block stays */
    assert_int_equal(p[2], 3);
    mxdi_free(&a, p);
    assert_int_equal(f.live, 0);
    char *const copy = mxdi_strdup(NULL, "name");
    assert_string_equal(copy, "name");
    mxdi_free(NULL, copy);
}

static void arena_blocks_do_not_overlap(void **state)
{
    (void)state;
    enum { N = 400 };
    mxdi_arena a;
    uint8_t   *block[N];
    mxdi_arena_init(&a, NULL);
    for (size_t i = 0; i < N; i++) {
        const size_t size = i * 37 % 501, align = (size_t)1 << i % 7;
        block[i] = mxdi_arena_alloc(&a, size, 1, align);
        assert_non_null(block[i]);
        assert_int_equal((uintptr_t)block[i] % align, 0);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(block[i][k], 0);
        memset(block[i], (int)(i & 255), size);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < i * 37 % 501; k++)
            assert_int_equal(block[i][k], i & 255);
    assert_non_null(mxdi_arena_alloc(&a, 5u << 20, 1, 64)); /* larger than any block */
    assert_null(mxdi_arena_alloc(&a, SIZE_MAX / 4, 8, 8));
    assert_null(mxdi_arena_alloc(&a, SIZE_MAX - 8, 1, 64));
    mxdi_arena_fini(&a);
    mxdi_arena_fini(&a);
}

static void arena_strings(void **state)
{
    (void)state;
    mxdi_arena a;
    mxdi_arena_init(&a, NULL);
    assert_string_equal(mxdi_arena_strdup(&a, "conv"), "conv");
    assert_string_equal(mxdi_arena_strndup(&a, "conv1x1", 4), "conv");
    assert_string_equal(mxdi_arena_strndup(&a, NULL, 0), "");
    assert_string_equal(mxdi_arena_printf(&a, "%s_%d", "x", 7), "x_7");
    assert_memory_equal(mxdi_arena_memdup(&a, "\1\2\3", 3, 4), "\1\2\3", 3);
    mxdi_arena_fini(&a);

    struct failing      f     = { 1, 0 };
    const mxd_allocator alloc = { failing_alloc, failing_free, &f };
    mxdi_arena_init(&a, &alloc);
    assert_non_null(MXDI_NEW(&a, int, 1));
    assert_null(mxdi_arena_alloc(&a, 1 << 20, 1, 1));
    assert_null(mxdi_arena_printf(&a, "%5000d", 1));
    assert_non_null(MXDI_NEW(&a, int, 1)); /* what is left still serves */
    mxdi_arena_fini(&a);
    assert_int_equal(f.live, 0);
}

static void bytes_grow(void **state)
{
    (void)state;
    mxdi_bytes b = MXDI_BYTES_INIT;
    for (unsigned i = 0; i < 1000; i++) {
        const uint8_t c = (uint8_t)i;
        assert_true(mxdi_bytes_append(&b, &c, 1));
    }
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(b.data[i], (uint8_t)i);
    assert_true(mxdi_bytes_pad(&b, 64));
    assert_int_equal(b.size, 1024);
    assert_int_equal(b.data[1023], 0);
    assert_true(mxdi_bytes_pad(&b, 64));
    assert_int_equal(b.size, 1024);
    assert_true(mxdi_bytes_printf(&b, "%d %s", 12, "ab"));
    assert_int_equal(b.size, 1029);
    assert_string_equal((const char *)b.data + 1024, "12 ab");
    assert_false(mxdi_bytes_append(&b, b.data, SIZE_MAX - 10));
    assert_int_equal(b.size, 1029);
    mxdi_bytes_free(&b);
    mxdi_bytes_free(&b);

    struct failing      f     = { 1, 0 };
    const mxd_allocator alloc = { failing_alloc, failing_free, &f };
    mxdi_bytes          c     = { .alloc = &alloc };
    assert_true(mxdi_bytes_append(&c, "abc", 3));
    assert_false(mxdi_bytes_printf(&c, "%500d", 1));
    assert_int_equal(c.size, 3);
    assert_memory_equal(c.data, "abc", 3);
    mxdi_bytes_free(&c);
    assert_int_equal(f.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc_is_zeroed_aligned_and_checked),
        cmocka_unit_test(realloc_keeps_and_zeroes),
        cmocka_unit_test(arena_blocks_do_not_overlap),
        cmocka_unit_test(arena_strings),
        cmocka_unit_test(bytes_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
