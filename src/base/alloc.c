/* SPDX-License-Identifier: Apache-2.0
 *
 * Checked allocation. Every block is zeroed and aligned to 64 bytes, a cache line and the widest
 * vector.
 */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };

static void *default_alloc(void *user, size_t bytes)
{
    (void)user;
    if (bytes > SIZE_MAX / 2)
        return NULL;
    const size_t rounded = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    return aligned_alloc(ALIGN, rounded ? rounded : ALIGN);
}

static void default_free(void *user, void *p)
{
    (void)user;
    free(p);
}

static const mxd_allocator default_allocator = { default_alloc, default_free, NULL };

const mxd_allocator *mxdi_default_allocator(void)
{
    return &default_allocator;
}

bool mxdi_mul_size(size_t *out, size_t a, size_t b)
{
    return !__builtin_mul_overflow(a, b, out);
}

void *mxdi_alloc(const mxd_allocator *a, size_t count, size_t size)
{
    size_t bytes;
    if (!a)
        a = &default_allocator;
    if (!mxdi_mul_size(&bytes, count, size))
        return NULL;
    void *const p = a->alloc(a->user, bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

void *mxdi_realloc(const mxd_allocator *a, void *p, size_t old_count, size_t new_count, size_t size)
{
    void *const grown = mxdi_alloc(a, new_count, size);
    if (!grown)
        return NULL;
    const size_t kept = old_count < new_count ? old_count : new_count;
    if (p && kept)
        memcpy(grown, p, kept * size);
    mxdi_free(a, p);
    return grown;
}

void mxdi_free(const mxd_allocator *a, void *p)
{
    if (!a)
        a = &default_allocator;
    if (p)
        a->free(a->user, p);
}

char *mxdi_strdup(const mxd_allocator *a, const char *s)
{
    const size_t bytes = strlen(s) + 1;
    char *const  copy  = MXDI_ALLOC(a, char, bytes);
    return copy ? memcpy(copy, s, bytes) : NULL;
}
