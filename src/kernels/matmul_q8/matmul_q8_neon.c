/* SPDX-License-Identifier: Apache-2.0
 *
 * matmul_q8 for AArch64. */
#include "kernels/simd/q8_neon.h"

#include "kernels/matmul_q8/matmul_q8_body.h"
