/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup_channels for AVX2. */
#include "kernels/simd/vec_avx2.h"

#include "kernels/lookup_channels/lookup_channels_body.h"
