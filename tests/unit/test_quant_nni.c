/* SPDX-License-Identifier: Apache-2.0
 *
 * NNI's calibration files: every dialect tells the same, modules are found in the network by its
 * names, weights keep the integers they were trained with, what is missing or wrong is told.
 */
#include "quant_case.h"

#include <math.h>
#include <unistd.h>

#include "quant/module_name.h"

#define W8A8 "[{\"precision\": \"w8a8\"}]"

static mxd_status parse(mxdi_calibration **c, const char *json, mxd_error *err)
{
    *err = (mxd_error)MXD_ERROR_INIT;
    const mxd_status st =
        mxdi_calibration_parse(c, (mxdi_view){ (const uint8_t *)json, strlen(json) }, NULL, err);
    assert_true((st == MXD_OK) == (*c != NULL));
    return st;
}

/* The network `g`, which is taken over, with what a file tells of it. */
static quant_case *told(mxdi_graph *g, const char *json)
{
    quant_case *const c = calloc(1, sizeof(*c));
    mxd_error         err;
    assert_non_null(c);
    mxdi_registry_init(&c->registry);
    c->g = g;
    if (parse(&c->calibration, json, &err) != MXD_OK)
        fail_msg("%s: %s", json, err.msg);
    return c;
}

static const void *constant(const mxdi_graph *g, const char *name)
{
    const uint32_t v = mxdi_graph_find_value(g, name);
    if (v == MXD_NO_VALUE)
        fail_msg("no value '%s'", name);
    return g->value[v].data;
}

static float scale_of(const mxdi_graph *g, const char *name)
{
    return *(const float *)constant(g, name);
}

static bool has(const mxdi_graph *g, const char *name)
{
    return mxdi_graph_find_value(g, name) != MXD_NO_VALUE;
}

/* ---- names ---- */

static void names_of_modules(void **state)
{
    (void)state;
    static const struct {
        const char *node, *module;
    } nodes[] = {
        { "/conv1/Conv", "conv1" },
        { "/layer1/layer1.0/conv1/Conv", "layer1.0.conv1" },
        { "/features/features.1/conv/conv.0/conv.0.0/Conv", "features.1.conv.0.0" },
        { "/a/ab/MatMul", "a.ab" },
        { "/a/a.b/a/Relu_1", "a.b.a" },
        { "Conv_0", NULL },
        { "/Relu", NULL },
        { "//Relu", NULL },
    };
    static const struct {
        const char *weight, *module;
    } weights[] = {
        { "layer1.0.conv1.weight", "layer1.0.conv1" },
        { "fc.weight_quantized", "fc" },
        { "a.weight.weight", "a.weight" },
        { "a.weights", NULL },
        { ".weight", NULL },
        { "onnx::Conv_12", NULL },
    };
    char out[MXDI_MODULE_NAME], longest[2 * MXDI_MODULE_NAME];
    for (size_t k = 0; k < sizeof(nodes) / sizeof(nodes[0]); k++) {
        assert_int_equal(mxdi_module_of_node(out, nodes[k].node), nodes[k].module != NULL);
        if (nodes[k].module)
            assert_string_equal(out, nodes[k].module);
    }
    for (size_t k = 0; k < sizeof(weights) / sizeof(weights[0]); k++) {
        assert_int_equal(mxdi_module_of_weight(out, weights[k].weight), weights[k].module != NULL);
        if (weights[k].module)
            assert_string_equal(out, weights[k].module);
    }
    memset(longest, 'a', sizeof(longest));
    longest[0] = '/';
    memcpy(longest + sizeof(longest) - 6, "/Conv", 6);
    assert_false(mxdi_module_of_node(out, longest));
}

/* ---- dialects ---- */

