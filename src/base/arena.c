/* SPDX-License-Identifier: Apache-2.0
 *
 * A stack of blocks, each twice as large as the one before, up to a limit; freed together.
 */
#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

struct mxdi_arena_block {
    struct mxdi_arena_block *below;
    size_t                   cap, used;
    uint8_t                  data[];
};

void mxdi_arena_init(mxdi_arena *a, const mxd_allocator *alloc)
{
    a->alloc = alloc;
    a->top   = NULL;
}

void mxdi_arena_fini(mxdi_arena *a)
{
    while (a->top) {
        struct mxdi_arena_block *const below = a->top->below;
        mxdi_free(a->alloc, a->top);
        a->top = below;
    }
}

/* Push a block with room for at least `need` bytes; they are zero and stay so until handed out. */
static bool grow(mxdi_arena *a, size_t need)
{
    size_t cap = a->top ? a->top->cap * 2 : FIRST_BLOCK;
    if (cap > LARGEST_BLOCK)
        cap = LARGEST_BLOCK;
    if (cap < need)
        cap = need;
    if (cap > SIZE_MAX / 2)
        return false;
    struct mxdi_arena_block *const b = mxdi_alloc(a->alloc, 1, sizeof(*b) + cap);
    if (!b)
        return false;
    b->below = a->top;
    b->cap   = cap;
    a->top   = b;
    return true;
}

/* `bytes` from the top block, or NULL when they do not fit. */
static void *take(struct mxdi_arena_block *b, size_t bytes, size_t align)
{
    if (!b)
        return NULL;
    const uintptr_t at  = (uintptr_t)(b->data + b->used);
    const size_t    pad = (size_t)(-at & (align - 1));
    if (pad > b->cap - b->used || bytes > b->cap - b->used - pad)
        return NULL;
    void *const p = b->data + b->used + pad;
    b->used += pad + bytes;
    return p;
}

void *mxdi_arena_alloc(mxdi_arena *a, size_t count, size_t size, size_t align)
{
    assert(align && (align & (align - 1)) == 0 && align <= 64);
    size_t bytes;
    if (!mxdi_mul_size(&bytes, count, size) || bytes > SIZE_MAX / 2 - align)
        return NULL;
    void *const p = take(a->top, bytes, align);
    if (p)
        return p;
    return grow(a, bytes + align) ? take(a->top, bytes, align) : NULL;
}

void *mxdi_arena_memdup(mxdi_arena *a, const void *p, size_t bytes, size_t align)
{
    void *const copy = mxdi_arena_alloc(a, bytes, 1, align);
    if (copy && bytes)
        memcpy(copy, p, bytes);
    return copy;
}

char *mxdi_arena_strndup(mxdi_arena *a, const char *s, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *const copy = mxdi_arena_alloc(a, n + 1, 1, 1);
    if (copy && n)
        memcpy(copy, s, n);
    return copy;
}

char *mxdi_arena_strdup(mxdi_arena *a, const char *s)
{
    return mxdi_arena_strndup(a, s, strlen(s));
}

char *mxdi_arena_printf(mxdi_arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *const text = n < 0 ? NULL : mxdi_arena_alloc(a, (size_t)n + 1, 1, 1);
    if (text)
        (void)vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}
