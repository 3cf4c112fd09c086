/* SPDX-License-Identifier: Apache-2.0
 *
 * dwconv_q8 for AArch64 with FEAT_DotProd. */
#include "kernels/simd/q8_dotprod.h"

#include "kernels/dwconv_q8/dwconv_q8_body.h"
