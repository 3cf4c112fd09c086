/* SPDX-License-Identifier: Apache-2.0
 *
 * Cross-layer equalization: what it does to weights, that the float function stays, where it keeps
 * away, and what quantizing with it needs.
 */
#include "quant_case.h"

#include <math.h>

#include "passes/passes.h"
#include "quant/equalize.h"
#include "quant/layer.h"

enum { INPUT = 72, BATCH = 4 };

/* Weights whose channels reach unequally far: row r is about 4^(r % 3) times the first. */
static uint32_t weights(mxdi_graph *g, const char *name, const int64_t *dim, int32_t rank,
                        uint32_t seed)
{
    float   w[512];
    int64_t n = 1;
    for (int32_t k = 0; k < rank; k++)
        n *= dim[k];
    assert_true(n <= 512);
    for (int64_t k = 0; k < n; k++)
        w[k] = ((float)(((uint64_t)k * 2654435761u + seed * 97u) % 1000) / 500.0f - 1.0f) *
               powf(4.0f, (float)(k / (n / dim[0]) % 3) - 1.0f);
    return graph_constant(g, name, MXD_F32, w, dim, rank);
}

static uint32_t bias(mxdi_graph *g, const char *name, int64_t n, uint32_t seed)
{
    return weights(g, name, DIMS(n), seed);
}

/* conv 2->6, `between`, depthwise of 6, PRelu, conv 6->4 in two groups, pool, Flatten, Gemm 4->3.
 */
static mxdi_graph *chain(const char *between)
{
    mxdi_graph *const g = graph_new(17);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(-1, 2, 6, 6));
    const uint32_t    a = graph_open(g, "a"), b = graph_open(g, "b"), c = graph_open(g, "c"),
                   d = graph_open(g, "d"), e = graph_open(g, "e"), f = graph_open(g, "f"),
                   h = graph_open(g, "h"), y = graph_open(g, "y");
    graph_node(g, "Conv", "first",
               VALUES(x, weights(g, "w1", DIMS(6, 2, 3, 3), 1), bias(g, "b1", 6, 2)), VALUES(a));
    if (strcmp(between, "Clip") == 0)
        graph_node(g, "Clip", "between", VALUES(a, FLOATS(g, 0.0f), FLOATS(g, 6.0f)), VALUES(b));
    else
        graph_node(g, between, "between", VALUES(a), VALUES(b));
    const uint32_t depth = graph_node(
        g, "Conv", "depth", VALUES(b, weights(g, "w2", DIMS(6, 1, 3, 3), 3), bias(g, "b2", 6, 4)),
        VALUES(c));
    graph_int(g, depth, "group", 6);
    const int64_t slopes[] = { 6, 1, 1 };
    graph_node(g, "PRelu", "prelu", VALUES(c, weights(g, "slope", slopes, 3, 5)), VALUES(d));
    const uint32_t grouped = graph_node(
        g, "Conv", "grouped", VALUES(d, weights(g, "w3", DIMS(4, 3, 1, 1), 6)), VALUES(e));
    graph_int(g, grouped, "group", 2);
    graph_node(g, "GlobalAveragePool", "pool", VALUES(e), VALUES(f));
    graph_node(g, "Flatten", "flat", VALUES(f), VALUES(h));
    graph_node(g, "Gemm", "head", VALUES(h, weights(g, "w4", DIMS(4, 3), 7), bias(g, "b4", 3, 8)),
               VALUES(y));
    graph_output(g, y);
    return g;
}

static void prepare(mxdi_graph *g)
{
    bool      scalable;
    mxd_error err = MXD_ERROR_INIT;
    if (mxdi_passes_prepare(g, NULL, 0, 1, &scalable, &err) != MXD_OK)
        fail_msg("%s", err.msg);
}

/* Outputs of four samples; the graph stays. */
static void outputs(float *y, const mxdi_graph *g)
{
    mxdi_graph *copy = NULL;
    float       x[BATCH * INPUT];
    engine_fill(x, BATCH * INPUT);
    assert_int_equal(mxdi_graph_clone(&copy, g, NULL), MXD_OK);
    mxdi_engine *const e =
        engine_of(copy, &(mxdi_build_options){ .threads = 1, .batch = { BATCH }, .n_batches = 1 });
    const mxd_tensor in  = engine_tensor(x, MXD_F32, DIMS(BATCH, 2, 6, 6));
    const mxd_tensor out = engine_tensor(y, MXD_F32, DIMS(BATCH, 3));
    engine_run(e, &in, 1, &out, 1);
    mxdi_engine_destroy(e);
}

