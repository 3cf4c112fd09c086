/* SPDX-License-Identifier: Apache-2.0
 *
 * onnx: raising the opset, one change of one operator at a time.
 */
#include "graph_case.h"

#include "onnx/onnx.h"

#include <string.h>

#define assert_ok(call) assert_int_equal((call), MXD_OK)

/* x (2, 3, 4, 5) -> op "n" -> y, at `opset`; n is node 0. */
static mxdi_graph *one_node(const char *op, int32_t opset)
{
    mxdi_graph *const g = graph_new(opset);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(2, 3, 4, 5)), y = graph_open(g, "y");
    graph_node(g, op, "n", VALUES(x), VALUES(y));
    graph_output(g, y);
    return g;
}

static const mxd_node *raised(mxdi_graph *g, int32_t opset)
{
    mxd_error err = MXD_ERROR_INIT;
    if (mxdi_onnx_raise_opset(g, opset, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    assert_ok(mxdi_graph_verify(g, NULL));
    assert_int_equal(g->opset, opset);
    for (uint32_t k = 0; k < g->n_nodes; k++)
        assert_int_equal(g->node[k].version, opset);
    return graph_find(g, "n");
}

static void refused(mxdi_graph *g, int32_t opset, const char *word)
{
    mxd_error err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_onnx_raise_opset(g, opset, &err), MXD_E_UNSUPPORTED);
    if (!strstr(err.msg, word) || !strstr(err.msg, "'n'"))
        fail_msg("expected '%s' and 'n' in: %s", word, err.msg);
    mxdi_graph_destroy(g);
}

/* Input k of the node is a constant list of these numbers (none: it is left out). */
static void assert_list(const mxdi_graph *g, const mxd_node *n, uint32_t k, const int64_t *want,
                        int32_t count)
{
    if (count == 0) {
        assert_true(k >= n->n_in || n->in[k] == MXD_NO_VALUE);
        return;
    }
    assert_true(k < n->n_in);
    const mxd_value *const v = &g->value[n->in[k]];
    assert_int_equal(v->dtype, MXD_S64);
    assert_int_equal(v->rank, 1);
    assert_int_equal(v->dim[0], count);
    assert_memory_equal(v->data, want, (size_t)count * sizeof(*want));
}

static void assert_scalar(const mxdi_graph *g, const mxd_node *n, uint32_t k, mxd_dtype dtype,
                          double want)
{
    assert_true(k < n->n_in);
    const mxd_value *const v = &g->value[n->in[k]];
    assert_int_equal(v->dtype, dtype);
    assert_int_equal(v->rank, 0);
    assert_true(mxdi_load_f64(v->data, v->dtype, 0) == want);
}

static void axes_become_an_input(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        int32_t     before, since;
    } ops[] = { { "Squeeze", 11, 13 },    { "Unsqueeze", 12, 13 }, { "ReduceSum", 7, 13 },
                { "ReduceMean", 13, 18 }, { "ReduceMax", 13, 18 }, { "ReduceMin", 11, 18 },
                { "ReduceProd", 11, 18 } };
    for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++) {
        mxdi_graph *g = one_node(ops[k].op, ops[k].before);
        graph_ints(g, 0, "axes", DIMS(1, -2));
        const mxd_node *n = raised(g, ops[k].since - 1); /* just before: as it was */
        assert_int_equal(n->n_in, 1);
        assert_int_equal(n->n_attr, 1);
        n = raised(g, ops[k].since);
        assert_list(g, n, 1, DIMS(1, -2));
        assert_int_equal(n->n_attr, 0);
        mxdi_graph_destroy(g);
        g = one_node(ops[k].op, ops[k].before); /* all axes: nothing to say */
        n = raised(g, 21);
        assert_int_equal(n->n_in, 1);
        mxdi_graph_destroy(g);
    }
}

