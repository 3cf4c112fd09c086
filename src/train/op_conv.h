/* SPDX-License-Identifier: Apache-2.0
 *
 * A convolution or matrix product of a tape, for the files that build, run and export it.
 */
#ifndef MXDI_TRAIN_OP_CONV_H
#define MXDI_TRAIN_OP_CONV_H

#include "kernels/conv_dgrad_f32/conv_dgrad_f32.h"
#include "kernels/conv_f32/conv_f32.h"
#include "kernels/conv_wgrad_f32/conv_wgrad_f32.h"
#include "kernels/dwconv_f32/dwconv_f32.h"
#include "train/quantizer.h"

struct mxdi_train_conv {
    uint32_t               x, y;
    mxdi_window2d          window;
    int32_t                groups;
    int64_t                c_out, per_channel; /* weights of one output channel */
    bool                   transposed;         /* the graph holds (K, N) */
    bool                   depthwise;
    bool                   relu;          /* the output is clamped below at 0 */
    mxdi_param            *weight, *bias; /* weight in the graph's order; bias (c_out) or NULL */
    const char            *weight_name, *bias_name; /* constants of the float graph */
    mxdi_weight_quantizer *wq;                      /* NULL: float weights */
    double                *step;                    /* (c_out) of integer sums; NULL: y is real */
    float *q, *real; /* (c_out, per_channel) integers; what they stand for, the parameter itself
                        where that is all */
    float               *master; /* the transposed parameter */
    float               *grad; /* (c_out, per_channel); the parameter's own dw unless transposed */
    float               *bias_q; /* (c_out) in steps */
    mxdi_conv_wgrad_f32 *wgrad;
    mxdi_conv_f32   *fwd; /* made in the first step; with this step's weights, as dw and dgrad */
    mxdi_dwconv_f32 *dw;
    mxdi_conv_dgrad_f32 *dgrad;
};

extern const mxdi_train_kind mxdi_train_conv_kind;
mxd_status mxdi_train_conv_export(const mxdi_tape *t, const mxdi_train_op *op, mxdi_graph *g,
                                  mxd_error *err);
#endif
