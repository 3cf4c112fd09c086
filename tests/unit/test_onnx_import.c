/* SPDX-License-Identifier: Apache-2.0
 *
 * onnx: what is read, what is refused and what is said then. External data and the wire are in
 * test_onnx_hostile.c.
 */
#include "onnx_case.h"

#include <math.h>

static const mxd_value *value_of(const mxdi_graph *g, const char *name)
{
    const uint32_t id = mxdi_graph_find_value(g, name);
    assert_int_not_equal(id, MXD_NO_VALUE);
    return &g->value[id];
}

static void reads_a_model(void **state)
{
    (void)state;
    onnx_case c;
    onnx_case_init(&c, "Relu");
    c.graph.name             = onnx_text("net");
    c.pair[0].key            = onnx_text("author");
    c.pair[0].value          = onnx_text("me");
    c.pair[1].key            = onnx_text("empty");
    c.model.metadata_props   = c.pairs;
    c.model.n_metadata_props = 2;
    mxdi_graph *const g      = onnx_loaded(&c);
    assert_int_equal(g->opset, 13);
    assert_string_equal(g->name, "net");
    assert_string_equal(mxdi_graph_meta(g, "author"), "me");
    assert_string_equal(mxdi_graph_meta(g, "empty"), "");
    assert_int_equal(g->n_nodes, 1);
    assert_string_equal(g->node[0].op, "Relu");
    assert_string_equal(g->node[0].name, "r");
    assert_int_equal(g->node[0].version, 13);
    assert_int_equal(g->node[0].n_origin, 1);
    assert_string_equal(g->node[0].origin[0], "r");
    assert_int_equal(g->n_inputs, 1);
    assert_int_equal(value_of(g, "x")->dtype, MXD_F32);
    assert_dims(value_of(g, "x"), DIMS(2, 3));
    assert_int_equal(value_of(g, "y")->dtype, MXD_NONE);
    assert_int_equal(value_of(g, "y")->rank, -1);
    assert_int_equal(g->n_symbols, 0);
    mxdi_graph_destroy(g);
}

static void reads_open_dimensions(void **state)
{
    (void)state;
    onnx_case c;
    onnx_case_init(&c, "Relu");
    c.shape.n_dim          = 4;
    c.dim[0].has_dim_value = 0;
    c.dim[0].dim_param     = onnx_text("batch");
    c.dim[1].has_dim_value = 0;
    c.dim[2].has_dim_value = 1;
    c.dim[2].dim_value     = -1;
    c.dim[3].has_dim_value = 1;
    c.dim[3].dim_value     = 0;
    c.out[0].type          = &c.type; /* outputs keep what the file declares */
    mxdi_graph *const g    = onnx_loaded(&c);
    assert_dims(value_of(g, "x"), DIMS(-1, -1, -1, 0));
    assert_dims(value_of(g, "y"), DIMS(-1, -1, -1, 0));
    assert_int_equal(value_of(g, "y")->dtype, MXD_F32);
    assert_int_equal(g->n_symbols, 6);
    assert_string_equal(g->symbol[0].name, "batch");
    assert_int_equal(g->symbol[1].axis, 1);
    assert_string_equal(g->symbol[1].name, "");
    assert_int_equal(g->symbol[3].value, mxdi_graph_find_value(g, "y"));
    mxdi_graph_destroy(g);

    c.tensor_type.shape  = NULL; /* no shape: unknown rank */
    mxdi_graph *const g2 = onnx_loaded(&c);
    assert_int_equal(value_of(g2, "x")->rank, -1);
    mxdi_graph_destroy(g2);
}

static void refuses_types_and_shapes_of_inputs(void **state)
{
    (void)state;
    onnx_case c;
    onnx_case_init(&c, "Relu");
    c.tensor_type.elem_type = 8;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "input 'x': element type STRING (8)");
    c.tensor_type.elem_type = 4711;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "unknown (4711)");
    c.tensor_type.elem_type = 1;
    c.dim[0].dim_value      = -2;
    onnx_refused(&c, MXD_E_SHAPE, "dimension 0 is -2");
    c.dim[0].dim_value = (int64_t)1 << 62;
    c.dim[1].dim_value = 4;
    onnx_refused(&c, MXD_E_RANGE, "input 'x'");
    c.dim[0].dim_value = c.dim[1].dim_value = 1;
    c.type.tensor_type                      = NULL;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "input 'x': expected a tensor");
    c.in[0].type = NULL;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "input 'x': expected a tensor");
    onnx_case_init(&c, "Relu");
    MxdiOnnx__Dimension *nine[9];
    for (int k = 0; k < 9; k++)
        nine[k] = &c.dim[0];
    c.shape.dim   = nine;
    c.shape.n_dim = 9;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "at most 8 dimensions, got 9");
}

