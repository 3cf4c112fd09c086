/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes: the project's own and NNI's, what they say of a network's layers, and every mistake in
 * one message.
 */
#include "graph_case.h"

#include <stdio.h>
#include <string.h>

#include "quant/recipe.h"

/* ---- helpers ---- */

static mxd_status parse(mxdi_recipe **r, const char *json, mxd_error *err)
{
    *err = (mxd_error)MXD_ERROR_INIT;
    const mxd_status st =
        mxdi_recipe_parse(r, (mxdi_view){ (const uint8_t *)json, strlen(json) }, NULL, err);
    assert_true((st == MXD_OK) == (*r != NULL));
    return st;
}

static mxdi_recipe *parsed(const char *json)
{
    mxdi_recipe *r = NULL;
    mxd_error    err;
    if (parse(&r, json, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return r;
}

/* Parsing must fail so and say all the words, separated by blanks. */
static void refused(const char *json, mxd_status status, const char *words)
{
    mxdi_recipe *r = NULL;
    mxd_error    err;
    char         copy[512], *save = NULL;
    assert_int_equal(parse(&r, json, &err), status);
    assert_int_equal(err.status, status);
    assert_null(strchr(err.msg, '\n'));
    (void)snprintf(copy, sizeof(copy), "%s", words);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        if (!strstr(err.msg, w))
            fail_msg("expected '%s' in: %s", w, err.msg);
}

/* Layers as a PyTorch export names them: conv1, block.0.conv, fc, and a MatMul without weights. */
static mxdi_graph *network(void)
{
    mxdi_graph *const g   = graph_new(17);
    const float       w[] = { 0 };
    uint32_t          x   = graph_input(g, "x", MXD_F32, DIMS(1, 1));
    static const struct {
        const char *op, *node, *weight;
    } layers[] = {
        { "Conv", "/conv1/Conv", "conv1.weight" },
        { "Relu", "/relu/Relu", NULL },
        { "Conv", "/block/block.0/conv/Conv", "block.0.conv.weight" },
        { "Gemm", "/fc/Gemm", "fc.weight" },
        { "MatMul", "/attention/MatMul", NULL },
    };
    for (size_t k = 0; k < sizeof(layers) / sizeof(layers[0]); k++) {
        const uint32_t y = graph_open(g, NULL);
        const uint32_t second =
            layers[k].weight ? graph_constant(g, layers[k].weight, MXD_F32, w, DIMS(1, 1)) : x;
        graph_node(g, layers[k].op, layers[k].node, VALUES(x, second), VALUES(y));
        x = y;
    }
    graph_output(g, x);
    return g;
}

/* Precision of conv1, block, fc, attention: "w8a8 f32 w4-f32 bf16". */
static void says(const char *json, const char *want)
{
    mxdi_graph *const  g = network();
    mxdi_recipe *const r = parsed(json);
    mxdi_setting       s[8];
    mxd_error          err      = MXD_ERROR_INIT;
    char               got[128] = "";
    if (mxdi_recipe_apply(s, r, g, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        char name[16];
        mxdi_precision_text(name, s[n].precision);
        if (n != 1)
            (void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", n ? " " : "",
                           name);
        else
            assert_string_equal(name, "f32");
    }
    assert_string_equal(got, want);
    mxdi_recipe_destroy(r);
    mxdi_graph_destroy(g);
}

/* ---- precision names ---- */

static void precision_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        mxd_status  status;
        const char *text;
    } names[] = {
        { "f32", MXD_OK, "f32" },
        { "32", MXD_OK, "f32" },
        { "bf16", MXD_OK, "bf16" },
        { "16", MXD_OK, "bf16" },
        { "f16", MXD_OK, "f16" },
        { "8", MXD_OK, "w8a8" },
        { "w8a8", MXD_OK, "w8a8" },
        { "w2a7", MXD_OK, "w2a7" },
        { "w4-f32", MXD_OK, "w4-f32" },
        { "w8-bf16", MXD_OK, "w8-bf16" },
        { "w3-f16", MXD_OK, "w3-f16" },
        { "w16a16", MXD_E_UNSUPPORTED, NULL },
        { "w8a16", MXD_E_UNSUPPORTED, NULL },
        { "tf32", MXD_E_UNSUPPORTED, NULL },
        { "f8", MXD_E_UNSUPPORTED, NULL },
        { "w1a8", MXD_E_USAGE, NULL },
        { "w8a0", MXD_E_USAGE, NULL },
        { "w8a99", MXD_E_USAGE, NULL },
        { "w8a8x", MXD_E_USAGE, NULL },
        { "w9-f32", MXD_E_USAGE, NULL },
        { "w1-f32", MXD_E_USAGE, NULL },
        { "w4-f64", MXD_E_USAGE, NULL },
        { "", MXD_E_USAGE, NULL },
        { "w", MXD_E_USAGE, NULL },
        { "bf16 ", MXD_E_USAGE, NULL },
    };
    for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
        mxdi_precision p;
        mxd_error      err = MXD_ERROR_INIT;
        char           text[16];
        if (mxdi_precision_parse(&p, names[k].name, &err) != names[k].status)
            fail_msg("'%s': %s", names[k].name, err.msg);
        if (names[k].status == MXD_OK) {
            mxdi_precision_text(text, p);
            assert_string_equal(text, names[k].text);
        } else {
            assert_non_null(strstr(err.msg, names[k].name));
        }
    }
}

