/* SPDX-License-Identifier: Apache-2.0
 * Allocation through the context's allocator, with overflow-checked sizes. `a` may be NULL: malloc.
 */
#ifndef MXDI_BASE_ALLOC_H
#define MXDI_BASE_ALLOC_H

#include <stdbool.h>

#include "mixdown/base.h"

/* The process's malloc as an allocator; 64-byte aligned. */
const mxd_allocator *mxdi_default_allocator(void);
/* *out = a * b; false when that overflows. */
bool mxdi_mul_size(size_t *out, size_t a, size_t b);
/* Zeroed memory for count items of size bytes, aligned to 64; NULL when out of memory or on
 * overflow. A count of 0 gives a valid pointer. */
void *mxdi_alloc(const mxd_allocator *a, size_t count, size_t size);
/* Grow to new_count items, the new ones zeroed; on failure NULL and the old block stays. */
void *mxdi_realloc(const mxd_allocator *a, void *p, size_t old_count, size_t new_count,
                   size_t size);
void  mxdi_free(const mxd_allocator *a, void *p);
char *mxdi_strdup(const mxd_allocator *a, const char *s);

#define MXDI_ALLOC(a, type, count) ((type *)mxdi_alloc((a), (count), sizeof(type)))
#endif