/* Ranges of residual.onnx as each dialect has them. */
static void dialects(void **state)
{
    (void)state;
    static const char *const files[] = {
        /* 2.5 and later */
        "{\"stem\": {\"weight_bits\": 8, \"weight_scale\": [0.0078125], \"weight_zero_point\": [0.0], \"input_bits\": 8, "
        "\"tracked_min_input\": -1.5, \"tracked_max_input\": 2.5, \"output_bits\": 8, "
        "\"tracked_min_output\": -3, \"tracked_max_output\": 4.0},"
        " \"branch\": {\"weight_bits\": 8, \"weight_scale\": [[[[0.0078125]]]], \"weight_zero_point\": 0, \"input_bits\": 8, \"tracked_min_input\": "
        "0.0, \"tracked_max_input\": 4.0},"
        " \"relu2\": {\"output_bits\": 8, \"tracked_min_output\": 0.0, \"tracked_max_output\": 5.0},"
        " \"mean\": {\"output_bits\": 8, \"tracked_min_output\": [0.0], \"tracked_max_output\": [3.0]}}",
        /* 2.2 to 2.4, where outputs were activations */
        "{\"stem\": {\"weight_bit\": 8, \"weight_scale\": 0.0078125, \"weight_zero_point\": 0, \"tracked_min_input\": -1.5, "
        "\"tracked_max_input\": 2.5, \"activation_bit\": 8, "
        "\"tracked_min_activation\": -3, \"tracked_max_activation\": 4.0},"
        " \"branch\": {\"weight_bit\": 8, \"weight_scale\": 0.0078125},"
        " \"relu2\": {\"activation_bit\": 8, \"tracked_min_activation\": 0.0, \"tracked_max_activation\": 5.0},"
        " \"head\": {\"weight_bit\": 8, \"input_bit\": 8, \"tracked_min_input\": 0, \"tracked_max_input\": 3, \"tracked_input_qmin\": 0, "
        "\"tracked_input_qmax\": 127}}",
        /* the Observer; #5039 in the branch */
        "{\"stem\": {\"weight_bits\": 8, \"tracked_min_weight\": -0.9921875, \"tracked_max_weight\": 0.9921875, \"tracked_qmin_weight\": -127, "
        "\"tracked_qmax_weight\": 127, \"input_bits\": 8, \"tracked_min_input\": -1.5, \"tracked_max_input\": 2.5, \"tracked_qmin_input\": 0, "
        "\"tracked_qmax_input\": 127},"
        " \"relu\": {\"output_bits\": 8, \"tracked_min_output\": 0, \"tracked_max_output\": 4, \"tracked_qmin_output\": 0, \"tracked_qmax_output\": 127},"
        " \"branch\": {\"weight_bits\": 8, \"min_weight\": -0.9921875, \"max_weight\": 0.5},"
        " \"relu2\": {\"output_bits\": 8, \"tracked_min_output\": 0.0, \"tracked_max_output\": 5.0},"
        " \"mean\": {\"output_bits\": 8, \"tracked_min_output\": 0.0, \"tracked_max_output\": 3.0}}",
        /* v3 */
        "{\"stem\": {\"weight\": {\"scale\": 0.0078125, \"zero_point\": 0.0, \"quant_dtype\": \"int8\", \"quant_scheme\": \"symmetric\", "
        "\"quant_bits\": 8, \"tracked_max\": 0.9921875, \"tracked_min\": -0.9921875}, \"bias\": {\"scale\": null},"
        " \"_input_0\": {\"scale\": null, \"zero_point\": null, \"quant_dtype\": \"uint8\", \"quant_scheme\": \"affine\", \"quant_bits\": 8, "
        "\"tracked_max\": 2.5, \"tracked_min\": -1.5}},"
        " \"branch\": {\"weight\": {\"scale\": [0.0078125, 0.0078125, 0.0078125, 0.0078125], \"zero_point\": [0, 0, 0, 0], \"quant_dtype\": null, "
        "\"quant_bits\": 8}, \"_input_0\": {\"scale\": 0.01568627543747425, \"zero_point\": -128.0, \"quant_dtype\": \"int8\"}},"
        " \"relu2\": {\"_output_0\": {\"scale\": null, \"tracked_min\": 0.0, \"tracked_max\": 5.0}},"
        " \"mean\": {\"_output_0\": {\"scale\": null, \"tracked_min\": 0.0, \"tracked_max\": 3.0}}}",
    };
    for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++) {
        quant_case *const    c = told(engine_network("residual.onnx"), files[k]);
        mxdi_quantize_result r;
        mxdi_graph *const    q = quant_by(c, W8A8, NULL, &r);
        assert_true(scale_of(q, "x_scale") == (float)(4.0 / 255.0));
        assert_int_equal(*(const uint8_t *)constant(q, "x_zero_point"), 96);
        assert_true(scale_of(q, "b_scale") == (float)(4.0 / 255.0)); /* behind the clamp */
        assert_int_equal(*(const uint8_t *)constant(q, "b_zero_point"), 0);
        assert_true(scale_of(q, "e_scale") == (float)(5.0 / 255.0));
        assert_true(scale_of(q, "f_scale") == (float)(5.0 / 255.0)); /* a maximum of it */
        assert_true(scale_of(q, "h_scale") == (float)(3.0 / 255.0)); /* moved, either way */
        assert_true(scale_of(q, "g_scale") == (float)(3.0 / 255.0));
        assert_true(scale_of(q, "stem.weight_scale") == 0.0078125f);
        assert_true(scale_of(q, "branch.weight_scale") == 0.0078125f);
        mxdi_graph_destroy(q);
        quant_end(c);
    }
}

