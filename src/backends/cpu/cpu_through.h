/* SPDX-License-Identifier: Apache-2.0
 *
 * Transposes that integer products read and write through, by strides. */
#ifndef MXDI_BACKENDS_CPU_THROUGH_H
#define MXDI_BACKENDS_CPU_THROUGH_H

#include "backends/cpu/cpu_plan.h"

/* Which Transposes are never made, because every product at their ends takes strides. */
void mxdi_cpu_plan_through(mxdi_cpu_plan *p);
/* Whether the Transpose that makes, or takes, what this node has is part of a product. */
bool mxdi_cpu_is_through(const mxdi_cpu_plan *p, const mxd_node *transpose);
/* The plain tensor that holds a product's operand, and the element strides of the operand's axes
 * there. */
mxd_status mxdi_cpu_through_in(uint32_t *tensor, int64_t *stride, mxdi_cpu_plan *p, uint32_t value,
                               mxd_error *err);
/* A new one for a product's result, likewise. */
mxd_status mxdi_cpu_through_out(uint32_t *tensor, int64_t *stride, mxdi_cpu_plan *p, uint32_t value,
                                mxd_error *err);
#endif
