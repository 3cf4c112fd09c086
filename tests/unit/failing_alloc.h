/* SPDX-License-Identifier: Apache-2.0
 *
 * An allocator that refuses after `left` blocks, and counts those alive.
 */
#ifndef TESTS_UNIT_FAILING_ALLOC_H
#define TESTS_UNIT_FAILING_ALLOC_H

#include "base/alloc.h"

struct failing_alloc {
    long left, live;
};

static inline void *failing_alloc_get(void *user, size_t bytes)
{
    struct failing_alloc *const f = user;
    if (f->left-- <= 0)
        return NULL;
    f->live++;
    return mxdi_default_allocator()->alloc(NULL, bytes);
}

static inline void failing_alloc_free(void *user, void *p)
{
    struct failing_alloc *const f = user;
    f->live -= p != NULL;
    mxdi_default_allocator()->free(NULL, p);
}
#endif
