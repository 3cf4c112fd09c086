/* SPDX-License-Identifier: Apache-2.0
 *
 * .npy files: what parses is read to its last byte and written again.
 */
#include <stdlib.h>

#include "base/dtype.h"
#include "base/npy.h"
#include "fuzz/fuzz_case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mxd_tensor t;
    mxd_error  err = MXD_ERROR_INIT;
    if (fuzz_told(mxdi_npy_parse(&t, (mxdi_view){ data, size }, &err), &err) != MXD_OK)
        return fuzz_end();
    mxdi_bytes out = { NULL, 0, 0, &fuzz_allocator };
    if (mxdi_npy_format(&out, &t, &err) == MXD_OK) {
        mxd_tensor again;
        if (mxdi_npy_parse(&again, (mxdi_view){ out.data, out.size }, &err) != MXD_OK)
            abort();
    }
    mxdi_bytes_free(&out);
    return fuzz_end();
}
