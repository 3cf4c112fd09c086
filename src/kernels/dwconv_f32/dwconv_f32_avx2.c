/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise kernels for AVX2 with FMA. */
#include "kernels/simd/f32_avx2.h"

#define DWCONV_NEEDS MXDI_ISA_AVX2
#include "kernels/dwconv_f32/dwconv_f32_body.h"
