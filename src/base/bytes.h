/* SPDX-License-Identifier: Apache-2.0
 * Borrowed and growing byte strings. */
#ifndef MXDI_BASE_BYTES_H
#define MXDI_BASE_BYTES_H

#include "base/alloc.h"

typedef struct mxdi_view {
    const uint8_t *data;
    size_t         size;
} mxdi_view;

/* Owned, growing. Start with MXDI_BYTES_INIT (malloc) or set alloc. */
typedef struct mxdi_bytes {
    uint8_t             *data;
    size_t               size, capacity;
    const mxd_allocator *alloc;
} mxdi_bytes;
#define MXDI_BYTES_INIT  \
    {                    \
        NULL, 0, 0, NULL \
    }

bool mxdi_bytes_append(mxdi_bytes *b, const void *data,
                       size_t n);                 /* false: out of memory, b as before */
bool mxdi_bytes_pad(mxdi_bytes *b, size_t align); /* zeros up to a multiple of align */
bool mxdi_bytes_printf(mxdi_bytes *b, const char *format, ...)
    MXD_PRINTF(2, 3); /* no terminator counted, one is kept */
void mxdi_bytes_free(mxdi_bytes *b);
#endif
