/* SPDX-License-Identifier: Apache-2.0
 *
 * Each rewrite: what it makes of the pattern it is for, with the numbers, names and origins that
 * must result, and the near misses that it must leave alone.
 */
#include "graph_case.h"

#include <math.h>

#include "passes/passes.h"

static const mxd_value *input(const mxdi_graph *g, const mxd_node *node, uint32_t k)
{
    assert_true(k < node->n_in && node->in[k] != MXD_NO_VALUE);
    return &g->value[node->in[k]];
}

static void assert_floats(const mxd_value *v, const float *want, size_t n)
{
    assert_int_equal(v->dtype, MXD_F32);
    assert_int_equal(v->bytes, n * sizeof(float));
    assert_memory_equal(v->data, want, n * sizeof(float));
}
#define ASSERT_FLOATS(v, ...)                        \
    assert_floats(v, (const float[]){ __VA_ARGS__ }, \
                  sizeof((float[]){ __VA_ARGS__ }) / sizeof(float))

static void assert_origins(const mxd_node *node, const char *want)
{
    char got[256] = "";
    for (uint32_t k = 0; k < node->n_origin; k++) {
        if (k > 0)
            strcat(got, " ");
        strcat(got, node->origin[k]);
    }
    assert_string_equal(got, want);
}

