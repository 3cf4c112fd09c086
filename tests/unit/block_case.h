/* SPDX-License-Identifier: Apache-2.0
 *
 * A network with residual blocks of two layers, and quantizing it block by block with a look at
 * the block in between, for the tests of reconstruction.
 */
#ifndef TESTS_UNIT_BLOCK_CASE_H
#define TESTS_UNIT_BLOCK_CASE_H

#include "quant_case.h"

#include "train/adaround.h"

/* A product of 2 by 2, and Relu behind it or behind its sum with `add`; weights by `seed`. */
static inline uint32_t block_layer(mxdi_graph *g, const char *name, uint32_t x, uint32_t add,
                                   uint32_t seed)
{
    float w[4];
    char  text[64];
    for (uint32_t k = 0; k < 4; k++)
        w[k] = (float)((k * 53 + seed) % 31) / 15.0f - 1.0f;
    (void)snprintf(text, sizeof(text), "%s.w", name);
    uint32_t y = graph_open(g, NULL), z;
    graph_node(g, "Conv", name, VALUES(x, graph_constant(g, text, MXD_F32, w, DIMS(2, 2, 1, 1))),
               VALUES(y));
    if (add != MXD_NO_VALUE) {
        z = graph_open(g, NULL);
        graph_node(g, "Add", NULL, VALUES(add, y), VALUES(z));
        y = z;
    }
    (void)snprintf(text, sizeof(text), "%s.relu", name);
    z = graph_open(g, text);
    graph_node(g, "Relu", text, VALUES(y), VALUES(z));
    return z;
}

/* x (N, 2, 6, 6) -> stem -> a; a = a + second(first(a)), one time or two. */
static inline mxdi_graph *block_network(uint32_t seed, int blocks)
{
    mxdi_graph *const g = graph_new(17);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(-1, 2, 6, 6));
    uint32_t          a = block_layer(g, "stem", x, MXD_NO_VALUE, seed * 29);
    for (int k = 0; k < blocks; k++) {
        const uint32_t b = block_layer(g, k ? "third" : "first", a, MXD_NO_VALUE, seed * 29 + 26);
        a                = block_layer(g, k ? "fourth" : "second", b, a, seed * 29 + 21);
    }
    graph_output(g, a);
    return g;
}

static inline mxd_status block_quantize(mxdi_graph **q, mxdi_quantize_result *r,
                                        const quant_case *c, const char *precision,
                                        const mxdi_reconstruction *blocks, uint32_t threads,
                                        int (*progress)(void *, double), void *user, mxd_error *err)
{
    static const mxd_constraints none   = { .struct_size = sizeof(none) };
    const mxdi_source            source = quant_source(c);
    mxdi_recipe                 *rules  = NULL;
    const mxdi_quantize_options  o      = { .backend  = &none,
                                            .registry = &c->registry,
                                            .threads  = threads,
                                            .data     = &source,
                                            .repair   = MXDI_REPAIR_ADAROUND,
                                            .adaround = &mxdi_adaround,
                                            .blocks   = blocks,
                                            .progress = progress,
                                            .user     = user };
    mxd_status                   st     = mxdi_recipe_uniform(&rules, precision, NULL, err);
    if (st == MXD_OK)
        st = mxdi_quantize(q, r, c->g, rules, c->calibration, &o, err);
    mxdi_recipe_destroy(rules);
    return st;
}
#endif
