/* SPDX-License-Identifier: Apache-2.0
 *
 * quantize_u8 for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/quantize_u8/quantize_u8_body.h"