/* Infers, runs one pass, checks the graph, cleans up; whether the pass did something. */
static bool rewrite(mxdi_graph *g, mxdi_pass_fn pass)
{
    bool      changed = false, ignored = false;
    mxd_error err = MXD_ERROR_INIT;
    if (mxdi_pass_infer(g, &ignored, &err) != MXD_OK || pass(g, &changed, &err) != MXD_OK ||
        mxdi_graph_verify(g, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(mxdi_pass_remove_dead(g, &ignored, NULL), MXD_OK);
    /* shapes told before still hold */
    if (mxdi_pass_infer(g, &ignored, &err) != MXD_OK || mxdi_graph_verify(g, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return changed;
}

/* ---- fold-affine ---- */

/* x (1, 2, 2, 2) -> Conv with 3 channels, weight w (3, 2, 1, 1), bias b or none -> c */
static uint32_t conv3(mxdi_graph *g, bool bias)
{
    static const float w[] = { 1, 2, 3, 4, 5, 6 }, b[] = { 10, 20, 30 };
    const uint32_t     x = graph_input(g, "x", MXD_F32, DIMS(1, 2, 2, 2)), c = graph_open(g, "c");
    const uint32_t     in[] = { x, graph_constant(g, "w", MXD_F32, w, DIMS(3, 2, 1, 1)),
                            bias ? graph_constant(g, "b", MXD_F32, b, DIMS(3)) : MXD_NO_VALUE };
    graph_node(g, "Conv", "conv", in, bias ? 3 : 2, &c, 1);
    return c;
}

static void batch_norm_goes_into_conv(void **state)
{
    (void)state;
    for (int bias = 0; bias < 2; bias++) {
        mxdi_graph *const g = graph_new(13);
        const uint32_t    c = conv3(g, bias != 0), y = graph_open(g, "y");
        /* scale 2, 1, -1 / sqrt(4 - 1e-5 + 1e-5): half of it */
        const float    v    = 4.0f - 1e-5f;
        const uint32_t in[] = { c, FLOATS(g, 2, 1, -1), FLOATS(g, 1, 2, 3), FLOATS(g, 4, 8, 16),
                                FLOATS(g, v, v, v) };
        const double   s    = 1.0 / sqrt((double)v + (double)1e-5f);
        const double   b[]  = { bias ? 10.0 : 0.0, bias ? 20.0 : 0.0, bias ? 30.0 : 0.0 };
        graph_node(g, "BatchNormalization", "bn", in, 5, &y, 1);
        graph_output(g, y);
        assert_true(rewrite(g, mxdi_pass_fold_affine));
        assert_int_equal(g->n_nodes, 1);
        const mxd_node *const conv = graph_find(g, "conv");
        assert_origins(conv, "conv bn");
        assert_string_equal(g->value[conv->out[0]].name, "y");
        assert_string_equal(input(g, conv, 1)->name, "w");
        ASSERT_FLOATS(input(g, conv, 1), (float)(2 * s), (float)(2 * 2 * s), (float)(3 * s),
                      (float)(4 * s), (float)(-5 * s), (float)(-6 * s));
        ASSERT_FLOATS(input(g, conv, 2), (float)(b[0] * (2 * s) + (1 - 4 * (2 * s))),
                      (float)(b[1] * s + (2 - 8 * s)), (float)(b[2] * -s + (3 - 16 * -s)));
        mxdi_graph_destroy(g);
    }
}

/* conv -> op with constant `v` (dims) on side `k`; the weight's first element and the bias's. */
static void check_arithmetic(const char *op, uint32_t k, const float *v, const int64_t *dim,
                             int32_t rank, bool folds, const float *want_w, const float *want_b)
{
    mxdi_graph *const g     = graph_new(13);
    uint32_t          in[2] = { 0 };
    in[k]                   = graph_constant(g, "v", MXD_F32, v, dim, rank);
    in[1 - k]               = conv3(g, true);
    const uint32_t y        = graph_open(g, "y");
    graph_node(g, op, "op", in, 2, &y, 1);
    graph_output(g, y);
    assert_int_equal(rewrite(g, mxdi_pass_fold_affine), folds);
    assert_int_equal(g->n_nodes, folds ? 1 : 2);
    if (folds) {
        assert_floats(input(g, graph_find(g, "conv"), 1), want_w, 6);
        assert_floats(input(g, graph_find(g, "conv"), 2), want_b, 3);
    }
    mxdi_graph_destroy(g);
}

static void arithmetic_goes_into_conv(void **state)
{
    (void)state;
    static const float v[]    = { 2, 4, 8 };
    static const float same[] = { 1, 2, 3, 4, 5, 6 };
    check_arithmetic("Add", 1, v, DIMS(3, 1, 1), true, same, (const float[]){ 12, 24, 38 });
    check_arithmetic("Add", 0, v, DIMS(1, 3, 1, 1), true, same, (const float[]){ 12, 24, 38 });
    check_arithmetic("Add", 1, v, SCALAR, true, same, (const float[]){ 12, 22, 32 });
    check_arithmetic("Sub", 1, v, DIMS(3, 1, 1), true, same, (const float[]){ 8, 16, 22 });
    check_arithmetic("Sub", 0, v, DIMS(3, 1, 1), true, (const float[]){ -1, -2, -3, -4, -5, -6 },
                     (const float[]){ -8, -16, -22 });
    check_arithmetic("Mul", 1, v, DIMS(3, 1, 1), true, (const float[]){ 2, 4, 12, 16, 40, 48 },
                     (const float[]){ 20, 80, 240 });
    check_arithmetic("Mul", 0, v, DIMS(1), true, (const float[]){ 2, 4, 6, 8, 10, 12 },
                     (const float[]){ 20, 40, 60 });
    check_arithmetic("Div", 1, v, DIMS(3, 1, 1), true,
                     (const float[]){ 0.5f, 1, 0.75f, 1, 0.625f, 0.75f },
                     (const float[]){ 5, 5, 3.75f });
    check_arithmetic("Div", 0, v, DIMS(3, 1, 1), false, NULL, NULL);       /* c / x */
    check_arithmetic("Add", 1, v, DIMS(2), false, NULL, NULL);             /* along the last axis */
    check_arithmetic("Add", 1, v, DIMS(2, 1), false, NULL, NULL);          /* along the rows */
    check_arithmetic("Add", 1, v, DIMS(1, 1, 1, 1, 1), false, NULL, NULL); /* makes it rank 5 */
    check_arithmetic("Div", 1, (const float[]){ 0 }, DIMS(1), false, NULL, NULL);
    check_arithmetic("Mul", 1, (const float[]){ INFINITY }, DIMS(1), false, NULL, NULL);
}

/* Chains fold as a whole; a bias that there was not appears. */
static void chains_fold(void **state)
{
    (void)state;
    mxdi_graph *const g = graph_new(13);
    const uint32_t    c = conv3(g, false), m = graph_open(g, "m"), y = graph_open(g, "y");
    const uint32_t    two = FLOATS(g, 2), one = FLOATS(g, 1);
    graph_node(g, "Mul", "mul", VALUES(c, two), VALUES(m));
    graph_node(g, "Add", "add", VALUES(one, m), VALUES(y));
    graph_output(g, y);
    assert_true(rewrite(g, mxdi_pass_fold_affine));
    assert_origins(graph_find(g, "conv"), "conv mul add");
    ASSERT_FLOATS(input(g, graph_find(g, "conv"), 1), 2, 4, 6, 8, 10, 12);
    ASSERT_FLOATS(input(g, graph_find(g, "conv"), 2), 1, 1, 1);
    mxdi_graph_destroy(g);
}

/* (x + 3) * 2: what was added is scaled too. */
static void chains_fold_in_order(void **state)
{
    (void)state;
    mxdi_graph *const g = graph_new(13);
    const uint32_t    c = conv3(g, true), m = graph_open(g, "m"), y = graph_open(g, "y");
    const uint32_t    three = FLOATS(g, 3), two = FLOATS(g, 2);
    graph_node(g, "Add", "add", VALUES(c, three), VALUES(m));
    graph_node(g, "Mul", "mul", VALUES(m, two), VALUES(y));
    graph_output(g, y);
    assert_true(rewrite(g, mxdi_pass_fold_affine));
    assert_origins(graph_find(g, "conv"), "conv add mul");
    ASSERT_FLOATS(input(g, graph_find(g, "conv"), 1), 2, 4, 6, 8, 10, 12);
    ASSERT_FLOATS(input(g, graph_find(g, "conv"), 2), 26, 46, 66);
    mxdi_graph_destroy(g);
}

static void gemm_and_transposed_conv_fold(void **state)
{
    (void)state;
    for (int64_t trans = 0; trans < 2; trans++) {
        mxdi_graph *const g = graph_new(13);
        const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(2, 2)), c = graph_open(g, "c"),
                       y = graph_open(g, "y");
        const uint32_t w =
            graph_constant(g, "w", MXD_F32, (const float[]){ 1, 2, 3, 4 }, DIMS(2, 2));
        const uint32_t b = graph_constant(g, "b", MXD_F32, (const float[]){ 3 }, SCALAR),
                       s = FLOATS(g, 10, 100);
        graph_node(g, "Gemm", "gemm", VALUES(x, w, b), VALUES(c));
        graph_int(g, 0, "transB", trans);
        assert_int_equal(mxdi_node_set_float(g, &g->node[0], "beta", 2.0f, NULL), MXD_OK);
        graph_node(g, "Mul", "mul", VALUES(c, s), VALUES(y));
        graph_output(g, y);
        assert_true(rewrite(g, mxdi_pass_fold_affine));
        if (trans)
            ASSERT_FLOATS(input(g, graph_find(g, "gemm"), 1), 10, 20, 300, 400);
        else
            ASSERT_FLOATS(input(g, graph_find(g, "gemm"), 1), 10, 200, 30, 400);
        ASSERT_FLOATS(input(g, graph_find(g, "gemm"), 2), 60, 600);
        assert_true(mxd_node_float(graph_find(g, "gemm"), "beta", 1.0f) == 1.0f);
        mxdi_graph_destroy(g);
    }
    /* weight (C, M/group, 1, 1) = (4, 2, 1, 1), two groups: input channels 0, 1 feed outputs 0, 1
     */
    mxdi_graph *const g = graph_new(13);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(1, 4, 1, 1)), c = graph_open(g, "c"),
                   y = graph_open(g, "y");
    const uint32_t w = graph_constant(g, "w", MXD_F32, (const float[]){ 1, 1, 1, 1, 1, 1, 1, 1 },
                                      DIMS(4, 2, 1, 1));
    const uint32_t s =
        graph_constant(g, "s", MXD_F32, (const float[]){ 2, 3, 4, 5 }, DIMS(4, 1, 1));
    graph_node(g, "ConvTranspose", "conv", VALUES(x, w), VALUES(c));
    graph_int(g, 0, "group", 2);
    graph_node(g, "Mul", "mul", VALUES(c, s), VALUES(y));
    graph_output(g, y);
    assert_true(rewrite(g, mxdi_pass_fold_affine));
    ASSERT_FLOATS(input(g, graph_find(g, "conv"), 1), 2, 3, 2, 3, 4, 5, 4, 5);
    mxdi_graph_destroy(g);
}

/* Two readers, an output in between, a shared weight, a dequantized weight. */
static void fold_affine_near_misses(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        mxdi_graph *const g = graph_new(13);
        const uint32_t    y = graph_open(g, "y"), two = FLOATS(g, 2);
        uint32_t          c = 0;
        if (which == 3) {
            const uint32_t x = graph_input(g, "x", MXD_F32, DIMS(1, 1, 2, 2)),
                           d = graph_open(g, "d"), s = FLOATS(g, 1);
            const uint32_t q = graph_constant(g, "q", MXD_S8, "\1", DIMS(1, 1, 1, 1));
            c                = graph_open(g, "c");
            graph_node(g, "DequantizeLinear", "dq", VALUES(q, s), VALUES(d));
            graph_node(g, "Conv", "conv", VALUES(x, d), VALUES(c));
        } else {
            c = conv3(g, true);
        }
        graph_node(g, "Mul", "mul", VALUES(c, two), VALUES(y));
        graph_output(g, y);
        if (which == 0)
            graph_output(g, c);
        if (which == 1) {
            const uint32_t r = graph_open(g, "r");
            graph_node(g, "Relu", "relu", VALUES(c), VALUES(r));
            graph_output(g, r);
        }
        if (which == 2) { /* the other user of the weight keeps the old one */
            const uint32_t r = graph_open(g, "r"), w = g->node[0].in[1];
            graph_node(g, "Relu", "relu", VALUES(w), VALUES(r));
            graph_output(g, r);
        }
        assert_int_equal(rewrite(g, mxdi_pass_fold_affine), which == 2);
        if (which == 2) {
            ASSERT_FLOATS(&g->value[mxdi_graph_find_value(g, "w")], 1, 2, 3, 4, 5, 6);
            ASSERT_FLOATS(input(g, graph_find(g, "conv"), 1), 2, 4, 6, 8, 10, 12);
        }
        mxdi_graph_destroy(g);
    }
}

/* ---- the others ---- */

static void identities_go(void **state)
{
    (void)state;
    mxdi_graph *const g = graph_new(13);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(2, 3)), r = graph_open(g, "r"),
                   i = graph_open(g, "i");
    const uint32_t d = graph_open(g, "d"), t = graph_open(g, "t"), c = graph_open(g, "c"),
                   s = graph_open(g, "s");
    const uint32_t p = graph_open(g, "p"), y = graph_open(g, "y"), pads = INTS(g, 0, 0, 0, 0),
                   shape = INTS(g, 2, 3);
    const uint32_t z = graph_open(g, "z"), u = graph_open(g, "u");
    graph_node(g, "Identity", "identity", VALUES(x), VALUES(i));
    graph_node(g, "Relu", "relu", VALUES(i), VALUES(r));
    graph_node(g, "Dropout", "dropout", VALUES(r), VALUES(d));
    graph_node(g, "Transpose", "transpose", VALUES(d), VALUES(t));
    graph_ints(g, 3, "perm", DIMS(0, 1));
    graph_node(g, "Concat", "concat", VALUES(t), VALUES(c));
    graph_int(g, 4, "axis", 0);
    graph_node(g, "Reshape", "reshape", VALUES(c, shape), VALUES(s));
    graph_node(g, "Pad", "pad", VALUES(s, pads), VALUES(p));
    graph_node(g, "Cast", "cast", VALUES(p), VALUES(u));
    graph_int(g, 7, "to", 1);
    graph_node(g, "Identity", "last", VALUES(u), VALUES(y));
    graph_node(g, "Identity", "other", VALUES(x), VALUES(z)); /* between two names of the network */
    graph_output(g, y);
    graph_output(g, z);
    assert_true(rewrite(g, mxdi_pass_drop_identity));
    assert_int_equal(g->n_nodes, 2);
    assert_string_equal(g->value[graph_find(g, "relu")->out[0]].name, "y");
    assert_string_equal(g->value[graph_find(g, "relu")->in[0]].name, "x");
    assert_origins(graph_find(g, "relu"),
                   "relu identity dropout transpose concat reshape pad cast last");
    assert_int_equal(graph_count(g, "Identity"), 1);
    mxdi_graph_destroy(g);
}

