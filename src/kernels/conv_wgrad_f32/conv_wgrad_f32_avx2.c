/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of weights: tiles of 6 rows x 16 lanes for AVX2 with FMA. */
#include "kernels/simd/f32_avx2.h"

#define TILES       TILES_6
#define WGRAD_NEEDS MXDI_ISA_AVX2
#include "kernels/conv_wgrad_f32/conv_wgrad_f32_body.h"
