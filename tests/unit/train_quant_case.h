/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizers of activations in small graphs, and what they make of a number by the formulas of
 * docs/training.md.
 */
#ifndef TESTS_UNIT_TRAIN_QUANT_CASE_H
#define TESTS_UNIT_TRAIN_QUANT_CASE_H

#include "train_case.h"

#include <stdio.h>

#include "train/quantizer.h"

struct act {
    mxdi_train_method method;
    mxd_dtype         type;
    float             s;
    int32_t           z;
    uint32_t bits;   /* fewer than the type's: a Clip of the quantizer's own; 0: the type's */
    float    lo, hi; /* of a Clip of the network; equal: none */
};

/* QuantizeLinear `name`_q and DequantizeLinear `name`_d behind v; the latter's output. */
static inline uint32_t quantizer(mxdi_graph *g, const char *name, uint32_t v, const struct act *a)
{
    const uint8_t  z = (uint8_t)(a->type == MXD_U4 || a->type == MXD_S4 ? a->z & 15 : a->z);
    char           text[64];
    const uint32_t s    = graph_constant(g, NULL, MXD_F32, &a->s, SCALAR);
    const uint32_t zero = graph_constant(g, NULL, a->type, &z, SCALAR);
    (void)snprintf(text, sizeof(text), "%s_q", name);
    const uint32_t q = train_node(g, "QuantizeLinear", text, VALUES(v, s, zero));
    (void)snprintf(text, sizeof(text), "%s_d", name);
    return train_node(g, "DequantizeLinear", text, VALUES(q, s, zero));
}

static inline bool is_signed(const struct act *a)
{
    return a->type == MXD_S8 || a->type == MXD_S4;
}

static inline uint32_t bits_of(const struct act *a)
{
    return a->bits ? a->bits : mxd_dtype_bits(a->type);
}

/* Ends of the integers, as stored. */
static inline int32_t q_min_of(const struct act *a)
{
    return is_signed(a) ? -(1 << (bits_of(a) - 1)) : 0;
}

static inline int32_t q_max_of(const struct act *a)
{
    return q_min_of(a) + (1 << bits_of(a)) - 1;
}

/* Integers as stored, of step s and zero point z. */
static inline float quantized(const struct act *a, float x, float s, int32_t z)
{
    const float whole_lo = (float)(q_min_of(a) - z), whole_hi = (float)(q_max_of(a) - z);
    float       q = rintf(x / s);
    if (a->lo < a->hi) /* the clamp acts on integers: on those of its bounds */
        q = fminf(fmaxf(q, rintf(a->lo / s)), rintf(a->hi / s));
    return fminf(fmaxf(q, whole_lo), whole_hi);
}

static inline double clampd(double x, double lo, double hi)
{
    return fmin(fmax(x, lo), hi);
}

#endif
