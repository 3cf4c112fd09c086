/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_q8 for AArch64 with FEAT_I8MM. */
#include "kernels/simd/q8_i8mm.h"

#include "kernels/conv_q8/conv_q8_body.h"
