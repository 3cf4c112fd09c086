/* SPDX-License-Identifier: Apache-2.0
 *
 * dwconv_q8 for AVX2. */
#include "kernels/simd/q8_avx2.h"

#include "kernels/dwconv_q8/dwconv_q8_body.h"
