/* SPDX-License-Identifier: Apache-2.0
 *
 * QDQ graphs in few lines, built into engines: what fusion makes of them is looked at in the part,
 * and what they compute, in the interpreter and on the CPU backend, is compared with formulas that
 * the tests write down themselves.
 */
#ifndef TESTS_UNIT_FUSE_CASE_H
#define TESTS_UNIT_FUSE_CASE_H

#include "graph_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "engine/engine.h"
#include "engine/session.h"

enum { FUSE_MOST = 4096 }; /* elements of one input or output */

typedef struct fuse_case {
    mxdi_graph  *g;
    mxdi_engine *e[2]; /* interp, cpu */
    mxdi_rng     rng;
    uint8_t      in[2][FUSE_MOST * sizeof(float)];
    union {
        uint8_t u8[FUSE_MOST];
        int8_t  s8[FUSE_MOST];
        float   f32[FUSE_MOST];
    } out[2]; /* of the interpreter; the CPU backend's must be the same bytes */
} fuse_case;

static inline fuse_case *fuse_begin(uint64_t seed)
{
    fuse_case *const c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->g   = graph_new(21);
    c->rng = mxdi_rng_seed(seed);
    return c;
}

static inline void fuse_end(fuse_case *c)
{
    for (int k = 0; k < 2; k++)
        mxdi_engine_destroy(c->e[k]);
    free(c);
}

/* ---- building ---- */

static inline uint32_t fuse_op(fuse_case *c, const char *op, const char *name, const uint32_t *in,
                               uint32_t n_in)
{
    const uint32_t y = graph_open(c->g, NULL);
    graph_node(c->g, op, name, in, n_in, &y, 1);
    return y;
}
#define OP(c, op, name, ...) fuse_op(c, op, name, VALUES(__VA_ARGS__))
#define LAST(c)              ((c)->g->n_nodes - 1)

static inline uint32_t fuse_scale(fuse_case *c, float s)
{
    return graph_constant(c->g, NULL, MXD_F32, &s, SCALAR);
}

static inline uint32_t fuse_zero(fuse_case *c, mxd_dtype type, int32_t z)
{
    const uint8_t byte = (uint8_t)z;
    return type == MXD_S32 ? graph_constant(c->g, NULL, MXD_S32, &z, SCALAR)
                           : graph_constant(c->g, NULL, type, &byte, SCALAR);
}

static inline uint32_t fuse_quantize(fuse_case *c, uint32_t x, float s, int32_t z, mxd_dtype type)
{
    return OP(c, "QuantizeLinear", NULL, x, fuse_scale(c, s), fuse_zero(c, type, z));
}

static inline uint32_t fuse_dequantize(fuse_case *c, uint32_t q, float s, int32_t z, mxd_dtype type)
{
    return OP(c, "DequantizeLinear", NULL, q, fuse_scale(c, s), fuse_zero(c, type, z));
}

static inline uint32_t fuse_both(fuse_case *c, uint32_t x, float s, int32_t z, mxd_dtype type)
{
    return fuse_dequantize(c, fuse_quantize(c, x, s, z, type), s, z, type);
}

/* Integers from lo to hi, filled in by `random` and kept for the test. */
static inline void fuse_random(fuse_case *c, int8_t *w, int n, int lo, int hi)
{
    for (int k = 0; k < n; k++)
        w[k] = (int8_t)(lo + (int)mxdi_rng_below(&c->rng, (uint64_t)(hi - lo + 1)));
}

/* A constant of 8-bit integers behind a DequantizeLinear along `axis`; n_scales 1: per tensor. */
static inline uint32_t fuse_weights(fuse_case *c, mxd_dtype type, const int8_t *w,
                                    const int64_t *dim, int32_t rank, const float *scale,
                                    const int8_t *zero, int64_t n_scales, int32_t axis)
{
    const int64_t  one = n_scales;
    const int32_t  per = n_scales == 1 ? 0 : 1;
    const uint32_t q   = graph_constant(c->g, NULL, type, w, dim, rank);
    const uint32_t s   = graph_constant(c->g, NULL, MXD_F32, scale, &one, per);
    const uint32_t z   = graph_constant(c->g, NULL, type, zero, &one, per);
    const uint32_t y   = OP(c, "DequantizeLinear", NULL, q, s, z);
    graph_int(c->g, LAST(c), "axis", axis);
    return y;
}

static inline uint32_t fuse_bias(fuse_case *c, const int32_t *b, const float *scale, int64_t n)
{
    const int32_t  zero[16] = { 0 };
    const uint32_t q        = graph_constant(c->g, NULL, MXD_S32, b, &n, 1);
    const uint32_t s        = graph_constant(c->g, NULL, MXD_F32, scale, &n, 1);
    const uint32_t y =
        OP(c, "DequantizeLinear", NULL, q, s, graph_constant(c->g, NULL, MXD_S32, zero, &n, 1));
    graph_int(c->g, LAST(c), "axis", 0);
    return y;
}

/* ---- building engines and running ---- */

