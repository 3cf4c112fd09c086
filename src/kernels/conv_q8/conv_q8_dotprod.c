/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_q8 for AArch64 with FEAT_DotProd. */
#include "kernels/simd/q8_dotprod.h"

#include "kernels/conv_q8/conv_q8_body.h"
