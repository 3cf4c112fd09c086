/* SPDX-License-Identifier: Apache-2.0
 *
 * The lowerings and claim checks that cpu_ops.c lists, and what they share. A check gives the
 * reason why a node cannot run here (static text), or NULL; a lowering may rely on its check.
 */
#ifndef MXDI_BACKENDS_CPU_LOWER_H
#define MXDI_BACKENDS_CPU_LOWER_H

#include "backends/cpu/cpu_plan.h"
#include "kernels/conv_q8/conv_q8.h"
#include "kernels/mean_q8/mean_q8.h"

typedef const char *mxdi_cpu_check(const mxd_graph_view *g, const mxd_node *n);
typedef mxd_status  mxdi_cpu_lowering(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err);

mxdi_cpu_check mxdi_cpu_check_conv, mxdi_cpu_check_any_conv, mxdi_cpu_check_matmul,
    mxdi_cpu_check_gemm;
mxdi_cpu_lowering mxdi_cpu_lower_qconv, mxdi_cpu_lower_conv, mxdi_cpu_lower_qmatmul,
    mxdi_cpu_lower_fused_matmul, mxdi_cpu_lower_matmul, mxdi_cpu_lower_gemm;

mxdi_cpu_check mxdi_cpu_check_pool, mxdi_cpu_check_unary, mxdi_cpu_check_binary,
    mxdi_cpu_check_variadic, mxdi_cpu_check_qadd;
mxdi_cpu_lowering mxdi_cpu_lower_pool, mxdi_cpu_lower_unary, mxdi_cpu_lower_binary,
    mxdi_cpu_lower_variadic, mxdi_cpu_lower_qadd, mxdi_cpu_lower_lookup8;

mxdi_cpu_check mxdi_cpu_check_any, mxdi_cpu_check_arg, mxdi_cpu_check_top_k, mxdi_cpu_check_trilu,
    mxdi_cpu_check_conv_transpose;
mxdi_cpu_lowering mxdi_cpu_lower_any, mxdi_cpu_lower_arg, mxdi_cpu_lower_top_k,
    mxdi_cpu_lower_trilu, mxdi_cpu_lower_conv_transpose;

mxdi_cpu_check    mxdi_cpu_check_quantize, mxdi_cpu_check_dequantize, mxdi_cpu_check_cast;
mxdi_cpu_lowering mxdi_cpu_lower_quantize, mxdi_cpu_lower_dequantize, mxdi_cpu_lower_cast;

mxdi_cpu_check mxdi_cpu_check_reduce, mxdi_cpu_check_global_pool, mxdi_cpu_check_softmax,
    mxdi_cpu_check_layer_norm, mxdi_cpu_check_channel_norm;
mxdi_cpu_lowering mxdi_cpu_lower_reduce, mxdi_cpu_lower_global_pool, mxdi_cpu_lower_qreduce,
    mxdi_cpu_lower_softmax, mxdi_cpu_lower_qsoftmax, mxdi_cpu_lower_layer_norm,
    mxdi_cpu_lower_channel_norm;

mxdi_cpu_check mxdi_cpu_check_reshape, mxdi_cpu_check_transpose, mxdi_cpu_check_slice,
    mxdi_cpu_check_split, mxdi_cpu_check_concat, mxdi_cpu_check_pad, mxdi_cpu_check_expand,
    mxdi_cpu_check_gather, mxdi_cpu_check_depth_space, mxdi_cpu_check_resize, mxdi_cpu_check_where;
mxdi_cpu_lowering mxdi_cpu_lower_reshape, mxdi_cpu_lower_transpose, mxdi_cpu_lower_slice,
    mxdi_cpu_lower_split, mxdi_cpu_lower_concat, mxdi_cpu_lower_pad, mxdi_cpu_lower_expand,
    mxdi_cpu_lower_gather, mxdi_cpu_lower_depth_space, mxdi_cpu_lower_resize, mxdi_cpu_lower_where;

mxdi_cpu_check mxdi_cpu_check_dynamic_quantize, mxdi_cpu_check_matmul_integer,
    mxdi_cpu_check_conv_integer;
mxdi_cpu_lowering mxdi_cpu_lower_dynamic_quantize, mxdi_cpu_lower_matmul_integer,
    mxdi_cpu_lower_conv_integer;

mxdi_cpu_check    mxdi_cpu_check_create;
mxdi_cpu_lowering mxdi_cpu_lower_shape, mxdi_cpu_lower_range, mxdi_cpu_lower_constant_of_shape;

