/* SPDX-License-Identifier: Apache-2.0
 *
 * pack_blocked for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/pack_blocked/pack_blocked_body.h"
