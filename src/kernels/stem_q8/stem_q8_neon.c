/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a stem convolution for AArch64. */
#include "kernels/simd/q8_neon.h"

#include "kernels/stem_q8/stem_q8_body.h"