static void non_identities_stay(void **state)
{
    (void)state;
    mxdi_graph *const g = graph_new(13);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(2, 2)), d = graph_open(g, "d"),
                   m = graph_open(g, "m");
    const uint32_t t = graph_open(g, "t"), c = graph_open(g, "c");
    graph_node(g, "Dropout", "masked", VALUES(x), VALUES(d, m));
    graph_node(g, "Transpose", "square", VALUES(x), VALUES(t)); /* (2, 2) either way */
    graph_node(g, "Cast", "cast", VALUES(x), VALUES(c));
    graph_int(g, 2, "to", 10);
    graph_output(g, d);
    graph_output(g, m);
    graph_output(g, t);
    graph_output(g, c);
    assert_false(rewrite(g, mxdi_pass_drop_identity));
    assert_int_equal(g->n_nodes, 3);
    mxdi_graph_destroy(g);
}

static void bias_makes_gemm(void **state)
{
    (void)state;
    /* rank of the left operand, dims of the bias, the weight is dequantized */
    static const struct {
        int32_t rank;
        int64_t bias[2];
        int32_t bias_rank;
        bool    dq, merges;
    } cases[] = {
        { 2, { 4 }, 1, false, true },     { 2, { 1, 4 }, 2, false, true },
        { 2, { 2, 4 }, 2, false, false }, { 3, { 4 }, 1, false, false },
        { 2, { 4 }, 1, true, false },
    };
    static const float zeros[16] = { 0 };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        mxdi_graph *const g      = graph_new(13);
        const int64_t     dims[] = { 2, 3, 3 };
        const uint32_t    x      = graph_input(g, "x", MXD_F32, dims, cases[k].rank),
                       m = graph_open(g, "m"), y = graph_open(g, "y");
        const uint32_t w = graph_constant(g, "w", MXD_F32, zeros, DIMS(3, 4));
        const uint32_t b =
            graph_constant(g, "b", MXD_F32, zeros, cases[k].bias, cases[k].bias_rank);
        uint32_t left = x;
        if (cases[k].dq) {
            const uint32_t one = graph_constant(g, "one", MXD_F32, (const float[]){ 1.0f }, SCALAR),
                           q   = graph_open(g, "q");
            left               = graph_open(g, "d");
            graph_node(g, "QuantizeLinear", "q", VALUES(x, one), VALUES(q));
            graph_node(g, "DequantizeLinear", "dq", VALUES(q, one), VALUES(left));
        }
        graph_node(g, "MatMul", "matmul", VALUES(left, w), VALUES(m));
        graph_node(g, "Add", "add", VALUES(b, m), VALUES(y));
        graph_output(g, y);
        assert_int_equal(rewrite(g, mxdi_pass_merge_bias), cases[k].merges);
        assert_string_equal(graph_find(g, "matmul")->op, cases[k].merges ? "Gemm" : "MatMul");
        if (cases[k].merges)
            assert_origins(graph_find(g, "matmul"), "matmul add");
        mxdi_graph_destroy(g);
    }
}

