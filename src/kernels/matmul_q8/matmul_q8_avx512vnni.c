/* SPDX-License-Identifier: Apache-2.0
 *
 * matmul_q8 for AVX-512 VNNI. */
#include "kernels/simd/q8_avx512vnni.h"

#include "kernels/matmul_q8/matmul_q8_body.h"