mxdi_cpu_check    mxdi_cpu_check_lookup_channels;
mxdi_cpu_lowering mxdi_cpu_lower_lookup_channels;

mxdi_cpu_check    mxdi_cpu_check_softsign, mxdi_cpu_check_tile, mxdi_cpu_check_lrn;
mxdi_cpu_lowering mxdi_cpu_lower_softsign, mxdi_cpu_lower_tile, mxdi_cpu_lower_lrn;

/* ---- checks (cpu_ops.c) ---- */
/* All inputs and outputs have shapes of at least one element. */
const char *mxdi_cpu_check_shapes(const mxd_graph_view *g, const mxd_node *n);
/* Constant, or made from constants alone. */
bool mxdi_cpu_is_fixed(const mxd_graph_view *g, uint32_t value);

/* ---- global pools (cpu_lower_pool.c): the first input to the first output, both blocked; params:
 * the mean of bytes ---- */
mxd_status mxdi_cpu_emit_global(mxdi_cpu_plan *p, const mxd_node *n,
                                const mxdi_mean_q8_params *params, mxd_error *err);

/* ---- windows (cpu_window.c) ---- */
typedef struct mxdi_cpu_extent {
    int64_t in, out, kernel, stride, dilation, begin, end;
} mxdi_cpu_extent;
/* Axis k of `rank` spatial ones. */
mxdi_cpu_extent mxdi_cpu_extent_of(const mxd_node *n, uint32_t k, uint32_t rank, int64_t in,
                                   int64_t out, const int64_t *kernel);
typedef struct mxdi_cpu_window {
    mxdi_window2d w;
    int32_t       ph_end, pw_end;
} mxdi_cpu_window;
/* Of a Conv or pool over (N, C, L) or (N, C, H, W); auto_pad resolved. `kernel`: where there is no
 * kernel_shape. */
mxdi_cpu_window mxdi_cpu_window_of(const mxd_node *n, const mxd_value *x, const mxd_value *y,
                                   const int64_t *kernel);

/* Three axes, leading ones of extent 1, and their products. */
typedef struct mxdi_cpu_space {
    mxdi_cpu_extent axis[3];
    int64_t         x_size, y_size, taps;
} mxdi_cpu_space;

/* ---- plain loops (cpu_lower_plain.c), for forms that the checks of Conv and pools refuse ---- */
bool              mxdi_cpu_can_plain_conv(const mxd_graph_view *g, const mxd_node *n);
bool              mxdi_cpu_can_plain_pool(const mxd_graph_view *g, const mxd_node *n);
mxdi_cpu_lowering mxdi_cpu_lower_plain_conv, mxdi_cpu_lower_plain_pool;

/* ---- convolutions on tensors (cpu_lower_conv.c) ---- */
typedef struct mxdi_cpu_product {
    uint32_t      x, r, y; /* tensors; r MXD_NO_VALUE: none */
    mxdi_window2d window;
    int32_t       groups;
    const char   *reason;
    bool          pooled; /* y has the largest of each 2x2 outputs */
} mxdi_cpu_product;
/* QConv's and QMatMul's epilogue from inputs 2..6 and attributes, vectors in the plan's scratch. */
mxd_status mxdi_cpu_epilogue(mxdi_q8_epilogue *out, mxdi_cpu_plan *p, const mxd_node *n,
                             int64_t channels, mxd_error *err);
/* w: (c_out, c_in/groups, kh, kw) by element strides over the constant `value`. */
typedef struct mxdi_cpu_weights {
    uint32_t value;
    int64_t  c_out, c_in, taps, co_stride, ci_stride, tap_stride;
} mxdi_cpu_weights;
mxd_status mxdi_cpu_emit_product_q8(mxdi_cpu_plan *p, const mxd_node *n, const mxdi_cpu_product *c,
                                    const mxdi_cpu_weights *w, mxd_error *err);
/* FusedMatMul over packed 4-bit weights (cpu_lower_w4.c); *done false: not these, or it would not
 * pay, and nothing was emitted. */
mxd_status mxdi_cpu_emit_product_w4(bool *done, mxdi_cpu_plan *p, const mxd_node *n,
                                    const mxdi_cpu_product *c, const mxdi_cpu_weights *w,
                                    const float *bias, mxd_error *err);
/* Float: bias (channels) or NULL; attributes of FusedConv and FusedMatMul are read from n. */
mxd_status mxdi_cpu_emit_product_f32(mxdi_cpu_plan *p, const mxd_node *n, const mxdi_cpu_product *c,
                                     const float *w, const float *bias, mxd_error *err);
#endif
