/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise kernels for AVX-512. */
#include "kernels/simd/f32_avx512.h"

#define DWCONV_NEEDS MXDI_ISA_AVX512
#include "kernels/dwconv_f32/dwconv_f32_body.h"
