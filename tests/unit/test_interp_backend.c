/* SPDX-License-Identifier: Apache-2.0
 *
 * The interpreter behind the backend table: any batch up to the compiled one, traces, profiles, and
 * what it refuses.
 */
#include "graph_case.h"

#include <stdlib.h>

#include "interp/interp.h"

typedef struct engine {
    const mxd_backend_api *api;
    mxd_device            *dev;
    mxd_program           *program;
    mxd_run               *run;
    mxd_error              err;
} engine;

static mxd_status engine_open(engine *e, const mxdi_graph *g)
{
    const mxd_host_api        host    = { .struct_size = sizeof(host),
                                          .allocator   = mxdi_default_allocator() };
    const mxd_compile_options compile = { .struct_size = sizeof(compile) };
    const mxd_run_options     run     = { .struct_size = sizeof(run) };
    const mxd_graph_view      view    = mxdi_graph_view(g);
    *e = (engine){ .api = mxdi_interp_backend(), .err = MXD_ERROR_INIT };
    assert_int_equal(e->api->open(&e->dev, 0, NULL, &host, &e->err), MXD_OK);
    const mxd_status st = e->api->compile(&e->program, e->dev, &view, &compile, &e->err);
    if (st != MXD_OK)
        return st;
    return e->api->session_open(&e->run, e->program, &run, &e->err);
}

static void engine_close(engine *e)
{
    e->api->session_close(e->run);
    e->api->program_destroy(e->program);
    e->api->close(e->dev);
}

/* x (4, 2), a batch of 4 -> Relu -> Neg. */
static mxdi_graph *two_nodes(void)
{
    mxdi_graph *const g = graph_new(13);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(4, 2));
    const uint32_t    h = graph_value(g, "h", MXD_F32, DIMS(4, 2)),
                   y    = graph_value(g, "y", MXD_F32, DIMS(4, 2));
    graph_node(g, "Relu", "relu", VALUES(x), &h, 1);
    graph_node(g, "Neg", "neg", VALUES(h), &y, 1);
    graph_output(g, y);
    for (uint32_t v = 0; v < g->n_values; v++)
        g->value[v].batch_axis = 0;
    g->max_batch = 4;
    return g;
}

static mxd_status count_traced(void *user, const char *value, const mxd_tensor *t, mxd_error *err)
{
    (void)err;
    assert_string_equal(value, "h");
    assert_int_equal(t->dim[0], 3);
    assert_true(((const float *)t->data)[1] == 2.0f);
    ++*(int *)user;
    return MXD_OK;
}

static void any_batch_runs_and_is_traced(void **state)
{
    (void)state;
    mxdi_graph *const g     = two_nodes();
    const float       scale = 1.0f;
    const int32_t     zero  = 0;
    const mxd_qparams q     = { .scale = &scale, .zero_point = &zero, .n = 1, .q_max = 1 };
    float             x[8] = { -1, 2, -3, 4, 5, 6, 7, 8 }, y[8] = { 0 };
    mxd_tensor        in = { x, MXD_F32, 2, { 3, 2 } }, out = { y, MXD_F32, 2, { 3, 2 } };
    engine            e;
    int               traced = 0;
    assert_int_equal(mxdi_value_set_qparams(g, 1, &q, NULL), MXD_OK);
    assert_int_equal(engine_open(&e, g), MXD_OK);
    assert_int_equal(e.api->session_run(e.run, &in, 1, &out, 1, count_traced, &traced, &e.err),
                     MXD_OK);
    assert_int_equal(traced, 1);
    const float want[8] = { 0, -2, 0, -4, -5, -6, 0, 0 };
    for (int k = 0; k < 8; k++)
        assert_true(y[k] == want[k]);
    in.dim[0] = out.dim[0] = 4;
    assert_int_equal(e.api->session_run(e.run, &in, 1, &out, 1, NULL, NULL, &e.err), MXD_OK);
    assert_true(y[7] == -8.0f);
    in.dim[0] = 5;
    assert_int_equal(e.api->session_run(e.run, &in, 1, &out, 1, NULL, NULL, &e.err), MXD_E_SHAPE);
    assert_int_equal(e.api->session_run(e.run, &in, 0, &out, 1, NULL, NULL, &e.err), MXD_E_INVAL);
    engine_close(&e);
    mxdi_graph_destroy(g);
}

static void profiles_count_runs_since_the_last(void **state)
{
    (void)state;
    mxdi_graph *const g    = two_nodes();
    float             x[8] = { 0 }, y[8];
    const mxd_tensor  in = { x, MXD_F32, 2, { 4, 2 } }, out = { y, MXD_F32, 2, { 4, 2 } };
    engine            e;
    uint64_t          ns[2], runs = 9;
    mxd_steps         steps;
    assert_int_equal(engine_open(&e, g), MXD_OK);
    e.api->steps(e.program, &steps);
    assert_int_equal(steps.n, 2);
    assert_string_equal(steps.step[1].origin[0], "neg");
    assert_string_equal(steps.step[1].computed, "f32");
    assert_int_equal(steps.step[1].bytes, 64);
    assert_int_equal(e.api->session_run(e.run, &in, 1, &out, 1, NULL, NULL, &e.err), MXD_OK);
    assert_int_equal(e.api->session_profile(e.run, ns, 2, &runs, &e.err), MXD_OK);
    assert_int_equal(runs, 0);
    for (int k = 0; k < 3; k++)
        assert_int_equal(e.api->session_run(e.run, &in, 1, &out, 1, NULL, NULL, &e.err), MXD_OK);
    assert_int_equal(e.api->session_profile(e.run, ns, 2, &runs, &e.err), MXD_OK);
    assert_int_equal(runs, 3);
    assert_int_equal(e.api->session_profile(e.run, ns, 1, &runs, &e.err), MXD_E_INVAL);
    engine_close(&e);
    mxdi_graph_destroy(g);
}

