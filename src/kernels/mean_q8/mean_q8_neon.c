/* SPDX-License-Identifier: Apache-2.0
 *
 * mean_q8 for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/mean_q8/mean_q8_body.h"