static const mxd_value *value(const mxdi_graph *g, const char *name)
{
    const uint32_t v = mxdi_graph_find_value(g, name);
    assert_true(v != MXD_NO_VALUE);
    return &g->value[v];
}

static void equalize(mxdi_graph *g, uint8_t *scaled, uint8_t bits)
{
    mxdi_setting setting[16];
    mxd_error    err = MXD_ERROR_INIT;
    assert_true(g->n_nodes <= 16);
    for (int k = 0; k < 16; k++)
        setting[k] = MXDI_SETTING_F32;
    for (uint32_t n = 0; n < g->n_nodes; n++)
        setting[n].precision.w_bits = setting[n].precision.a_bits = bits;
    if (mxdi_equalize(g, setting, scaled, &err) != MXD_OK)
        fail_msg("%s", err.msg);
}

/* Largest |w| over what belongs to channel c: rows of w1 and w2, columns of what reads them. */
static float row_reach(const mxdi_graph *g, const char *name, int64_t c)
{
    const mxd_value *const v   = value(g, name);
    const int64_t          row = (int64_t)(v->bytes / sizeof(float)) / v->dim[0];
    float                  m   = 0.0f;
    for (int64_t k = 0; k < row; k++)
        m = fmaxf(m, fabsf(((const float *)v->data)[c * row + k]));
    return m;
}

static void assert_near(float a, float b)
{
    if (fabsf(a - b) > 1e-3f * fabsf(b))
        fail_msg("%g, expected %g", (double)a, (double)b);
}

static void reaches_become_equal(void **state)
{
    (void)state;
    mxdi_graph *const g = chain("Relu");
    prepare(g);
    uint8_t scaled[64] = { 0 };
    for (uint32_t n = 0; n < g->n_nodes; n++) /* no bias stands in the way */
        if (strcmp(g->node[n].name, "first") == 0 || strcmp(g->node[n].name, "depth") == 0)
            g->node[n].n_in = 2;
    equalize(g, scaled, 8);
    const float *const w3 = value(g, "w3")->data, *const w4 = value(g, "w4")->data;
    for (int c = 0; c < 6;
         c++) { /* input c of the grouped one is input c % 3 of outputs of c / 3 */
        float read = 0.0f;
        for (int o = c / 3 * 2; o < c / 3 * 2 + 2; o++)
            read = fmaxf(read, fabsf(w3[o * 3 + c % 3]));
        assert_near(row_reach(g, "w1", c), row_reach(g, "w2", c));
        assert_near(row_reach(g, "w2", c), read);
    }
    for (int c = 0; c < 4; c++) { /* rows of w4 are its inputs: no transB */
        float made = 0.0f, read = 0.0f;
        for (int k = 0; k < 3; k++) {
            made = fmaxf(made, fabsf(w3[c * 3 + k]));
            read = fmaxf(read, fabsf(w4[c * 3 + k]));
        }
        assert_near(made, read);
    }
    mxdi_graph_destroy(g);
}

static void the_function_stays(void **state)
{
    (void)state;
    static const char *const between[] = { "Relu", "LeakyRelu", "Clip", "Sigmoid" };
    for (size_t k = 0; k < sizeof(between) / sizeof(between[0]); k++) {
        mxdi_graph *const g = chain(between[k]);
        float             before[BATCH * 3], after[BATCH * 3], most = 0.0f;
        uint8_t           scaled[64] = { 0 };
        prepare(g);
        outputs(before, g);
        const void *const w1 = value(g, "w1")->data, *const w2 = value(g, "w2")->data;
        equalize(g, scaled, 8);
        outputs(after, g);
        for (int i = 0; i < BATCH * 3; i++)
            most = fmaxf(most, fabsf(before[i]));
        for (int i = 0; i < BATCH * 3; i++)
            assert_true(fabsf(before[i] - after[i]) <= 1e-5f * most);
        const bool pair = k < 2;
        assert_true((value(g, "w1")->data != w1) == pair); /* nothing through what bends */
        assert_true(value(g, "w2")->data != w2);           /* equalized with what follows */
        assert_int_equal(scaled[mxdi_graph_find_value(g, "a")], pair);
        assert_int_equal(scaled[mxdi_graph_find_value(g, "b")], pair);
        assert_int_equal(scaled[mxdi_graph_find_value(g, "d")], 1);
        assert_int_equal(scaled[mxdi_graph_find_value(g, "h")], 1);
        assert_int_equal(
            scaled[mxdi_graph_find_value(g, "x")] + scaled[mxdi_graph_find_value(g, "y")], 0);
        mxdi_graph_destroy(g);
    }
}