static void padding_goes_into_conv(void **state)
{
    (void)state;
    /* pads of (1, 1, 4, 4), the value, whether it merges, the pads that result */
    static const struct {
        int64_t pads[8];
        float   value;
        bool    merges;
        int64_t want[4];
    } cases[] = {
        { { 0, 0, 1, 0, 0, 0, 2, 3 }, 0.0f, true, { 2, 1, 3, 4 } },
        { { 0, 0, 1, 0, 0, 0, 2, 3 }, 1.0f, false, { 0 } },
        { { 0, 0, -1, 0, 0, 0, 2, 3 }, 0.0f, false, { 0 } },
        { { 0, 1, 1, 0, 0, 0, 2, 3 }, 0.0f, false, { 0 } },
    };
    static const float ones[2] = { 1, 1 };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        mxdi_graph *const g        = graph_new(13);
        const int64_t     channels = 1 + cases[k].pads[1];
        const uint32_t x = graph_input(g, "x", MXD_F32, DIMS(1, 1, 4, 4)), p = graph_open(g, "p"),
                       y    = graph_open(g, "y");
        const uint32_t pads = graph_constant(g, "pads", MXD_S64, cases[k].pads, DIMS(8));
        const uint32_t fill = graph_constant(g, "fill", MXD_F32, &cases[k].value, SCALAR);
        const uint32_t w    = graph_constant(g, "w", MXD_F32, ones, DIMS(1, channels, 1, 1));
        uint32_t       n    = 0;
        graph_node(g, "Pad", "pad", VALUES(x, pads, fill), VALUES(p));
        graph_node(g, "Conv", "conv", VALUES(p, w), VALUES(y));
        graph_ints(g, 1, "pads", DIMS(1, 1, 1, 1));
        graph_output(g, y);
        assert_int_equal(rewrite(g, mxdi_pass_merge_pad), cases[k].merges);
        if (cases[k].merges) {
            const int64_t *const got = mxd_node_ints(graph_find(g, "conv"), "pads", &n);
            assert_int_equal(n, 4);
            assert_memory_equal(got, cases[k].want, sizeof(cases[k].want));
            assert_origins(graph_find(g, "conv"), "conv pad");
            assert_int_equal(g->n_nodes, 1);
        }
        mxdi_graph_destroy(g);
    }
}