/* Scales and zero points count before ranges; at other widths and signs the range serves. */
static void parameters_of_activations(void **state)
{
    (void)state;
    static const char json[] =
        "{\"first\": {\"_input_0\": {\"scale\": 0.25, \"zero_point\": 3, \"quant_dtype\": \"int8\", \"tracked_min\": -8, \"tracked_max\": 8}},"
        " \"second\": {\"_input_0\": {\"scale\": 0.5, \"zero_point\": 2, \"quant_dtype\": \"uint4\", \"quant_bits\": 4}}}";
    const mxd_constraints tensorrt = { .struct_size        = sizeof(tensorrt),
                                       .symmetric_only     = 1,
                                       .signed_activations = 1 };
    mxdi_graph *const     g        = graph_new(17);
    float                 w[72];
    mxdi_quantize_result  r;
    engine_fill(w, 72);
    const uint32_t x = graph_input(g, "x", MXD_F32, DIMS(-1, 2, 6, 6));
    const uint32_t a = graph_open(g, "a"), y = graph_open(g, "y");
    graph_node(g, "Conv", "first", VALUES(x, graph_constant(g, "w1", MXD_F32, w, DIMS(4, 2, 3, 3))),
               VALUES(a));
    graph_node(g, "Conv", "second",
               VALUES(a, graph_constant(g, "w2", MXD_F32, w, DIMS(3, 4, 1, 1))), VALUES(y));
    graph_output(g, y);
    quant_case *const c = told(g, json);
    mxdi_graph       *q = quant_by(c, "[{\"precision\": \"w4a4\"}]", NULL, &r);
    assert_true(scale_of(q, "x_scale") == 0.25f);
    assert_int_equal(*(const uint8_t *)constant(q, "x_zero_point"), 131); /* s8 3 is u8 131 */
    assert_true(scale_of(q, "a_scale") == 0.5f);
    assert_int_equal(*(const uint8_t *)constant(q, "a_zero_point") & 15, 2);
    mxdi_graph_destroy(q);
    q = quant_by(c, W8A8, &tensorrt, &r);
    assert_true(scale_of(q, "x_scale") == 8.0f / 127.0f);
    assert_int_equal(*(const int8_t *)constant(q, "x_zero_point"), 0);
    assert_true(scale_of(q, "a_scale") == 6.5f / 127.0f); /* 0.5 * (15 - 2) */
    mxdi_graph_destroy(q);
    quant_end(c);
}

/* ---- weights ---- */

/* One convolution of eight weights around `weights`, with what `facts` says of them. */
static mxdi_graph *with_weights(const float *weights, const char *facts, const char *recipe,
                                quant_case **c)
{
    char              json[512];
    mxdi_graph *const g = graph_new(17);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(-1, 4, 1, 1)), y = graph_open(g, "y");
    mxdi_quantize_result r;
    (void)snprintf(json, sizeof(json),
                   "{\"fc\": {%s, \"input_bits\": 8, \"tracked_min_input\": -1, "
                   "\"tracked_max_input\": 1}}",
                   facts);
    graph_node(g, "Conv", "Conv_0",
               VALUES(x, graph_constant(g, "fc.weight", MXD_F32, weights, DIMS(2, 4, 1, 1))),
               VALUES(y));
    graph_output(g, y);
    *c = told(g, json);
    return quant_by(*c, recipe, NULL, &r);
}

