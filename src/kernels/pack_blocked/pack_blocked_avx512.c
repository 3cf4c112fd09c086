/* SPDX-License-Identifier: Apache-2.0
 *
 * pack_blocked for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/pack_blocked/pack_blocked_body.h"
