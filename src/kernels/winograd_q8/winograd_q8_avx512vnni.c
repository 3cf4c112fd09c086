/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of integer Winograd for AVX-512 VNNI. */
#include "kernels/simd/q8_avx512vnni.h"

#include "kernels/winograd_q8/winograd_q8_body.h"
