/* SPDX-License-Identifier: Apache-2.0
 *
 * onnx: what is written reads back as the same graph, is the same each time, and is refused where
 * ONNX has no word.
 */
#include "onnx_case.h"

#include "failing_alloc.h"
#include "test_folder.h"

/* Inputs with symbols, constants of many types, all kinds of attributes, left-out inputs, metadata,
 * removed nodes. */
static mxdi_graph *rich_graph(void)
{
    mxdi_graph *const g       = graph_new(21);
    const float       f[2]    = { 1.5f, -0.0f };
    const uint8_t     bits[3] = { 0x21, 0x43, 0x05 };
    const mxd_tensor  t       = { (void *)(uintptr_t)f, MXD_F32, 1, { 2 } };
    const uint32_t    x       = graph_input(g, "x", MXD_F32, DIMS(-1, 4)),
                   u          = graph_input(g, "u", MXD_S64, SCALAR);
    const uint32_t w4         = graph_constant(g, "w4", MXD_S4, bits, DIMS(5)),
                   w8         = graph_constant(g, "w8", MXD_S8, bits, DIMS(3, 1));
    const uint32_t f8         = graph_constant(g, "f8", MXD_F8E4M3, bits, DIMS(1)),
                   wb         = graph_constant(g, "wb", MXD_BF16, bits, DIMS(1));
    const uint32_t one        = graph_constant(g, "one", MXD_F64, &(const double){ 1.0 }, SCALAR);
    const uint32_t none       = graph_constant(g, "none", MXD_F32, NULL, DIMS(0));
    const uint32_t a = graph_open(g, "a"), y = graph_value(g, "y", MXD_F32, DIMS(-1, 4)),
                   z = graph_open(g, "z");
    (void)graph_constant(g, "unused", MXD_F32, f, DIMS(2));
    const uint32_t relu = graph_node(g, "Relu", "first", VALUES(x), VALUES(a));
    graph_int(g, relu, "i", INT64_MIN);
    assert_ok(mxdi_node_set_float(g, &g->node[relu], "f", -0.5f, NULL));
    graph_string(g, relu, "s", "");
    graph_ints(g, relu, "is", DIMS(1, -2));
    assert_ok(mxdi_node_set_floats(g, &g->node[relu], "fs", f, 2, NULL));
    assert_ok(mxdi_node_set_tensor(g, &g->node[relu], "t", &t, NULL));
    graph_ints(g, relu, "empty", NULL, 0);
    mxdi_node_remove(&g->node[graph_node(g, "Neg", "gone", VALUES(x), VALUES(z))]);
    graph_node(g, "Clip", "clip", VALUES(a, MXD_NO_VALUE, one, MXD_NO_VALUE),
               VALUES(y, MXD_NO_VALUE));
    mxd_node *node = NULL;
    assert_ok(mxdi_graph_add_node(&node, g, "Other", "com.example", "other",
                                  VALUES(w4, w8, f8, wb, none, u), VALUES(z), NULL));
    graph_output(g, y);
    graph_output(g, z);
    assert_ok(mxdi_graph_add_symbol(g, y, 0, "N", NULL));
    assert_ok(mxdi_graph_add_symbol(g, y, 1, "", NULL));
    assert_ok(mxdi_graph_set_meta(g, "key", "a text", NULL));
    return g;
}