/* Every element type, from the list where the format puts it and from raw bytes. */
static void reads_tensors_of_every_type(void **state)
{
    (void)state;
    static const struct {
        int32_t   code;
        mxd_dtype dtype;
        int64_t   elements; /* of the three items below */
    } types[] = {
        { 2, MXD_U8, 3 },      { 3, MXD_S8, 3 },   { 4, MXD_U16, 3 },  { 5, MXD_S16, 3 },
        { 6, MXD_S32, 3 },     { 9, MXD_BOOL, 3 }, { 10, MXD_F16, 3 }, { 16, MXD_BF16, 3 },
        { 17, MXD_F8E4M3, 3 }, { 21, MXD_U4, 5 },  { 22, MXD_S4, 6 },
    };
    int32_t items[3] = { 0x201, 0x7f7f, 0x8435 }; /* of small types the low bits */
    for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
        onnx_case c;
        int64_t   dims[1] = { types[k].elements };
        onnx_case_init(&c, "Relu");
        MxdiOnnx__Tensor *const t = onnx_tensor(&c, "w", types[k].code, dims, 1);
        t->int32_data             = items;
        t->n_int32_data           = 3;
        mxdi_graph *const      g  = onnx_loaded(&c);
        const mxd_value *const w  = value_of(g, "w");
        const size_t           n  = (mxd_dtype_bits(types[k].dtype) + 7) / 8;
        assert_int_equal(w->dtype, types[k].dtype);
        assert_int_equal(w->bytes, 3 * n);
        for (size_t i = 0; i < 3; i++)
            assert_memory_equal((const uint8_t *)w->data + i * n, &items[i], n);

        t->n_int32_data     = 0;
        t->has_raw_data     = 1;
        t->raw_data         = (ProtobufCBinaryData){ w->bytes, (uint8_t *)(uintptr_t)w->data };
        mxdi_graph *const r = onnx_loaded(&c);
        assert_memory_equal(value_of(r, "w")->data, w->data, w->bytes);
        assert_int_equal((uintptr_t)value_of(r, "w")->data % n, 0);
        mxdi_graph_destroy(r);
        mxdi_graph_destroy(g);
    }
}

static void reads_wide_lists_where_they_are(void **state)
{
    (void)state;
    onnx_case c;
    float     f[2] = { 1.5f, -INFINITY };
    double    d[2] = { 1e300, -0.0 };
    int64_t   l[2] = { INT64_MIN, 7 }, dims[1] = { 2 };
    onnx_case_init(&c, "Relu");
    MxdiOnnx__Tensor *const tf = onnx_tensor(&c, "f", 1, dims, 1);
    MxdiOnnx__Tensor *const td = onnx_tensor(&c, "d", 11, dims, 1);
    MxdiOnnx__Tensor *const tl = onnx_tensor(&c, "l", 7, dims, 1);
    onnx_tensor(&c, "none", 1, (int64_t[]){ 0, 5 }, 2);
    tf->float_data   = f;
    td->double_data  = d;
    tl->int64_data   = l;
    tf->n_float_data = td->n_double_data = tl->n_int64_data = 2;
    mxdi_graph *const g                                     = onnx_loaded(&c);
    assert_memory_equal(value_of(g, "f")->data, f, sizeof(f));
    assert_memory_equal(value_of(g, "d")->data, d, sizeof(d));
    assert_memory_equal(value_of(g, "l")->data, l, sizeof(l));
    assert_int_equal(value_of(g, "none")->bytes, 0);
    assert_non_null(value_of(g, "none")->data);
    mxdi_graph_destroy(g);
}