/* ---- the project's own ---- */

static void later_rules_win(void **state)
{
    (void)state;
    says("[]", "f32 f32 f32 f32");
    says("[{\"op_types\": [\"Conv\", \"Gemm\"], \"precision\": \"w8a8\"}]", "w8a8 w8a8 w8a8 f32");
    says("{\"recipe\": [{\"op_types\": \"Conv\", \"precision\": 8}]}", "w8a8 w8a8 f32 f32");
    says("[{\"precision\": \"w8a8\"}, {\"names\": [\"conv1\"], \"precision\": \"bf16\"}]",
         "bf16 w8a8 w8a8 w8a8");
    says("[{\"names\": [\"conv1\"], \"precision\": \"bf16\"}, {\"precision\": \"w8a8\"}]",
         "w8a8 w8a8 w8a8 w8a8");
    says("[{\"precision\": \"w4a8\"}, {\"op_types\": [\"Gemm\", \"MatMul\"], \"exclude\": true}]",
         "w4a8 w4a8 f32 f32");
}

static void names_of_layers(void **state)
{
    (void)state;
    says("[{\"names\": [\"/conv1/Conv\"], \"precision\": \"w8a8\"}]", "w8a8 f32 f32 f32");
    says("[{\"names\": [\"block.*\"], \"precision\": \"w8a8\"}]", "f32 w8a8 f32 f32");
    says("[{\"names\": [\"*conv?/*\", \"fc\"], \"precision\": \"w8a8\"}]", "w8a8 f32 w8a8 f32");
    says("[{\"regex\": \"/(conv1|fc)\", \"precision\": \"w8a8\"}]", "w8a8 f32 w8a8 f32");
    says("[{\"regex\": \"conv1\", \"precision\": \"w8a8\"}]",
         "f32 f32 f32 f32"); /* from the start */
    says(
        "[{\"names\": [\"fc\"], \"regex\": [\"/conv1\"], \"op_types\": [\"Conv\", \"Gemm\"], \"precision\": \"w8a8\"}]",
        "w8a8 f32 w8a8 f32"); /* a name or a pattern, and a type */
    says("[{\"names\": [\"fc\", \"conv1\"], \"op_types\": [\"Gemm\"], \"precision\": \"w8a8\"}]",
         "f32 f32 w8a8 f32");
}

