/* SPDX-License-Identifier: Apache-2.0
 *
 * round_half for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/round_half/round_half_body.h"
