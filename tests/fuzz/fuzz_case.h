/* SPDX-License-Identifier: Apache-2.0
 *
 * What the targets share: checks that every refusal says why and that nothing is forgotten; an
 * allocator that refuses once too much is held, as a small machine would, so that a huge shape in a
 * small file is answered with an error and not by the fuzzer's memory limit.
 */
#ifndef TESTS_FUZZ_FUZZ_CASE_H
#define TESTS_FUZZ_FUZZ_CASE_H

#include <stdlib.h>

#include "base/alloc.h"

enum { FUZZ_HEAP = 128 << 20 };

struct fuzz_block {
    _Alignas(64) size_t bytes;
};

static size_t fuzz_held;

static inline void *fuzz_get(void *user, size_t bytes)
{
    (void)user;
    if (bytes > FUZZ_HEAP || fuzz_held + bytes > FUZZ_HEAP)
        return NULL;
    struct fuzz_block *const b =
        mxdi_default_allocator()->alloc(NULL, sizeof(struct fuzz_block) + bytes);
    if (!b)
        return NULL;
    b->bytes = bytes;
    fuzz_held += bytes;
    return b + 1;
}

static inline void fuzz_put(void *user, void *p)
{
    (void)user;
    if (!p)
        return;
    struct fuzz_block *const b = (struct fuzz_block *)p - 1;
    fuzz_held -= b->bytes;
    mxdi_default_allocator()->free(NULL, b);
}

static const mxd_allocator fuzz_allocator = { fuzz_get, fuzz_put, NULL };

/* The status as it is; a refusal that does not say why is a finding. */
static inline mxd_status fuzz_told(mxd_status st, const mxd_error *err)
{
    if (st != MXD_OK && (err->status != st || err->msg[0] == '\0'))
        abort();
    return st;
}

/* Ends every target: what is still held was forgotten. */
static inline int fuzz_end(void)
{
    if (fuzz_held != 0)
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#endif
