/* SPDX-License-Identifier: Apache-2.0
 *
 * Binding shapes: which numbers open dimensions get, what grows with the batch, what stays computed
 * at run time, and what is refused.
 */
#include "graph_case.h"

#include "passes/passes.h"

static void assert_refused(mxd_status st, mxd_status want, const mxd_error *err, const char *words)
{
    if (st != want || !strstr(err->msg, words))
        fail_msg("expected %d '%s', got %d '%s'", want, words, st, err->msg);
}

static const mxd_value *value_named(const mxdi_graph *g, const char *name)
{
    const uint32_t id = mxdi_graph_find_value(g, name);
    assert_int_not_equal(id, MXD_NO_VALUE);
    return &g->value[id];
}

/* x (N, 3, 8, 8) -> Conv -> GlobalAveragePool -> y, and Relu of a fixed constant on the side. */
static mxdi_graph *small_net(int64_t batch)
{
    static const float weight[4 * 3] = { 1.0f };
    mxdi_graph *const  g             = graph_new(13);
    const uint32_t     x             = graph_input(g, "x", MXD_F32, DIMS(batch, 3, 8, 8));
    const uint32_t     w             = graph_constant(g, "w", MXD_F32, weight, DIMS(4, 3, 1, 1));
    const uint32_t     c = graph_open(g, "c"), y = graph_open(g, "y");
    graph_node(g, "Conv", "conv", VALUES(x, w), VALUES(c));
    graph_node(g, "GlobalAveragePool", "pool", VALUES(c), VALUES(y));
    graph_output(g, y);
    return g;
}

static void batch_is_found(void **state)
{
    (void)state;
    for (int64_t batch = 1; batch < 6; batch += 4) {
        mxdi_graph *const g        = small_net(-1);
        bool              scalable = false;
        assert_int_equal(mxdi_bind_shapes(g, NULL, 0, batch, &scalable, NULL), MXD_OK);
        assert_true(scalable);
        assert_int_equal(g->max_batch, batch);
        assert_int_equal(value_named(g, "x")->batch_axis, 0);
        assert_int_equal(value_named(g, "c")->batch_axis, 0);
        assert_int_equal(value_named(g, "w")->batch_axis, -1);
        assert_dims(value_named(g, "c"), DIMS(batch, 4, 8, 8));
        assert_dims(value_named(g, "y"), DIMS(batch, 4, 1, 1));
        /* the symbol stays for export, and the output has one too */
        assert_int_equal(g->n_symbols, 2);
        assert_string_equal(g->symbol[1].name, "N");
        assert_int_equal(mxdi_graph_verify(g, NULL), MXD_OK);
        /* and again, to another batch */
        assert_int_equal(mxdi_bind_shapes(g, NULL, 0, 7, &scalable, NULL), MXD_OK);
        assert_true(scalable);
        assert_dims(value_named(g, "y"), DIMS(7, 4, 1, 1));
        mxdi_graph_destroy(g);
    }
}

static void fixed_batch_stays(void **state)
{
    (void)state;
    mxdi_graph *const g        = small_net(2);
    bool              scalable = true;
    assert_int_equal(mxdi_bind_shapes(g, NULL, 0, 64, &scalable, NULL), MXD_OK);
    assert_false(scalable);
    assert_int_equal(g->max_batch, 2);
    assert_int_equal(value_named(g, "c")->batch_axis, -1);
    assert_dims(value_named(g, "y"), DIMS(2, 4, 1, 1));
    mxdi_graph_destroy(g);
}

