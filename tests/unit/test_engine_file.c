/* SPDX-License-Identifier: Apache-2.0
 *
 * Engine files: what is written is read as it was, and no change of a byte, cut or count passes
 * unnoticed or costs more than the file's own size.
 */
#include "engine_case.h"

#include <unistd.h>

#include "engine/engine_format.h"

/* ---- helpers ---- */

static mxdi_bytes written(const mxdi_engine *e)
{
    mxdi_bytes b   = MXDI_BYTES_INIT;
    mxd_error  err = MXD_ERROR_INIT;
    if (mxdi_engine_write(&b, e, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return b;
}

/* Size and checksum of a changed file, so that its content is looked at. */
static void put_right(uint8_t *file, size_t size)
{
    const uint64_t bytes = size;
    memcpy(file + 16, &bytes, sizeof(bytes));
    const mxdi_hash sum = mxdi_engine_checksum((mxdi_view){ file, size });
    memcpy(file + MXDI_ENGINE_CHECKSUM, &sum.low, 8);
    memcpy(file + MXDI_ENGINE_CHECKSUM + 8, &sum.high, 8);
}

/* Counts what is asked for at one time and in sum. */
struct meter {
    size_t sum;
};

static void *meter_get(void *user, size_t bytes)
{
    ((struct meter *)user)->sum += bytes;
    return bytes > 1u << 30 ? NULL : mxdi_default_allocator()->alloc(NULL, bytes);
}

static void meter_free(void *user, void *p)
{
    (void)user;
    mxdi_default_allocator()->free(NULL, p);
}

/* Parses a copy of exactly `size` bytes; a refusal has a message and leaves nothing. */
static mxd_status parse(const uint8_t *file, size_t size, mxd_error *err)
{
    struct meter        m     = { 0 };
    const mxd_allocator alloc = { meter_get, meter_free, &m };
    uint8_t *const      exact = malloc(size + 1);
    mxdi_build_options  o;
    char                hash[33] = "";
    mxdi_graph         *g        = NULL;
    assert_non_null(exact);
    memcpy(exact + 1, file, size); /* odd on purpose: nothing may rely on alignment */
    *err = (mxd_error)MXD_ERROR_INIT;
    const mxd_status st =
        mxdi_engine_parse(&g, &o, hash, (mxdi_view){ exact + 1, size }, &alloc, err);
    assert_true((st == MXD_OK) == (g != NULL));
    if (st != MXD_OK)
        assert_true(err->status == st && err->msg[0] != '\0');
    assert_true(m.sum < 64 * size + (1u << 16));
    mxdi_graph_destroy(g);
    free(exact);
    return st;
}

/* ---- what is written is read ---- */

/* A graph with something of everything that the format has. */
static mxdi_graph *everything(void)
{
    mxdi_graph *const g     = graph_new(21);
    const uint32_t    x     = graph_input(g, "x", MXD_F32, DIMS(-1, 3, 4));
    const uint8_t     nib[] = { 0x21, 0x43, 0x65 };
    const float       f[3]  = { 0.5f, -1.5f, 3e-39f };
    const uint32_t    w     = graph_constant(g, "w4", MXD_S4, nib, DIMS(2, 3));
    const uint32_t    s     = graph_constant(g, "scale", MXD_F32, f, SCALAR);
    const uint32_t    wd    = graph_open(g, "wd");
    const uint32_t    y = graph_open(g, "y"), r = graph_open(g, "r");
    graph_node(g, "DequantizeLinear", "dq", VALUES(w, s), VALUES(wd));
    const uint32_t n =
        graph_node(g, "MatMul", "m", VALUES(graph_find(g, "dq")->out[0], x), VALUES(y));
    const uint32_t   cl = graph_node(g, "Clip", "c", VALUES(y, MXD_NO_VALUE, s), VALUES(r));
    const mxd_tensor t  = { (void *)(uintptr_t)f, MXD_F32, 1, { 3 } };
    graph_int(g, n, "int", INT64_MIN);
    graph_ints(g, n, "ints", DIMS(1, -2, INT64_MAX));
    graph_string(g, n, "string", "text");
    graph_string(g, n, "nothing", "");
    assert_int_equal(mxdi_node_set_float(g, &g->node[n], "float", 0.1f, NULL), MXD_OK);
    assert_int_equal(mxdi_node_set_floats(g, &g->node[n], "floats", f, 3, NULL), MXD_OK);
    assert_int_equal(mxdi_node_set_tensor(g, &g->node[n], "tensor", &t, NULL), MXD_OK);
    assert_int_equal(mxdi_node_add_origins(g, &g->node[cl], &(const char *){ "also" }, 1, NULL),
                     MXD_OK);
    assert_int_equal(mxdi_graph_set_meta(g, "key", "t\xC3\xA4xt", NULL), MXD_OK);
    graph_output(g, r);
    g->name = "everything";
    return g;
}

static void assert_same_attr(const mxd_attr *a, const mxd_attr *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->kind, b->kind);
    assert_true(a->n == b->n && a->i == b->i && memcmp(&a->f, &b->f, sizeof(a->f)) == 0);
    if (a->kind == MXD_ATTR_STRING)
        assert_string_equal(a->s, b->s);
    if (a->kind == MXD_ATTR_INTS)
        assert_memory_equal(a->ints, b->ints, a->n * sizeof(a->ints[0]));
    if (a->kind == MXD_ATTR_FLOATS)
        assert_memory_equal(a->floats, b->floats, a->n * sizeof(a->floats[0]));
    if (a->kind == MXD_ATTR_TENSOR) {
        assert_true(a->tensor->dtype == b->tensor->dtype && a->tensor->rank == b->tensor->rank);
        assert_memory_equal(a->tensor->data, b->tensor->data, 12);
    }
}

static void assert_same_graph(const mxdi_graph *a, const mxdi_graph *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->opset, b->opset);
    assert_true(a->n_values == b->n_values && a->n_nodes == b->n_nodes &&
                a->n_symbols == b->n_symbols);
    for (uint32_t k = 0; k < a->n_values; k++) {
        const mxd_value *const v = &a->value[k], *const w = &b->value[k];
        assert_string_equal(v->name, w->name);
        assert_true(v->dtype == w->dtype && v->rank == w->rank && v->bytes == w->bytes);
        assert_dims(v, w->dim, w->rank);
        assert_true(!v->data == !w->data && (!v->data || memcmp(v->data, w->data, v->bytes) == 0));
    }
    for (uint32_t k = 0; k < a->n_nodes; k++) {
        const mxd_node *const n = &a->node[k], *const m = &b->node[k];
        assert_string_equal(n->name, m->name);
        assert_string_equal(n->op, m->op);
        assert_string_equal(n->domain, m->domain);
        assert_true(n->version == m->version && n->n_in == m->n_in && n->n_out == m->n_out);
        assert_true(n->n_attr == m->n_attr && n->n_origin == m->n_origin);
        assert_memory_equal(n->in, m->in, n->n_in * sizeof(n->in[0]));
        assert_memory_equal(n->out, m->out, n->n_out * sizeof(n->out[0]));
        for (uint32_t i = 0; i < n->n_attr; i++)
            assert_same_attr(&n->attr[i], &m->attr[i]);
        for (uint32_t i = 0; i < n->n_origin; i++)
            assert_string_equal(n->origin[i], m->origin[i]);
    }
    for (uint32_t k = 0; k < a->n_symbols; k++) {
        assert_true(a->symbol[k].value == b->symbol[k].value &&
                    a->symbol[k].axis == b->symbol[k].axis);
        assert_string_equal(a->symbol[k].name, b->symbol[k].name);
    }
    assert_string_equal(mxdi_graph_meta(b, "key"), mxdi_graph_meta(a, "key"));
    assert_memory_equal(a->input, b->input, a->n_inputs * sizeof(a->input[0]));
    assert_memory_equal(a->output, b->output, a->n_outputs * sizeof(a->output[0]));
}

