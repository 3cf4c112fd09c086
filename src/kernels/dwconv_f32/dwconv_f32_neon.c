/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise kernels for AArch64. */
#include "kernels/simd/f32_neon.h"

#define DWCONV_NEEDS MXDI_ISA_NEON
#include "kernels/dwconv_f32/dwconv_f32_body.h"