static void bindings_are_checked(void **state)
{
    (void)state;
    static const struct {
        mxdi_shape_binding b;
        mxd_status         want;
        const char        *words;
    } cases[] = {
        { { "z", 4, { 1, 3, 8, 8 } }, MXD_E_USAGE, "no such input; one is 'x'" },
        { { "x", 3, { 3, 8, 8 } }, MXD_E_SHAPE, "expected 4 dimensions, got 3" },
        { { "x", 5, { 1, 3, 8, 8, 1 } }, MXD_E_SHAPE, "expected 4 dimensions, got 5" },
        { { "x", 4, { 1, 3, 9, 8 } }, MXD_E_SHAPE, "dimension 2: expected 8, got 9" },
        { { "x", 4, { 0, 3, 8, 8 } }, MXD_E_UNSUPPORTED, "expected 1 or more, got 0" },
        { { "x", 4, { 1 << 30, 3, 8, 8 } }, MXD_E_RANGE, "at most 1073741824 bytes" },
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        mxdi_graph *const g        = small_net(-1);
        bool              scalable = false;
        mxd_error         err      = MXD_ERROR_INIT;
        assert_refused(mxdi_bind_shapes(g, &cases[k].b, 1, 1, &scalable, &err), cases[k].want, &err,
                       cases[k].words);
        mxdi_graph_destroy(g);
    }
    const mxdi_shape_binding fixed = { "x", 4, { 3, 3, 8, 8 } }, open = { "x", 4, { -1, 3, 8, 8 } };
    mxdi_graph              *g        = small_net(-1);
    bool                     scalable = true;
    assert_int_equal(mxdi_bind_shapes(g, &fixed, 1, 64, &scalable, NULL), MXD_OK);
    assert_false(scalable); /* its batch is told, and so fixed */
    assert_int_equal(g->max_batch, 3);
    assert_int_equal(g->n_symbols, 0);
    mxdi_graph_destroy(g);
    g = small_net(-1);
    assert_int_equal(mxdi_bind_shapes(g, &open, 1, 64, &scalable, NULL), MXD_OK);
    assert_true(scalable);
    mxd_error err = MXD_ERROR_INIT;
    assert_refused(mxdi_bind_shapes(g, NULL, 0, 0, &scalable, &err), MXD_E_RANGE, &err, "batch");
    mxdi_graph_destroy(g);
}

/* Two inputs that share "S" on their second axis. */
static void symbols_are_shared(void **state)
{
    (void)state;
    bool      scalable = false;
    mxd_error err      = MXD_ERROR_INIT;
    for (int told = 0; told < 2; told++) {
        mxdi_graph *const g = graph_new(13);
        const uint32_t    a = graph_input(g, "a", MXD_F32, DIMS(-1, -1));
        const uint32_t    b = graph_input(g, "b", MXD_F32, DIMS(-1, -1));
        const uint32_t    y = graph_open(g, "y");
        graph_node(g, "Add", "add", VALUES(a, b), VALUES(y));
        graph_output(g, y);
        const mxdi_shape_binding bind = { "b", 2, { -1, 5 } };
        const mxd_status st = mxdi_bind_shapes(g, &bind, (uint32_t)told, 4, &scalable, &err);
        if (told) {
            assert_int_equal(st, MXD_OK);
            assert_true(scalable);
            assert_dims(value_named(g, "a"), DIMS(4, 5));
            assert_int_equal(g->n_symbols, 3); /* N of a, b and y; S is a number now */
        } else {
            assert_refused(st, MXD_E_SHAPE, &err,
                           "input 'a': dimension 1 ('S') is open; give --shape a=4xS");
        }
        mxdi_graph_destroy(g);
    }
}

/* x (N, 4, 6) -> Reshape to [Shape(x)[0], -1], as exporters write it. */
static mxdi_graph *computed_reshape(const char *how)
{
    mxdi_graph *const g = graph_new(13);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(-1, 4, 6));
    const uint32_t    s = graph_open(g, "s"), n = graph_open(g, "n"), t = graph_open(g, "t"),
                   y    = graph_open(g, "y");
    const uint32_t zero = INTS(g, 0), rest = INTS(g, -1);
    graph_node(g, "Shape", "shape", VALUES(x), VALUES(s));
    graph_node(g, "Gather", "gather", VALUES(s, zero), VALUES(n));
    graph_node(g, "Concat", "concat", VALUES(n, rest), VALUES(t));
    graph_int(g, 2, "axis", 0);
    if (strcmp(how, "Reshape") == 0) {
        graph_node(g, "Reshape", "last", VALUES(x, t), VALUES(y));
    } else {
        const uint32_t one = graph_constant(g, "one", MXD_F32, (const float[]){ 1.0f }, DIMS(1, 1));
        const uint32_t u = graph_open(g, "u"), two = INTS(g, 3);
        graph_node(g, "Concat", "concat2", VALUES(n, two), VALUES(u));
        graph_int(g, 3, "axis", 0);
        graph_node(g, "Expand", "last", VALUES(one, u), VALUES(y));
    }
    graph_output(g, y);
    return g;
}

