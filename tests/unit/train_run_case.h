/* SPDX-License-Identifier: Apache-2.0
 *
 * A small residual network, random pictures with random labels, and a trainer on both, for the
 * tests that train.
 */
#ifndef TESTS_UNIT_TRAIN_RUN_CASE_H
#define TESTS_UNIT_TRAIN_RUN_CASE_H

#include "engine_case.h"
#include "train_case.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "train/trainer_impl.h"

enum { RUN_SAMPLES = 64, RUN_SIDE = 8, RUN_FEATURES = 3 * RUN_SIDE * RUN_SIDE, RUN_CLASSES = 4 };

typedef struct run_case {
    mxdi_registry registry;
    mxdi_graph   *g;
    float         x[RUN_SAMPLES * RUN_FEATURES];
    int64_t       label[RUN_SAMPLES];
} run_case;

/* ---- the network ---- */

static inline uint32_t run_norm(mxdi_graph *g, const char *name, uint32_t x, int64_t c)
{
    static const float one[32]  = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    static const float zero[32] = { 0 };
    char               text[4][32];
    const char *const  role[] = { "gamma", "beta", "mean", "var" };
    uint32_t           in[5]  = { x };
    for (uint32_t k = 0; k < 4; k++) {
        (void)snprintf(text[k], sizeof(text[k]), "%s.%s", name, role[k]);
        in[1 + k] = graph_constant(g, text[k], MXD_F32, k == 0 || k == 3 ? one : zero, DIMS(c));
    }
    return train_node(g, "BatchNormalization", NULL, in, 5);
}

/* 3x3 convolution with padding, or 1x1; with a normalization or a bias behind it. */
static inline uint32_t run_conv(mxdi_graph *g, const char *name, uint32_t x, int64_t c_in,
                                int64_t c_out, int64_t stride, bool norm)
{
    char w[32], b[32];
    (void)snprintf(w, sizeof(w), "%s.weight", name);
    (void)snprintf(b, sizeof(b), "%s.bias", name);
    const double   scale = sqrt(2.0 / (9.0 * (double)c_in));
    const uint32_t in[]  = { x,
                             train_constant(g, w, (uint64_t)(c_in * c_out) + (uint64_t)name[0],
                                            scale, DIMS(c_out, c_in, 3, 3)),
                            norm ? MXD_NO_VALUE : train_constant(g, b, 8, 0.1, DIMS(c_out)) };
    const uint32_t y     = train_node(g, "Conv", name, in, norm ? 2 : 3);
    graph_ints(g, g->n_nodes - 1, "pads", (const int64_t[]){ 1, 1, 1, 1 }, 4);
    graph_ints(g, g->n_nodes - 1, "strides", (const int64_t[]){ stride, stride }, 2);
    return norm ? run_norm(g, name, y, c_out) : y;
}

/* Every other pixel, and `more` channels of zeros on both sides: the shortcut of ResNet20. */
static inline uint32_t run_shortcut(mxdi_graph *g, uint32_t x, int64_t more)
{
    const uint32_t s =
        train_node(g, "Slice", "half",
                   VALUES(x, INTS(g, 0, 0), INTS(g, 99, 99), INTS(g, 2, 3), INTS(g, 2, 2)));
    return train_node(g, "Pad", "wide", VALUES(s, INTS(g, 0, more, 0, 0, 0, more, 0, 0)));
}

/* Kinds of networks: with normalizations or biases; with a Dropout; with a Softmax at its end; with
 * whole blocks of 16 channels, whose storage is shared. */
enum { RUN_NORM = 1, RUN_DROPOUT = 2, RUN_SOFTMAX = 4, RUN_WIDE = 8 };

static inline mxdi_graph *run_network(int kind)
{
    mxdi_graph *const g    = graph_new(17);
    const bool        norm = kind & RUN_NORM;
    const int64_t     c    = kind & RUN_WIDE ? 16 : 8;
    const uint32_t    in   = graph_input(g, "x", MXD_F32, DIMS(-1, 3, RUN_SIDE, RUN_SIDE));
    uint32_t          x    = run_conv(g, "stem", in, 3, c, 1, norm), y;
    x                      = train_node(g, "Relu", NULL, VALUES(x));
    y                      = run_conv(g, "a1", x, c, c, 1, norm);
    y                      = train_node(g, "Relu", NULL, VALUES(y));
    y                      = run_conv(g, "a2", y, c, c, 1, norm);
    x                      = train_node(g, "Add", "a", VALUES(y, x));
    x                      = train_node(g, "Relu", NULL, VALUES(x));
    y                      = run_conv(g, "b1", x, c, 2 * c, 2, norm);
    y                      = train_node(g, "Relu", NULL, VALUES(y));
    y                      = run_conv(g, "b2", y, 2 * c, 2 * c, 1, norm);
    x                      = train_node(g, "Add", "b", VALUES(y, run_shortcut(g, x, c / 2)));
    x = train_node(g, "Clip", NULL, VALUES(x, FLOATS(g, 0.0f), FLOATS(g, 6.0f)));
    for (uint32_t k = 1; k < 3; k++)
        g->value[g->node[g->n_nodes - 1].in[k]].rank = 0;
    x = train_node(g, "MaxPool", NULL, VALUES(x));
    graph_ints(g, g->n_nodes - 1, "kernel_shape", (const int64_t[]){ 2, 2 }, 2);
    graph_ints(g, g->n_nodes - 1, "strides", (const int64_t[]){ 2, 2 }, 2);
    x = train_node(g, "Flatten", NULL, VALUES(x));
    if (kind & RUN_DROPOUT)
        x = train_node(g, "Dropout", "dropped", VALUES(x));
    x = train_node(g, "Gemm", "head",
                   VALUES(x, train_constant(g, "head.weight", 5, 0.12, DIMS(RUN_CLASSES, 8 * c)),
                          train_constant(g, "head.bias", 6, 0.1, DIMS(RUN_CLASSES))));
    graph_int(g, g->n_nodes - 1, "transB", 1);
    graph_output(g, kind & RUN_SOFTMAX ? train_node(g, "Softmax", "p", VALUES(x)) : x);
    return g;
}

