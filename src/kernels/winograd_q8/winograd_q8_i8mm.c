/* SPDX-License-Identifier: Apache-2.0
 *
 * No integer Winograd for AArch64 with FEAT_I8MM: an instruction makes 16 products of 8 bits, or 4
 * of 16 bits, and Winograd's algorithm saves no more than that. */
#include "kernels/winograd_q8/winograd_q8.h"

extern const struct mxdi_winograd_q8 mxdi_winograd_q8_i8mm;
const struct mxdi_winograd_q8        mxdi_winograd_q8_i8mm = { 0 };
