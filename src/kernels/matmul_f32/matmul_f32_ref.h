/* SPDX-License-Identifier: Apache-2.0
 *
 * The plain C definition behind matmul_f32.h.
 */
#ifndef MXDI_KERNELS_MATMUL_F32_REF_H
#define MXDI_KERNELS_MATMUL_F32_REF_H

#include "kernels/matmul_f32/matmul_f32.h"

/* One matrix: rows [begin, end) of c. */
void mxdi_matmul_f32_ref(const mxdi_matmul_f32_desc *d, const float *a, const float *b, float *c,
                         int64_t begin, int64_t end);
#endif