static void split_slice_and_top_k(void **state)
{
    (void)state;
    mxdi_graph *g = one_node("Split", 11);
    graph_int(g, 0, "axis", 1);
    graph_ints(g, 0, "split", DIMS(1, 2));
    const mxd_node *n = raised(g, 21);
    assert_list(g, n, 1, DIMS(1, 2));
    assert_int_equal(n->n_attr, 1); /* no num_outputs beside sizes */
    mxdi_graph_destroy(g);
    g = one_node("Split", 13);
    n = raised(g, 17);
    assert_int_equal(n->n_attr, 0);
    n = raised(g, 18);
    assert_int_equal(mxd_node_int(n, "num_outputs", 0), 1);
    mxdi_graph_destroy(g);

    g = one_node("Slice", 9);
    graph_ints(g, 0, "starts", DIMS(1, 0));
    graph_ints(g, 0, "ends", DIMS(2, INT64_MAX));
    graph_ints(g, 0, "axes", DIMS(2, 3));
    n = raised(g, 10);
    assert_list(g, n, 1, DIMS(1, 0));
    assert_list(g, n, 2, DIMS(2, INT64_MAX));
    assert_list(g, n, 3, DIMS(2, 3));
    assert_int_equal(n->n_attr, 0);
    mxdi_graph_destroy(g);
    g = one_node("Slice", 9);
    graph_ints(g, 0, "starts", DIMS(1));
    assert_int_equal(mxdi_onnx_raise_opset(g, 10, NULL), MXD_E_INVAL);
    mxdi_graph_destroy(g);

    g = one_node("TopK", 9);
    graph_int(g, 0, "k", 3);
    n = raised(g, 11);
    assert_list(g, n, 1, DIMS(3));
    assert_int_equal(n->n_attr, 0);
    mxdi_graph_destroy(g);
    g = one_node("TopK", 9);
    assert_int_equal(mxdi_onnx_raise_opset(g, 10, NULL), MXD_E_INVAL);
    mxdi_graph_destroy(g);
}

static void bounds_become_scalars_of_the_type(void **state)
{
    (void)state;
    mxdi_graph *g = one_node("Clip", 7);
    assert_ok(mxdi_node_set_float(g, &g->node[0], "min", 0.0f, NULL));
    assert_ok(mxdi_node_set_float(g, &g->node[0], "max", 6.0f, NULL));
    const mxd_node *n = raised(g, 11);
    assert_scalar(g, n, 1, MXD_F32, 0.0);
    assert_scalar(g, n, 2, MXD_F32, 6.0);
    assert_int_equal(n->n_attr, 0);
    mxdi_graph_destroy(g);

    g                 = one_node("Clip", 7);
    g->value[0].dtype = MXD_F16;
    assert_ok(mxdi_node_set_float(g, &g->node[0], "max", 0.5f, NULL));
    n = raised(g, 13);
    assert_int_equal(n->in[1], MXD_NO_VALUE);
    assert_scalar(g, n, 2, MXD_F16, 0.5);
    mxdi_graph_destroy(g);

    g = one_node("Pad", 8);
    graph_string(g, 0, "mode", "constant");
    graph_ints(g, 0, "pads", DIMS(0, 0, 1, 1, 0, 0, 1, 1));
    assert_ok(mxdi_node_set_float(g, &g->node[0], "value", -1.0f, NULL));
    n = raised(g, 21);
    assert_list(g, n, 1, DIMS(0, 0, 1, 1, 0, 0, 1, 1));
    assert_scalar(g, n, 2, MXD_F32, -1.0);
    assert_int_equal(n->n_attr, 1);
    mxdi_graph_destroy(g);
    g = one_node("Pad", 8);
    assert_int_equal(mxdi_onnx_raise_opset(g, 11, NULL), MXD_E_INVAL);
    mxdi_graph_destroy(g);

    g = one_node("Dropout", 7);
    assert_ok(mxdi_node_set_float(g, &g->node[0], "ratio", 0.25f, NULL));
    n = raised(g, 12);
    assert_scalar(g, n, 1, MXD_F32, 0.25);
    mxdi_graph_destroy(g);
}

