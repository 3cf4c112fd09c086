/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_q8 for AVX2. */
#include "kernels/simd/q8_avx2.h"

#include "kernels/conv_q8/conv_q8_body.h"
