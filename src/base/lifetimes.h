/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for buffers that do not all live at once.
 */
#ifndef MXDI_BASE_LIFETIMES_H
#define MXDI_BASE_LIFETIMES_H

#include "base/error.h"

/* `owner` is the caller's, and different for each; equal sizes are placed in its order. */
typedef struct mxdi_lifetime {
    size_t   at, bytes;
    uint32_t born, dies; /* first and last step that uses it */
    uint32_t owner;
} mxdi_lifetime;

/* A place for each of n (r is put in another order): those that live at the same step get disjoint
 * ranges, larger ones first, each the lowest gap that holds it. *total: the end of the last.
 * MXD_E_RANGE: more than a quarter of the address space. */
mxd_status mxdi_lifetimes_place(size_t *total, mxdi_lifetime *r, uint32_t n,
                                const mxd_allocator *alloc, mxd_error *err);
#endif