static void reshapes_merge(void **state)
{
    (void)state;
    mxdi_graph *const g = graph_new(13);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(-1, 4, 6)), a = graph_open(g, "a"),
                   b = graph_open(g, "b");
    const uint32_t c = graph_open(g, "c"), e = graph_open(g, "e"), y = graph_open(g, "y"),
                   z = graph_open(g, "z");
    const uint32_t s = INTS(g, 0, 8, 3), axes = INTS(g, 1), back = INTS(g, -1, 4, 6);
    bool           scalable = false, changed = false;
    graph_node(g, "Reshape", "reshape", VALUES(x, s), VALUES(a));
    graph_node(g, "Unsqueeze", "unsqueeze", VALUES(a, axes), VALUES(b));
    graph_node(g, "Flatten", "flatten", VALUES(b), VALUES(c));
    graph_node(g, "Relu", "relu", VALUES(c), VALUES(y));
    graph_node(g, "Reshape", "back", VALUES(c, back), VALUES(e)); /* what x was */
    graph_node(g, "Neg", "neg", VALUES(e), VALUES(z));
    graph_output(g, y);
    graph_output(g, z);
    assert_int_equal(mxdi_bind_shapes(g, NULL, 0, 2, &scalable, NULL), MXD_OK);
    assert_int_equal(mxdi_pass_merge_reshape(g, &changed, NULL), MXD_OK);
    assert_true(changed);
    assert_int_equal(mxdi_graph_verify(g, NULL), MXD_OK);
    assert_int_equal(mxdi_pass_remove_dead(g, &changed, NULL), MXD_OK);
    assert_int_equal(g->n_nodes, 3);
    const mxd_node *const flatten = graph_find(g, "flatten");
    const int64_t *const  shape   = input(g, flatten, 1)->data;
    assert_string_equal(flatten->op, "Reshape");
    assert_true(input(g, flatten, 1)->dim[0] == 2 && shape[0] == -1 && shape[1] == 24);
    assert_origins(flatten, "flatten unsqueeze reshape");
    assert_string_equal(input(g, graph_find(g, "neg"), 0)->name, "x");
    assert_int_equal(mxdi_bind_shapes(g, NULL, 0, 9, &scalable, NULL), MXD_OK);
    assert_true(scalable);
    mxdi_graph_destroy(g);
}

