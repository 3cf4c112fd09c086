/* SPDX-License-Identifier: Apache-2.0
 *
 * add_q8 for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/add_q8/add_q8_body.h"
