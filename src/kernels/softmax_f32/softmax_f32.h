/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax and LogSoftmax (opset 13 meaning, one axis) in f32 over a kernels/axis.h view.
 *
 *     softmax      e(k) = exp(x(k) - max); y(k) = e(k) / sum e
 *     log_softmax  y(k) = (x(k) - max) - log(sum e)
 *
 * y may be x itself when their strides agree. A row that holds NaN or +inf, or only -inf, becomes
 * NaN.
 *
 * Errors, with d = max - x(k), n = axis and u = 2^-24, to first order in u:
 *     softmax      u (d + ln n + 6) y + 2^-148
 *     log_softmax  u (2 d + 4 ln n + 3)
 * The difference to the maximum is rounded, u d, which is a relative error of its exponential; exp
 * itself adds 2 u (one ulp). In the sum these errors count with weights p = e / sum: sum of p d is
 * the entropy of p less ln(sum), at most ln n. Summing is exact in comparison (binary64). 1 / sum
 * and the product are one u each. The logarithm turns the relative error of the sum into an
 * absolute one, (ln n + 3) u, adds one ulp of its own, at most 2 u ln n, and the last subtraction
 * rounds a value of at most d + ln n. Subnormal exponentials are off by at most 2^-149, and results
 * likewise. */
#ifndef MXDI_KERNELS_SOFTMAX_F32_H
#define MXDI_KERNELS_SOFTMAX_F32_H

#include "kernels/axis.h"
#include "kernels/simd/vec.h"

typedef struct mxdi_softmax_f32 {
    const char *name;
    void (*softmax)(float *y, const float *x, const mxdi_axis *a);
    void (*log_softmax)(float *y, const float *x, const mxdi_axis *a);
} mxdi_softmax_f32;

#define MXD_VEC(variant, needs) extern const mxdi_softmax_f32 mxdi_softmax_f32_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_softmax_f32 *const mxdi_softmax_f32_variants[MXDI_VEC_COUNT];
const mxdi_softmax_f32              *mxdi_softmax_f32_select(uint32_t isa);
#endif