static void weights_as_trained(void **state)
{
    (void)state;
    static const float around[8] = { -1.0f, 0.0f, 0.25f, 1.0f, 0.5f, -0.5f, 0.125f, 0.75f };
    static const float aside[8]  = { -3.0f, 0.0f, 0.25f, 1.0f, 0.5f, -0.5f, 0.125f, 0.75f };
    static const struct {
        const float *weights;
        const char  *facts, *recipe;
        int          zero; /* as stored, of the first channel */
        int          q[4]; /* of the first channel */
        float        scale;
    } cases[] = {
        /* zero points that change nothing are dropped; 131 is of u8, as NNI's default is */
        { around,
          "\"weight_bits\": 8, \"weight_scale\": [0.015625], \"weight_zero_point\": [131.0]",
          W8A8,
          0,
          { -64, 0, 16, 64 },
          0.015625f },
        { aside,
          "\"weight_bits\": 8, \"weight_scale\": [0.015625], \"weight_zero_point\": [191.0]",
          W8A8,
          63,
          { -128, 63, 79, 127 },
          0.015625f },
        /* -3 is -192 steps: -85 and -107 in s8 reach 42 + 127 and 20 + 127 below 0 */
        { aside,
          "\"weight_bits\": 8, \"weight_scale\": [0.015625], \"weight_zero_point\": [65.0]",
          W8A8,
          65,
          { -127, 65, 81, 127 },
          0.015625f },
        { aside,
          "\"weight\": {\"scale\": 0.015625, \"zero_point\": 65, \"quant_dtype\": \"uint8\"}",
          W8A8,
          0,
          { -65, 0, 16, 64 },
          0.015625f },
        /* clamped as in training, per channel */
        { aside,
          "\"weight_bits\": 8, \"weight_scale\": [[[[0.015625]]], [[[0.0078125]]]]",
          W8A8,
          0,
          { -127, 0, 16, 64 },
          0.015625f },
        { around,
          "\"weight_bits\": 4, \"weight_scale\": 0.25",
          "[{\"precision\": \"w4a8\"}]",
          0,
          { -4, 0, 1, 4 },
          0.25f },
        { aside,
          "\"weight_bits\": 4, \"weight_scale\": 0.25, \"weight_zero_point\": 12",
          "[{\"precision\": \"w4-f32\"}]",
          4,
          { -8, 4, 5, 7 },
          0.25f },
        /* at another width scales are chosen as always */
        { around,
          "\"weight_bits\": 4, \"weight_scale\": 0.25",
          W8A8,
          0,
          { -127, 0, 32, 127 },
          1.0f / 127.0f },
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        quant_case       *c;
        mxdi_graph *const q = with_weights(cases[k].weights, cases[k].facts, cases[k].recipe, &c);
        const uint32_t    w = mxdi_graph_find_value(q, "fc.weight_quantized");
        const mxd_dtype   z = q->value[mxdi_graph_find_value(q, "fc.weight_zero_point")].dtype;
        assert_true(scale_of(q, "fc.weight_scale") == cases[k].scale);
        assert_int_equal(mxdi_load_s64(constant(q, "fc.weight_zero_point"), z, 0), cases[k].zero);
        for (int i = 0; i < 4; i++)
            if (mxdi_load_s64(q->value[w].data, q->value[w].dtype, i) != cases[k].q[i])
                fail_msg("case %zu: weight %d is %lld", k, i,
                         (long long)mxdi_load_s64(q->value[w].data, q->value[w].dtype, i));
        mxdi_graph_destroy(q);
        quant_end(c);
    }
}

/* A BatchNormalization in the weights: NNI v2 folds it too, and its scale fits what comes out; a
 * scale of the weights before does not. */
static void folded_weights(void **state)
{
    (void)state;
    static const float w[8] = { -1.0f, 0.0f, 0.25f, 1.0f, 0.5f, -0.5f, 0.125f, 0.75f };
    static const struct {
        const char *scale;
        float       used;
    } cases[] = { { "0.03125", 0.03125f }, { "0.0078125", 4.0f / 127.0f } };
    for (int k = 0; k < 2; k++) {
        char              json[512];
        mxdi_graph *const g = graph_new(17);
        const uint32_t x = graph_input(g, "x", MXD_F32, DIMS(-1, 4, 1, 1)), a = graph_open(g, "a"),
                       y = graph_open(g, "y");
        mxdi_quantize_result r;
        (void)snprintf(
            json, sizeof(json),
            "{\"body.0\": {\"weight_bits\": 8, \"weight_scale\": [%s], \"input_bits\": 8, "
            "\"tracked_min_input\": -1, \"tracked_max_input\": 1}}",
            cases[k].scale);
        graph_node(g, "Conv", "/body/body.0/Conv",
                   VALUES(x, graph_constant(g, "w", MXD_F32, w, DIMS(2, 4, 1, 1))), VALUES(a));
        const uint32_t n = graph_node(g, "BatchNormalization", "/body/body.1/BatchNormalization",
                                      VALUES(a, FLOATS(g, 4.0f, 4.0f), FLOATS(g, 0.0f, 0.0f),
                                             FLOATS(g, 0.0f, 0.0f), FLOATS(g, 1.0f, 1.0f)),
                                      VALUES(y));
        assert_int_equal(mxdi_node_set_float(g, &g->node[n], "epsilon", 0.0f, NULL), MXD_OK);
        graph_output(g, y);
        quant_case *const c = told(g, json);
        mxdi_graph *const q = quant_by(c, W8A8, NULL, &r);
        assert_true(scale_of(q, "w_scale") == cases[k].used);
        mxdi_graph_destroy(q);
        quant_end(c);
    }
}

