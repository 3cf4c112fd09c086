/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a stem convolution for AArch64 with FEAT_I8MM. */
#include "kernels/simd/q8_i8mm.h"

#include "kernels/stem_q8/stem_q8_body.h"
