/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps that change the layout of a value. */
#ifndef MXDI_BACKENDS_CPU_CONVERT_H
#define MXDI_BACKENDS_CPU_CONVERT_H

#include "backends/cpu/cpu_plan.h"
#include "kernels/pack_blocked/pack_blocked.h"

/* From plain to blocked or back, quantizing or dequantizing on the way when q is given. */
mxd_status mxdi_cpu_emit_pack(mxdi_cpu_plan *p, uint32_t y, uint32_t x,
                              const mxdi_quantize_u8_params *q, mxd_error *err);
/* The part's input number `index`. */
mxd_status mxdi_cpu_take_input(mxdi_cpu_plan *p, uint32_t value, uint32_t index, mxd_error *err);
#endif