/* ---- what is missing ---- */

/* What stands between layers stays float where nothing was tracked there; a layer's input cannot.
 */
static void nothing_tracked(void **state)
{
    (void)state;
    static const char all[] =
        "{\"stem\": {\"weight_bits\": 8, \"input_bits\": 8, \"tracked_min_input\": -1, \"tracked_max_input\": 1},"
        " \"branch\": {\"weight_bits\": 8, \"input_bits\": 8, \"tracked_min_input\": 0, \"tracked_max_input\": 1},"
        " \"head\": {\"weight_bits\": 8, \"input_bits\": 8, \"tracked_min_input\": 0, \"tracked_max_input\": 1}}";
    static const char some[] =
        "{\"stem\": {\"weight_bits\": 8, \"input_bits\": 8, \"tracked_min_input\": -1, \"tracked_max_input\": 1},"
        " \"branch\": {\"weight_bits\": 8, \"output_bits\": 8}}";
    quant_case          *c = told(engine_network("residual.onnx"), all);
    mxdi_quantize_result r;
    mxd_error            err;
    mxdi_graph          *q = quant_by(c, W8A8, NULL, &r);
    assert_true(has(q, "x_quantized") && has(q, "b_quantized") && has(q, "h_quantized"));
    assert_false(has(q, "e_quantized") || has(q, "f_quantized"));
    mxdi_graph_destroy(q);
    quant_end(c);
    c = told(engine_network("residual.onnx"), some);
    assert_int_equal(quant_try(&q, &r, c, W8A8, NULL, &err), MXD_E_INVAL);
    ASSERT_SAYS(err, "'b'");
    q = quant_by(c, "[{\"names\": [\"stem\"], \"precision\": \"w8a8\"}]", NULL, &r);
    mxdi_graph_destroy(q);
    assert_int_equal(mxdi_calibration_save(c->calibration, "/tmp/never", &err), MXD_E_UNSUPPORTED);
    quant_end(c);
}

static void layers_that_are_nowhere(void **state)
{
    (void)state;
    quant_case *const c = told(
        engine_network("residual.onnx"),
        "{\"sterm\": {\"weight_bits\": 8}, \"hed\": {\"weight_bits\": 8}, \"relu7\": {\"output_bits\": 8}}");
    mxdi_quantize_result r;
    mxdi_graph          *q = NULL;
    mxd_error            err;
    assert_int_equal(quant_try(&q, &r, c, W8A8, NULL, &err), MXD_E_USAGE);
    ASSERT_SAYS(err, "'sterm', perhaps 'stem'");
    ASSERT_SAYS(err, "'hed', perhaps 'head'");
    assert_null(strstr(err.msg, "relu7"));
    quant_end(c);
}

