/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of integer Winograd for AVX-512. */
#include "kernels/simd/q8_avx512.h"

#include "kernels/winograd_q8/winograd_q8_body.h"
