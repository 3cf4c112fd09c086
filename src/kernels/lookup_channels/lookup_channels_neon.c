/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup_channels for AArch64. */
#include "kernels/simd/vec_neon.h"

#include "kernels/lookup_channels/lookup_channels_body.h"
