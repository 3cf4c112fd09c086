/* SPDX-License-Identifier: Apache-2.0
 * Fingerprints: XXH3-128. */
#ifndef MXDI_BASE_HASH_H
#define MXDI_BASE_HASH_H

#include "base/bytes.h"

typedef struct mxdi_hash {
    uint64_t low, high;
} mxdi_hash;
mxdi_hash mxdi_hash_bytes(const void *data, size_t n);
void      mxdi_hash_text(char out[33], mxdi_hash h); /* 32 hex digits */
#endif
