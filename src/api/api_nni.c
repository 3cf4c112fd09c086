/* SPDX-License-Identifier: Apache-2.0
 * What is written for NNI's tools. */
#include <string.h>

#include "api/api_objects.h"
#include "mixdown/quantize.h"
#include "quant/calibration.h"

mxd_status mxd_model_save_nni_calibration(const mxd_model *qdq, const char *path,
                                          const char *dialect, mxd_error *err)
{
    const bool v3 = dialect && strcmp(dialect, "v3") == 0;
    if (dialect && !v3 && strcmp(dialect, "v2") != 0)
        return mxdi_fail(err, MXD_E_USAGE, "dialect '%s': v2 or v3 expected", dialect);
    return mxdi_calibration_write_nni(path, qdq->graph, v3 ? MXDI_NNI_V3 : MXDI_NNI_V2, err);
}