/* A channel of hardly any weights and a bias is a constant: it does not become a giant. */
static void biases_do_not_stand_out(void **state)
{
    (void)state;
    mxdi_graph *const g          = chain("Relu");
    uint8_t           scaled[64] = { 0 };
    float             most       = 0.0f;
    prepare(g);
    float *const       w1 = (float *)(uintptr_t)value(g, "w1")->data;
    const float *const b1 = value(g, "b1")->data;
    for (int k = 0; k < 18; k++)
        w1[k] *= 1e-20f;
    for (int c = 0; c < 6; c++)
        most = fmaxf(most, fabsf(b1[c]));
    equalize(g, scaled, 8);
    const float *const after = value(g, "b1")->data;
    assert_true(after != b1);
    for (int c = 0; c < 6; c++)
        assert_true(fabsf(after[c]) <= most * 1.001f);
    mxdi_graph_destroy(g);
}

static void what_stays_as_it_is(void **state)
{
    (void)state;
    mxdi_graph *g          = chain("Relu");
    uint8_t     scaled[64] = { 0 };
    prepare(g);
    const void *const w1 = value(g, "w1")->data;
    equalize(g, scaled, 0); /* floats all over */
    assert_true(value(g, "w1")->data == w1);
    mxdi_graph_destroy(g);

    g = chain("Relu");
    graph_output(g, mxdi_graph_find_value(g, "b")); /* somebody else looks */
    prepare(g);
    equalize(g, scaled, 8);
    assert_int_equal(scaled[mxdi_graph_find_value(g, "b")], 0);
    assert_int_equal(scaled[mxdi_graph_find_value(g, "d")], 1);
    mxdi_graph_destroy(g);
}

/* ---- in quantizing ---- */

static mxd_status quantize(mxdi_graph **q, quant_case *c, bool calibrated, bool data,
                           mxd_error *err)
{
    static const mxd_constraints none   = { .struct_size = sizeof(none) };
    const mxdi_source            source = quant_source(c);
    mxdi_recipe                 *rules  = NULL;
    mxdi_quantize_result         r;
    const mxdi_quantize_options  o = { .backend  = &none,
                                       .registry = &c->registry,
                                       .threads  = 1,
                                       .data     = data ? &source : NULL,
                                       .repair   = MXDI_REPAIR_CLE };
    *err                           = (mxd_error)MXD_ERROR_INIT;
    assert_int_equal(mxdi_recipe_uniform(&rules, "w8a8", NULL, NULL), MXD_OK);
    const mxd_status st =
        mxdi_quantize(q, &r, c->g, rules, calibrated ? c->calibration : NULL, &o, err);
    mxdi_recipe_destroy(rules);
    return st;
}

static void ranges_are_observed_again(void **state)
{
    (void)state;
    quant_case *const c = quant_begin_with(chain("Relu"));
    mxdi_graph       *q = NULL;
    mxd_error         err;
    assert_int_equal(quantize(&q, c, true, false, &err), MXD_E_USAGE);
    ASSERT_SAYS(err, "cle");
    ASSERT_SAYS(err, "--data");
    if (quantize(&q, c, true, true, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    const float scale = *(const float *)value(q, "b_scale")->data;
    const float was   = mxdi_calibration_find(c->calibration, "b")->max / 255.0f;
    assert_true(fabsf(scale - was) > 0.01f * was); /* by the calibration's method, minmax */
    assert_true(*(const float *)value(q, "x_scale")->data ==
                (float)(((double)mxdi_calibration_find(c->calibration, "x")->max -
                         (double)mxdi_calibration_find(c->calibration, "x")->min) /
                        255.0));
    mxdi_graph_destroy(q);
    if (quantize(&q, c, false, true, &err) != MXD_OK) /* data alone do as well */
        fail_msg("%s", err.msg);
    mxdi_graph_destroy(q);
    quant_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reaches_become_equal),      cmocka_unit_test(the_function_stays),
        cmocka_unit_test(biases_do_not_stand_out),   cmocka_unit_test(what_stays_as_it_is),
        cmocka_unit_test(ranges_are_observed_again),
    };
    return cmocka_run_group_tests_name("quant_equalize", tests, NULL, NULL);
}
