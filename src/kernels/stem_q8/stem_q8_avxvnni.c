/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a stem convolution for AVX-VNNI. */
#include "kernels/simd/q8_avxvnni.h"

#include "kernels/stem_q8/stem_q8_body.h"