static void everything_a_rule_says(void **state)
{
    (void)state;
    mxdi_recipe *const r = parsed(
        "[{\"precision\": \"w4a8\", \"scheme\": \"symmetric\", \"granularity\": \"tensor\", \"method\": \"entropy\","
        " \"rounding\": \"nearest\", \"allow\": \"bf16\"},"
        "{\"precision\": \"w4-f32\", \"granularity\": \"block:64\", \"rounding\": \"adaround\"},"
        "{\"precision\": \"w8a8\"}]");
    const mxdi_setting *const s = &r->rule[0].setting, *const t = &r->rule[1].setting;
    assert_int_equal(r->n_rules, 3);
    assert_int_equal(s->rounding, MXDI_NEAREST);
    assert_int_equal(t->rounding, MXDI_ADAROUND);
    assert_int_equal(r->rule[2].setting.rounding, MXDI_ROUNDING_UNSAID);
    assert_true(s->symmetric && s->per_tensor && s->method == MXDI_ENTROPY && s->block == 0);
    assert_true(s->allow.compute == MXD_BF16 && s->allow.w_bits == 0);
    assert_true(!t->symmetric && !t->per_tensor && t->method == -1 && t->block == 64);
    assert_true(mxdi_precision_equal(t->allow, t->precision));
    mxdi_recipe_destroy(r);
}

static void every_mistake_at_once(void **state)
{
    (void)state;
    refused(
        "[{\"nams\": [\"a\"], \"precision\": \"w8a99\"}, {\"op_types\": [\"Convv\"], \"precision\": \"f32\", \"scheme\": \"afine\"},"
        " {\"precision\": 3.5}, 7, {\"names\": [4], \"exclude\": 1}]",
        MXD_E_USAGE,
        "nams 'names' w8a99 Convv 'Conv' afine 'affine' entry 0 entry 1 entry 2 entry 3 object entry 4 true");
    refused("[{\"op_types\": [\"Conv\"]}]", MXD_E_USAGE, "'precision' 'exclude'");
    refused("[{\"precision\": \"w8a8\", \"granularity\": \"block:4\"}]", MXD_E_USAGE, "block:4");
    refused("[{\"precision\": \"w8a8\", \"method\": \"mimax\"}]", MXD_E_USAGE, "mimax 'minmax'");
    refused("[{\"precision\": \"w8a8\", \"rounding\": \"adarond\"}]", MXD_E_USAGE, "'adaround'");
    refused("[{\"precision\": \"w8a8\", \"names\": []}]", MXD_E_USAGE, "'names'");
    refused("[{\"precision\": \"w16a16\"}]", MXD_E_UNSUPPORTED, "w16a16");
    refused("[{\"precision\": \"w16a16\"}, {\"precision\": \"w8a99\"}]", MXD_E_USAGE,
            "w16a16 w8a99");
    refused("{\"names\": 1}", MXD_E_USAGE, "list");
    refused("\"w8a8\"", MXD_E_PARSE, "line 1");
    refused("[{\"precision\": \"w8a8\", \"precision\": \"f32\"}]", MXD_E_PARSE, "line 1");
}

/* Names that no layer has are told for all rules, with the nearest. */
static void names_of_no_layer(void **state)
{
    (void)state;
    mxdi_graph *const  g = network();
    mxdi_recipe *const r = parsed(
        "[{\"names\": [\"/fc/Gem\", \"conv1\"], \"precision\": \"w8a8\"}, {\"names\": [\"/conv2/Conv\", \"x*\"], \"precision\": \"f32\"}]");
    mxdi_setting s[8];
    mxd_error    err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_recipe_apply(s, r, g, &err), MXD_E_USAGE);
    assert_non_null(strstr(err.msg, "'/fc/Gem', perhaps '/fc/Gemm'"));
    assert_non_null(strstr(err.msg, "'/conv2/Conv', perhaps '/conv1/Conv'"));
    assert_null(strstr(err.msg, "x*")); /* a pattern may match nothing */
    assert_null(strstr(err.msg, "'conv1'"));
    assert_int_equal(mxdi_recipe_apply(s, r, g, NULL), MXD_E_USAGE);
    mxdi_recipe_destroy(r);
    mxdi_graph_destroy(g);
}

