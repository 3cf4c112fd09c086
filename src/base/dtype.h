/* SPDX-License-Identifier: Apache-2.0
 * Facts of element types, and of tensors as arrays of them. */
#ifndef MXDI_BASE_DTYPE_H
#define MXDI_BASE_DTYPE_H

#include <stdbool.h>

#include "mixdown/base.h"

bool mxdi_dtype_is_float(mxd_dtype d);
bool mxdi_dtype_is_signed(mxd_dtype d); /* s4 s8 s16 s32 s64 */
/* The integer range of storage: -128..127 for s8, -8..7 for s4 ... false for floats. bool is 0..1.
 */
bool      mxdi_dtype_range(mxd_dtype d, int64_t *lo, int64_t *hi);
mxd_dtype mxdi_dtype_parse(const char *name); /* MXD_NONE when unknown */
/* Elements of a shape; false on overflow or a negative dimension. */
bool mxdi_shape_count(int64_t *out, const int64_t *dim, int32_t rank);
/* Bytes of `count` elements, 4-bit ones packed two to a byte; false on overflow. */
bool mxdi_dtype_bytes(size_t *out, mxd_dtype d, int64_t count);
bool mxdi_tensor_bytes(size_t *out, const mxd_tensor *t);
/* Element i as a double or an int64 (floats truncated), whatever the type; i is not checked. */
double  mxdi_load_f64(const void *data, mxd_dtype d, int64_t i);
int64_t mxdi_load_s64(const void *data, mxd_dtype d, int64_t i);
/* Stores as ONNX Cast does (floats round to nearest even, integers wrap). */
void mxdi_store_f64(void *data, mxd_dtype d, int64_t i, double v);
void mxdi_store_s64(void *data, mxd_dtype d, int64_t i, int64_t v);
#endif
