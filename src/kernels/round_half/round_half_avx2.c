/* SPDX-License-Identifier: Apache-2.0
 *
 * round_half for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/round_half/round_half_body.h"