/* What regex.h says of a pattern is told with the entry. */
static void regular_expressions(void **state)
{
    (void)state;
    mxdi_graph *const        g = network();
    mxdi_setting             s[8];
    static const char *const bad[] = {
        "[{\"regex\": \"(\", \"precision\": \"w8a8\"}]",
        "[{\"regex\": \"/a++++++++++++++++{99}{99}\", \"exclude\": true}]"
    };
    for (size_t k = 0; k < 2; k++) {
        mxd_error          err = MXD_ERROR_INIT;
        mxdi_recipe *const r   = parsed(bad[k]);
        assert_int_equal(mxdi_recipe_apply(s, r, g, &err), MXD_E_USAGE);
        assert_non_null(strstr(err.msg, "entry 0: regular expression"));
        mxdi_recipe_destroy(r);
    }
    mxdi_graph_destroy(g);
}

/* ---- NNI ---- */

static void nni_version_2(void **state)
{
    (void)state;
    says(
        "[{\"quant_types\": [\"weight\", \"input\"], \"quant_bits\": {\"weight\": 8, \"input\": 8}, \"op_types\": [\"Conv2d\"]}]",
        "w8a8 w8a8 f32 f32");
    says(
        "[{\"quant_types\": [\"weight\", \"output\"], \"quant_bits\": 8, \"op_types\": [\"default\"]}]",
        "w8a8 w8a8 w8a8 w8a8");
    says("[{\"quant_types\": [\"weight\"], \"quant_bits\": 4, \"op_types\": [\"Linear\"]}]",
         "f32 f32 w4-f32 w4-f32");
    says("[{\"quant_types\": [\"weight\"], \"quant_bits\": 8, \"op_names\": [\"block.0.conv\"]}]",
         "f32 w8-f32 f32 f32");
    says(
        "[{\"quant_types\": [\"weight\", \"input\"], \"quant_bits\": 8, \"op_types\": [\"Conv2d\", \"Linear\"]},"
        " {\"exclude\": false, \"op_names\": [\"fc\"]}]",
        "w8a8 w8a8 f32 w8a8"); /* the key counts */
    says(
        "[{\"quant_types\": [\"weight\", \"input\"], \"quant_bits\": 16, \"op_names\": [\"conv1\"]},"
        " {\"quant_types\": [\"weight\", \"input\"], \"quant_bits\": 32, \"op_names\": [\"fc\"]}]",
        "bf16 f32 f32 f32");
    says("[{\"quant_types\": [\"output\"], \"quant_bits\": 8, \"op_types\": [\"ReLU\"]}]",
         "f32 f32 f32 f32");
    mxdi_recipe *const r = parsed(
        "[{\"quant_types\": [\"weight\", \"input\"], \"quant_bits\": 8, \"op_types\": [\"Conv2d\"],"
        " \"quant_scheme\": {\"weight\": \"per_channel_symmetric\", \"input\": \"per_tensor_symmetric\"}}]");
    assert_true(r->rule[0].setting.symmetric && !r->rule[0].setting.per_tensor);
    mxdi_recipe_destroy(r);
    refused("[{\"quant_typos\": [\"weight\"], \"quant_bits\": 8, \"op_types\": [\"Convv\"]}]",
            MXD_E_USAGE, "quant_typos 'quant_types' Convv 'Conv");
    refused(
        "[{\"quant_types\": [\"wait\"], \"quant_bits\": {\"weight\": 99}, \"op_types\": [\"Conv2d\"]}]",
        MXD_E_USAGE, "wait");
    refused("[{\"quant_types\": [\"weight\"], \"quant_bits\": 99, \"op_types\": [\"Conv2d\"]}]",
            MXD_E_USAGE, "quant_bits");
    refused("[{\"quant_types\": [\"weight\"], \"quant_bits\": 8}]", MXD_E_USAGE,
            "'op_types' 'op_names'");
}