static void refuses_tensors(void **state)
{
    (void)state;
    onnx_case c;
    uint8_t   raw[16] = { 0 };
    float     f[3]    = { 0 };
    int64_t   dims[9] = { 3, 1, 1, 1, 1, 1, 1, 1, 1 };
    onnx_case_init(&c, "Relu");
    MxdiOnnx__Tensor *const t = onnx_tensor(&c, "w", 1, dims, 1);
    onnx_refused(&c, MXD_E_SHAPE, "tensor 'w': expected 3 items for its shape, got 0");
    t->float_data   = f;
    t->n_float_data = 2;
    onnx_refused(&c, MXD_E_SHAPE, "expected 3 items");
    t->has_raw_data = 1;
    t->raw_data     = (ProtobufCBinaryData){ 11, raw };
    onnx_refused(&c, MXD_E_SHAPE, "expected 12 bytes for its shape, got 11");
    t->raw_data.len = 16;
    onnx_refused(&c, MXD_E_SHAPE, "expected 12 bytes for its shape, got 16");
    t->raw_data.len = 12;
    dims[0]         = -3;
    onnx_refused(&c, MXD_E_SHAPE, "negative");
    dims[0] = INT64_MAX;
    onnx_refused(&c, MXD_E_SHAPE, "tensor 'w'");
    dims[0]   = (int64_t)1 << 32; /* 2^32 * 2^32 elements: 0 modulo 2^64 */
    dims[1]   = (int64_t)1 << 32;
    t->n_dims = 2;
    onnx_refused(&c, MXD_E_SHAPE, "tensor 'w'");
    dims[0]   = 3;
    dims[1]   = 1;
    t->n_dims = 9;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "at most 8 dimensions");
    t->n_dims    = 1;
    t->data_type = 8;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "tensor 'w': element type STRING");
    t->data_type = 0;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "undefined (0)");
    t->data_type     = 1;
    t->data_location = t->has_data_location = 1;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "external data is not read here");
    t->has_data_location = 0;
    t->data_location     = 0;
    t->name              = onnx_text("");
    onnx_refused(&c, MXD_E_INVAL, "initializer: expected a name");
    onnx_case_init(&c, "Relu");
    MxdiOnnx__Skipped skipped = MXDI_ONNX__SKIPPED__INIT, *list[1] = { &skipped };
    c.graph.sparse_initializer   = list;
    c.graph.n_sparse_initializer = 1;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "sparse");
}

static void initializers_are_no_inputs(void **state)
{
    (void)state;
    onnx_case c;
    float     f[3]    = { 1, 2, 3 };
    int64_t   dims[1] = { 3 };
    onnx_case_init(&c, "Add");
    MxdiOnnx__Tensor *const t = onnx_tensor(&c, "w", 1, dims, 1);
    t->float_data             = f;
    t->n_float_data           = 3;
    c.node[0].n_input         = 2;
    c.node[0].input[1]        = onnx_text("w");
    onnx_input(&c, "w");
    mxdi_graph *const g = onnx_loaded(&c);
    assert_int_equal(g->n_inputs, 1);
    assert_string_equal(g->value[g->input[0]].name, "x");
    assert_int_equal(g->node[0].in[1], mxdi_graph_find_value(g, "w"));
    mxdi_graph_destroy(g);
    onnx_tensor(&c, "w", 1, (int64_t[]){ 0 }, 1);
    onnx_refused(&c, MXD_E_INVAL, "initializer 'w'");
}

static void constants_of_every_form(void **state)
{
    (void)state;
    onnx_case        c;
    float            f[2] = { 1.5f, 2.5f };
    int64_t          l[3] = { 4, 5, 6 }, dims[1] = { 2 };
    MxdiOnnx__Tensor t;
    mxdi_onnx__tensor__init(&t);
    t.data_type                      = 1;
    t.has_data_type                  = 1;
    t.dims                           = dims;
    t.n_dims                         = 1;
    t.float_data                     = f;
    t.n_float_data                   = 2;
    static const char *const names[] = { "value", "value_float", "value_floats", "value_int",
                                         "value_ints" };
    static const int32_t     kinds[] = { 4, 1, 6, 2, 7 };
    for (size_t k = 0; k < 5; k++) {
        onnx_case_init(&c, "Constant");
        c.node[0].n_input            = 0;
        MxdiOnnx__Attribute *const a = onnx_attr(&c, names[k], kinds[k]);
        a->t                         = k == 0 ? &t : NULL;
        a->has_f                     = k == 1;
        a->f                         = 0.25f;
        a->floats                    = f;
        a->n_floats                  = k == 2 ? 2 : 0;
        a->has_i                     = k == 3;
        a->i                         = 9;
        a->ints                      = l;
        a->n_ints                    = k == 4 ? 3 : 0;
        mxdi_graph *const      g     = onnx_loaded(&c);
        const mxd_value *const y     = value_of(g, "y");
        assert_int_equal(g->n_nodes, 0);
        assert_int_equal(y->dtype, k < 3 ? MXD_F32 : MXD_S64);
        assert_int_equal(y->rank, k == 1 || k == 3 ? 0 : 1);
        if (k == 0 || k == 2)
            assert_memory_equal(y->data, f, sizeof(f));
        if (k == 1)
            assert_true(*(const float *)y->data == 0.25f);
        if (k == 3)
            assert_int_equal(*(const int64_t *)y->data, 9);
        if (k == 4)
            assert_memory_equal(y->data, l, sizeof(l));
        mxdi_graph_destroy(g);
    }
    onnx_case_init(&c, "Constant");
    onnx_refused(&c, MXD_E_INVAL, "Constant 'y': expected one value, got 0");
    onnx_attr(&c, "value", 4);
    onnx_refused(&c, MXD_E_UNSUPPORTED, "Constant 'y': attribute 'value'");
    c.attr[0].name = onnx_text("value_string");
    onnx_refused(&c, MXD_E_UNSUPPORTED, "'value_string'");
    c.attr[0].name     = onnx_text("value_int");
    c.node[0].n_output = 0;
    onnx_refused(&c, MXD_E_INVAL, "Constant: expected a name");
}

