/* SPDX-License-Identifier: Apache-2.0
 *
 * Fingerprints by xxhash. The text is the canonical form (most significant digit first), as `xxhsum
 * -H2` prints it.
 */
#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

mxdi_hash mxdi_hash_bytes(const void *data, size_t n)
{
    const XXH128_hash_t h = XXH3_128bits(n ? data : "", n);
    return (mxdi_hash){ h.low64, h.high64 };
}

void mxdi_hash_text(char out[33], mxdi_hash h)
{
    (void)snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, h.high, h.low);
}