static void nni_version_3(void **state)
{
    (void)state;
    says(
        "[{\"op_types\": [\"Conv2d\", \"Linear\"], \"target_names\": [\"weight\", \"_input_\", \"_output_\"], \"quant_dtype\": \"int8\"}]",
        "w8a8 w8a8 w8a8 w8a8");
    says("[{\"op_names_re\": [\"/block/.*\"], \"quant_dtype\": \"int8\"}]", "f32 w8a8 f32 f32");
    says(
        "[{\"op_types\": [\"Conv2d\"], \"exclude_op_names\": [\"conv1\"], \"target_names\": [\"weight\"], \"quant_dtype\": \"int4\"}]",
        "f32 w4-f32 f32 f32");
    says(
        "[{\"op_types\": [\"Conv2d\", \"Linear\"], \"exclude_op_types\": [\"Linear\"], \"quant_dtype\": \"int8\"}]",
        "w8a8 w8a8 f32 f32");
    says(
        "[{\"op_types\": [\"Conv2d\", \"Linear\"], \"exclude_op_names_re\": [\"/conv1.*\"], \"quant_dtype\": \"int8\"}]",
        "f32 w8a8 w8a8 w8a8");
    says(
        "[{\"op_names\": [\"fc\"], \"quant_dtype\": \"int8\", \"target_settings\": {\"weight\": {\"quant_dtype\": \"int4\"}, \"_input_0\": {\"quant_dtype\": \"uint8\"}}}]",
        "f32 f32 w4a8 f32");
    mxdi_recipe *const r = parsed(
        "[{\"op_types\": [\"Conv2d\"], \"quant_dtype\": \"int8\", \"granularity\": \"out_channel\", \"quant_scheme\": \"symmetric\"},"
        "{\"op_types\": [\"Conv2d\"], \"quant_dtype\": \"int8\", \"granularity\": \"default\", \"quant_scheme\": \"affine\"}]");
    assert_true(r->rule[0].setting.symmetric && !r->rule[0].setting.per_tensor);
    assert_true(!r->rule[1].setting.symmetric && r->rule[1].setting.per_tensor);
    mxdi_recipe_destroy(r);
    refused(
        "[{\"op_names\": [\"fc\"], \"quant_dtype\": \"float8\", \"target_names\": [\"wait\"], \"fuse_name\": []}]",
        MXD_E_USAGE, "float8 wait fuse_name 'fuse_names'");
}

/* The bits that a calibration_config tells, in any of its dialects. */
static void nni_calibrations(void **state)
{
    (void)state;
    says(
        "{\"conv1\": {\"weight_bits\": 8, \"weight_scale\": [0.1], \"input_bits\": 8, \"output_bits\": null},"
        " \"relu\": {\"output_bits\": 8, \"tracked_max_output\": 6.0},"
        " \"fc\": {\"weight_bits\": 4, \"output_bits\": 8}}",
        "w8a8 f32 w4a8 f32");
    says("{\"conv1\": {\"weight_bit\": 8}, \"fc\": {\"weight_bit\": 6, \"activation_bit\": 8}}",
         "w8-f32 f32 w6a8 f32");
    says(
        "{\"block.0.conv\": {\"weight\": {\"quant_bits\": 4, \"scale\": 0.5}, \"_input_0\": {\"quant_bits\": 8}}}",
        "f32 w4a8 f32 f32");
    refused("{\"fc\": {\"weight_bits\": 99}}", MXD_E_USAGE, "quant_bits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precision_names),       cmocka_unit_test(later_rules_win),
        cmocka_unit_test(names_of_layers),       cmocka_unit_test(everything_a_rule_says),
        cmocka_unit_test(every_mistake_at_once), cmocka_unit_test(names_of_no_layer),
        cmocka_unit_test(regular_expressions),   cmocka_unit_test(nni_version_2),
        cmocka_unit_test(nni_version_3),         cmocka_unit_test(nni_calibrations),
    };
    return cmocka_run_group_tests_name("quant_recipe", tests, NULL, NULL);
}
