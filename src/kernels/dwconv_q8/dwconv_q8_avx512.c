/* SPDX-License-Identifier: Apache-2.0
 *
 * dwconv_q8 for AVX-512 BW. */
#include "kernels/simd/q8_avx512.h"

#include "kernels/dwconv_q8/dwconv_q8_body.h"