static void nodes_without_names_and_with_the_same(void **state)
{
    (void)state;
    onnx_case c;
    onnx_case_empty(&c);
    onnx_input(&c, "x");
    onnx_output(&c, "d");
    onnx_node(&c, "Relu", "x", "a"); /* named by its output */
    onnx_node(&c, "Relu", "a", "b")->name = onnx_text("n");
    onnx_node(&c, "Relu", "b", "c")->name = onnx_text("n");
    onnx_node(&c, "Relu", "c", "d")->name = onnx_text("n");
    onnx_node(&c, "Relu", "x", "e")->name = onnx_text("n_2");
    onnx_node(&c, "Unknown", "x", "");
    onnx_node(&c, "Unknown", "x", "- f");
    mxdi_graph *const        g      = onnx_loaded(&c);
    static const char *const want[] = { "a", "n", "n_2", "n_3", "n_2_2", "Unknown", "f" };
    assert_int_equal(g->n_nodes, 7);
    for (uint32_t k = 0; k < 7; k++) {
        assert_string_equal(g->node[k].name, want[k]);
        assert_string_equal(g->node[k].origin[0], want[k]);
    }
    assert_int_equal(g->node[6].out[0], MXD_NO_VALUE);
    mxdi_graph_destroy(g);
}

static void left_out_inputs_and_any_order(void **state)
{
    (void)state;
    onnx_case c;
    onnx_case_empty(&c);
    onnx_input(&c, "x");
    onnx_output(&c, "y");
    onnx_node(&c, "Clip", "a - b -", "y -"); /* a and b come later */
    onnx_node(&c, "Relu", "x", "a")->domain  = onnx_text("ai.onnx");
    onnx_node(&c, "Other", "x", "b")->domain = onnx_text("com.example");
    mxdi_graph *const     g                  = onnx_loaded(&c);
    const mxd_node *const clip               = &g->node[2];
    assert_string_equal(clip->op, "Clip");
    assert_int_equal(clip->n_in, 3);
    assert_int_equal(clip->in[1], MXD_NO_VALUE);
    assert_int_equal(clip->n_out, 1);
    assert_string_equal(g->node[0].domain, "");
    assert_string_equal(g->node[1].domain, "com.example");
    mxdi_graph_destroy(g);
}