static void computed_shapes_become_free(void **state)
{
    (void)state;
    mxdi_graph *g        = computed_reshape("Reshape");
    bool        scalable = false;
    assert_int_equal(mxdi_bind_shapes(g, NULL, 0, 8, &scalable, NULL), MXD_OK);
    assert_true(scalable);
    assert_int_equal(g->n_nodes, 1);
    const int64_t *const shape = g->value[graph_find(g, "last")->in[1]].data;
    assert_true(shape[0] == -1 && shape[1] == 24);
    assert_dims(value_named(g, "y"), DIMS(8, 24));
    mxdi_graph_destroy(g);

    /* no constant says "the batch" to Expand: the computation stays, in a graph for any batch */
    g = computed_reshape("Expand");
    for (int64_t batch = 8; batch > 0; batch -= 5) {
        assert_int_equal(mxdi_bind_shapes(g, NULL, 0, batch, &scalable, NULL), MXD_OK);
        assert_true(scalable);
        assert_int_equal(graph_count(g, "Shape"), 1);
        assert_dims(value_named(g, "y"), DIMS(batch, 3));
        assert_int_equal(value_named(g, "y")->batch_axis, 0);
        assert_int_equal(mxdi_pass_run(g, &mxdi_passes_import, NULL), MXD_OK);
        assert_int_equal(graph_count(g, "Shape"), 1);
        assert_dims(value_named(g, "y"), DIMS(batch, 3));
    }
    mxdi_graph_destroy(g);
}

/* Networks whose shapes do not follow the batch: good for the batch asked, and only for that. */
static void unfree_batches(void **state)
{
    (void)state;
    static const struct {
        int64_t shape[2];
        int64_t dims[2];
        bool    fits;
    } cases[] = {
        { { 8, 24 }, { 8, 24 }, true }, /* a shape with the number in it */
        { { 12, 16 }, { 12, 16 }, true },
        { { 3, 24 }, { 0, 0 }, false },
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        mxdi_graph *const g = graph_new(13);
        const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(-1, 4, 6)), y = graph_open(g, "y");
        const uint32_t    s        = INTS(g, cases[k].shape[0], cases[k].shape[1]);
        bool              scalable = true;
        graph_node(g, "Reshape", "reshape", VALUES(x, s), VALUES(y));
        graph_output(g, y);
        assert_int_equal(mxdi_bind_shapes(g, NULL, 0, 8, &scalable, NULL),
                         cases[k].fits ? MXD_OK : MXD_E_SHAPE);
        if (cases[k].fits) {
            assert_false(scalable);
            assert_int_equal(g->max_batch, 8);
            assert_int_equal(value_named(g, "x")->batch_axis, -1);
            assert_int_equal(g->n_symbols, 0);
            assert_dims(value_named(g, "y"), cases[k].dims, 2);
        }
        mxdi_graph_destroy(g);
    }
    /* two axes that grow: x^T x has (N, N) */
    mxdi_graph *const g = graph_new(13);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(-1, 4)), t = graph_open(g, "t"),
                   y = graph_open(g, "y");
    bool scalable    = true;
    graph_node(g, "Transpose", "transpose", VALUES(x), VALUES(t));
    graph_node(g, "MatMul", "matmul", VALUES(x, t), VALUES(y));
    graph_output(g, y);
    assert_int_equal(mxdi_bind_shapes(g, NULL, 0, 5, &scalable, NULL), MXD_OK);
    assert_false(scalable);
    assert_dims(value_named(g, "y"), DIMS(5, 5));
    mxdi_graph_destroy(g);
}

/* The batch on another axis than the first, and several of it: Transpose, Reshape to (N*4, 6). */
static void batch_moves(void **state)
{
    (void)state;
    mxdi_graph *const g = graph_new(13);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(-1, 4, 6));
    const uint32_t    t = graph_open(g, "t"), r = graph_open(g, "r"), s = INTS(g, -1, 6);
    bool              scalable = false;
    graph_node(g, "Transpose", "transpose", VALUES(x), VALUES(t));
    graph_node(g, "Reshape", "reshape", VALUES(x, s), VALUES(r));
    graph_output(g, t);
    graph_output(g, r);
    assert_int_equal(mxdi_bind_shapes(g, NULL, 0, 3, &scalable, NULL), MXD_OK);
    assert_true(scalable);
    assert_int_equal(value_named(g, "t")->batch_axis, 2);
    assert_int_equal(value_named(g, "r")->batch_axis, 0);
    assert_dims(value_named(g, "r"), DIMS(12, 6));
    mxdi_graph_destroy(g);
}

