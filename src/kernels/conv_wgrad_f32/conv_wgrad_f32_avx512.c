/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of weights: tiles of 14 rows x 32 lanes for AVX-512. */
#include "kernels/simd/f32_avx512.h"

#define TILES       TILES_14
#define WGRAD_NEEDS MXDI_ISA_AVX512
#include "kernels/conv_wgrad_f32/conv_wgrad_f32_body.h"
