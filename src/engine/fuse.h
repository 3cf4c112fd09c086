/* SPDX-License-Identifier: Apache-2.0
 *
 * From a QDQ graph to the integer ops of docs/graph-ops.md, inside one part. The definition of what
 * each quantized value must be is docs/numerics.md; fuse_qdq.c follows it from each quantizer
 * upwards, and whatever has no integer definition stays float between its DequantizeLinear and
 * QuantizeLinear.
 */
#ifndef MXDI_ENGINE_FUSE_H
#define MXDI_ENGINE_FUSE_H

#include "ir/graph.h"

/* The whole pipeline, in place. */
mxd_status mxdi_fuse(mxdi_graph *g, mxd_error *err);

/* ---- its stages, in order ---- */
mxd_status mxdi_fuse_idiom(
    mxdi_graph *g, mxd_error *err); /* written out in older ops -> Gelu, LayerNormalization */
mxd_status mxdi_fuse_picture(mxdi_graph *g,
                             mxd_error  *err); /* bytes cast, scaled, quantized -> LookupChannels */
mxd_status mxdi_fuse_qdq(mxdi_graph *g,
                         mxd_error  *err); /* quantizers and what feeds them -> integer ops */
mxd_status mxdi_fuse_residual(mxdi_graph *g, mxd_error *err); /* QConv/QMatMul + QAdd -> one */
mxd_status mxdi_fuse_float(
    mxdi_graph *g,
    mxd_error  *err); /* Conv, Gemm, MatMul + casts, Add, clamp -> FusedConv, FusedMatMul */

/* ---- quantization parameters in the graph (fuse_params.c) ---- */
/* Of a QuantizeLinear or DequantizeLinear with constant scale and zero point. */
typedef struct mxdi_affine {
    const float *scale;      /* (n), in the graph's arena */
    int32_t     *zero_point; /* (n), likewise */
    uint32_t     n;
    int32_t      axis;   /* non-negative; meaningless for n == 1 */
    int32_t      block;  /* 0: not blocked */
    mxd_dtype    dtype;  /* of the integers */
    int32_t      lo, hi; /* the storage type's range */
} mxdi_affine;
/* MXD_OK and found = false: parameters are not constant, or types that have no integer definition
 * here. */
mxd_status mxdi_fuse_affine(mxdi_affine *out, bool *found, mxdi_graph *g, const mxd_node *node,
                            mxd_error *err);
/* Index of the DequantizeLinear that makes `value`, or MXD_NO_VALUE. */
uint32_t mxdi_fuse_dequantizer(const mxdi_graph *g, const mxdi_links *links, uint32_t value);
/* (float)((double)a * b / c), the ratio of docs/numerics.md. */
float mxdi_fuse_ratio(double a, double b, double c);
/* clamp(rint(real), lo - z, hi - z) + z; NaN -> z. real is in steps. */
int32_t mxdi_fuse_clampq(float real, int32_t z, int32_t lo, int32_t hi);

/* ---- tables (fuse_table.c) ---- */
/* True when `op` is a function of one value that a table can hold. */
bool mxdi_fuse_unary(const mxd_node *node);
/* f(v) in binary64 for such a node. */
double mxdi_fuse_unary_value(const mxd_node *node, double v);
#endif
