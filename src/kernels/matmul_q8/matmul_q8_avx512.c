/* SPDX-License-Identifier: Apache-2.0
 *
 * matmul_q8 for AVX-512. */
#include "kernels/simd/q8_avx512.h"

#include "kernels/matmul_q8/matmul_q8_body.h"
