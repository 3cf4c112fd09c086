/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a stem convolution for AArch64 with FEAT_DotProd. */
#include "kernels/simd/q8_dotprod.h"

#include "kernels/stem_q8/stem_q8_body.h"