static void clips_become_relu(void **state)
{
    (void)state;
    static const struct {
        float min, max;
        bool  relu;
    } cases[] = {
        { 0.0f, INFINITY, true },
        { 0.0f, 3.4028235e38f, true },
        { 0.0f, 6.0f, false },
        { -1.0f, INFINITY, false },
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++)
        for (int old = 0; old < 2; old++) {
            mxdi_graph *const g = graph_new(old ? 10 : 13);
            const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(2)), y = graph_open(g, "y");
            const uint32_t    in[] = { x, graph_constant(g, "min", MXD_F32, &cases[k].min, SCALAR),
                                       graph_constant(g, "max", MXD_F32, &cases[k].max, SCALAR) };
            const uint32_t    n    = graph_node(g, "Clip", "clip", in, old ? 1 : 3, &y, 1);
            if (old) {
                assert_int_equal(mxdi_node_set_float(g, &g->node[n], "min", cases[k].min, NULL),
                                 MXD_OK);
                assert_int_equal(mxdi_node_set_float(g, &g->node[n], "max", cases[k].max, NULL),
                                 MXD_OK);
            }
            graph_output(g, y);
            assert_int_equal(rewrite(g, mxdi_pass_clip_to_relu), cases[k].relu);
            assert_string_equal(graph_find(g, "clip")->op, cases[k].relu ? "Relu" : "Clip");
            mxdi_graph_destroy(g);
        }
}

