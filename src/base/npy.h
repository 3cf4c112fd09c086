/* SPDX-License-Identifier: Apache-2.0
 * NumPy's .npy, versions 1 to 3, little-endian, C order (Fortran order is refused by name). */
#ifndef MXDI_BASE_NPY_H
#define MXDI_BASE_NPY_H

#include "base/bytes.h"

/* Parse the header of `file` into `out`; out->data points into it. f4 f8 f2 i1 u1 i2 u2 i4 i8 b1
 * are read. */
mxd_status mxdi_npy_parse(mxd_tensor *out, mxdi_view file, mxd_error *err);
/* Append header and data. 4-bit elements are written one per byte, bf16 as f32. */
mxd_status mxdi_npy_format(mxdi_bytes *out, const mxd_tensor *t, mxd_error *err);
mxd_status mxdi_npy_save(const char *path, const mxd_tensor *t, mxd_error *err);
#endif
