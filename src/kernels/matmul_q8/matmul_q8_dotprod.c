/* SPDX-License-Identifier: Apache-2.0
 *
 * matmul_q8 for AArch64 with FEAT_DotProd. */
#include "kernels/simd/q8_dotprod.h"

#include "kernels/matmul_q8/matmul_q8_body.h"
