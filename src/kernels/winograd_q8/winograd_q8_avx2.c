/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of integer Winograd for AVX2. */
#include "kernels/simd/q8_avx2.h"

#include "kernels/winograd_q8/winograd_q8_body.h"
