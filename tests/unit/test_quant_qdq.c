/* SPDX-License-Identifier: Apache-2.0
 *
 * The QDQ graph that quantizing writes: where quantizers stand, what is stored in which type, by
 * which numbers, for which backend; and the averages of bits.
 */
#include "quant_case.h"

#include <math.h>

#define W8A8 "[{\"precision\": \"w8a8\"}]"

static const mxd_value *value(const mxdi_graph *g, const char *name)
{
    const uint32_t v = mxdi_graph_find_value(g, name);
    if (v == MXD_NO_VALUE)
        fail_msg("no value '%s'", name);
    return &g->value[v];
}

static bool has(const mxdi_graph *g, const char *name)
{
    return mxdi_graph_find_value(g, name) != MXD_NO_VALUE;
}

static float scale_of(const mxdi_graph *g, const char *name)
{
    return *(const float *)value(g, name)->data;
}

/* ---- w8a8 ---- */

static void where_quantizers_stand(void **state)
{
    (void)state;
    static const char *const quantized[] = { "x", "b", "e", "f", "g", "h" }, *const plain[] = {
        "a", "c", "d", "y"
    };
    quant_case *const    c = quant_begin("residual.onnx");
    mxdi_quantize_result r;
    mxdi_graph *const    q = quant_by(c, W8A8, NULL, &r);
    char                 name[32];
    for (size_t k = 0; k < sizeof(quantized) / sizeof(quantized[0]); k++) {
        (void)snprintf(name, sizeof(name), "%s_quantized", quantized[k]);
        assert_int_equal(value(q, name)->dtype, MXD_U8);
    }
    for (size_t k = 0; k < sizeof(plain) / sizeof(plain[0]);
         k++) { /* not before a clamp, nor before the sum, nor at the end */
        (void)snprintf(name, sizeof(name), "%s_quantized", plain[k]);
        assert_false(has(q, name));
    }
    assert_int_equal(graph_count(q, "QuantizeLinear"), 6);
    assert_int_equal(graph_count(q, "DequantizeLinear"), 6 + 3 + 2);
    assert_true(scale_of(q, "e_scale") ==
                scale_of(q, "f_scale")); /* a maximum keeps its parameters */
    assert_true(scale_of(q, "g_scale") == scale_of(q, "h_scale"));
    assert_int_equal(q->opset, 17);
    assert_int_equal(r.n_layers, 3);
    assert_string_equal(r.node[1], "branch");
    assert_string_equal(r.precision[1], "w8a8");
    mxdi_graph_destroy(q);
    quant_end(c);
}

static void parameters_of_activations(void **state)
{
    (void)state;
    quant_case *const              c = quant_begin("residual.onnx");
    mxdi_quantize_result           r;
    mxdi_graph *const              q = quant_by(c, W8A8, NULL, &r);
    const mxdi_tensor_stats *const x = mxdi_calibration_find(c->calibration, "x");
    const float                    s = (float)(((double)x->max - (double)x->min) / 255.0);
    assert_true(scale_of(q, "x_scale") == s);
    assert_int_equal(*(const uint8_t *)value(q, "x_zero_point")->data,
                     (int)rint(-(double)x->min / (double)s));
    assert_int_equal(*(const uint8_t *)value(q, "b_zero_point")->data, 0); /* behind Relu */
    assert_true(scale_of(q, "b_scale") ==
                (float)((double)mxdi_calibration_find(c->calibration, "b")->max / 255.0));
    mxdi_graph_destroy(q);
    quant_end(c);
}

