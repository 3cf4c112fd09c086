/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_q8 for AMX. */
#include "kernels/simd/amx.h"

#define AMX_VARIANT(name)        name##_amx
#define AMX_VARIANT_NAME(family) family "_amx"
#include "kernels/conv_q8/conv_q8_amx_body.h"
