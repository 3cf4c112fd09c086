/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of integer Winograd for AArch64. */
#include "kernels/simd/q8_neon.h"

#include "kernels/winograd_q8/winograd_q8_body.h"