static void weights_and_biases(void **state)
{
    (void)state;
    quant_case *const    c = quant_begin("residual.onnx");
    mxdi_quantize_result r;
    mxdi_graph *const    q = quant_by(c, W8A8, NULL, &r);
    const float *const w   = value(c->g, "stem.weight")->data, *const b =
                                                                 value(c->g, "stem.bias")->data;
    const mxd_value *const wq = value(q, "stem.weight_quantized"), *const ws = value(
                                                                       q, "stem.weight_scale");
    assert_true(wq->dtype == MXD_S8 && ws->rank == 1 && ws->dim[0] == 4);
    assert_int_equal(mxd_node_int(graph_find(q, "stem.weight_dequantized"), "axis", -1), 0);
    const mxd_node *const conv = graph_find(q, "stem");
    const mxd_node       *bias = NULL;
    for (uint32_t n = 0; n < q->n_nodes; n++)
        if (q->node[n].out[0] == conv->in[2])
            bias = &q->node[n];
    assert_non_null(bias);
    const mxd_value *const bq = &q->value[bias->in[0]], *const bs = &q->value[bias->in[1]];
    assert_true(bq->dtype == MXD_S32 && bs->dim[0] == 4);
    for (int m = 0; m < 4; m++) {
        float       largest = 0.0f;
        const float s       = ((const float *)ws->data)[m];
        for (int k = 0; k < 18; k++)
            largest = fmaxf(largest, fabsf(w[m * 18 + k]));
        assert_true(s == largest / 127.0f);
        for (int k = 0; k < 18; k++)
            assert_int_equal(((const int8_t *)wq->data)[m * 18 + k], (int)rintf(w[m * 18 + k] / s));
        const double sb = (double)scale_of(q, "x_scale") * (double)s;
        assert_true(fabs((double)((const float *)bs->data)[m] - sb) <= 1e-7 * sb);
        assert_int_equal(((const int32_t *)bq->data)[m], (int32_t)rint((double)b[m] / sb));
    }
    const int8_t *const z = value(q, "stem.weight_zero_point")->data;
    assert_true(z[0] == 0 && z[1] == 0 && z[2] == 0 && z[3] == 0);
    assert_int_equal(mxd_node_int(graph_find(q, "head.weight_dequantized"), "axis", -1),
                     0); /* transB */
    mxdi_graph_destroy(q);
    quant_end(c);
}

/* ---- other backends ---- */

static void what_backends_accept(void **state)
{
    (void)state;
    const mxd_constraints onnxruntime = { .struct_size           = sizeof(onnxruntime),
                                          .quantize_every_output = 1,
                                          .quantize_residual     = 1 };
    const mxd_constraints tensorrt    = { .struct_size        = sizeof(tensorrt),
                                          .symmetric_only     = 1,
                                          .signed_activations = 1,
                                          .quantize_residual  = 1 };
    quant_case *const     c           = quant_begin("residual.onnx");
    mxdi_quantize_result  r;
    mxdi_graph           *q = quant_by(c, W8A8, &onnxruntime, &r);
    assert_true(has(q, "c_quantized")); /* between Conv and Add */
    mxdi_graph_destroy(q);
    q = quant_by(c, W8A8, &tensorrt, &r);
    assert_false(has(q, "c_quantized"));
    for (uint32_t n = 0; n < q->n_nodes; n++) {
        if (!mxdi_node_is(&q->node[n], "QuantizeLinear"))
            continue;
        const mxd_value *const z = &q->value[q->node[n].in[2]];
        assert_int_equal(z->dtype, MXD_S8);
        assert_int_equal(*(const int8_t *)z->data, 0);
    }
    const mxdi_tensor_stats *const x = mxdi_calibration_find(c->calibration, "x");
    assert_true(scale_of(q, "x_scale") == fmaxf(-x->min, x->max) / 127.0f);
    mxdi_graph_destroy(q);
    quant_end(c);
}

/* ---- other precisions ---- */

/* Two convolutions with a Relu between them. */
static mxdi_graph *chain(void)
{
    mxdi_graph *const g = graph_new(17);
    float             w[72];
    engine_fill(w, 72);
    const uint32_t x = graph_input(g, "x", MXD_F32, DIMS(-1, 2, 6, 6));
    const uint32_t a = graph_open(g, "a"), b = graph_open(g, "b"), y = graph_open(g, "y");
    graph_node(g, "Conv", "first", VALUES(x, graph_constant(g, "w1", MXD_F32, w, DIMS(4, 2, 3, 3))),
               VALUES(a));
    graph_node(g, "Relu", "relu", VALUES(a), VALUES(b));
    graph_node(g, "Conv", "second",
               VALUES(b, graph_constant(g, "w2", MXD_F32, w, DIMS(3, 4, 1, 1))), VALUES(y));
    graph_output(g, y);
    return g;
}

