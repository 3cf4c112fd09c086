/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise steps between tensors, for lowerings that need more than one step. */
#ifndef MXDI_BACKENDS_CPU_EMIT_H
#define MXDI_BACKENDS_CPU_EMIT_H

#include "backends/cpu/cpu_plan.h"
#include "kernels/binary_f32/binary_f32.h"
#include "kernels/quantize_u8/quantize_u8.h"
#include "kernels/unary_f32/unary_f32.h"

/* A tensor of the layout of `like`, in memory of its own. */
mxd_status mxdi_cpu_temporary(uint32_t *out, mxdi_cpu_plan *p, uint32_t like, mxd_error *err);

/* ---- y and x (a, b) of one layout; y may be x ---- */
mxd_status mxdi_cpu_emit_unary(mxdi_cpu_plan *p, uint32_t y, uint32_t x, mxdi_unary_op f,
                               const mxdi_unary_params *params, mxd_error *err);
mxd_status mxdi_cpu_emit_round(mxdi_cpu_plan *p, uint32_t y, uint32_t x, mxd_dtype to,
                               mxd_error *err); /* MXD_F16, MXD_BF16 */
mxd_status mxdi_cpu_emit_quantize(mxdi_cpu_plan *p, uint32_t y, uint32_t x,
                                  const mxdi_quantize_u8_params *q, mxd_error *err);
mxd_status mxdi_cpu_emit_dequantize(mxdi_cpu_plan *p, uint32_t y, uint32_t x,
                                    const mxdi_quantize_u8_params *q, mxd_error *err);
mxd_status mxdi_cpu_emit_lookup8(mxdi_cpu_plan *p, uint32_t y, uint32_t x, const uint8_t table[256],
                                 mxd_error *err);
mxd_status mxdi_cpu_emit_binary(mxdi_cpu_plan *p, uint32_t y, uint32_t a, uint32_t b,
                                mxdi_binary_op f, mxd_error *err);
/* One operand is the number `value`. */
mxd_status mxdi_cpu_emit_fixed(mxdi_cpu_plan *p, uint32_t y, uint32_t x, float value,
                               mxdi_binary_op f, mxdi_binary_fixed fixed, mxd_error *err);

/* Plain tensors of the shapes vy, va, vb, broadcast. */
mxd_status mxdi_cpu_emit_broadcast(mxdi_cpu_plan *p, uint32_t y, uint32_t a, uint32_t b,
                                   const mxd_value *vy, const mxd_value *va, const mxd_value *vb,
                                   mxdi_binary_op f, mxd_error *err);
/* n values rounded to what f16 holds. */
void mxdi_cpu_round_f16(float *y, const float *x, size_t n);
#endif
