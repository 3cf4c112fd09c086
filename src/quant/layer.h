/* SPDX-License-Identifier: Apache-2.0
 *
 * One Conv, Gemm or MatMul with constant weights, as quantization sees it: its weights by channel,
 * and constants of its own where they are to be changed.
 */
#ifndef MXDI_QUANT_LAYER_H
#define MXDI_QUANT_LAYER_H

#include "ir/graph.h"
#include "quant/weights.h"

/* Integer `at` of a constant of 8 or 4 bits, as stored. */
static inline int8_t mxdi_integer_read(const mxd_value *v, int64_t at)
{
    const int8_t *const data = v->data;
    if (v->dtype == MXD_S8)
        return data[at];
    const int nibble = (uint8_t)data[at / 2] >> (at % 2 * 4) & 15;
    return (int8_t)(nibble > 7 ? nibble - 16 : nibble);
}

/* Weights of a node as (outer, channels, inner), and the axis of output channels. */
int32_t mxdi_layer_weights(mxdi_weights_view *out, const mxdi_graph *g, const mxd_node *node);
/* Whether input 1 is a constant of floats, a matrix at least. */
bool mxdi_layer_is_constant(const mxdi_graph *g, const mxd_node *node);
/* Constant input k of node n, f32, becomes its own copy, which the caller may change: *out. `links`
 * may be stale but for the number of uses. */
mxd_status mxdi_layer_own(float **out, mxdi_graph *g, const mxdi_links *links, uint32_t n,
                          uint32_t k, mxd_error *err);
/* Conv and Gemm get a bias of their own, of zeros where there was none. */
mxd_status mxdi_layer_own_bias(mxdi_graph *g, const mxdi_links *links, uint32_t n, mxd_error *err);
#endif