static void few_bits(void **state)
{
    (void)state;
    quant_case *const    c = quant_begin_with(chain());
    mxdi_quantize_result r;
    mxdi_graph          *q = quant_by(c, "[{\"precision\": \"w4a4\"}]", NULL, &r);
    assert_int_equal(q->opset, 21);
    assert_int_equal(value(q, "w1_quantized")->dtype, MXD_S4);
    assert_int_equal(value(q, "x_quantized")->dtype, MXD_U8); /* the network's input keeps 8 bits */
    assert_int_equal(value(q, "b_quantized")->dtype, MXD_U4);
    assert_true(scale_of(q, "b_scale") ==
                (float)((double)mxdi_calibration_find(c->calibration, "b")->max / 15.0));
    mxdi_graph_destroy(q);
    q = quant_by(c, "[{\"precision\": \"w6a6\"}]", NULL, &r);
    assert_int_equal(value(q, "b_quantized")->dtype, MXD_U8);
    assert_true(scale_of(q, "b_high") == 63.0f * scale_of(q, "b_scale") &&
                scale_of(q, "b_low") == 0.0f);
    for (int k = 0; k < 72; k++)
        assert_in_range(((const int8_t *)value(q, "w1_quantized")->data)[k] + 31, 0, 62);
    assert_non_null(strstr(mxdi_graph_meta(q, "mixdown.precision"), "\"second\":\"w6a6\""));
    mxdi_graph_destroy(q);
    quant_end(c);
}

static void weights_alone_and_half_floats(void **state)
{
    (void)state;
    quant_case *const    c = quant_begin("residual.onnx");
    mxdi_quantize_result r;
    mxdi_graph          *q = quant_by(
                 c,
                 "[{\"names\": [\"stem\"], \"precision\": \"w8-f32\"},"
                          " {\"names\": [\"branch\"], \"precision\": \"bf16\"},"
                          " {\"names\": [\"head\"], \"precision\": \"w4-bf16\", \"granularity\": \"block:8\"}]",
                 NULL, &r);
    assert_int_equal(graph_count(q, "QuantizeLinear"), 0);
    assert_int_equal(graph_count(q, "DequantizeLinear"), 2);
    assert_int_equal(graph_count(q, "Cast"),
                     2 * 6); /* input, weights and output of two layers, down and up */
    assert_int_equal(mxd_node_int(graph_find(q, "head.weight_dequantized"), "block_size", 0), 8);
    assert_int_equal(value(q, "head.weight_scale")->rank, 2);
    assert_true(has(q, "y")); /* names of ends stay */
    mxdi_graph_destroy(q);
    quant_end(c);
}

static void rules_mix_freely(void **state)
{
    (void)state;
    quant_case *const    c = quant_begin("residual.onnx");
    mxdi_quantize_result r;
    mxdi_graph          *q = quant_by(
                 c, "[{\"precision\": \"w8a8\"}, {\"names\": [\"branch\"], \"exclude\": true}]", NULL, &r);
    assert_string_equal(r.precision[0], "w8a8");
    assert_string_equal(r.precision[1], "f32");
    assert_true(has(q, "x_quantized") && has(q, "h_quantized") &&
                !has(q, "branch.weight_quantized"));
    assert_false(has(q, "b_quantized")); /* read by floats alone */
    mxdi_graph_destroy(q);
    q = quant_by(c, "[{\"precision\": \"f32\"}]", NULL, &r);
    assert_int_equal(graph_count(q, "QuantizeLinear") + graph_count(q, "DequantizeLinear") +
                         graph_count(q, "Cast"),
                     0);
    mxdi_graph_destroy(q);
    quant_end(c);
}

/* ---- what cannot be ---- */

static void what_cannot_be(void **state)
{
    (void)state;
    quant_case *const       c = quant_begin("residual.onnx");
    mxdi_quantize_result    r;
    mxdi_graph             *none = NULL;
    mxd_error               err;
    mxdi_calibration *const seen = c->calibration;
    c->calibration               = NULL;
    assert_int_equal(quant_try(&none, &r, c, W8A8, NULL, &err), MXD_E_USAGE);
    ASSERT_SAYS(err, "'x'");
    ASSERT_SAYS(err, "calibration");
    c->calibration       = seen;
    seen->tensor[0].name = "another";
    assert_int_equal(quant_try(&none, &r, c, W8A8, NULL, &err), MXD_E_INVAL);
    ASSERT_SAYS(err, "'x'");
    quant_end(c);

    quant_case *const other = quant_begin("residual.onnx");
    for (uint32_t n = 0; n < other->g->n_nodes; n++)
        if (strcmp(other->g->node[n].name, "head") == 0)
            assert_int_equal(mxdi_node_set_float(other->g, &other->g->node[n], "alpha", 0.5f, NULL),
                             MXD_OK);
    assert_int_equal(quant_try(&none, &r, other, W8A8, NULL, &err), MXD_E_UNSUPPORTED);
    ASSERT_SAYS(err, "head");
    mxdi_graph *const q =
        quant_by(other, "[{\"precision\": \"w8a8\", \"allow\": \"f32\"}]", NULL, &r);
    assert_string_equal(r.precision[2], "f32");
    mxdi_graph_destroy(q);
    quant_end(other);
}