static void outputs_of_training(void **state)
{
    (void)state;
    for (int read = 0; read < 2; read++) {
        mxdi_graph *const g = graph_new(7);
        const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(2)), y = graph_open(g, "y");
        const uint32_t    mask = graph_open(g, "mask"), z = graph_open(g, "z");
        graph_node(g, "Dropout", "n", VALUES(x), VALUES(y, mask));
        if (read)
            graph_node(g, "Neg", NULL, VALUES(mask), VALUES(z));
        graph_output(g, y);
        if (read) {
            refused(g, 10, "mask");
            continue;
        }
        assert_int_equal(raised(g, 10)->n_out, 1);
        mxdi_graph_destroy(g);
    }
    mxdi_graph *const g = graph_new(8);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(2, 3)), c = FLOATS(g, 1, 1, 1),
                   y = graph_open(g, "y");
    graph_node(g, "BatchNormalization", "n", VALUES(x, c, c, c, c), VALUES(y));
    graph_output(g, y);
    graph_int(g, 0, "spatial", 1);
    assert_int_equal(raised(g, 21)->n_attr, 0);
    g->opset = g->node[0].version = 8;
    graph_int(g, 0, "spatial", 0);
    refused(g, 9, "spatial");
}

static void softmax_over_several_axes(void **state)
{
    (void)state;
    mxdi_graph     *g = one_node("Softmax", 11); /* axis 1 of four: (3, 4, 5) together */
    const mxd_node *n = raised(g, 13);
    assert_int_equal(g->n_nodes, 4);
    assert_int_equal(mxd_node_int(n, "axis", 0), -1);
    const mxd_node *const before = &g->node[0];
    assert_string_equal(before->op, "Reshape");
    assert_int_equal(before->out[0], n->in[0]);
    assert_list(g, before, 1, DIMS(0, -1));
    const mxd_node *const last = &g->node[3];
    assert_string_equal(last->op, "Reshape");
    assert_string_equal(g->value[last->out[0]].name, "y");
    assert_int_equal(last->in[0], n->out[0]);
    assert_string_equal(g->node[2].op, "Shape");
    assert_string_equal(g->value[g->node[2].in[0]].name, "x");
    assert_int_equal(last->in[1], g->node[2].out[0]);
    assert_string_equal(last->origin[0], "n");
    mxdi_graph_destroy(g);

    g = one_node("LogSoftmax", 11);
    graph_int(g, 0, "axis", -2);
    (void)raised(g, 13);
    assert_list(g, &g->node[0], 1, DIMS(0, 0, -1));
    mxdi_graph_destroy(g);

    g = one_node("Softmax", 11); /* named by its output, as the last Reshape would be */
    g->node[0].name = "y";
    assert_ok(mxdi_onnx_raise_opset(g, 13, NULL));
    assert_ok(mxdi_graph_verify(g, NULL));
    mxdi_graph_destroy(g);

    static const int64_t same[] = { -1, 3 }; /* the last axis: only said */
    for (size_t k = 0; k < 2; k++) {
        g = one_node("Softmax", 11);
        graph_int(g, 0, "axis", same[k]);
        n = raised(g, 13);
        assert_int_equal(g->n_nodes, 1);
        assert_int_equal(mxd_node_int(n, "axis", 0), same[k]);
        mxdi_graph_destroy(g);
    }
    g                  = one_node("Softmax", 7); /* (2, 3, 1, 1): the default axis stays */
    g->value[0].dim[2] = g->value[0].dim[3] = 1;
    n                                       = raised(g, 13);
    assert_int_equal(g->n_nodes, 1);
    assert_int_equal(mxd_node_int(n, "axis", 0), 1);
    mxdi_graph_destroy(g);

    g                = one_node("Softmax", 11);
    g->value[0].rank = -1;
    graph_int(g, 0, "axis", -2);
    refused(g, 13, "rank");
    g                = one_node("Softmax", 7); /* axis 1 needs no rank */
    g->value[0].rank = -1;
    (void)raised(g, 13);
    assert_int_equal(g->n_nodes, 4);
    mxdi_graph_destroy(g);
}

static mxdi_graph *resize(const char *op, int32_t opset, const char *mode, float h, float w)
{
    mxdi_graph *const g = graph_new(opset);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(1, 1, 4, 4)), y = graph_open(g, "y");
    graph_node(g, op, "n", VALUES(x, FLOATS(g, 1, 1, h, w)), VALUES(y));
    graph_string(g, 0, "mode", mode);
    graph_output(g, y);
    return g;
}

