/* SPDX-License-Identifier: Apache-2.0
 *
 * mean_q8 for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/mean_q8/mean_q8_body.h"
