/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files that emit products with constant weights share. */
#ifndef MXDI_BACKENDS_CPU_PRODUCT_H
#define MXDI_BACKENDS_CPU_PRODUCT_H

#include "backends/cpu/cpu_lower.h"
#include "kernels/conv_f32/conv_f32.h"
#include "kernels/conv_q8/conv_q8.h"

/* The ops of the kinds below; they own k. r is MXD_NO_VALUE or the residual. */
typedef struct mxdi_cpu_conv_q8 {
    mxdi_conv_q8 *k;
    uint32_t      x, r, y;
} mxdi_cpu_conv_q8;
typedef struct mxdi_cpu_conv_f32 {
    mxdi_conv_f32 *k;
    uint32_t       x, r, y;
} mxdi_cpu_conv_f32;
extern const mxdi_cpu_kind mxdi_cpu_conv_q8_kind, mxdi_cpu_conv_f32_kind;

/* The step of a product: op of the kind, its kernel's name, the type computed in, derived bytes. */
mxd_status mxdi_cpu_emit_product(mxdi_cpu_plan *p, const mxdi_cpu_product *c,
                                 const mxdi_cpu_kind *kind, void *op, const char *kernel,
                                 const char *computed, size_t derived, mxd_error *err);

/* Whether panels and scratch (bytes) would be more than the host allows. */
bool mxdi_cpu_over_cap(const mxdi_cpu_plan *p, size_t bytes, size_t scratch);

/* Of n's x as stored. */
int32_t mxdi_cpu_x_zero_point(const mxdi_cpu_plan *p, const mxd_node *n);

/* qw - zw as (c_out, c_in, taps). */
mxd_status mxdi_cpu_unpack_weights(int16_t *out, mxdi_cpu_plan *p, const mxd_node *n,
                                   const mxdi_cpu_weights *w, mxd_error *err);

/* The best algorithm for the kernel of d, where the host knows it or timing is asked for; else
 * *algorithm stays. */
mxd_status mxdi_cpu_choose_conv_q8(int32_t *algorithm, mxdi_cpu_plan *p, const mxdi_cpu_product *c,
                                   mxdi_conv_q8_desc d, mxd_error *err);
mxd_status mxdi_cpu_choose_conv_f32(int32_t *algorithm, mxdi_cpu_plan *p, const mxdi_cpu_product *c,
                                    mxdi_conv_f32_desc d, mxd_error *err);
#endif
