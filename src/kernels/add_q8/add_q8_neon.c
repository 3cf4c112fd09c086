/* SPDX-License-Identifier: Apache-2.0
 *
 * add_q8 for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/add_q8/add_q8_body.h"
