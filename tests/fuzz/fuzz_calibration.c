/* SPDX-License-Identifier: Apache-2.0
 *
 * Calibration files: what parses is asked for the range of every tensor by every method.
 */
#include "fuzz/fuzz_case.h"
#include "quant/calibration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mxdi_calibration *c   = NULL;
    mxd_error         err = MXD_ERROR_INIT;
    if (fuzz_told(mxdi_calibration_parse(&c, (mxdi_view){ data, size }, &fuzz_allocator, &err),
                  &err) != MXD_OK)
        return fuzz_end();
    for (uint32_t k = 0; k < c->n_tensors && k < 8; k++)
        for (int method = -1; method <= MXDI_ENTROPY; method++) {
            float low, high;
            mxdi_calibration_range(&low, &high, c, &c->tensor[k], method, 8, method & 1);
            (void)mxdi_calibration_find(c, c->tensor[k].name);
        }
    mxdi_calibration_destroy(c);
    return fuzz_end();
}
