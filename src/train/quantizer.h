/* SPDX-License-Identifier: Apache-2.0
 *
 * The quantizers of a tape: one for each QuantizeLinear of an activation, shared by those that
 * repeat its scale behind moves and maxima, and one for the weights of each integer layer.
 */
#ifndef MXDI_TRAIN_QUANTIZER_H
#define MXDI_TRAIN_QUANTIZER_H

#include "train/fake_quant.h"
#include "train/tape.h"

typedef struct mxdi_act_quantizer {
    const char *name;                   /* of the node that owns the parameters */
    int32_t     storage_lo, storage_hi; /* of the stored type */
    int32_t     q_min, q_max; /* of the bits; a Clip in front keeps them where storage is wider */
    bool        is_signed;
    bool symmetric; /* signed around 0, as backends want it that know no zero point: it stays 0 */
    uint32_t          bits;
    mxdi_train_method method;
    mxdi_param       *scale;  /* (1) LSQ, LSQ+: s; PACT: alpha; NULL: from range */
    mxdi_param       *offset; /* (1) LSQ+: the zero point before rounding */
    mxdi_param
        *range; /* (4) state: low and high, moving averages with MINMAX; lowest and highest of the
                   last forward pass in training, not yet taken in, lowest > highest: none */
    float                   s;    /* of this step */
    double                  step; /* s */
    int32_t                 z;
    const mxdi_train_value *of;       /* features in `features` */
    int64_t                 features; /* of one sample; the gradient's scale of LSQ */
} mxdi_act_quantizer;

/* All of the graph: parameters from its scales and zero points. Fills t->quantizer. */
mxd_status mxdi_act_quantizers(mxdi_tape *t, mxd_error *err);
/* s and z of all from their parameters, observed ranges taken in first. */
void mxdi_act_quantizers_prepare(mxdi_tape *t);
/* Scales, zero points and Clips of bits in the graph that the tape's was bound from. */
mxd_status mxdi_act_quantizers_export(const mxdi_tape *t, mxdi_graph *g, mxd_error *err);
/* The quantizer that alone reads `value`, perhaps behind moves, clamps and maxima; NULL: none. */
const mxdi_act_quantizer *mxdi_act_quantizer_behind(const mxdi_tape *t, uint32_t value);
/* Whether a Clip only keeps the integers of the quantizer behind it within their bits. */
bool mxdi_clip_is_of_quantizer(const mxdi_tape *t, const mxd_node *clip);
/* Share of the storage range that quantizers of `bits` bits use, as floats less the zero point. */
static inline mxdi_fake_range mxdi_act_range(const mxdi_act_quantizer *a)
{
    return (mxdi_fake_range){ (float)(a->q_min - a->z), (float)(a->q_max - a->z) };
}

/* ---- weights ---- */
typedef struct mxdi_weight_quantizer {
    const mxd_node   *dequantizer; /* of the graph */
    mxdi_train_method method;
    uint32_t          bits;
    bool              per_channel;
    int64_t           channels;
    mxdi_param       *scale; /* (channels) LSQ, LSQ+; NULL: of the weights' extremes */
    float            *s; /* (channels) of this step, at first the graph's; one scale is repeated */
    float            *largest, *largest_w; /* (channels) DoReFa */
} mxdi_weight_quantizer;

/* For layer `node` whose input 1 comes from a DequantizeLinear; weights (channels, n) in the
 * kernels' order. */
mxd_status mxdi_weight_quantizer_create(mxdi_weight_quantizer **out, mxdi_tape *t,
                                        const mxd_node *dequantizer, const mxd_node *layer,
                                        int64_t channels, mxd_error *err);
/* q (channels, n) and s from w (channels, n). bias (channels) or NULL, s_x, x_max: what the int32
 * guard needs. */
void mxdi_weight_quantizer_forward(mxdi_weight_quantizer *wq, float *q, const float *w, int64_t n,
                                   const float *bias, double s_x, int64_t x_max);
/* g (channels, n), the gradient of the quantized weights, becomes that of w; scale's dw is written.
 */
void mxdi_weight_quantizer_backward(mxdi_weight_quantizer *wq, float *g, const float *w, int64_t n);
#endif
