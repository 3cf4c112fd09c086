/* SPDX-License-Identifier: Apache-2.0
 *
 * pool_blocked for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/pool_blocked/pool_blocked_body.h"
