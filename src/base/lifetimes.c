/* SPDX-License-Identifier: Apache-2.0
 *
 * Placing of buffers by the steps in which they live.
 */
#include "base/lifetimes.h"

#include <stdlib.h>

#include "base/alloc.h"

static int larger_first(const void *a, const void *b)
{
    const mxdi_lifetime *const x = a, *const y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->owner < y->owner ? -1 : 1;
}

static int lower_first(const void *a, const void *b)
{
    const mxdi_lifetime *const x = *(const mxdi_lifetime *const *)a;
    const mxdi_lifetime *const y = *(const mxdi_lifetime *const *)b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* The lowest place for r beside `busy`, those placed before that live when it does, sorted by
 * place. */
static size_t lowest_gap(const mxdi_lifetime *r, const mxdi_lifetime *const *busy, uint32_t n)
{
    size_t at = 0;
    for (uint32_t k = 0; k < n; k++) {
        if (busy[k]->at >= at + r->bytes)
            break;
        if (busy[k]->at + busy[k]->bytes > at)
            at = busy[k]->at + busy[k]->bytes;
    }
    return at;
}

mxd_status mxdi_lifetimes_place(size_t *total, mxdi_lifetime *r, uint32_t n,
                                const mxd_allocator *alloc, mxd_error *err)
{
    const mxdi_lifetime **const busy = MXDI_ALLOC(alloc, const mxdi_lifetime *, n + 1);
    mxd_status                  st   = busy ? MXD_OK : mxdi_nomem(err);
    *total                           = 0;
    if (st == MXD_OK && n)
        qsort(r, n, sizeof(*r), larger_first);
    for (uint32_t k = 0; k < n && st == MXD_OK; k++) {
        uint32_t n_busy = 0;
        for (uint32_t i = 0; i < k; i++)
            if (r[i].born <= r[k].dies && r[k].born <= r[i].dies)
                busy[n_busy++] = &r[i];
        if (n_busy)
            qsort(busy, n_busy, sizeof(*busy), lower_first);
        r[k].at = lowest_gap(&r[k], busy, n_busy);
        if (r[k].at > SIZE_MAX / 4 || r[k].bytes > SIZE_MAX / 4)
            st = mxdi_fail(err, MXD_E_RANGE, "activations are too large");
        else if (r[k].at + r[k].bytes > *total)
            *total = r[k].at + r[k].bytes;
    }
    mxdi_free(alloc, busy);
    return st;
}
