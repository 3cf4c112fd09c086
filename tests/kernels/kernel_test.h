/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the kernel families share: which variants this CPU runs, random elements, and
 * buffers with guard bytes around them. */
#ifndef MXDI_TESTS_KERNEL_TEST_H
#define MXDI_TESTS_KERNEL_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "kernels/simd/vec.h"

enum { GUARD = 64, GUARD_BYTE = 0x55 };

/* Variant v of the list simd/vec.inc can run here; says so when not. */
static inline bool runs_here(size_t v)
{
    if ((mxdi_vec_rows[v].needs & ~mxdi_cpu_isa()) == 0)
        return true;
    print_message("[  SKIP  ] %s: not on this CPU\n", mxdi_vec_rows[v].name);
    return false;
}

static inline float random_f32(mxdi_rng *r, float lo, float hi)
{
    return lo + (hi - lo) * mxdi_rng_f32(r);
}

static inline uint8_t random_u8(mxdi_rng *r)
{
    return (uint8_t)mxdi_rng_below(r, 256);
}

static inline int64_t random_between(mxdi_rng *r, int64_t lo, int64_t hi)
{
    return lo + (int64_t)mxdi_rng_below(r, (uint64_t)(hi - lo + 1));
}

/* `bytes` bytes with guards on both sides, the whole filled with GUARD_BYTE; free with
 * guarded_free. */
static inline void *guarded_new(size_t bytes)
{
    uint8_t *p = malloc(bytes + 2 * GUARD);
    assert_non_null(p);
    memset(p, GUARD_BYTE, bytes + 2 * GUARD);
    return p + GUARD;
}

static inline void guarded_free(void *p)
{
    free((uint8_t *)p - GUARD);
}

/* Equal, guards included. */
static inline void assert_guarded_equal(const void *got, const void *want, size_t bytes)
{
    assert_memory_equal((const uint8_t *)got - GUARD, (const uint8_t *)want - GUARD,
                        bytes + 2 * GUARD);
}

/* The bytes around are untouched. */
static inline void assert_guards(const void *p, size_t bytes)
{
    uint8_t want[GUARD];
    memset(want, GUARD_BYTE, sizeof(want));
    assert_memory_equal((const uint8_t *)p - GUARD, want, GUARD);
    assert_memory_equal((const uint8_t *)p + bytes, want, GUARD);
}

/* A copy of exactly n bytes on the heap, so that a sanitizer sees reads past the end. */
static inline void *exact_copy(const void *p, size_t bytes)
{
    void *copy = malloc(bytes ? bytes : 1);
    assert_non_null(copy);
    memcpy(copy, p, bytes);
    return copy;
}
#endif