static mxdi_bytes written(const mxdi_graph *g)
{
    mxdi_bytes b   = MXDI_BYTES_INIT;
    mxd_error  err = MXD_ERROR_INIT;
    if (mxdi_onnx_write(&b, g, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return b;
}

static mxdi_graph *reloaded(const mxdi_bytes *b)
{
    mxdi_graph *g   = NULL;
    mxd_error   err = MXD_ERROR_INIT;
    if (mxdi_onnx_load_bytes(&g, (mxdi_view){ b->data, b->size }, NULL, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return g;
}

static void assert_same_attr(const mxd_attr *a, const mxd_attr *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->i, b->i);
    assert_memory_equal(&a->f, &b->f, sizeof(a->f));
    assert_int_equal(a->n, b->n);
    if (a->kind == MXD_ATTR_STRING)
        assert_string_equal(a->s, b->s);
    if (a->kind == MXD_ATTR_INTS)
        assert_memory_equal(a->ints, b->ints, a->n * sizeof(int64_t));
    if (a->kind == MXD_ATTR_FLOATS)
        assert_memory_equal(a->floats, b->floats, a->n * sizeof(float));
    if (a->kind == MXD_ATTR_TENSOR) {
        size_t bytes = 0;
        assert_int_equal(a->tensor->dtype, b->tensor->dtype);
        assert_true(mxdi_tensor_bytes(&bytes, a->tensor));
        assert_memory_equal(a->tensor->data, b->tensor->data, bytes);
    }
}

static void assert_same_value(const mxdi_graph *a, uint32_t in_a, const mxdi_graph *b,
                              uint32_t in_b)
{
    assert_int_equal(in_a == MXD_NO_VALUE, in_b == MXD_NO_VALUE);
    if (in_a == MXD_NO_VALUE)
        return;
    const mxd_value *const v = &a->value[in_a], *const w = &b->value[in_b];
    assert_string_equal(v->name, w->name);
    assert_int_equal(v->dtype, w->dtype);
    assert_int_equal(v->rank, w->rank);
    if (v->rank > 0)
        assert_memory_equal(v->dim, w->dim, (size_t)v->rank * sizeof(v->dim[0]));
    assert_int_equal(v->data == NULL, w->data == NULL);
    assert_int_equal(v->bytes, w->bytes);
    if (v->data && v->bytes > 0)
        assert_memory_equal(v->data, w->data, v->bytes);
}

/* `a` is compacted; ids may differ. */
static void assert_same_graph(const mxdi_graph *a, const mxdi_graph *b)
{
    assert_int_equal(a->opset, b->opset);
    assert_int_equal(a->n_nodes, b->n_nodes);
    assert_int_equal(a->n_values, b->n_values);
    assert_int_equal(a->n_inputs, b->n_inputs);
    assert_int_equal(a->n_outputs, b->n_outputs);
    assert_int_equal(a->n_symbols, b->n_symbols);
    for (uint32_t k = 0; k < a->n_inputs; k++)
        assert_same_value(a, a->input[k], b, b->input[k]);
    for (uint32_t k = 0; k < a->n_outputs; k++)
        assert_same_value(a, a->output[k], b, b->output[k]);
    for (uint32_t k = 0; k < a->n_symbols; k++) {
        assert_string_equal(a->symbol[k].name, b->symbol[k].name);
        assert_string_equal(a->value[a->symbol[k].value].name, b->value[b->symbol[k].value].name);
    }
    for (uint32_t n = 0; n < a->n_nodes; n++) {
        const mxd_node *const p = &a->node[n], *const q = &b->node[n];
        assert_string_equal(p->name, q->name);
        assert_string_equal(p->op, q->op);
        assert_string_equal(p->domain, q->domain);
        assert_int_equal(p->version, q->version);
        assert_int_equal(p->n_attr, q->n_attr);
        for (uint32_t k = 0; k < p->n_attr; k++)
            assert_same_attr(&p->attr[k], &q->attr[k]);
        for (uint32_t k = 0; k < q->n_in; k++)
            assert_same_value(a, p->in[k], b, q->in[k]);
        for (uint32_t k = q->n_in; k < p->n_in; k++) /* left out at the end: not written */
            assert_int_equal(p->in[k], MXD_NO_VALUE);
        for (uint32_t k = 0; k < q->n_out; k++)
            assert_same_value(a, p->out[k], b, q->out[k]);
    }
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    mxdi_graph *const g = rich_graph();
    mxdi_bytes        b = written(g), again;
    assert_ok(mxdi_graph_compact(g, NULL));
    g->value[mxdi_graph_find_value(g, "y")].dim[1] = -1; /* as its symbol says */
    mxdi_graph *const back                         = reloaded(&b);
    assert_same_graph(g, back);
    assert_string_equal(mxdi_graph_meta(back, "key"), "a text");
    assert_int_equal(mxdi_graph_find_value(back, "unused"), MXD_NO_VALUE);
    again = written(back);
    assert_int_equal(again.size, b.size);
    assert_memory_equal(again.data, b.data, b.size);
    mxdi_bytes_free(&again);
    again = written(g);
    assert_memory_equal(again.data, b.data, b.size);
    mxdi_bytes_free(&again);
    mxdi_bytes_free(&b);
    mxdi_graph_destroy(back);
    mxdi_graph_destroy(g);
}

/* Seen through the messages: what the format wants beyond our own reader. */
static void the_model_is_complete(void **state)
{
    (void)state;
    mxdi_graph *const      g = rich_graph();
    mxdi_bytes             b = written(g);
    MxdiOnnx__Model *const m = mxdi_onnx__model__unpack(NULL, b.size, b.data);
    assert_non_null(m);
    assert_int_equal(m->ir_version, 10); /* what opset 21 came with */
    assert_string_equal(m->producer_name, "mixdown");
    assert_string_equal(m->producer_version, mxd_version());
    assert_string_equal(m->graph->name, "mixdown"); /* none was given */
    assert_int_equal(m->n_opset_import, 2);
    assert_int_equal(m->opset_import[0]->version, 21);
    assert_string_equal(m->opset_import[1]->domain, "com.example");
    assert_int_equal(m->graph->n_node, 3);
    assert_int_equal(m->graph->node[1]->n_input,
                     3); /* one in the middle is left out, one at the end not written */
    assert_string_equal(m->graph->node[1]->input[1], "");
    assert_int_equal(m->graph->node[1]->n_output, 1);
    assert_int_equal(m->graph->node[0]->attribute[0]->type, ONNX_ATTR_INT);
    assert_int_equal(m->graph->n_initializer, 6);
    assert_true(m->graph->initializer[0]->has_raw_data);
    assert_int_equal(m->graph->initializer[0]->data_type, 22);
    assert_int_equal(m->graph->initializer[0]->raw_data.len, 3);
    assert_string_equal(m->graph->input[0]->type->tensor_type->shape->dim[0]->dim_param, "N");
    assert_int_equal(m->graph->input[0]->type->tensor_type->shape->dim[1]->dim_value, 4);
    assert_int_equal(m->graph->input[1]->type->tensor_type->shape->n_dim, 0);
    const MxdiOnnx__Dimension *const open = m->graph->output[0]->type->tensor_type->shape->dim[1];
    assert_false(open->has_dim_value); /* a symbol without a name, whatever it is bound to */
    assert_null(open->dim_param);
    assert_null(m->graph->output[1]->type);
    mxdi_onnx__model__free_unpacked(m, NULL);
    mxdi_bytes_free(&b);
    mxdi_graph_destroy(g);
}

static void refuses_what_onnx_has_no_word_for(void **state)
{
    (void)state;
    mxd_error   err = MXD_ERROR_INIT;
    mxdi_bytes  b   = MXDI_BYTES_INIT;
    mxdi_graph *g   = rich_graph();
    assert_true(mxdi_bytes_append(&b, "head", 4));
    g->opset = 20;
    assert_int_equal(mxdi_onnx_write(&b, g, &err), MXD_E_INVAL);
    ASSERT_SAYS(err, "'w4': type s4 needs opset 21, the graph has 20");
    mxdi_graph_replace_uses(g, mxdi_graph_find_value(g, "w4"), MXD_NO_VALUE);
    g->opset = 18;
    assert_int_equal(mxdi_onnx_write(&b, g, &err), MXD_E_INVAL);
    ASSERT_SAYS(err, "'f8'");
    g->opset          = 21;
    g->value[0].dtype = MXD_NONE;
    assert_int_equal(mxdi_onnx_write(&b, g, &err), MXD_E_INVAL);
    ASSERT_SAYS(err, "'x': expected an element type");
    g->value[0].dtype = MXD_F32;
    g->node[0].domain = "mixdown";
    assert_int_equal(mxdi_onnx_write(&b, g, &err), MXD_E_INVAL);
    ASSERT_SAYS(err, "Relu 'first'");
    assert_int_equal(b.size, 4); /* as it was */
    assert_memory_equal(b.data, "head", 4);
    mxdi_bytes_free(&b);
    mxdi_graph_destroy(g);
}

static void saving_writes_the_same_bytes(void **state)
{
    (void)state;
    mxdi_graph *const g = rich_graph();
    mxdi_bytes        b = written(g), file = MXDI_BYTES_INIT;
    mxd_error         err = MXD_ERROR_INIT;
    assert_ok(mxdi_onnx_save(g, "m.onnx", NULL));
    assert_ok(mxdi_file_read(&file, "m.onnx", 1 << 20, NULL));
    assert_int_equal(file.size, b.size);
    assert_memory_equal(file.data, b.data, b.size);
    g->opset = 13; /* refused: the old file stays, and nothing beside it */
    assert_int_equal(mxdi_onnx_save(g, "m.onnx", &err), MXD_E_INVAL);
    ASSERT_SAYS(err, "m.onnx: value 'w4'");
    assert_int_equal(system("test $(ls | wc -l) = 1"), 0);
    mxdi_graph *back = NULL;
    assert_ok(mxdi_onnx_load(&back, "m.onnx", NULL, NULL));
    mxdi_graph_destroy(back);
    g->opset = 21;
    assert_int_equal(mxdi_onnx_save(g, "no/such/folder.onnx", &err), MXD_E_IO);
    ASSERT_SAYS(err, "no/such/folder.onnx");
    mxdi_bytes_free(&b);
    mxdi_bytes_free(&file);
    mxdi_graph_destroy(g);
}

static void ir_version_follows_the_opset(void **state)
{
    (void)state;
    static const int32_t want[][2] = { { 7, 8 },   { 13, 8 },  { 18, 8 },  { 19, 9 },
                                       { 20, 9 },  { 21, 10 }, { 22, 10 }, { 23, 11 },
                                       { 24, 12 }, { 25, 13 }, { 28, 14 } };
    for (size_t k = 0; k < sizeof(want) / sizeof(want[0]); k++) {
        mxdi_graph *const g = graph_new(want[k][0]);
        const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(1)), y = graph_open(g, "y");
        graph_node(g, "Relu", NULL, VALUES(x), VALUES(y));
        graph_output(g, y);
        mxdi_bytes b = written(g);
        assert_int_equal(b.data[0], 8); /* field 1, a number below 128 */
        assert_int_equal(b.data[1], want[k][1]);
        mxdi_bytes_free(&b);
        mxdi_graph_destroy(g);
    }
}

static void out_of_memory_at_every_step(void **state)
{
    (void)state;
    struct failing_alloc f     = { .left = 1000000 };
    const mxd_allocator  alloc = { failing_alloc_get, failing_alloc_free, &f };
    mxdi_graph *const    g     = rich_graph();
    mxdi_bytes           b     = written(g);
    mxdi_graph          *mine  = NULL;
    assert_ok(mxdi_onnx_load_bytes(&mine, (mxdi_view){ b.data, b.size }, NULL, &alloc, NULL));
    const long held = f.live;
    mxd_status st   = MXD_E_NOMEM;
    for (long n = 0; st != MXD_OK; n++) {
        mxdi_bytes out = { .alloc = &alloc };
        mxd_error  err = MXD_ERROR_INIT;
        f.left         = n;
        st             = mxdi_onnx_write(&out, mine, &err);
        assert_true(st == MXD_OK || (st == MXD_E_NOMEM && err.msg[0] != '\0' && out.size == 0));
        mxdi_bytes_free(&out);
        assert_int_equal(f.live, held);
    }
    mxdi_graph_destroy(mine);
    mxdi_bytes_free(&b);
    mxdi_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(the_model_is_complete),
        cmocka_unit_test(refuses_what_onnx_has_no_word_for),
        IN_FOLDER(saving_writes_the_same_bytes),
        cmocka_unit_test(ir_version_follows_the_opset),
        cmocka_unit_test(out_of_memory_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
