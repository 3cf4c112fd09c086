/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_q8 for AArch64. */
#include "kernels/simd/q8_neon.h"

#include "kernels/conv_q8/conv_q8_body.h"
