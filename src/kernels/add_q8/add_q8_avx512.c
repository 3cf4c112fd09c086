/* SPDX-License-Identifier: Apache-2.0
 *
 * add_q8 for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/add_q8/add_q8_body.h"
