/* SPDX-License-Identifier: Apache-2.0
 * Memory that is freed all at once: graphs, recipes and the like live in one. Not thread-safe. */
#ifndef MXDI_BASE_ARENA_H
#define MXDI_BASE_ARENA_H

#include "base/alloc.h"

typedef struct mxdi_arena {
    const mxd_allocator     *alloc;
    struct mxdi_arena_block *top;
} mxdi_arena;

void mxdi_arena_init(mxdi_arena          *a,
                     const mxd_allocator *alloc); /* allocates nothing; NULL: malloc */
void mxdi_arena_fini(mxdi_arena *a);              /* frees everything; an empty one is fine */
/* Zeroed memory for count items, or NULL (out of memory, overflow). align: a power of two, 64 at
 * most. */
void *mxdi_arena_alloc(mxdi_arena *a, size_t count, size_t size, size_t align);
char *mxdi_arena_strdup(mxdi_arena *a, const char *s);
char *mxdi_arena_strndup(mxdi_arena *a, const char *s, size_t n);
/* A formatted string, or NULL. */
char *mxdi_arena_printf(mxdi_arena *a, const char *format, ...) MXD_PRINTF(2, 3);
void *mxdi_arena_memdup(mxdi_arena *a, const void *p, size_t bytes, size_t align);

#define MXDI_NEW(a, type, count) \
    ((type *)mxdi_arena_alloc((a), (count), sizeof(type), _Alignof(type)))
#endif