static void attributes_of_every_kind(void **state)
{
    (void)state;
    onnx_case        c;
    float            f[2] = { 1.5f, 2.5f };
    int64_t          l[3] = { 4, 5, 6 };
    MxdiOnnx__Tensor t    = MXDI_ONNX__TENSOR__INIT;
    t.data_type           = 1;
    t.has_data_type       = 1;
    t.float_data          = f;
    t.n_float_data        = 1;
    onnx_case_init(&c, "Relu");
    onnx_attr(&c, "f", ONNX_ATTR_FLOAT)->f = 0.5f;
    c.attr[0].has_f                        = 1;
    onnx_attr(&c, "i", ONNX_ATTR_INT)->i   = -1;
    c.attr[1].has_i                        = 1;
    onnx_attr(&c, "s", ONNX_ATTR_STRING)->s =
        (ProtobufCBinaryData){ 4, (uint8_t *)onnx_text("SAME_UPPER") };
    c.attr[2].has_s                               = 1;
    onnx_attr(&c, "t", ONNX_ATTR_TENSOR)->t       = &t;
    onnx_attr(&c, "fs", ONNX_ATTR_FLOATS)->floats = f;
    c.attr[4].n_floats                            = 2;
    onnx_attr(&c, "is", ONNX_ATTR_INTS)->ints     = l;
    c.attr[5].n_ints                              = 3;
    onnx_attr(&c, "zero", ONNX_ATTR_INT); /* a writer that leaves zeros out */
    onnx_attr(&c, "none", ONNX_ATTR_INTS);
    for (int typed = 1; typed >= 0; typed--) {
        mxdi_graph *const     g = onnx_loaded(&c);
        const mxd_node *const n = &g->node[0];
        uint32_t              k = 0;
        assert_int_equal(n->n_attr, typed ? 8 : 6);
        assert_true(mxd_node_float(n, "f", 0) == 0.5f);
        assert_int_equal(mxd_node_int(n, "i", 0), -1);
        assert_string_equal(mxd_node_string(n, "s", ""), "SAME");
        assert_true(*(const float *)mxd_node_attr(n, "t", MXD_ATTR_TENSOR)->tensor->data == 1.5f);
        assert_true(mxd_node_attr(n, "fs", MXD_ATTR_FLOATS)->floats[1] == 2.5f);
        assert_int_equal(mxd_node_ints(n, "is", &k)[2], 6);
        if (typed)
            assert_non_null(mxd_node_attr(n, "zero", MXD_ATTR_INT));
        mxdi_graph_destroy(g);
        for (int i = 0; i < 6; i++) /* once more as the oldest files have it: no kinds */
            c.attr[i].has_type = c.attr[i].type = 0;
        c.node[0].n_attribute = 6;
    }
}

static void refuses_attributes_of_known_ops(void **state)
{
    (void)state;
    onnx_case        c;
    MxdiOnnx__Tensor t = MXDI_ONNX__TENSOR__INIT;
    onnx_case_init(&c, "Relu");
    MxdiOnnx__Attribute *const a = onnx_attr(&c, "odd", ONNX_ATTR_STRINGS);
    onnx_refused(&c, MXD_E_UNSUPPORTED, "Relu 'r': attribute 'odd': kind 8");
    a->type = 5;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "kind 5");
    a->type = 0;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "kind 0");
    a->type = ONNX_ATTR_TENSOR;
    onnx_refused(&c, MXD_E_INVAL, "expected a tensor");
    a->t = &t;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "undefined");
    a->t     = NULL;
    a->type  = ONNX_ATTR_STRING;
    a->s     = (ProtobufCBinaryData){ 3, (uint8_t *)onnx_text("a\0b") };
    a->has_s = 1;
    onnx_refused(&c, MXD_E_INVAL, "zero byte");
    a->type          = ONNX_ATTR_INT;
    a->ref_attr_name = onnx_text("outer");
    onnx_refused(&c, MXD_E_INVAL, "'outer'");
    a->ref_attr_name = NULL;
    onnx_attr(&c, "odd", ONNX_ATTR_INT);
    onnx_refused(&c, MXD_E_INVAL, "given twice");
    c.attr[1].name = onnx_text("");
    onnx_refused(&c, MXD_E_INVAL, "expected a name");
    MxdiOnnx__Attribute *many[300];
    for (int k = 0; k < 300; k++)
        many[k] = &c.attr[0];
    c.node[0].attribute   = many;
    c.node[0].n_attribute = 300;
    onnx_refused(&c, MXD_E_INVAL, "at most 256 attributes, got 300");
}

/* An op that is not known is kept, so that it can be named; what it carries is lost, and it says
 * so. */
static void keeps_unknown_ops(void **state)
{
    (void)state;
    onnx_case  c;
    mxdi_bytes out = MXDI_BYTES_INIT;
    mxd_error  err = MXD_ERROR_INIT;
    onnx_case_init(&c, "If");
    onnx_attr(&c, "then_branch", 5);
    onnx_attr(&c, "level", ONNX_ATTR_INT)->i = 3;
    c.attr[1].has_i                          = 1;
    mxdi_graph *const g                      = onnx_loaded(&c);
    assert_string_equal(g->node[0].op, "If");
    assert_int_equal(mxd_node_int(&g->node[0], "level", 0), 3);
    assert_int_equal(mxdi_onnx_write(&out, g, &err), MXD_E_UNSUPPORTED);
    ASSERT_SAYS(err, "If 'r'");
    assert_int_equal(out.size, 0);
    mxdi_bytes_free(&out);
    mxdi_graph_destroy(g);
}

