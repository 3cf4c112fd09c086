/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of weights: tiles of 8 rows x 8 lanes for AArch64. */
#include "kernels/simd/f32_neon.h"

#define TILES       TILES_8
#define WGRAD_NEEDS MXDI_ISA_NEON
#include "kernels/conv_wgrad_f32/conv_wgrad_f32_body.h"
