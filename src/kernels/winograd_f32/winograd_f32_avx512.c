/* SPDX-License-Identifier: Apache-2.0
 *
 * Winograd's transforms for AVX-512. */
#include "kernels/simd/f32_avx512.h"

#define WINOGRAD_NEEDS MXDI_ISA_AVX512
#include "kernels/winograd_f32/winograd_f32_body.h"
