/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax_q8 for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/softmax_q8/softmax_q8_body.h"
