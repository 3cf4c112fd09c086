/* SPDX-License-Identifier: Apache-2.0
 *
 * pool_blocked for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/pool_blocked/pool_blocked_body.h"