static void data_shapes_are_refused(void **state)
{
    (void)state;
    mxdi_graph    *g = graph_new(13);
    const uint32_t x = graph_input(g, "x", MXD_F32, DIMS(2, 6)),
                   s = graph_input(g, "s", MXD_S64, DIMS(2));
    const uint32_t c = graph_open(g, "c"), y = graph_open(g, "y");
    bool           scalable = false, needs[2];
    mxd_error      err      = MXD_ERROR_INIT;
    graph_node(g, "Identity", "copy", VALUES(s), VALUES(c));
    graph_node(g, "Reshape", "reshape", VALUES(x, c), VALUES(y));
    graph_output(g, y);
    mxdi_graph *const g2 = g;
    assert_int_equal(mxdi_inputs_of_shapes(needs, g, NULL), MXD_OK);
    assert_true(!needs[0] && needs[1]);
    /* given as a constant it works */
    const int64_t    shape[] = { 3, 4 };
    const mxd_tensor t       = { (void *)(uintptr_t)shape, MXD_S64, 1, { 2 } },
                     wrong   = { (void *)(uintptr_t)shape, MXD_S32, 1, { 2 } };
    assert_int_equal(mxdi_bind_constant(g, 1, &wrong, &err), MXD_E_DTYPE);
    assert_int_equal(mxdi_graph_clone(&g, g2, NULL), MXD_OK);
    assert_int_equal(mxdi_bind_constant(g, 1, &t, &err), MXD_OK);
    assert_int_equal(g->n_inputs, 1);
    assert_int_equal(mxdi_bind_shapes(g, NULL, 0, 1, &scalable, &err), MXD_OK);
    assert_dims(value_named(g, "y"), DIMS(3, 4));
    mxdi_graph_destroy(g);
    /* else it is refused, with the node that asks for it */
    assert_refused(mxdi_bind_shapes(g2, NULL, 0, 1, &scalable, &err), MXD_E_UNSUPPORTED, &err,
                   "Reshape 'reshape': its shape depends on the values of 'c'");
    mxdi_graph_destroy(g2);
}

/* What folds and what does not: a network output keeps its node, a dequantized weight its
 * DequantizeLinear, a weight cast to 16 bits its Cast. */
static void folding_keeps_decisions(void **state)
{
    (void)state;
    static const float  w[]     = { 1.0f, 2.0f };
    static const int8_t q[]     = { 3, 4 };
    static const float  scale[] = { 0.5f };
    mxdi_graph *const   g       = graph_new(13);
    const uint32_t      wc      = graph_constant(g, "w", MXD_F32, w, DIMS(2)),
                   qc           = graph_constant(g, "q", MXD_S8, q, DIMS(2));
    const uint32_t sc           = graph_constant(g, "s", MXD_F32, scale, DIMS(1));
    const uint32_t h = graph_open(g, "h"), d = graph_open(g, "d"), a = graph_open(g, "a"),
                   b = graph_open(g, "b");
    const uint32_t e = graph_open(g, "e"), f = graph_open(g, "f"), shape = INTS(g, 1, 2);
    const uint32_t x        = graph_input(g, "x", MXD_F32, DIMS(1, 2));
    bool           scalable = false;
    graph_node(g, "Cast", "cast", VALUES(wc), VALUES(h));
    graph_int(g, 0, "to", 16);
    graph_node(g, "DequantizeLinear", "dq", VALUES(qc, sc), VALUES(d));
    graph_node(g, "Reshape", "row", VALUES(wc, shape), VALUES(a)); /* output and operand */
    graph_node(g, "Add", "add", VALUES(a, x), VALUES(b));
    graph_node(g, "Reshape", "row2", VALUES(d, shape), VALUES(e));
    graph_node(g, "Add", "add2", VALUES(e, b), VALUES(f));
    graph_output(g, h);
    graph_output(g, a);
    graph_output(g, f);
    assert_int_equal(mxdi_bind_shapes(g, NULL, 0, 1, &scalable, NULL), MXD_OK);
    assert_int_equal(mxdi_graph_verify(g, NULL), MXD_OK);
    assert_int_equal(graph_count(g, "Cast"), 1);
    assert_int_equal(graph_count(g, "DequantizeLinear"), 1);
    assert_int_equal(graph_count(g, "Reshape"), 2); /* `row` makes an output */
    assert_non_null(
        g->value[graph_find(g, "add")->in[0]].data); /* but who reads it reads a constant */
    assert_null(value_named(g, "a")->data);
    mxdi_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_is_found),
        cmocka_unit_test(fixed_batch_stays),
        cmocka_unit_test(bindings_are_checked),
        cmocka_unit_test(symbols_are_shared),
        cmocka_unit_test(computed_shapes_become_free),
        cmocka_unit_test(unfree_batches),
        cmocka_unit_test(batch_moves),
        cmocka_unit_test(data_shapes_are_refused),
        cmocka_unit_test(folding_keeps_decisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
