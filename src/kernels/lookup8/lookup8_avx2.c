/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup8 for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/lookup8/lookup8_body.h"