static void refuses_broken_graphs(void **state)
{
    (void)state;
    onnx_case c;
    onnx_case_init(&c, "");
    onnx_refused(&c, MXD_E_INVAL, "node 'r': expected an operator");
    onnx_case_init(&c, "Relu");
    c.node[0].input[0] = onnx_text("ghost");
    onnx_refused(&c, MXD_E_INVAL, "Relu 'r': reads 'ghost', which nothing makes");
    c.node[0].input[0] = onnx_text("y");
    onnx_refused(&c, MXD_E_INVAL, "depends on its own output");
    onnx_case_init(&c, "Relu");
    onnx_node(&c, "Neg", "x", "y");
    onnx_refused(&c, MXD_E_INVAL, "Neg 'y': makes 'y'");
    onnx_case_init(&c, "Relu");
    c.node[0].output[0] = onnx_text("x");
    onnx_refused(&c, MXD_E_INVAL, "Relu 'r': makes 'x'");
    onnx_case_init(&c, "Relu");
    onnx_input(&c, "x");
    onnx_refused(&c, MXD_E_INVAL, "input 'x'");
    onnx_case_init(&c, "Relu");
    c.in[0].name = onnx_text("");
    onnx_refused(&c, MXD_E_INVAL, "input 0: expected a name");
    onnx_case_init(&c, "Relu");
    c.out[0].name = onnx_text("");
    onnx_refused(&c, MXD_E_INVAL, "output ''");
    onnx_case_init(&c, "Relu");
    onnx_output(&c, "y");
    onnx_refused(&c, MXD_E_INVAL, "output 'y': listed twice");
    onnx_case_init(&c, "Relu");
    c.graph.n_output = 0;
    onnx_refused(&c, MXD_E_INVAL, "expected an output");
    onnx_case_init(&c, "QAdd");
    c.node[0].domain = onnx_text("mixdown");
    onnx_refused(&c, MXD_E_INVAL, "domain 'mixdown'");
    onnx_case_init(&c, "Relu");
    c.model.graph = NULL;
    onnx_refused(&c, MXD_E_PARSE, "ONNX");
}

static void refuses_opsets(void **state)
{
    (void)state;
    onnx_case     c;
    const int64_t bad[] = { -1, 0, 5, MXDI_ONNX_MAX_OPSET + 1, 9999, INT64_MAX };
    onnx_case_init(&c, "Relu");
    for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
        c.opset.version = bad[k];
        onnx_refused(&c, MXD_E_UNSUPPORTED, "opset: expected 6 to 28, got");
    }
    c.opset.version = 13;
    c.opset.domain  = onnx_text("ai.onnx.ml");
    onnx_refused(&c, MXD_E_UNSUPPORTED, "opset");
    c.opset.domain = onnx_text("ai.onnx");
    mxdi_graph_destroy(onnx_loaded(&c));
    c.opset.version = MXDI_ONNX_MAX_OPSET;
    mxdi_graph_destroy(onnx_loaded(&c));
    c.model.n_opset_import = 0;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "opset");
}

