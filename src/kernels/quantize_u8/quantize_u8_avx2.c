/* SPDX-License-Identifier: Apache-2.0
 *
 * quantize_u8 for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/quantize_u8/quantize_u8_body.h"