static void nodes_of_many_inputs(void **state)
{
    (void)state;
    enum { N = 100 };
    mxdi_graph *const g = graph_new(13);
    uint32_t          in[N];
    float             x[1] = { 3 }, y[N] = { 0 };
    const mxd_tensor  tx = { x, MXD_F32, 1, { 1 } }, ty = { y, MXD_F32, 1, { N } };
    engine            e;
    in[0] = graph_input(g, "x", MXD_F32, DIMS(1));
    for (int k = 1; k < N; k++)
        in[k] = FLOATS(g, (float)k);
    const uint32_t out = graph_value(g, "y", MXD_F32, DIMS(N));
    graph_int(g, graph_node(g, "Concat", "c", in, N, &out, 1), "axis", 0);
    graph_output(g, out);
    g->max_batch = 1;
    assert_int_equal(engine_open(&e, g), MXD_OK);
    assert_int_equal(e.api->session_run(e.run, &tx, 1, &ty, 1, NULL, NULL, &e.err), MXD_OK);
    assert_true(y[0] == 3.0f && y[N - 1] == (float)(N - 1));
    engine_close(&e);
    mxdi_graph_destroy(g);
}

static void claims_and_refusals(void **state)
{
    (void)state;
    mxdi_graph *const g      = graph_new(13);
    const uint32_t    x      = graph_input(g, "x", MXD_F64, DIMS(2, 2)),
                   y         = graph_value(g, "y", MXD_F64, DIMS(2, 2));
    const uint32_t z         = graph_value(g, "z", MXD_F64, DIMS(2, 2));
    const char    *reason[2] = { NULL };
    uint8_t        taken[2]  = { 0 };
    mxd_claim      claim     = { .struct_size = sizeof(claim), .taken = taken, .reason = reason };
    engine         e;
    graph_node(g, "Relu", "relu", VALUES(x), &y, 1);
    graph_node(g, "MatMul", "matmul", VALUES(y, y), &z, 1);
    graph_output(g, z);
    const mxd_graph_view view = mxdi_graph_view(g);
    assert_int_equal(engine_open(&e, g), MXD_E_UNSUPPORTED);
    assert_non_null(strstr(e.err.msg, "MatMul 'matmul'"));
    assert_null(e.program);
    assert_int_equal(e.api->claim(e.dev, &view, &claim, &e.err), MXD_OK);
    assert_true(taken[0] && !taken[1]);
    assert_null(reason[0]);
    assert_non_null(strstr(reason[1], "f64"));
    engine_close(&e);
    mxdi_graph_destroy(g);
}

static void options_of_the_device(void **state)
{
    (void)state;
    const mxd_backend_api *const api     = mxdi_interp_backend();
    const mxd_host_api           host    = { .struct_size = sizeof(host),
                                             .allocator   = mxdi_default_allocator() };
    mxd_option                   option  = { "isa", "avx2" };
    const mxd_options            options = { &option, 1 };
    mxd_device                  *dev     = NULL;
    mxd_error                    err     = MXD_ERROR_INIT;
    uint32_t                     n       = 0;
    char                         text[64];
    assert_int_equal(api->probe(&n, text, sizeof(text), &err), MXD_OK);
    assert_int_equal(n, 1);
    assert_int_equal(api->open(&dev, 0, &options, &host, &err), MXD_OK);
    assert_string_equal(api->describe(dev), "interp");
    api->close(dev);
    option.key = "speed";
    assert_int_equal(api->open(&dev, 0, &options, &host, &err), MXD_E_USAGE);
    assert_null(dev);
    assert_int_equal(api->open(&dev, 1, NULL, &host, &err), MXD_E_RANGE);
    api->close(NULL);
}

/* A value whose size overflows, or an unknown shape, never reaches a run. */
static void shapes_are_checked(void **state)
{
    (void)state;
    for (int huge = 0; huge < 2; huge++) {
        mxdi_graph *const g = graph_new(13);
        const int64_t     n = huge ? INT64_MAX / 4 : -1;
        const uint32_t    x = graph_value(g, "x", MXD_F32, &n, 1),
                       y    = graph_value(g, "y", MXD_F32, &n, 1);
        engine e;
        assert_int_equal(mxdi_graph_add_input(g, x, NULL), MXD_OK);
        graph_node(g, "Softmax", "s", VALUES(x), &y, 1);
        graph_output(g, y);
        assert_int_equal(engine_open(&e, g), huge ? MXD_E_NOMEM : MXD_E_SHAPE);
        engine_close(&e);
        mxdi_graph_destroy(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_batch_runs_and_is_traced),
        cmocka_unit_test(profiles_count_runs_since_the_last),
        cmocka_unit_test(nodes_of_many_inputs),
        cmocka_unit_test(claims_and_refusals),
        cmocka_unit_test(options_of_the_device),
        cmocka_unit_test(shapes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
