/* SPDX-License-Identifier: Apache-2.0
 *
 * Winograd's transforms for AArch64. */
#include "kernels/simd/f32_neon.h"

#define WINOGRAD_NEEDS MXDI_ISA_NEON
#include "kernels/winograd_f32/winograd_f32_body.h"