static void mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *json, *words[3];
    } cases[] = {
        { "{\"a\": {\"weight_bis\": 8}, \"b\": {\"tracked_min_inpt\": 0}}",
          { "'a'", "perhaps 'weight_bits'", "perhaps 'tracked_min_input'" } },
        { "{\"a\": {\"weight\": {\"scal\": 1}, \"_inputs_\": {}}}",
          { "perhaps 'scale'", "'_inputs_'", "_input_0" } },
        { "{\"a\": {\"tracked_min_input\": 0}}", { "'a'", "input", "a minimum and a maximum" } },
        { "{\"a\": {\"tracked_min_input\": 2, \"tracked_max_input\": 1}}",
          { "minimum <= maximum", "2", "1" } },
        { "{\"a\": {\"tracked_min_input\": [0, 0], \"tracked_max_input\": [1, 1]}}",
          { "one number", "'a'", "input" } },
        { "{\"a\": {\"tracked_min_output\": 0, \"tracked_max_output\": 1e39}}",
          { "one number", "output", "'a'" } },
        { "{\"a\": {\"weight_bits\": 0}}", { "1 to 32 bits", "weight", "'a'" } },
        { "{\"a\": {\"weight_scale\": \"1\"}}", { "a number or a list", "scale", "'a'" } },
        { "{\"a\": {\"weight_scale\": [[[[[[[[[[1]]]]]]]]]]}}",
          { "a number or a list", "scale", "'a'" } },
        { "{\"a\": {\"weight_scale\": []}}", { "a number or a list", "scale", "'a'" } },
        { "{\"a\": {\"weight_scale\": [1, 2, 3], \"weight_zero_point\": [1, 2]}}",
          { "as many zero points", "2", "3" } },
        { "{\"a\": {\"weight_scale\": [-1]}}", { "no quantizer", "-1", "'a'" } },
        { "{\"a\": {\"weight_scale\": 1, \"weight_zero_point\": 0.5}}",
          { "no quantizer", "0.5", "'a'" } },
        { "{\"a\": {\"weight_bits\": 8, \"weight_bit\": 8}}",
          { "'weight_bit'", "another name", "'a'" } },
        { "{\"a\": {\"_input_0\": {\"scale\": 0}}}", { "above 0", "input", "'a'" } },
        { "{\"a\": {\"_input_0\": {\"scale\": 1, \"zero_point\": 200}}}",
          { "zero point", "8 bits", "'a'" } },
        { "{\"a\": {\"_input_0\": {\"quant_dtype\": \"float16\"}}}", { "intN", "float16", "'a'" } },
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        mxdi_calibration *c = NULL;
        mxd_error         err;
        if (parse(&c, cases[k].json, &err) != MXD_E_INVAL)
            fail_msg("%s: %s", cases[k].json, err.msg);
        for (int i = 0; i < 3; i++)
            ASSERT_SAYS(err, cases[k].words[i]);
    }
}

/* ---- written ---- */

static void written_and_read(void **state)
{
    (void)state;
    static const char *const recipes[] = {
        W8A8, "[{\"precision\": \"w4a4\"}]", "[{\"precision\": \"w6a6\"}]",
        "[{\"precision\": \"w4-f32\"}]", "[{\"precision\": \"w8a8\", \"granularity\": \"tensor\"}]"
    };
    char                    path[] = "/tmp/mixdown_test_XXXXXX";
    const int               fd     = mkstemp(path);
    quant_case *const       c      = quant_begin("residual.onnx");
    mxdi_calibration *const seen   = c->calibration;
    assert_true(fd >= 0);
    (void)close(fd);
    for (int k = 0; k < 10; k++) {
        const mxdi_nni_dialect dialect = k % 2 ? MXDI_NNI_V3 : MXDI_NNI_V2;
        mxdi_quantize_result   r;
        mxd_error              err = MXD_ERROR_INIT;
        c->calibration             = seen;
        mxdi_graph *const q        = quant_by(c, recipes[k / 2], NULL, &r);
        if (mxdi_calibration_write_nni(path, q, dialect, &err) != MXD_OK ||
            mxdi_calibration_load(&c->calibration, path, NULL, &err) != MXD_OK)
            fail_msg("%s", err.msg);
        mxdi_graph *const again = quant_by(c, recipes[k / 2], NULL, &r);
        assert_int_equal(again->n_values, q->n_values);
        for (uint32_t v = 0; v < q->n_values; v++) {
            assert_string_equal(again->value[v].name, q->value[v].name);
            assert_int_equal(again->value[v].bytes, q->value[v].bytes);
            if (q->value[v].data)
                assert_memory_equal(again->value[v].data, q->value[v].data, q->value[v].bytes);
        }
        mxdi_graph_destroy(again);
        mxdi_graph_destroy(q);
        mxdi_calibration_destroy(c->calibration);
    }
    mxd_error err;
    assert_int_equal(mxdi_calibration_write_nni(path, c->g, MXDI_NNI_V2, &err), MXD_E_INVAL);
    assert_int_equal(unlink(path), 0);
    c->calibration = seen;
    quant_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_modules),
        cmocka_unit_test(dialects),
        cmocka_unit_test(parameters_of_activations),
        cmocka_unit_test(weights_as_trained),
        cmocka_unit_test(folded_weights),
        cmocka_unit_test(nothing_tracked),
        cmocka_unit_test(layers_that_are_nowhere),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(written_and_read),
    };
    return cmocka_run_group_tests_name("quant_nni", tests, NULL, NULL);
}
