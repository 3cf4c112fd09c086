/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a stem convolution for AVX2. */
#include "kernels/simd/q8_avx2.h"

#include "kernels/stem_q8/stem_q8_body.h"
