/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_q8 for AVX-512 BW. */
#include "kernels/simd/q8_avx512.h"

#include "kernels/conv_q8/conv_q8_body.h"
