/* SPDX-License-Identifier: Apache-2.0
 *
 * pool_blocked for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/pool_blocked/pool_blocked_body.h"
