/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products as steps. */
#ifndef MXDI_BACKENDS_CPU_MATMUL_H
#define MXDI_BACKENDS_CPU_MATMUL_H

#include "backends/cpu/cpu_plan.h"

/* Shapes of two dimensions and more. */
typedef struct mxdi_cpu_operands {
    const mxd_value *a, *b, *y;
} mxdi_cpu_operands;

/* Element strides of the leading axes of v, all but its last two, along y's; 0 where it is
 * broadcast. */
void mxdi_cpu_product_strides(int64_t *out, const mxd_value *v, const mxd_value *y);

/* y = alpha * (a x b) of the plain f32 tensors t[0], t[1]; y is t[2]. */
mxd_status mxdi_cpu_emit_matmul(mxdi_cpu_plan *p, const uint32_t t[3], const mxdi_cpu_operands *o,
                                bool trans_b, float alpha, mxd_error *err);
/* Input 0 times constant input 1, (K, N) or (N, K) when transposed: f32 weights w times alpha, or
 * the constant's own integers when w is NULL. residual: a value of the output's shape, or
 * MXD_NO_VALUE. */
mxd_status mxdi_cpu_constant_product(mxdi_cpu_plan *p, const mxd_node *n, bool trans_b,
                                     uint32_t residual, const float *w, const float *bias,
                                     float alpha, mxd_error *err);
#endif