static void qlinear_conv_decomposes(void **state)
{
    (void)state;
    mxdi_graph *const g = graph_new(10);
    const uint32_t    x = graph_input(g, "x", MXD_U8, DIMS(1, 1, 2, 2)), y = graph_open(g, "y");
    const uint32_t    w  = graph_constant(g, "w", MXD_S8, "\1\2", DIMS(2, 1, 1, 1));
    const uint32_t    sx = graph_constant(g, "sx", MXD_F32, (const float[]){ 0.5f }, SCALAR);
    const uint32_t    sw = FLOATS(g, 0.25f, 4.0f), sy = FLOATS(g, 2.0f);
    const uint32_t    zx = graph_constant(g, "zx", MXD_U8, "\7", SCALAR),
                   zy    = graph_constant(g, "zy", MXD_U8, "\11", DIMS(1));
    const uint32_t zw    = graph_constant(g, "zw", MXD_S8, "\0", SCALAR);
    const uint32_t b     = graph_constant(g, "b", MXD_S32, (const int32_t[]){ 100, 200 }, DIMS(2));
    graph_node(g, "QLinearConv", "y", VALUES(x, sx, zx, w, sw, zw, sy, zy, b),
               VALUES(y)); /* named as its output */
    graph_ints(g, 0, "strides", DIMS(2, 2));
    graph_output(g, y);
    assert_true(rewrite(g, mxdi_pass_decompose_qlinear));
    assert_int_equal(graph_count(g, "DequantizeLinear"), 3);
    const mxd_node *const conv = graph_find(g, "y");
    uint32_t              n    = 0;
    assert_string_equal(conv->op, "Conv");
    assert_non_null(mxd_node_ints(conv, "strides", &n));
    assert_dims(&g->value[conv->out[0]], DIMS(1, 2, 1, 1));
    const uint32_t out = mxdi_graph_find_value(g, "y");
    assert_true(mxdi_graph_is_output(g, out));
    assert_int_equal(g->value[out].dtype, MXD_U8);
    for (uint32_t k = 0; k < g->n_nodes; k++) {
        const mxd_node *const node = &g->node[k];
        assert_origins(node, "y");
        if (node->out[0] == conv->in[1]) {
            assert_int_equal(mxd_node_int(node, "axis", -9), 0);
            assert_dims(input(g, node, 2), DIMS(2)); /* the zero point, as wide as the scale */
        }
        if (node->out[0] == conv->in[2])
            ASSERT_FLOATS(input(g, node, 1), 0.125f, 2.0f);
    }
    mxdi_graph_destroy(g);
}