/* ---- data ---- */

static inline const char *run_name(const void *data, uint32_t k)
{
    (void)data;
    (void)k;
    return NULL;
}

static inline void run_sample(mxd_tensor *out, const void *data, uint32_t k)
{
    (void)data;
    (void)k;
    *out = (mxd_tensor){ .dtype = MXD_F32, .rank = 3, .dim = { 3, RUN_SIDE, RUN_SIDE } };
}

static inline mxd_status run_read(const void *data, uint32_t k, int64_t first, int64_t count,
                                  void *out, mxd_error *err)
{
    (void)k;
    (void)err;
    memcpy(out, (const float *)data + first * RUN_FEATURES,
           (size_t)(count * RUN_FEATURES) * sizeof(float));
    return MXD_OK;
}

static inline mxdi_train_data run_data(const run_case *c)
{
    return (mxdi_train_data){ { .samples  = RUN_SAMPLES,
                                .n_inputs = 1,
                                .name     = run_name,
                                .sample   = run_sample,
                                .read     = run_read,
                                .data     = c->x },
                              c->label };
}

static inline run_case *run_begin(int kind)
{
    run_case *const c = calloc(1, sizeof(*c));
    assert_non_null(c);
    mxdi_registry_init(&c->registry);
    c->g = run_network(kind);
    train_fill(c->x, RUN_SAMPLES * RUN_FEATURES, 77, 1.0);
    for (int64_t k = 0; k < RUN_SAMPLES; k++)
        c->label[k] = (k * 7 + k / 5) % RUN_CLASSES;
    return c;
}

static inline void run_end(run_case *c)
{
    mxdi_graph_destroy(c->g);
    mxdi_registry_fini(&c->registry);
    free(c);
}

/* ---- trainers ---- */

static inline mxdi_train_options run_options(void)
{
    return (mxdi_train_options){ .epochs             = 2,
                                 .batch              = 16,
                                 .method             = MXDI_TRAIN_LSQ,
                                 .optimizer          = { .kind      = MXDI_SGD,
                                                         .lr        = 0.02,
                                                         .momentum  = 0.9,
                                                         .step_lr   = 1.0,
                                                         .clip_norm = 2.0 },
                                 .schedule           = MXDI_COSINE,
                                 .seed               = 1,
                                 .threads            = 1,
                                 .checkpoint_seconds = 1e9 };
}

/* A precision for all layers, or a recipe in JSON; NULL: float. */
static inline mxd_status run_create(mxdi_trainer **out, const run_case *c, const char *precision,
                                    const mxdi_train_options *o, mxd_error *err)
{
    const mxdi_train_data data   = run_data(c);
    mxdi_recipe          *recipe = NULL;
    const mxdi_view       json = { (const uint8_t *)precision, precision ? strlen(precision) : 0 };
    if (precision &&
        (precision[0] == '[' ? mxdi_recipe_parse(&recipe, json, NULL, err)
                             : mxdi_recipe_uniform(&recipe, precision, NULL, err)) != MXD_OK)
        fail_msg("%s", err->msg);
    const mxd_status st =
        mxdi_trainer_create(out, c->g, recipe, &data, &data, o, &c->registry, NULL, err);
    mxdi_recipe_destroy(recipe);
    return st;
}

static inline mxdi_trainer *run_trainer(const run_case *c, const char *precision,
                                        const mxdi_train_options *o)
{
    mxdi_trainer *t   = NULL;
    mxd_error     err = MXD_ERROR_INIT;
    if (run_create(&t, c, precision, o, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return t;
}

static inline mxdi_train_epoch run_epoch(mxdi_trainer *t)
{
    mxdi_train_epoch e;
    mxd_error        err = MXD_ERROR_INIT;
    if (mxdi_trainer_epoch(t, &e, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return e;
}

static inline mxdi_graph *run_export(mxdi_trainer *t)
{
    mxdi_graph *g   = NULL;
    mxd_error   err = MXD_ERROR_INIT;
    if (mxdi_trainer_export(t, &g, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return g;
}

/* Of everything that was learned: all constants of the graph that export gives. */
static inline mxdi_hash run_hash(mxdi_trainer *t)
{
    mxdi_graph *const g = run_export(t);
    mxdi_bytes        b = { 0 };
    for (uint32_t v = 0; v < g->n_values; v++)
        if (g->value[v].data)
            assert_true(mxdi_bytes_append(&b, g->value[v].data, g->value[v].bytes));
    const mxdi_hash h = mxdi_hash_bytes(b.data, b.size);
    mxdi_bytes_free(&b);
    mxdi_graph_destroy(g);
    return h;
}

static inline void assert_same_hash(mxdi_hash a, mxdi_hash b)
{
    assert_true(a.high == b.high && a.low == b.low);
}

/* The lowest instruction set with vectors that this CPU has. */
static inline const char *run_lowest_isa(void)
{
    return mxdi_isa_name(mxdi_cpu_isa() & (MXDI_ISA_AVX2 | MXDI_ISA_NEON));
}
#endif
