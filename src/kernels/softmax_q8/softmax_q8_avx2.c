/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax_q8 for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/softmax_q8/softmax_q8_body.h"
