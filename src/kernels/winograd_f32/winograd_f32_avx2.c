/* SPDX-License-Identifier: Apache-2.0
 *
 * Winograd's transforms for AVX2 with FMA. */
#include "kernels/simd/f32_avx2.h"

#define WINOGRAD_NEEDS MXDI_ISA_AVX2
#include "kernels/winograd_f32/winograd_f32_body.h"