/* ---- averages ---- */

static void averages(void **state)
{
    (void)state;
    enum { STEM = 36 * 18 * 4, BRANCH = 36 * 16, HEAD = 12 };
    quant_case *const    c = quant_begin("residual.onnx");
    mxdi_quantize_result r;
    mxdi_graph_destroy(quant_by(c, W8A8, NULL, &r));
    assert_true(fabs(r.averages.weight_bits - (100 * 8 + 7 * 32) / 107.0) < 1e-12);
    assert_true(fabs(r.averages.weight_bits_stored -
                     (100 * 8 + 7 * 32 + (4 + 4 + 3) * 32) / 107.0) < 1e-12);
    assert_true(r.averages.op_bits == 8.0 && r.averages.layer_bits == 8.0);
    mxdi_graph_destroy(quant_by(
        c,
        "[{\"names\": [\"stem\"], \"precision\": \"w4a8\"}, {\"names\": [\"head\"], \"precision\": \"bf16\"}]",
        NULL, &r));
    const double ops = STEM * 4.0 * 8.0 + BRANCH * 32.0 * 32.0 + HEAD * 16.0 * 16.0;
    assert_true(fabs(r.averages.op_bits - sqrt(ops / (STEM + BRANCH + HEAD))) < 1e-9);
    assert_true(fabs(r.averages.layer_bits - (8.0 + 32.0 + 16.0) / 3.0) < 1e-12);
    assert_true(fabs(r.averages.weight_bits - (72 * 4 + 16 * 32 + 12 * 16 + 7 * 32) / 107.0) <
                1e-12);
    mxdi_graph_destroy(quant_by(c, "[]", NULL, &r));
    assert_true(r.averages.weight_bits == 32.0 && r.averages.op_bits == 32.0 &&
                r.averages.act_bits == 32.0 && r.averages.layer_bits_all == 32.0);
    assert_int_equal(r.averages.peak_act_bytes, 2 * 4 * 36 * 4); /* a and b, or b and c */
    quant_end(c);
}

/* ---- and it runs as asked ---- */

static void runs_as_asked(void **state)
{
    (void)state;
    static const char *const recipes[] = {
        W8A8,
        "[{\"precision\": \"w4a8\"}]",
        "[{\"precision\": \"w5a8\"}]",
        "[{\"precision\": \"w4-f32\"}]",
        "[{\"precision\": \"w3-f32\"}]",
        "[{\"precision\": \"w6-bf16\"}]",
        "[{\"precision\": \"w8a8\"}, {\"names\": [\"head\"], \"precision\": \"bf16\"}]",
        "[{\"names\": [\"stem\"], \"precision\": \"w8-f32\"},"
        " {\"names\": [\"branch\"], \"precision\": \"w4a8\"},"
        " {\"names\": [\"head\"], \"precision\": \"w8a8\"}]",
    };
    quant_case *const c = quant_begin("residual.onnx");
    for (size_t k = 0; k < sizeof(recipes) / sizeof(recipes[0]); k++) {
        mxdi_quantize_result r;
        mxdi_graph *const    q = quant_by(c, recipes[k], NULL, &r);
        mxdi_bytes           a = MXDI_BYTES_INIT, b = MXDI_BYTES_INIT;
        mxdi_graph          *again = NULL;
        assert_int_equal(mxdi_onnx_write(&a, q, NULL),
                         MXD_OK); /* as a file, and read again: the same file */
        assert_int_equal(
            mxdi_onnx_load_bytes(&again, (mxdi_view){ a.data, a.size }, NULL, NULL, NULL), MXD_OK);
        assert_int_equal(mxdi_onnx_write(&b, again, NULL), MXD_OK);
        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.data, b.data, a.size);
        mxdi_engine *const e = engine_of(again, &(mxdi_build_options){ .threads = 1 });
        assert_int_equal(e->mismatches, 0);
        for (uint32_t n = 0; n < e->n_audit; n++)
            for (uint32_t i = 0; i < r.n_layers; i++)
                if (strcmp(e->audit[n].node, r.node[i]) == 0)
                    assert_string_equal(e->audit[n].asked, r.precision[i]);
        mxdi_engine_destroy(e);
        mxdi_bytes_free(&a);
        mxdi_bytes_free(&b);
        mxdi_graph_destroy(q);
    }
    quant_end(c);
}

