/* SPDX-License-Identifier: Apache-2.0
 *
 * mean_q8 for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/mean_q8/mean_q8_body.h"
