/* SPDX-License-Identifier: Apache-2.0
 *
 * A tape of a small graph, and its values and gradients as dense arrays, for the tests of training.
 */
#ifndef TESTS_UNIT_TRAIN_CASE_H
#define TESTS_UNIT_TRAIN_CASE_H

#include "graph_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "passes/passes.h"
#include "train/tape.h"

enum { TRAIN_BATCH = 16 }; /* two blocks */

/* Numbers that are alike everywhere: normal ones in multiples of 2^-12. */
static inline void train_fill(float *x, int64_t n, uint64_t seed, double scale)
{
    mxdi_rng rng = mxdi_rng_seed(seed);
    for (int64_t k = 0; k < n; k++)
        x[k] = (float)(rint(mxdi_rng_normal(&rng) * 4096.0) / 4096.0 * scale);
}

/* A constant of such numbers. */
static inline uint32_t train_constant(mxdi_graph *g, const char *name, uint64_t seed, double scale,
                                      const int64_t *dim, int32_t rank)
{
    int64_t n = 1;
    for (int32_t k = 0; k < rank; k++)
        n *= dim[k];
    float *const x = malloc((size_t)n * sizeof(float));
    assert_non_null(x);
    train_fill(x, n, seed, scale);
    const uint32_t v = graph_constant(g, name, MXD_F32, x, dim, rank);
    free(x);
    return v;
}

/* The output of a new node; OP's inputs are IDS. */
static inline uint32_t train_node(mxdi_graph *g, const char *op, const char *name,
                                  const uint32_t *in, uint32_t n_in)
{
    const uint32_t y = graph_open(g, name);
    graph_node(g, op, name, in, n_in, &y, 1);
    return y;
}

/* The graph is bound to the batch in place; it and `origin` outlive the tape. */
static inline mxdi_tape *train_tape(mxdi_graph *g, const mxdi_graph *origin,
                                    const mxdi_tape_options *options)
{
    mxdi_tape *t   = NULL;
    mxd_error  err = MXD_ERROR_INIT;
    bool       scalable;
    if (mxdi_bind_shapes(g, NULL, 0, options->batch, &scalable, &err) != MXD_OK ||
        mxdi_tape_create(&t, g, origin, options, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    t->training = true;
    return t;
}

static inline mxdi_tape_options train_options(void)
{
    return (mxdi_tape_options){
        .batch = TRAIN_BATCH, .threads = 1, .isa = mxdi_cpu_isa(), .keep_values = true
    };
}

/* ---- dense arrays (N, C, H, W) out of and into the blocked layout ---- */

static inline int64_t train_count(const mxdi_tape *t, const mxdi_train_value *v)
{
    return t->options.batch * v->layout.channels * v->layout.h * v->layout.w;
}

static inline int64_t train_place(const mxdi_train_value *v, int64_t k)
{
    const mxdi_blocked *const l    = &v->layout;
    const int64_t             area = (int64_t)l->h * l->w, n = k / (area * l->channels);
    const int64_t             c = k / area % l->channels, pixel = k % area;
    return n / l->block * l->block_stride + pixel * l->block * l->pitch + n % l->block * l->pitch +
           c;
}

static inline void train_get(float *dense, const mxdi_tape *t, const mxdi_train_value *v,
                             const float *blocked)
{
    for (int64_t k = 0; k < train_count(t, v); k++)
        dense[k] = blocked[train_place(v, k)];
}

static inline void train_put(float *blocked, const mxdi_tape *t, const mxdi_train_value *v,
                             const float *dense)
{
    for (int64_t k = 0; k < train_count(t, v); k++)
        blocked[train_place(v, k)] = dense[k];
}

static inline mxdi_train_value *train_value(const mxdi_tape *t, const char *name)
{
    const uint32_t v = mxdi_graph_find_value(t->graph, name);
    if (v == MXD_NO_VALUE || !t->value[v].x)
        fail_msg("no activation '%s'", name);
    return &t->value[v];
}

static inline mxdi_param *train_param(const mxdi_tape *t, const char *name)
{
    for (uint32_t k = 0; k < t->n_params; k++)
        if (strcmp(t->param[k]->name, name) == 0)
            return t->param[k];
    fail_msg("no parameter '%s'", name);
    return NULL;
}

static inline void train_forward(mxdi_tape *t, const float *x)
{
    mxd_error err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_tape_hold(t, &err), MXD_OK);
    train_put(t->value[t->input].x, t, &t->value[t->input], x);
    if (mxdi_tape_forward(t, &err) != MXD_OK)
        fail_msg("%s", err.msg);
}

/* dy: the gradient of the output. */
static inline void train_backward(mxdi_tape *t, const float *dy)
{
    mxd_error err = MXD_ERROR_INIT;
    train_put(t->value[t->output].dx, t, &t->value[t->output], dy);
    if (mxdi_tape_backward(t, &err) != MXD_OK)
        fail_msg("%s", err.msg);
}

/* |a - b| / |b|, Euclidean. */
static inline double train_distance(const float *a, const double *b, int64_t n)
{
    double d = 0.0, whole = 0.0;
    for (int64_t k = 0; k < n; k++) {
        d += pow((double)a[k] - b[k], 2.0);
        whole += b[k] * b[k];
    }
    return sqrt(d / (whole > 0.0 ? whole : 1.0));
}
#endif
