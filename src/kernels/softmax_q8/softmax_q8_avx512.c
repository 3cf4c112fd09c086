/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax_q8 for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/softmax_q8/softmax_q8_body.h"
