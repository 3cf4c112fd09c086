/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing byte string: capacity doubles, so appending is linear in what is appended.
 */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Room for n more bytes. */
static bool reserve(mxdi_bytes *b, size_t n)
{
    if (n <= b->capacity - b->size)
        return true;
    if (n > SIZE_MAX / 4 - b->size)
        return false;
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity < b->size + n)
        capacity *= 2;
    uint8_t *const grown = mxdi_realloc(b->alloc, b->data, b->size, capacity, 1);
    if (!grown)
        return false;
    b->data     = grown;
    b->capacity = capacity;
    return true;
}

bool mxdi_bytes_append(mxdi_bytes *b, const void *data, size_t n)
{
    if (!reserve(b, n))
        return false;
    if (n)
        memcpy(b->data + b->size, data, n);
    b->size += n;
    return true;
}

bool mxdi_bytes_pad(mxdi_bytes *b, size_t align)
{
    const size_t over = align ? b->size % align : 0;
    const size_t n    = over ? align - over : 0;
    if (!reserve(b, n))
        return false;
    if (n)
        memset(b->data + b->size, 0, n);
    b->size += n;
    return true;
}

bool mxdi_bytes_printf(mxdi_bytes *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int  n  = vsnprintf(NULL, 0, format, args);
    const bool ok = n >= 0 && reserve(b, (size_t)n + 1);
    if (ok) {
        (void)vsnprintf((char *)b->data + b->size, (size_t)n + 1, format, again);
        b->size += (size_t)n;
    }
    va_end(args);
    va_end(again);
    return ok;
}

void mxdi_bytes_free(mxdi_bytes *b)
{
    mxdi_free(b->alloc, b->data);
    b->data = NULL;
    b->size = b->capacity = 0;
}
