/* SPDX-License-Identifier: Apache-2.0
 *
 * Formats that network inputs are given: what is written into the graph, and what is refused.
 */
#include "graph_case.h"
#include "passes/passes.h"

enum { H = 5, W = 6, C = 3 };
static const float scale = 1.0f / 255, mean[C] = { 0.485f, 0.456f, 0.406f },
                   deviation[C] = { 0.229f, 0.224f, 0.225f };
static const mxdi_scaling all   = { &scale, mean, deviation, 1, C, C };

static mxdi_graph *network(const int64_t *dim, int32_t rank, mxd_dtype type)
{
    mxdi_graph *const g = graph_new(21);
    const uint32_t    x = graph_input(g, "x", type, dim, rank);
    const uint32_t    y = graph_open(g, "y");
    graph_node(g, "Identity", "id", VALUES(x), VALUES(y));
    graph_output(g, y);
    return g;
}

static void formats_are_written_into_the_graph(void **state)
{
    (void)state;
    const mxdi_input_format hwc = { MXD_U8, true, "u8:hwc" };
    mxdi_graph *const       g   = network(DIMS(-1, C, -1, W), MXD_F32);
    assert_int_equal(mxdi_set_input_formats(g, &hwc, 1, &all, "scale=1/255", NULL), MXD_OK);
    const mxd_value *const x = &g->value[g->input[0]];
    assert_string_equal(x->name, "x");
    assert_int_equal(x->dtype, MXD_U8);
    assert_dims(x, DIMS(-1, -1, W, C));
    assert_int_equal(g->n_symbols, 2);
    for (uint32_t k = 0; k < 2; k++) {
        assert_int_equal(g->symbol[k].value, g->input[0]);
        assert_int_equal(g->symbol[k].axis, strcmp(g->symbol[k].name, "N") == 0 ? 0 : 1);
    }
    static const char *const ops[] = { "Transpose", "Cast", "Mul", "Sub", "Div", "Identity" };
    assert_int_equal(g->n_nodes, 6);
    for (uint32_t k = 0; k < 6; k++)
        assert_string_equal(g->node[k].op, ops[k]);
    assert_string_equal(g->node[4].name, "x.Div");
    assert_string_equal(mxdi_input_format_of(g, "x"), "u8:hwc,scale=1/255");
    mxdi_graph_destroy(g);
}

/* Nothing is written that changes nothing; a format that the input has is none. */
static void formats_write_what_is_needed(void **state)
{
    (void)state;
    const mxdi_input_format chw = { MXD_U8, false, "u8:chw" }, own = { MXD_F32, false, "f32:chw" };
    const mxdi_scaling      none = { .scale = NULL };
    mxdi_graph             *g    = network(DIMS(4, 1, H, W), MXD_F32);
    assert_int_equal(mxdi_set_input_formats(g, &chw, 1, &none, NULL, NULL), MXD_OK);
    assert_int_equal(g->n_nodes, 2);
    assert_string_equal(g->node[0].op, "Cast");
    assert_dims(&g->value[g->input[0]], DIMS(4, 1, H, W));
    assert_string_equal(mxdi_input_format_of(g, "x"), "u8:chw");
    mxdi_graph_destroy(g);
    g = network(DIMS(4, 2, H, W), MXD_F32);
    assert_int_equal(mxdi_set_input_formats(g, &own, 1, &none, NULL, NULL), MXD_OK);
    assert_int_equal(mxdi_set_input_formats(g, NULL, 0, &none, NULL, NULL), MXD_OK);
    assert_int_equal(g->n_nodes, 1);
    assert_null(mxdi_input_format_of(g, "x"));
    mxdi_graph_destroy(g);
}

static void refused(const int64_t *dim, int32_t rank, mxd_dtype type, mxdi_input_format f,
                    uint32_t n, const mxdi_scaling *s, const char *note, const char *says)
{
    mxdi_graph *const       g      = network(dim, rank, type);
    const mxdi_input_format two[2] = { f, f };
    mxd_error               err    = MXD_ERROR_INIT;
    assert_int_not_equal(mxdi_set_input_formats(g, two, n, s, note, &err), MXD_OK);
    if (!strstr(err.msg, says))
        fail_msg("'%s' does not say '%s'", err.msg, says);
    mxdi_graph_destroy(g);
}

static void wrong_formats_are_refused(void **state)
{
    (void)state;
    const mxdi_input_format hwc = { MXD_U8, true, "u8:hwc" }, s8 = { MXD_S8, false, "s8:chw" },
                            own  = { MXD_F32, false, "f32:chw" },
                            last = { MXD_F32, true, "f32:hwc" };
    const mxdi_scaling none = { .scale = NULL }, two = { .mean = mean, .n_mean = 2 };
    refused(DIMS(1, C, H, W), MXD_F32, hwc, 2, &none, NULL, "the network has 1 input");
    refused(DIMS(1, 4, H, W), MXD_F32, hwc, 1, &none, NULL,
            "1x4x5x6: u8:hwc takes pictures of 1 or 3");
    refused(DIMS(1, -1, H, W), MXD_F32, hwc, 1, &none, NULL, "1x?x5x6");
    refused(DIMS(C, H, W), MXD_F32, hwc, 1, &none, NULL, "has shape 3x5x6");
    refused(DIMS(1, C, H, W), MXD_U8, hwc, 1, &none, NULL,
            "expected u8:chw (as it is), got 'u8:hwc'");
    refused(DIMS(1, C, H, W), MXD_F32, s8, 1, &none, NULL, "u8:hwc or u8:chw, got 's8:chw'");
    refused(DIMS(1, C, H, W), MXD_F32, last, 1, &none, NULL, "got 'f32:hwc'");
    refused(DIMS(1, C, H, W), MXD_F32, own, 1, &all, "mean=1", "no input is u8");
    refused(DIMS(1, C, H, W), MXD_F32, hwc, 0, &all, "mean=1", "no input is u8");
    refused(DIMS(1, C, H, W), MXD_F32, hwc, 1, &two, "mean=1:2",
            "mean: expected 1 or 3 numbers, got 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_written_into_the_graph),
        cmocka_unit_test(formats_write_what_is_needed),
        cmocka_unit_test(wrong_formats_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
