/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup8 for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/lookup8/lookup8_body.h"
