/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a stem convolution for AVX-512 VNNI. */
#include "kernels/simd/q8_avx512vnni.h"

#include "kernels/stem_q8/stem_q8_body.h"