static void resize_says_what_it_did(void **state)
{
    (void)state;
    mxdi_graph     *g = resize("Resize", 10, "nearest", 2, 1);
    const mxd_node *n = raised(g, 11);
    assert_int_equal(n->n_in, 3);
    assert_int_equal(g->value[n->in[1]].dim[0], 0); /* 11 wants a roi */
    assert_int_equal(g->value[n->in[2]].dim[0], 4);
    assert_string_equal(mxd_node_string(n, "coordinate_transformation_mode", ""), "asymmetric");
    assert_string_equal(mxd_node_string(n, "nearest_mode", ""), "floor");
    n = raised(g, 13);
    assert_int_equal(n->in[1], MXD_NO_VALUE);
    assert_int_equal(g->value[n->in[2]].dim[0], 4);
    mxdi_graph_destroy(g);
    g = resize("Resize", 10, "nearest", 0.5f, 1);
    assert_string_equal(mxd_node_string(raised(g, 21), "nearest_mode", ""), "ceil");
    mxdi_graph_destroy(g);
    g = resize("Resize", 10, "linear", 0.5f, 2);
    assert_null(mxd_node_attr(raised(g, 21), "nearest_mode", MXD_ATTR_STRING));
    mxdi_graph_destroy(g);
    refused(resize("Resize", 10, "nearest", 0.5f, 2), 11, "scales");
    g                               = resize("Resize", 10, "nearest", 1, 2);
    g->value[g->node[0].in[1]].data = NULL;
    refused(g, 11, "scales");
    g = one_node("Resize", 11);
    graph_string(g, 0, "coordinate_transformation_mode", "tf_half_pixel_for_nn");
    refused(g, 13, "tf_half_pixel_for_nn");
}

static void upsample_becomes_resize(void **state)
{
    (void)state;
    mxdi_graph     *g = resize("Upsample", 9, "nearest", 2, 2);
    const mxd_node *n = raised(g, 13);
    assert_string_equal(n->op, "Resize");
    assert_string_equal(mxd_node_string(n, "nearest_mode", ""), "floor");
    mxdi_graph_destroy(g);
    g = one_node("Upsample", 7);
    assert_ok(
        mxdi_node_set_floats(g, &g->node[0], "scales", (const float[]){ 1, 1, 2, 2 }, 4, NULL));
    n = raised(g, 9);
    assert_string_equal(n->op, "Upsample");
    n = raised(g, 10);
    assert_string_equal(n->op, "Resize");
    assert_int_equal(g->value[n->in[1]].dim[0], 4);
    assert_null(mxd_node_attr(n, "scales", MXD_ATTR_FLOATS));
    mxdi_graph_destroy(g);
    refused(one_node("Upsample", 7), 10, "scales");
}

static void what_stays(void **state)
{
    (void)state;
    mxd_error   err = MXD_ERROR_INIT;
    mxdi_graph *g   = one_node("Relu", 7);
    assert_string_equal(raised(g, 21)->op, "Relu");
    assert_ok(mxdi_onnx_raise_opset(g, 13, NULL)); /* never lowered */
    assert_int_equal(g->opset, 21);
    assert_int_equal(mxdi_onnx_raise_opset(g, 22, &err), MXD_E_UNSUPPORTED);
    mxdi_graph_destroy(g);
    g                 = one_node("Mystery", 13);
    g->node[0].domain = "com.example"; /* not ours to change */
    assert_ok(mxdi_onnx_raise_opset(g, 21, NULL));
    assert_int_equal(g->node[0].version, 13);
    mxdi_graph_destroy(g);
    refused(one_node("Mystery", 13), 21, "Mystery");
    g = one_node("Softmax", 11); /* an input that is not there is seen before it is used */
    mxdi_node_set_in(&g->node[0], 0, MXD_NO_VALUE);
    assert_int_equal(mxdi_onnx_raise_opset(g, 13, NULL), MXD_E_INVAL);
    mxdi_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_become_an_input),
        cmocka_unit_test(split_slice_and_top_k),
        cmocka_unit_test(bounds_become_scalars_of_the_type),
        cmocka_unit_test(outputs_of_training),
        cmocka_unit_test(softmax_over_several_axes),
        cmocka_unit_test(resize_says_what_it_did),
        cmocka_unit_test(upsample_becomes_resize),
        cmocka_unit_test(what_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