/* The writer takes engines: one whose graph was never built is enough for it. */
static void everything_is_read_as_written(void **state)
{
    (void)state;
    mxdi_engine *const e =
        engine_of(engine_network("two_ends.onnx"), &(mxdi_build_options){ .backend       = "interp",
                                                                          .isa           = "scalar",
                                                                          .threads       = 3,
                                                                          .batch         = { 2, 5 },
                                                                          .n_batches     = 2,
                                                                          .exact         = true,
                                                                          .workspace_cap = 12345 });
    mxdi_graph *const own = e->graph;
    e->graph              = everything();
    memcpy(e->model_hash, "0123456789abcdef0123456789abcdef", 33);
    mxdi_bytes         file = written(e), again = written(e);
    mxdi_build_options o;
    char               hash[33] = "";
    mxdi_graph        *g        = NULL;
    mxd_error          err      = MXD_ERROR_INIT;
    assert_int_equal(file.size, again.size);
    assert_memory_equal(file.data, again.data, file.size);
    if (mxdi_engine_parse(&g, &o, hash, (mxdi_view){ file.data, file.size }, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    assert_same_graph(e->graph, g);
    assert_string_equal(hash, e->model_hash);
    assert_string_equal(o.backend, "interp");
    assert_string_equal(o.isa, "scalar");
    assert_true(o.threads == 3 && o.n_batches == 2 && o.batch[0] == 2 && o.batch[1] == 5);
    assert_true(o.exact && !o.timed && o.workspace_cap == 12345);
    mxdi_graph_destroy(g);
    mxdi_graph_destroy(e->graph);
    e->graph = own;
    mxdi_engine_destroy(e);
    mxdi_bytes_free(&file);
    mxdi_bytes_free(&again);
}

static void saved_and_loaded_engines_agree(void **state)
{
    (void)state;
    enum { N = 3, IN = N * 72, OUT = N * 36 };
    static const char *const backend[] = { NULL, "interp", NULL }, *const isa[] = { NULL, NULL,
                                                                                    "scalar" };
    char          folder[] = "/tmp/mixdown_test_XXXXXX", path[64];
    float         x[IN], want[OUT], got[OUT];
    uint64_t      bytes = 0;
    mxdi_registry r;
    mxd_error     err = MXD_ERROR_INIT;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/e.mxd", folder);
    mxdi_registry_init(&r);
    engine_fill(x, IN);
    mxdi_engine *const e =
        engine_of(engine_network("quantized.onnx"),
                  &(mxdi_build_options){ .threads = 1, .batch = { 1, 4 }, .n_batches = 2 });
    const mxd_tensor in  = engine_tensor(x, MXD_F32, DIMS(N, 2, 6, 6));
    const mxd_tensor out = engine_tensor(want, MXD_F32, DIMS(N, 4, 3, 3));
    const mxd_tensor now = engine_tensor(got, MXD_F32, DIMS(N, 4, 3, 3));
    engine_run(e, &in, 1, &out, 1);
    assert_int_equal(mxdi_engine_save(e, path, &bytes, &err), MXD_OK);
    assert_true(mxdi_engine_is_file(path));
    assert_false(mxdi_engine_is_file("tests/data/residual.onnx"));
    for (int k = 0; k < 3; k++) {
        mxdi_engine *again = NULL;
        if (mxdi_engine_load(&again, path, backend[k], isa[k], &r, NULL, &err) != MXD_OK)
            fail_msg("%s", err.msg);
        memset(got, 0, sizeof(got));
        engine_run(again, &in, 1, &now, 1);
        assert_memory_equal(got, want, sizeof(want));
        assert_int_equal(again->n_plans, 2);
        if (k == 0) { /* nothing is lost on the way */
            mxdi_bytes a = written(e), b = written(again);
            assert_int_equal(a.size, bytes);
            assert_int_equal(a.size, b.size);
            assert_memory_equal(a.data, b.data, a.size);
            mxdi_bytes_free(&a);
            mxdi_bytes_free(&b);
        }
        mxdi_engine_destroy(again);
    }
    mxdi_engine *none = NULL;
    assert_int_equal(
        mxdi_engine_load(&none, "tests/data/residual.onnx", NULL, NULL, &r, NULL, &err),
        MXD_E_PARSE);
    assert_null(none);
    ASSERT_SAYS(err, "tests/data/residual.onnx");
    assert_int_equal(mxdi_engine_load(&none, path, "gpu", NULL, &r, NULL, &err), MXD_E_USAGE);
    assert_null(none);
    mxdi_engine_destroy(e);
    mxdi_registry_fini(&r);
    assert_int_equal(unlink(path) | rmdir(folder), 0);
}

/* A network whose first dimension is fixed and larger than any batch that one would ask for. */
static void large_fixed_batches(void **state)
{
    (void)state;
    char              folder[] = "/tmp/mixdown_test_XXXXXX", path[64];
    uint64_t          bytes;
    mxdi_engine      *again = NULL;
    mxdi_registry     r;
    mxd_error         err = MXD_ERROR_INIT;
    mxdi_graph *const g   = graph_new(17);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(3000000, 2)), y = graph_open(g, "y");
    graph_node(g, "Relu", "relu", VALUES(x), VALUES(y));
    graph_output(g, y);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/e.mxd", folder);
    mxdi_engine *const e = engine_of(g, &(mxdi_build_options){ .threads = 1 });
    mxdi_registry_init(&r);
    assert_int_equal(mxdi_engine_save(e, path, &bytes, &err), MXD_OK);
    if (mxdi_engine_load(&again, path, NULL, NULL, &r, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(again->plan[0].batch, e->plan[0].batch);
    mxdi_engine_destroy(again);
    mxdi_engine_destroy(e);
    mxdi_registry_fini(&r);
    assert_int_equal(unlink(path) | rmdir(folder), 0);
}

/* ---- what was changed ---- */

static mxdi_bytes sample(void)
{
    mxdi_engine *const e = engine_of(engine_network("quantized.onnx"),
                                     &(mxdi_build_options){ .backend = "interp", .threads = 1 });
    mxdi_bytes         b = written(e);
    mxdi_engine_destroy(e);
    return b;
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    mxdi_bytes b = sample();
    mxd_error  err;
    assert_int_equal(parse(b.data, b.size, &err), MXD_OK);
    for (size_t n = 0; n < b.size; n++)
        assert_int_not_equal(parse(b.data, n, &err), MXD_OK);
    for (size_t n = MXDI_ENGINE_HEADER; n < b.size;
         n++) { /* and when size and checksum fit again */
        uint8_t *const cut = malloc(n);
        assert_non_null(cut);
        memcpy(cut, b.data, n);
        put_right(cut, n);
        if (parse(cut, n, &err) == MXD_OK)
            fail_msg("cut at %zu", n);
        free(cut);
    }
    mxdi_bytes_free(&b);
}

static void every_changed_byte_is_noticed(void **state)
{
    (void)state;
    mxdi_bytes b = sample();
    mxd_error  err;
    for (size_t at = 0; at < b.size; at++) {
        b.data[at] ^= (uint8_t)(1u << at % 8);
        if (parse(b.data, b.size, &err) == MXD_OK)
            fail_msg("byte %zu", at);
        b.data[at] ^= (uint8_t)(1u << at % 8);
    }
    b.data[8] = 2;
    assert_int_equal(parse(b.data, b.size, &err), MXD_E_STALE);
    ASSERT_SAYS(err, "version 2");
    mxdi_bytes_free(&b);
}

/* With a checksum that fits, the content alone decides: it is refused with a reason, or read, and
 * never costs much. Large numbers are put into every field. */
static void changed_content_is_read_or_refused(void **state)
{
    (void)state;
    static const uint8_t large[][4] = { { 0xFF, 0xFF, 0xFF, 0xFF },
                                        { 0xFF, 0xFF, 0xFF, 0x7F },
                                        { 0, 0, 0, 1 } };
    mxdi_bytes           b          = sample();
    uint8_t *const       copy       = malloc(b.size);
    mxd_error            err;
    int                  refused = 0;
    assert_non_null(copy);
    for (size_t at = 20; at + 4 <= b.size; at += at < 128 ? 1 : 3) {
        memcpy(copy, b.data, b.size);
        memcpy(copy + at, large[at % 3], 4);
        put_right(copy, b.size);
        refused += parse(copy, b.size, &err) != MXD_OK;
    }
    assert_true(refused > 100);
    free(copy);
    mxdi_bytes_free(&b);
}

/* What docs/engine-format.md says is zero is zero, and sections stand where they belong; each
 * refusal says what is wrong. */
static void bytes_that_carry_nothing(void **state)
{
    (void)state;
    mxdi_bytes b = sample();
    uint64_t   field[6];
    mxd_error  err;
    memcpy(field, b.data + 24, sizeof(field));
    const struct {
        size_t      at;
        const char *word;
    } cases[] = {
        { 12, "a header of 128 bytes expected, got 129" },
        { 72, "not zero" },
        { 111, "not zero" },
        { field[0] + field[1], "gap before the graph" },
        { field[4] - 1, "gap before the data" },
        { b.size - 1, "graph section is broken" }, /* the padding of the last constant */
        { 24, "metadata section" },
        { 40, "graph section" },
    };
    assert_true(field[0] + field[1] < field[2] && field[2] + field[3] < field[4]);
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        b.data[cases[k].at] ^= 1;
        put_right(b.data, b.size);
        assert_int_equal(parse(b.data, b.size, &err), MXD_E_PARSE);
        ASSERT_SAYS(err, cases[k].word);
        b.data[cases[k].at] ^= 1;
    }
    put_right(b.data, b.size);
    assert_int_equal(parse(b.data, b.size, &err), MXD_OK);
    assert_int_equal(parse(b.data, b.size - 64, &err), MXD_E_PARSE);
    ASSERT_SAYS(err, "cut short");
    mxdi_bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_read_as_written),
        cmocka_unit_test(saved_and_loaded_engines_agree),
        cmocka_unit_test(large_fixed_batches),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(changed_content_is_read_or_refused),
        cmocka_unit_test(bytes_that_carry_nothing),
    };
    return cmocka_run_group_tests_name("engine_file", tests, NULL, NULL);
}