/* Stored in the type that holds the bits, asked as it was; what runs in wider floats is a mismatch
 * with advice, unless the recipe allows it. */
static void stored_and_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *recipe, *asked, *stored, *verdict, *advice;
        uint32_t    mismatches;
    } cases[] = {
        { "[{\"precision\": \"w3-f32\"}]", "w3-f32", "w4-f32", "same integers, wider instruction",
          NULL, 0 },
        { "[{\"precision\": \"w7-bf16\"}]", "w7-bf16", "w8-bf16",
          "same integers, wider instruction", NULL, 0 },
        { "[{\"precision\": \"w3a6\"}]", "w3a6", "w4a8", "same integers, wider instruction", NULL,
          0 },
        { "[{\"precision\": \"f16\"}]", "f16", "f16", "higher precision", "ask for bf16 or f32",
          3 },
        { "[{\"precision\": \"w4-f16\"}]", "w4-f16", "w4-f16", "higher precision",
          "ask for bf16 or f32", 3 },
        { "[{\"precision\": \"f16\", \"allow\": \"f32\"}]", "f16", "f16", "higher precision",
          "ask for bf16 or f32", 0 },
        { "[{\"precision\": \"f16\", \"allow\": \"bf16\"}]", "f16", "f16", "higher precision", NULL,
          3 },
    };
    quant_case *const c = quant_begin("residual.onnx");
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        mxdi_quantize_result r;
        mxdi_graph *const    q = quant_by(c, cases[k].recipe, NULL, &r);
        mxdi_engine *const   e = engine_of(q, &(mxdi_build_options){ .threads = 1 });
        assert_int_equal(e->mismatches, cases[k].mismatches);
        for (uint32_t n = 0; n < e->n_audit; n++) {
            const mxdi_audit_row *const row = &e->audit[n];
            if (strcmp(row->node, "branch") != 0)
                continue;
            assert_string_equal(row->asked, cases[k].asked);
            assert_string_equal(row->stored, cases[k].stored);
            assert_string_equal(row->verdict, cases[k].verdict);
            assert_true(strncmp(row->kernel, "round", 5) != 0); /* the kernel that multiplies */
            if (cases[k].advice)
                assert_non_null(strstr(row->reason, cases[k].advice));
        }
        mxdi_engine_destroy(e);
    }
    quant_end(c);
}

/* A note that the graph's own types cannot hold is not believed. */
static void notes_are_checked(void **state)
{
    (void)state;
    static const char *const notes[] = { "{\"branch\": \"w9a8\"}",
                                         "{\"branch\": \"w8\"}",
                                         "{\"branch\": \"w8-f32\"}",
                                         "{\"branch\": \"w8a16\"}",
                                         "{\"branch\": 3}",
                                         "[]",
                                         "}" };
    quant_case *const        c       = quant_begin("residual.onnx");
    for (size_t k = 0; k < sizeof(notes) / sizeof(notes[0]); k++) {
        mxdi_quantize_result r;
        mxdi_graph *const    q = quant_by(c, W8A8, NULL, &r);
        assert_int_equal(mxdi_graph_set_meta(q, "mixdown.precision", notes[k], NULL), MXD_OK);
        mxdi_engine *const e = engine_of(q, &(mxdi_build_options){ .threads = 1 });
        for (uint32_t n = 0; n < e->n_audit; n++)
            assert_true(!e->audit[n].asked || strcmp(e->audit[n].asked, "w8a8") == 0);
        mxdi_engine_destroy(e);
    }
    quant_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_quantizers_stand),
        cmocka_unit_test(parameters_of_activations),
        cmocka_unit_test(weights_and_biases),
        cmocka_unit_test(what_backends_accept),
        cmocka_unit_test(few_bits),
        cmocka_unit_test(weights_alone_and_half_floats),
        cmocka_unit_test(rules_mix_freely),
        cmocka_unit_test(what_cannot_be),
        cmocka_unit_test(averages),
        cmocka_unit_test(runs_as_asked),
        cmocka_unit_test(stored_and_allowed),
        cmocka_unit_test(notes_are_checked),
    };
    return cmocka_run_group_tests_name("quant_qdq", tests, NULL, NULL);
}