static void qlinear_matmul_decomposes(void **state)
{
    (void)state;
    for (int constant = 0; constant < 2; constant++) {
        mxdi_graph *const g = graph_new(13);
        const uint32_t    a = graph_input(g, "a", MXD_U8, DIMS(2, 3, 4)), y = graph_open(g, "y");
        const uint32_t    b = graph_constant(g, "b", MXD_S8, "\1\2\3\4", DIMS(4, 1));
        const uint32_t sa = constant ? FLOATS(g, 1, 2, 3) : graph_input(g, "sa", MXD_F32, DIMS(3));
        const uint32_t za = graph_constant(g, "za", MXD_U8, "\0\0\0", DIMS(3)), s = FLOATS(g, 1);
        const uint32_t zb = graph_constant(g, "zb", MXD_S8, "\0", DIMS(1)),
                       zy = graph_constant(g, "zy", MXD_U8, "\0", DIMS(1));
        graph_node(g, "QLinearMatMul", "q", VALUES(a, sa, za, b, s, zb, s, zy), VALUES(y));
        graph_output(g, y);
        assert_int_equal(rewrite(g, mxdi_pass_decompose_qlinear), constant);
        assert_string_equal(graph_find(g, "q")->op, constant ? "MatMul" : "QLinearMatMul");
        for (uint32_t k = 0; constant && k < g->n_nodes; k++)
            if (g->node[k].out[0] == graph_find(g, "q")->in[0])
                assert_int_equal(mxd_node_int(&g->node[k], "axis", -9), 1); /* the rows */
        mxdi_graph_destroy(g);
    }
}

/* A rewrite that leaves a wrong graph is blamed by name. */
static mxd_status break_graph(mxdi_graph *g, bool *changed, mxd_error *err)
{
    (void)err;
    *changed          = true;
    g->node[0].domain = NULL;
    return MXD_OK;
}

static void pipeline_blames_the_pass(void **state)
{
    (void)state;
    const mxdi_pass     pass = { "break-graph", "", break_graph };
    const mxdi_pipeline p    = { &pass, 1 };
    mxdi_graph *const   g    = graph_new(13);
    mxd_error           err  = MXD_ERROR_INIT;
    graph_output(g, conv3(g, true));
    assert_int_equal(mxdi_pass_run(g, &p, &err), MXD_E_INVAL);
    assert_non_null(strstr(err.msg, "after break-graph"));
    mxdi_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_goes_into_conv),
        cmocka_unit_test(arithmetic_goes_into_conv),
        cmocka_unit_test(chains_fold),
        cmocka_unit_test(chains_fold_in_order),
        cmocka_unit_test(gemm_and_transposed_conv_fold),
        cmocka_unit_test(fold_affine_near_misses),
        cmocka_unit_test(identities_go),
        cmocka_unit_test(non_identities_stay),
        cmocka_unit_test(bias_makes_gemm),
        cmocka_unit_test(padding_goes_into_conv),
        cmocka_unit_test(reshapes_merge),
        cmocka_unit_test(clips_become_relu),
        cmocka_unit_test(qlinear_conv_decomposes),
        cmocka_unit_test(qlinear_matmul_decomposes),
        cmocka_unit_test(pipeline_blames_the_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