static void opset_6_becomes_7(void **state)
{
    (void)state;
    onnx_case c;
    float     f[3]    = { 1, 2, 3 };
    int64_t   dims[1] = { 3 };
    onnx_case_init(&c, "PRelu");
    c.opset.version           = 6;
    c.shape.n_dim             = 4; /* x (2, 3, open, open): slopes (3) belong to axis 1 */
    c.node[0].n_input         = 2;
    c.node[0].input[1]        = onnx_text("w");
    MxdiOnnx__Tensor *const t = onnx_tensor(&c, "w", 1, dims, 1);
    t->float_data             = f;
    t->n_float_data           = 3;
    mxdi_graph *g             = onnx_loaded(&c);
    assert_int_equal(g->opset, 7);
    assert_int_equal(g->node[0].version, 7);
    assert_dims(&g->value[g->node[0].in[1]], DIMS(3, 1, 1));
    assert_ptr_equal(g->value[g->node[0].in[1]].data, value_of(g, "w")->data);
    mxdi_graph_destroy(g);
    c.tensor_type.shape = NULL;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "known rank");
    c.tensor_type.shape = &c.shape;

    c.shape.n_dim                                = 2; /* Add: x (2, 3) and w (3) */
    c.node[0].op_type                            = onnx_text("Add");
    onnx_attr(&c, "broadcast", ONNX_ATTR_INT)->i = 1;
    onnx_attr(&c, "axis", ONNX_ATTR_INT)->i      = 1;
    c.attr[0].has_i = c.attr[1].has_i = 1;
    g                                 = onnx_loaded(&c);
    assert_int_equal(g->node[0].n_attr, 0);
    mxdi_graph_destroy(g);
    c.attr[1].i = 0;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "Add 'r': opset 6");

    onnx_case_init(&c, "BatchNormalization");
    c.opset.version = 6;
    onnx_refused(&c, MXD_E_UNSUPPORTED, "training");
    onnx_attr(&c, "is_test", ONNX_ATTR_INT)->i = 1;
    c.attr[0].has_i                            = 1;
    g                                          = onnx_loaded(&c);
    assert_int_equal(g->node[0].n_attr, 0);
    mxdi_graph_destroy(g);
    c.node[0].op_type = onnx_text("Dropout");
    g                 = onnx_loaded(&c);
    assert_int_equal(g->node[0].n_attr, 0);
    mxdi_graph_destroy(g);
}

static void names_may_hold_any_bytes(void **state)
{
    (void)state;
    onnx_case c;
    onnx_case_init(&c, "Relu");
    c.node[0].name      = onnx_text("\xff\xfe\n");
    mxdi_graph *const g = onnx_loaded(&c);
    assert_string_equal(g->node[0].name, "\xff\xfe\n");
    mxdi_graph_destroy(g);
}

static void parses_single_tensors(void **state)
{
    (void)state;
    MxdiOnnx__Tensor t        = MXDI_ONNX__TENSOR__INIT;
    int64_t          dims[2]  = { 1, 2 };
    int32_t          items[2] = { -1, 200 };
    uint8_t          pb[64];
    mxdi_arena       arena;
    mxd_tensor       got;
    mxd_error        err = MXD_ERROR_INIT;
    mxdi_arena_init(&arena, NULL);
    t.has_data_type = 1;
    t.data_type     = 2;
    t.dims          = dims;
    t.n_dims        = 2;
    t.int32_data    = items;
    t.n_int32_data  = 2;
    const size_t n  = mxdi_onnx__tensor__pack(&t, pb);
    assert_ok(mxdi_onnx_tensor_parse(&got, &arena, (mxdi_view){ pb, n }, NULL));
    assert_int_equal(got.dtype, MXD_U8);
    assert_dims(&(mxd_value){ .rank = got.rank, .dim = { got.dim[0], got.dim[1] } }, DIMS(1, 2));
    assert_int_equal(((const uint8_t *)got.data)[0], 255);
    assert_int_equal(((const uint8_t *)got.data)[1], 200);
    assert_int_equal(mxdi_onnx_tensor_parse(&got, &arena, (mxdi_view){ pb, n - 1 }, &err),
                     MXD_E_PARSE);
    assert_int_equal(mxdi_onnx_tensor_parse(&got, &arena, (mxdi_view){ NULL, 0 }, &err),
                     MXD_E_PARSE);
    mxdi_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_model),
        cmocka_unit_test(reads_open_dimensions),
        cmocka_unit_test(refuses_types_and_shapes_of_inputs),
        cmocka_unit_test(reads_tensors_of_every_type),
        cmocka_unit_test(reads_wide_lists_where_they_are),
        cmocka_unit_test(refuses_tensors),
        cmocka_unit_test(initializers_are_no_inputs),
        cmocka_unit_test(constants_of_every_form),
        cmocka_unit_test(nodes_without_names_and_with_the_same),
        cmocka_unit_test(left_out_inputs_and_any_order),
        cmocka_unit_test(attributes_of_every_kind),
        cmocka_unit_test(refuses_attributes_of_known_ops),
        cmocka_unit_test(keeps_unknown_ops),
        cmocka_unit_test(refuses_broken_graphs),
        cmocka_unit_test(refuses_opsets),
        cmocka_unit_test(opset_6_becomes_7),
        cmocka_unit_test(names_may_hold_any_bytes),
        cmocka_unit_test(parses_single_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
