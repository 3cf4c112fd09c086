/* SPDX-License-Identifier: Apache-2.0
 *
 * Which tensors of a canonical float graph become integers: layers that the recipe makes integer,
 * and between them the operations that integers can pass through (Add, Concat, pools, table
 * functions). Decides nothing about ranges.
 */
#ifndef MXDI_QUANT_DOMAIN_H
#define MXDI_QUANT_DOMAIN_H

#include "mixdown/backend.h"
#include "quant/recipe.h"

typedef struct mxdi_domain {
    uint8_t  *node; /* (n_nodes) 1: reads integers */
    uint8_t  *bits; /* (n_values) a quantizer of so many bits stands behind the value; 0: none */
    uint32_t *same; /* (n_values) takes the parameters of that value (a moved or pooled copy), or
                       MXD_NO_VALUE */
} mxdi_domain;

/* Arrays live on `arena`. Needs inferred shapes. known (n_values, or NULL: all): only of these is a
 * range known, so that what stands between layers and would need others stays float. */
mxd_status mxdi_domain_of(mxdi_domain *out, mxdi_arena *arena, const mxdi_graph *g,
                          const mxdi_setting *setting, const mxd_constraints *backend,
                          const uint8_t *known, mxd_error *err);
/* Integers pass unchanged, with the same parameters: MaxPool, Reshape, Transpose ... */
bool mxdi_domain_is_move(const mxd_node *node);
/* Relu and Clip. */
bool mxdi_domain_is_clamp(const mxd_node *node);
/* Whether a product has the form that integers can take: constant weights of known shape or two
 * activations, no transposed input, a bias per channel. */
bool mxdi_domain_can_be_integer(const mxdi_graph *g, const mxd_node *node);
#endif