static inline mxd_tensor fuse_tensor(const mxd_value *v, void *data)
{
    mxd_tensor t = { .data = data, .dtype = v->dtype, .rank = v->rank };
    memcpy(t.dim, v->dim, sizeof(t.dim));
    return t;
}

static inline void fuse_fill(fuse_case *c, uint8_t *data, const mxd_tensor *t)
{
    int64_t n;
    assert_true(mxdi_shape_count(&n, t->dim, t->rank) && n <= FUSE_MOST);
    for (int64_t k = 0; k < n; k++)
        if (t->dtype == MXD_F32)
            ((float *)(void *)data)[k] = 4.0f * mxdi_rng_f32(&c->rng) - 2.0f;
        else
            data[k] = (uint8_t)mxdi_rng_below(&c->rng, 256);
}

static inline void fuse_run_on(fuse_case *c, int k, void *const *out)
{
    const mxdi_graph *const g = c->e[k]->plan[0].graph;
    mxdi_session           *s = NULL;
    mxd_tensor              x[2], y[2];
    mxd_error               err = MXD_ERROR_INIT;
    assert_true(g->n_inputs <= 2 && g->n_outputs <= 2);
    for (uint32_t i = 0; i < g->n_inputs; i++)
        x[i] = fuse_tensor(&g->value[g->input[i]], c->in[i]);
    for (uint32_t i = 0; i < g->n_outputs; i++)
        y[i] = fuse_tensor(&g->value[g->output[i]], out[i]);
    if (mxdi_session_open(&s, c->e[k], 1, false, &err) != MXD_OK ||
        mxdi_session_run(s, x, g->n_inputs, y, g->n_outputs, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    mxdi_session_close(s);
}

/* Builds the graph for both backends, runs it on random inputs, and returns the part that fusion
 * made: one part is expected, and equal outputs. The graph is the engine's then. */
static inline const mxdi_graph *fuse_run(fuse_case *c)
{
    static const char *const backend[2] = { "interp", "cpu" };
    static uint8_t           other[2][sizeof(c->out[0])];
    mxdi_registry            registry;
    mxd_error                err = MXD_ERROR_INIT;
    mxdi_registry_init(&registry);
    for (int k = 0; k < 2; k++) {
        const mxdi_build_options o = { .backend = backend[k], .threads = 1, .exact = true };
        mxdi_graph              *g = c->g;
        if (k == 0)
            assert_int_equal(mxdi_graph_clone(&g, c->g, NULL), MXD_OK);
        if (mxdi_engine_build(&c->e[k], g, &o, &registry, NULL, &err) != MXD_OK)
            fail_msg("%s: %s", backend[k], err.msg);
        assert_int_equal(c->e[k]->plan[0].n_parts, 1);
    }
    mxdi_registry_fini(&registry);
    const mxdi_graph *const g = c->e[0]->plan[0].graph;
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const mxd_tensor t = fuse_tensor(&g->value[g->input[i]], NULL);
        fuse_fill(c, c->in[i], &t);
    }
    memset(other, 0, sizeof(other));
    fuse_run_on(c, 0, (void *const[]){ &c->out[0], &c->out[1] });
    fuse_run_on(c, 1, (void *const[]){ other[0], other[1] });
    for (uint32_t i = 0; i < g->n_outputs; i++)
        assert_memory_equal(&c->out[i], other[i], sizeof(other[i]));
    return c->e[0]->plan[0].part[0].graph;
}

/* The one node of the part. */
static inline const mxd_node *fuse_only(const mxdi_graph *part, const char *op)
{
    assert_int_equal(part->n_nodes, 1);
    assert_string_equal(part->node[0].op, op);
    return &part->node[0];
}

/* ---- the formulas of docs/numerics.md, once more ---- */

static inline int32_t fuse_clamp(float r, int32_t z, int32_t lo, int32_t hi)
{
    const float v = rintf(r);
    return (int32_t)fminf(fmaxf(v, (float)(lo - z)), (float)(hi - z)) + z;
}

static inline float fuse_ratio3(double a, double b, double c)
{
    return (float)(a * b / c);
}

/* Convolution of one u8 image (channels, h, w) by s8 weights (m, channels/group, 3, 3), padding 1:
 * taps outside the image add nothing. */
static inline int32_t fuse_conv_at(const uint8_t *x, int32_t zx, const int8_t *w, int32_t zw,
                                   int channels, int h, int wide, int m, int oy, int ox)
{
    int32_t acc = 0;
    for (int ch = 0; ch < channels; ch++)
        for (int ky = 0; ky < 3; ky++)
            for (int kx = 0; kx < 3; kx++) {
                const int y = oy + ky - 1, xx = ox + kx - 1;
                if (y < 0 || y >= h || xx < 0 || xx >= wide)
                    continue;
                acc += (x[(ch * h + y) * wide + xx] - zx) *
                       (w[((m * channels + ch) * 3 + ky) * 3 + kx] - zw);
            }
    return acc;
}
#endif
