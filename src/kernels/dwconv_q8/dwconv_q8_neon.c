/* SPDX-License-Identifier: Apache-2.0
 *
 * dwconv_q8 for AArch64. */
#include "kernels/simd/q8_neon.h"

#include "kernels/dwconv_q8/dwconv_q8_body.h"
