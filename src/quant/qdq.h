/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing precision into a graph: QuantizeLinear, DequantizeLinear and Cast nodes, and constants in
 * their stored types.
 */
#ifndef MXDI_QUANT_QDQ_H
#define MXDI_QUANT_QDQ_H

#include "quant/calibration.h"
#include "quant/domain.h"

/* Everything that was decided for one graph. */
typedef struct mxdi_qdq_plan {
    mxdi_graph             *g;
    const mxdi_graph       *original; /* as imported */
    const mxdi_setting     *setting;  /* (n_nodes when the plan was made) */
    mxdi_domain             domain;
    const mxdi_calibration *calibration; /* NULL: no activation is quantized */
    const mxdi_calibration
        *rescaled; /* in its place for values with scaled[v] (n_values); NULL: there are none */
    const uint8_t *scaled;
    bool           signed_activations, symmetric;
    uint8_t       *told;  /* (n_nodes) weights have the integers that a file tells */
    float         *scale; /* (n_values) of quantized activations */
    int32_t       *zero_point;
    uint32_t       n_values, n_nodes;
} mxdi_qdq_plan;

/* Scale and zero point of every activation in the domain; MXD_E_INVAL names a tensor that was not
 * calibrated. */
mxd_status mxdi_qdq_ranges(mxdi_qdq_plan *p, mxd_error *err);
/* Weights and biases of integer and weight-only layers -> DequantizeLinear of constants; 16-bit
 * layers get pairs of Casts. */
mxd_status mxdi_qdq_weights(mxdi_qdq_plan *p, mxd_error *err);
/* QuantizeLinear and DequantizeLinear behind every activation of the domain. */
mxd_status mxdi_qdq_activations(mxdi_qdq_plan *p, mxd_error *err);

/* ---- shared ---- */
/* A constant named after `base`; data is copied. Dims follow. */
mxd_status mxdi_qdq_constant(uint32_t *out, mxdi_graph *g, const char *base, const char *suffix,
                             mxd_dtype dtype, const void *data, const int64_t *dim, int32_t rank,
                             mxd_error *err);
/* A node named BASE_SUFFIX with one output of that name and of like's shape. */
mxd_status mxdi_qdq_node(uint32_t *out, mxd_node **node, mxdi_graph *g, const char *op,
                         const char *base, const char *suffix, const uint32_t *in, uint32_t n_in,
                         uint32_t like, mxd_dtype dtype, mxd_error *err);
/* Affine parameters of [low, high] for integers of `bits` bits in storage from lo: s =
 * (high-low)/(2^bits-1). */
void mxdi_qdq_affine(float *scale, int32_t *zero_point, float low, float high, uint32_t bits,
                     bool is_signed, bool symmetric);
#endif
