/* SPDX-License-Identifier: Apache-2.0
 *
 * Precision names: "w8a8", "w4-bf16", "f32" ... (docs/recipe.md), and what they mean.
 */
#ifndef MXDI_QUANT_PRECISION_H
#define MXDI_QUANT_PRECISION_H

#include <stdbool.h>

#include "mixdown/base.h"

/* w_bits 0: float weights. a_bits 0: float activations of type `compute`. */
typedef struct mxdi_precision {
    uint8_t   w_bits, a_bits;
    mxd_dtype compute; /* of what is float: MXD_F32, MXD_BF16, MXD_F16 */
} mxdi_precision;

#define MXDI_PRECISION_F32 ((mxdi_precision){ 0, 0, MXD_F32 })

/* MXD_E_USAGE for what is no precision name, MXD_E_UNSUPPORTED for what nothing here executes
 * (w16a16, tf32, f8). "16" is bf16, "32" f32, "8" w8a8: bare numbers as NNI has them. */
mxd_status mxdi_precision_parse(mxdi_precision *out, const char *name, mxd_error *err);
/* The name, into out[16]. */
void               mxdi_precision_text(char out[16], mxdi_precision p);
static inline bool mxdi_precision_is_integer(mxdi_precision p)
{
    return p.w_bits && p.a_bits;
}
static inline bool mxdi_precision_equal(mxdi_precision a, mxdi_precision b)
{
    return a.w_bits == b.w_bits && a.a_bits == b.a_bits && a.compute == b.compute;
}
#endif
