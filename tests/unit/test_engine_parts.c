/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting a network between a backend and the interpreter, and the audit of who did what. The
 * backend is the interpreter under another name that refuses chosen ops.
 */
#include "engine_case.h"

#include <math.h>

#include "engine/compare.h"
#include "interp/interp.h"

/* ---- a choosy backend ---- */

static const char *refused_ops; /* names between blanks */

static mxd_status choosy_claim(mxd_device *dev, const mxd_graph_view *g, mxd_claim *out,
                               mxd_error *err)
{
    const mxd_status st = mxdi_interp_backend()->claim(dev, g, out, err);
    for (uint32_t k = 0; st == MXD_OK && k < g->n_nodes; k++) {
        char word[64];
        (void)snprintf(word, sizeof(word), " %s ", g->node[k].op);
        if (strstr(refused_ops, word)) {
            out->taken[k]  = 0;
            out->reason[k] = "not to its taste";
        }
    }
    return st;
}

static mxdi_engine *choosy_engine(mxdi_graph *g, const char *refused)
{
    static mxd_backend_api   choosy;
    mxdi_registry            r;
    mxdi_engine             *e   = NULL;
    mxd_error                err = MXD_ERROR_INIT;
    const mxdi_build_options o   = {
          .backend = "choosy", .threads = 1, .batch = { 2 }, .n_batches = 1
    };
    refused_ops  = refused;
    choosy       = *mxdi_interp_backend();
    choosy.name  = "choosy";
    choosy.claim = choosy_claim;
    mxdi_registry_init(&r);
    r.api[r.n++] = &choosy;
    if (mxdi_engine_build(&e, g, &o, &r, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    mxdi_registry_fini(&r);
    return e;
}

/* step: 0 for equal bits; a cut between a product and its quantizer leaves the sum to be rounded as
 * floats are, where a tie may fall to the next step. */
static void parts_agree_with_one(const char *network, uint32_t n_in, const mxd_tensor *x,
                                 int64_t per_sample, float step)
{
    static const struct {
        const char *refused;
        uint32_t    parts;
    } cuts[] = {
        { " ", 1 },
        { " Relu ", 0 },
        { " Conv ", 0 },
        { " Add ", 0 },
        { " MaxPool Gemm ", 0 },
        { " MatMul ", 0 },
        { " QuantizeLinear ", 0 },
        { " DequantizeLinear ", 0 },
        { " AveragePool ", 0 },
        { " Conv Relu Add ", 0 },
    };
    float want[2 * 36], got[2 * 36];
    for (size_t k = 0; k < sizeof(cuts) / sizeof(cuts[0]); k++) {
        mxdi_engine *const  e = choosy_engine(engine_network(network), cuts[k].refused);
        mxdi_session *const s = engine_session(e);
        mxd_tensor          out[2];
        const uint32_t      n_out = e->plan[0].graph->n_outputs;
        mxd_error           err   = MXD_ERROR_INIT;
        for (uint32_t i = 0; i < n_out; i++) {
            assert_int_equal(mxdi_session_output(&out[i], s, i, 2, NULL), MXD_OK);
            out[i].data = (k ? got : want) + (int64_t)i * 2 * per_sample;
        }
        if (mxdi_session_run(s, x, n_in, out, n_out, &err) != MXD_OK)
            fail_msg("%s", err.msg);
        if (cuts[k].parts)
            assert_int_equal(e->plan[0].n_parts, cuts[k].parts);
        for (int64_t i = 0; k && i < 2 * per_sample * n_out; i++)
            assert_true(fabsf(got[i] - want[i]) <= step);
        mxdi_session_close(s);
        mxdi_engine_destroy(e);
    }
}

static void every_cut_gives_the_same(void **state)
{
    (void)state;
    float            x[2 * 72];
    const mxd_tensor one   = engine_tensor(x, MXD_F32, DIMS(2, 2, 6, 6));
    const mxd_tensor two[] = { engine_tensor(x, MXD_F32, DIMS(2, 3)),
                               engine_tensor(x + 6, MXD_F32, DIMS(2, 2)) };
    engine_fill(x, 2 * 72);
    parts_agree_with_one("residual.onnx", 1, &one, 3, 0.0f);
    parts_agree_with_one("quantized.onnx", 1, &one, 36, 0.0301f);
    parts_agree_with_one("two_ends.onnx", 2, two, 2, 0.0f);
}

/* Parts stand in the order of their levels, and the reason of the refusal reaches the audit. */
static void parts_and_reasons(void **state)
{
    (void)state;
    mxdi_engine *const e = choosy_engine(engine_network("residual.onnx"), " MaxPool Gemm ");
    const mxdi_plan   *p = &e->plan[0];
    assert_int_equal(p->n_parts, 4); /* ... MaxPool | GlobalAveragePool, Flatten | Gemm */
    for (uint32_t k = 0; k < p->n_parts; k++)
        assert_string_equal(p->part[k].api->name, k % 2 ? "interp" : "choosy");
    bool told = false;
    for (uint32_t k = 0; k < e->n_audit; k++)
        told = told || (strcmp(e->audit[k].node, "head") == 0 && e->audit[k].reason &&
                        strcmp(e->audit[k].reason, "not to its taste") == 0);
    assert_true(told);
    mxdi_engine_destroy(e);
}

static void nobody_runs_it(void **state)
{
    (void)state;
    mxdi_graph    *g = graph_new(17);
    mxdi_engine   *e = NULL;
    mxdi_registry  r;
    mxd_error      err = MXD_ERROR_INIT;
    const uint32_t y   = graph_open(g, "y");
    graph_node(g, "Relu", "odd one", VALUES(graph_input(g, "x", MXD_S32, DIMS(2))), VALUES(y));
    graph_output(g, y);
    g->node[0].domain = "my.own";
    mxdi_registry_init(&r);
    assert_int_equal(
        mxdi_engine_build(&e, g, &(mxdi_build_options){ .threads = 1 }, &r, NULL, &err),
        MXD_E_UNSUPPORTED);
    assert_null(e);
    ASSERT_SAYS(err, "odd one");
    mxdi_registry_fini(&r);
}

/* ---- audit ---- */

static const mxdi_audit_row *row_of(const mxdi_engine *e, const char *node)
{
    for (uint32_t k = 0; k < e->n_audit; k++)
        if (strcmp(e->audit[k].node, node) == 0)
            return &e->audit[k];
    fail_msg("no row '%s'", node);
    return NULL;
}

/* x -> Q -> DQ -> Gemm(w DQ) -> y; alpha 0.5 has no integer definition. */
static mxdi_graph *quantized_gemm(float alpha, mxd_dtype weight)
{
    mxdi_graph *const g = graph_new(21);
    const float       s = 0.25f;
    const uint8_t     z = 0, w[6] = { 1, 2, 3, 4, 5, 6 };
    const uint32_t    x  = graph_input(g, "x", MXD_F32, DIMS(2, 3));
    const uint32_t    sc = graph_constant(g, "s", MXD_F32, &s, SCALAR),
                   zu    = graph_constant(g, "zu", MXD_U8, &z, SCALAR);
    const uint32_t zw    = graph_constant(g, "zw", weight, &z, SCALAR);
    const uint32_t wq    = graph_constant(g, "w", weight, w, DIMS(3, 2));
    const uint32_t q = graph_open(g, "q"), xd = graph_open(g, "xd"), wd = graph_open(g, "wd"),
                   y = graph_open(g, "y");
    graph_node(g, "QuantizeLinear", "quantize", VALUES(x, sc, zu), VALUES(q));
    graph_node(g, "DequantizeLinear", "dq_x", VALUES(q, sc, zu), VALUES(xd));
    graph_node(g, "DequantizeLinear", "dq_w", VALUES(wq, sc, zw), VALUES(wd));
    const uint32_t n = graph_node(g, "Gemm", "gemm", VALUES(xd, wd), VALUES(y));
    assert_int_equal(mxdi_node_set_float(g, &g->node[n], "alpha", alpha, NULL), MXD_OK);
    graph_output(g, y);
    return g;
}

static void verdicts(void **state)
{
    (void)state;
    static const struct {
        float       alpha;
        mxd_dtype   weight;
        const char *asked, *stored, *verdict;
        uint32_t    mismatches;
    } cases[] = {
        { 1.0f, MXD_S8, "w8a8", "w8a8", "as asked", 0 },
        { 1.0f, MXD_S4, "w4a8", "w4a8", "same integers, wider instruction", 0 },
        { 0.5f, MXD_S8, "w8a8", "f32", "higher precision", 1 },
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        mxdi_engine *const          e = engine_of(quantized_gemm(cases[k].alpha, cases[k].weight),
                                                  &(mxdi_build_options){ .threads = 1 });
        const mxdi_audit_row *const r = row_of(e, "gemm");
        assert_string_equal(r->asked, cases[k].asked);
        assert_string_equal(r->stored, cases[k].stored);
        assert_string_equal(r->verdict, cases[k].verdict);
        assert_int_equal(e->mismatches, cases[k].mismatches);
        assert_true(cases[k].mismatches == 0 || r->reason);
        assert_null(row_of(e, "quantize")->asked);
        mxdi_engine_destroy(e);
    }
    mxdi_engine *const e =
        engine_of(engine_network("residual.onnx"), &(mxdi_build_options){ .threads = 1 });
    assert_string_equal(row_of(e, "stem")->asked, "f32");
    assert_string_equal(row_of(e, "stem")->stored, "f32");
    assert_string_equal(row_of(e, "flatten")->verdict, "as asked");
    assert_int_equal(e->n_audit, 9);
    mxdi_engine_destroy(e);
}

/* ---- the engine's own integers beside the definition ---- */

static void integers_are_checked(void **state)
{
    (void)state;
    float              x[72], y[36];
    uint32_t           checked = 0, differing = 0;
    mxd_error          err = MXD_ERROR_INIT;
    mxdi_engine *const e =
        engine_of(engine_network("quantized.onnx"), &(mxdi_build_options){ .threads = 1 });
    const mxd_tensor in  = engine_tensor(x, MXD_F32, DIMS(1, 2, 6, 6)),
                     out = engine_tensor(y, MXD_F32, DIMS(1, 4, 3, 3));
    engine_fill(x, 72);
    if (mxdi_engine_check(&checked, &differing, e, 1, &in, 1, &out, 1, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(differing, 0);
    assert_true(checked >= 2); /* the convolution and the pool */
    mxdi_engine_destroy(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_gives_the_same), cmocka_unit_test(parts_and_reasons),
        cmocka_unit_test(nobody_runs_it),           cmocka_unit_test(verdicts),
        cmocka_unit_test(integers_are_checked),
    };
    return cmocka_run_group_tests_name("engine_parts", tests, NULL, NULL);
}
