/* SPDX-License-Identifier: Apache-2.0
 *
 * dwconv_q8 for AVX-512 VNNI. */
#include "kernels/simd/q8_avx512vnni.h"

#include "kernels/dwconv_q8/dwconv_q8_body.h"
