/* SPDX-License-Identifier: Apache-2.0
 *
 * A network, samples in memory and their calibration, for the tests of quantization.
 */
#ifndef TESTS_UNIT_QUANT_CASE_H
#define TESTS_UNIT_QUANT_CASE_H

#include "engine_case.h"

#include "quant/quantize.h"

enum { QUANT_SAMPLES = 40, QUANT_SAMPLE = 72 };

typedef struct quant_case {
    mxdi_registry     registry;
    mxdi_graph       *g; /* as imported */
    mxdi_calibration *calibration;
    float             x[QUANT_SAMPLES * QUANT_SAMPLE];
} quant_case;

static inline const char *quant_name(const void *data, uint32_t k)
{
    (void)data;
    (void)k;
    return NULL;
}

static inline void quant_sample(mxd_tensor *out, const void *data, uint32_t k)
{
    (void)data;
    (void)k;
    *out = (mxd_tensor){ .dtype = MXD_F32, .rank = 3, .dim = { 2, 6, 6 } };
}

static inline mxd_status quant_read(const void *data, uint32_t k, int64_t first, int64_t count,
                                    void *out, mxd_error *err)
{
    (void)k;
    (void)err;
    memcpy(out, (const float *)data + first * QUANT_SAMPLE,
           (size_t)count * QUANT_SAMPLE * sizeof(float));
    return MXD_OK;
}

static inline mxdi_source quant_source(const quant_case *c)
{
    return (mxdi_source){ .samples  = QUANT_SAMPLES,
                          .n_inputs = 1,
                          .name     = quant_name,
                          .sample   = quant_sample,
                          .read     = quant_read,
                          .data     = c->x };
}

static inline mxd_status quant_calibrate(mxdi_calibration **out, const quant_case *c,
                                         const mxdi_calibrate_options *o, mxd_error *err)
{
    const mxdi_source source = quant_source(c);
    return mxdi_calibrate(out, c->g, &source, o, &c->registry, NULL, err);
}

/* Of a graph with one input (N, 2, 6, 6), which is taken over. */
static inline quant_case *quant_begin_with(mxdi_graph *g)
{
    quant_case *const            c   = calloc(1, sizeof(*c));
    const mxdi_calibrate_options o   = { .method = MXDI_MINMAX, .threads = 1 };
    mxd_error                    err = MXD_ERROR_INIT;
    assert_non_null(c);
    mxdi_registry_init(&c->registry);
    for (size_t k = 0; k < QUANT_SAMPLES * QUANT_SAMPLE; k++)
        c->x[k] = (float)((k * 7919) % 1000) / 250.0f - 1.5f; /* -1.5 .. 2.5 */
    c->g = g;
    if (quant_calibrate(&c->calibration, c, &o, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return c;
}

static inline quant_case *quant_begin(const char *network)
{
    return quant_begin_with(engine_network(network));
}

static inline void quant_end(quant_case *c)
{
    mxdi_calibration_destroy(c->calibration);
    mxdi_graph_destroy(c->g);
    mxdi_registry_fini(&c->registry);
    free(c);
}

/* Quantizes by a recipe; NULL constraints: the cpu's (none). */
static inline mxd_status quant_try(mxdi_graph **out, mxdi_quantize_result *r, const quant_case *c,
                                   const char *recipe, const mxd_constraints *backend,
                                   mxd_error *err)
{
    static const mxd_constraints none  = { .struct_size = sizeof(none) };
    const mxdi_quantize_options  o     = { .backend  = backend ? backend : &none,
                                           .registry = &c->registry,
                                           .threads  = 1 };
    mxdi_recipe                 *rules = NULL;
    *err                               = (mxd_error)MXD_ERROR_INIT;
    if (mxdi_recipe_parse(&rules, (mxdi_view){ (const uint8_t *)recipe, strlen(recipe) }, NULL,
                          err) != MXD_OK)
        fail_msg("%s", err->msg);
    const mxd_status st = mxdi_quantize(out, r, c->g, rules, c->calibration, &o, err);
    mxdi_recipe_destroy(rules);
    return st;
}

static inline mxdi_graph *quant_by(const quant_case *c, const char *recipe,
                                   const mxd_constraints *backend, mxdi_quantize_result *r)
{
    mxdi_graph *q = NULL;
    mxd_error   err;
    if (quant_try(&q, r, c, recipe, backend, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return q;
}
#endif
