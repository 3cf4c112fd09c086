/* SPDX-License-Identifier: Apache-2.0
 *
 * onnx: bytes that mean harm. Cut, flipped and swollen files, external data that leads elsewhere,
 * memory that runs out.
 */
#include "onnx_case.h"

#include <stdio.h>
#include <unistd.h>

#include "failing_alloc.h"
#include "test_folder.h"

/* A model with something of everything. */
static mxdi_bytes rich_model(void)
{
    onnx_case        c;
    float            f[4]    = { 1, 2, 3, 4 };
    int64_t          dims[1] = { 4 }, l[2] = { 1, -1 };
    MxdiOnnx__Tensor t = MXDI_ONNX__TENSOR__INIT;
    t.has_data_type    = 1;
    t.data_type        = 1;
    t.float_data       = f;
    t.n_float_data     = 1;
    onnx_case_init(&c, "ConstantOfShape");
    onnx_attr(&c, "value", ONNX_ATTR_TENSOR)->t = &t;
    onnx_attr(&c, "is", ONNX_ATTR_INTS)->ints   = l;
    c.attr[1].n_ints                            = 2;
    onnx_attr(&c, "s", ONNX_ATTR_STRING)->s =
        (ProtobufCBinaryData){ 4, (uint8_t *)onnx_text("text") };
    c.attr[2].has_s                              = 1;
    MxdiOnnx__Tensor *const w                    = onnx_tensor(&c, "w", 1, dims, 1);
    w->has_raw_data                              = 1;
    w->raw_data                                  = (ProtobufCBinaryData){ sizeof(f), (uint8_t *)f };
    onnx_tensor(&c, "i", 6, dims, 1)->int32_data = (int32_t[]){ 1, 2, 3, -4 };
    c.tensor[1].n_int32_data                     = 4;
    onnx_node(&c, "Add", "y w", "z");
    onnx_node(&c, "If", "i", "q")->domain = onnx_text("com.example");
    onnx_output(&c, "z");
    c.dim[0].has_dim_value   = 0;
    c.dim[0].dim_param       = onnx_text("N");
    c.out[0].type            = &c.type;
    c.pair[0].key            = onnx_text("k");
    c.pair[0].value          = onnx_text("v");
    c.model.metadata_props   = c.pairs;
    c.model.n_metadata_props = 1;
    return onnx_pack(&c);
}

/* Loads an exact copy, so that a sanitizer sees a read past the end. */
static mxd_status load_copy(const uint8_t *data, size_t n, mxd_error *err)
{
    mxdi_graph    *g    = NULL;
    uint8_t *const copy = malloc(n > 0 ? n : 1);
    assert_non_null(copy);
    memcpy(copy, data, n);
    *err                = (mxd_error)MXD_ERROR_INIT;
    const mxd_status st = mxdi_onnx_load_bytes(&g, (mxdi_view){ copy, n }, NULL, NULL, err);
    free(copy);
    assert_true((st == MXD_OK) == (g != NULL));
    assert_true((st == MXD_OK) == (err->msg[0] == '\0'));
    if (g)
        assert_ok(mxdi_graph_verify(g, NULL));
    mxdi_graph_destroy(g);
    return st;
}

static void cut_anywhere(void **state)
{
    (void)state;
    mxd_error  err;
    mxdi_bytes b = rich_model();
    assert_ok(load_copy(b.data, b.size, &err));
    for (size_t n = 0; n < b.size; n++)
        (void)load_copy(b.data, n, &err);
    assert_int_equal(load_copy(b.data, 0, &err), MXD_E_PARSE);
    ASSERT_SAYS(err, "ONNX");
    mxdi_bytes_free(&b);
}

static void flipped_anywhere(void **state)
{
    (void)state;
    mxd_error  err;
    mxdi_bytes b = rich_model();
    for (size_t k = 0; k < b.size; k++) {
        const uint8_t was = b.data[k];
        for (unsigned bit = 0; bit < 8; bit++) {
            b.data[k] = (uint8_t)(was ^ (1u << bit));
            (void)load_copy(b.data, b.size, &err);
        }
        b.data[k] = 0xff;
        (void)load_copy(b.data, b.size, &err);
        b.data[k] = 0;
        (void)load_copy(b.data, b.size, &err);
        b.data[k] = was;
    }
    mxdi_bytes_free(&b);
}

static void things_that_are_no_models(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t      n;
    } files[] = {
        { "Hello, world. This is text.", 27 },
        { "\x1f\x8b\x08\0\0\0\0\0\0\x03garbage", 17 },
        { "{\"ir_version\": 8}", 17 },
        { "\0\0\0\0", 4 },
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12 },
        { "\x08\x08", 2 },         /* a version and nothing else */
        { "\x3a\x05\x08", 3 },     /* graph: runs past the end */
        { "\x38\x01", 2 },         /* graph: a number */
        { "\x08\x80", 2 },         /* a number that does not end */
        { "\x3b\x3c", 2 },         /* a group */
        { "\x3a\x00\x00\x00", 4 }, /* zeros behind a graph */
    };
    for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++) {
        mxd_error err;
        assert_int_equal(load_copy((const uint8_t *)files[k].bytes, files[k].n, &err), MXD_E_PARSE);
        ASSERT_SAYS(err, "ONNX");
    }
}

static void continued_messages(void **state)
{
    (void)state;
    static const uint8_t empty_graph[] = { 0x3a, 0 };
    mxd_error            err;
    mxdi_bytes           b = rich_model();
    assert_true(mxdi_bytes_append(&b, empty_graph, 2)); /* merges into the first: nothing changes */
    assert_ok(load_copy(b.data, b.size, &err));
    for (int k = 0; k < 100; k++)
        assert_true(mxdi_bytes_append(&b, empty_graph, 2));
    assert_int_equal(load_copy(b.data, b.size, &err), MXD_E_PARSE);
    ASSERT_SAYS(err, "too often");
    mxdi_bytes_free(&b);
}

/* Packed lists whose last number is cut off. */
static void broken_lists(void **state)
{
    (void)state;
    static const uint8_t dims[]   = { 0x3a, 7, 0x2a, 5, 0x0a, 3, 1, 2, 0x80 };
    static const uint8_t floats[] = { 0x3a, 9, 0x2a, 7, 0x22, 5, 0, 0, 0, 0, 1 };
    mxd_error            err;
    assert_int_equal(load_copy(dims, sizeof(dims), &err), MXD_E_PARSE);
    ASSERT_SAYS(err, "dims");
    assert_int_equal(load_copy(floats, sizeof(floats), &err), MXD_E_PARSE);
    ASSERT_SAYS(err, "float_data");
}

/* A megabyte of the smallest things of each kind: linear time, memory within a constant of the
 * size. */
struct counting_alloc {
    size_t now, peak;
};

static void *counting_get(void *user, size_t bytes)
{
    struct counting_alloc *const c = user;
    uint8_t *const               p = mxdi_default_allocator()->alloc(NULL, bytes + 64);
    if (!p)
        return NULL;
    memcpy(p, &bytes, sizeof(bytes));
    c->now += bytes;
    c->peak = c->now > c->peak ? c->now : c->peak;
    return p + 64;
}

static void counting_free(void *user, void *p)
{
    struct counting_alloc *const c     = user;
    size_t                       bytes = 0;
    if (!p)
        return;
    memcpy(&bytes, (uint8_t *)p - 64, sizeof(bytes));
    c->now -= bytes;
    mxdi_default_allocator()->free(NULL, (uint8_t *)p - 64);
}

static void swollen_files(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    static const struct {
        const char *unit;
        size_t      n;
        bool        in_graph;
    } units[] = {
        { "\x0a\x00", 2, true },                   /* nodes without an operator */
        { "\x0a\x06\x12\x01y\x22\x01R", 8, true }, /* nodes of one name */
        { "\x2a\x00", 2, true },                   /* initializers */
        { "\x5a\x00", 2, true },                   /* inputs */
        { "\x62\x03\x0a\x01y", 5, true },          /* outputs */
        { "\x72\x04\x0a\x00\x12\x00", 6, false },  /* metadata */
        { "\x42\x02\x10\x0d", 4, false },          /* opsets */
        { "\x3a\x02\x0a\x00", 4, false },          /* graphs to be merged */
        { "\x0a\x04\x2a\x02\x2a\x00", 6, true },   /* nodes with an attribute with a tensor */
    };
    for (size_t k = 0; k < sizeof(units) / sizeof(units[0]); k++) {
        struct counting_alloc count = { 0, 0 };
        const mxd_allocator   alloc = { counting_get, counting_free, &count };
        mxdi_bytes            body = MXDI_BYTES_INIT, file = MXDI_BYTES_INIT;
        mxdi_graph           *g = NULL;
        while (body.size < SIZE)
            assert_true(mxdi_bytes_append(&body, units[k].unit, units[k].n));
        if (units[k].in_graph) {
            const uint8_t head[] = { 0x42,
                                     2,
                                     0x10,
                                     13,
                                     0x3a,
                                     (uint8_t)(body.size | 0x80),
                                     (uint8_t)((body.size >> 7) | 0x80),
                                     (uint8_t)(body.size >> 14) };
            assert_true(mxdi_bytes_append(&file, head, sizeof(head)));
        }
        assert_true(mxdi_bytes_append(&file, body.data, body.size));
        assert_int_not_equal(
            mxdi_onnx_load_bytes(&g, (mxdi_view){ file.data, file.size }, NULL, &alloc, NULL),
            MXD_OK);
        assert_true(count.peak < 256 * (size_t)SIZE);
        assert_int_equal(count.now, 0);
        mxdi_bytes_free(&body);
        mxdi_bytes_free(&file);
    }
}

static void out_of_memory_at_every_step(void **state)
{
    (void)state;
    struct failing_alloc f     = { 0, 0 };
    const mxd_allocator  alloc = { failing_alloc_get, failing_alloc_free, &f };
    mxdi_bytes           b     = rich_model();
    mxd_status           st    = MXD_E_NOMEM;
    for (long n = 0; st != MXD_OK; n++) {
        mxdi_graph *g   = NULL;
        mxd_error   err = MXD_ERROR_INIT;
        f.left          = n;
        st = mxdi_onnx_load_bytes(&g, (mxdi_view){ b.data, b.size }, NULL, &alloc, &err);
        assert_true(st == MXD_OK || (st == MXD_E_NOMEM && g == NULL && err.msg[0] != '\0'));
        mxdi_graph_destroy(g);
        assert_int_equal(f.live, 0);
    }
    mxdi_bytes_free(&b);
}

/* ---- external data ---- */

static void put_file(const char *path, size_t n)
{
    uint8_t bytes[64];
    for (size_t k = 0; k < sizeof(bytes); k++)
        bytes[k] = (uint8_t)k;
    assert_true(n <= sizeof(bytes));
    assert_ok(mxdi_file_write(path, bytes, n, NULL));
}

static void external_case(onnx_case *c, int64_t *dims, const char *location, const char *offset,
                          const char *length)
{
    onnx_case_init(c, "Relu");
    MxdiOnnx__Tensor *const t = onnx_tensor(c, "w", 1, dims, 1);
    t->data_location = t->has_data_location = 1;
    t->external_data                        = c->pairs;
    const char *const keys[]                = { "location", "offset", "length", "checksum" };
    const char *const values[]              = { location, offset, length, "?" };
    for (size_t k = 0; k < 4; k++)
        if (values[k]) {
            MxdiOnnx__TextPair *const pair = c->pairs[t->n_external_data++];
            pair->key                      = onnx_text(keys[k]);
            pair->value                    = onnx_text(values[k]);
        }
}

static void external_data_is_mapped(void **state)
{
    (void)state;
    onnx_case c;
    int64_t   dims[1] = { 4 };
    put_file("w.bin", 64);
    assert_ok(mxdi_mkdirs("sub", NULL));
    put_file("sub/w.bin", 64);
    static const struct {
        const char *location, *offset, *length;
        uint8_t     first;
    } good[] = {
        { "w.bin", NULL, NULL, 0 },    { "w.bin", "16", "16", 16 }, { "./w.bin", "48", NULL, 48 },
        { "sub/w.bin", "4", "16", 4 }, { "w.bin", "3", "16", 3 }, /* not aligned: copied */
    };
    for (size_t k = 0; k < sizeof(good) / sizeof(good[0]); k++) {
        mxdi_graph *g = NULL;
        external_case(&c, dims, good[k].location, good[k].offset, good[k].length);
        assert_ok(onnx_load(&g, &c, ".", NULL));
        const mxd_value *const w = &g->value[mxdi_graph_find_value(g, "w")];
        assert_int_equal(w->bytes, 16);
        assert_int_equal(*(const uint8_t *)w->data, good[k].first);
        assert_int_equal((uintptr_t)w->data % sizeof(float), 0);
        mxdi_graph_destroy(g);
    }
}

static void external_data_stays_inside(void **state)
{
    (void)state;
    onnx_case c;
    int64_t   dims[1] = { 4 };
    assert_ok(mxdi_mkdirs("model", NULL));
    put_file("secret.bin", 64);
    put_file("model/w.bin", 64);
    assert_int_equal(symlink("../secret.bin", "model/link.bin"), 0);
    assert_ok(mxdi_mkdirs("models", NULL)); /* begins like the folder, and is another */
    put_file("models/w.bin", 64);
    assert_int_equal(symlink("../models/w.bin", "model/near.bin"), 0);
    assert_int_equal(symlink("w.bin", "model/fine.bin"), 0);
    static const struct {
        const char *location, *offset, *length;
        mxd_status  status;
        const char *says;
    } bad[] = {
        { "", NULL, NULL, MXD_E_INVAL, "got ''" },
        { NULL, NULL, NULL, MXD_E_INVAL, "got ''" },
        { "../secret.bin", NULL, NULL, MXD_E_INVAL, "inside the model's folder" },
        { "x/../../secret.bin", NULL, NULL, MXD_E_INVAL, "inside the model's folder" },
        { "/etc/hostname", NULL, NULL, MXD_E_INVAL, "inside the model's folder" },
        { "a//b", NULL, NULL, MXD_E_INVAL, "inside the model's folder" },
        { "w.bin/", NULL, NULL, MXD_E_INVAL, "inside the model's folder" },
        { ".", NULL, NULL, MXD_E_INVAL, "inside the model's folder" },
        { "..", NULL, NULL, MXD_E_INVAL, "inside the model's folder" },
        { "link.bin", NULL, NULL, MXD_E_INVAL, "links out" },
        { "near.bin", NULL, NULL, MXD_E_INVAL, "links out" },
        { "none.bin", NULL, NULL, MXD_E_IO, "none.bin" },
        { "w.bin", "49", NULL, MXD_E_INVAL, "ends at 64" },
        { "w.bin", "18446744073709551615", NULL, MXD_E_INVAL, "ends at 64" },
        { "w.bin", "18446744073709551616", NULL, MXD_E_INVAL, "offset" },
        { "w.bin", "-1", NULL, MXD_E_INVAL, "offset" },
        { "w.bin", "", NULL, MXD_E_INVAL, "offset" },
        { "w.bin", NULL, "15", MXD_E_SHAPE, "expected 16 bytes for its shape, got length 15" },
        { "w.bin", NULL, "1x", MXD_E_INVAL, "length" },
    };
    for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
        mxdi_graph *g   = NULL;
        mxd_error   err = MXD_ERROR_INIT;
        external_case(&c, dims, bad[k].location, bad[k].offset, bad[k].length);
        assert_int_equal(onnx_load(&g, &c, "model", &err), bad[k].status);
        ASSERT_SAYS(err, bad[k].says);
        ASSERT_SAYS(err, "tensor 'w'");
    }
    mxdi_graph *g = NULL;
    external_case(&c, dims, "fine.bin", NULL, NULL);
    assert_ok(onnx_load(&g, &c, "model", NULL));
    mxdi_graph_destroy(g);
    external_case(&c, dims, "w.bin", NULL, NULL);
    onnx_refused(&c, MXD_E_UNSUPPORTED, "not read here");
}

/* Many tensors over the same bytes, none aligned: copies may not exceed what is there. */
static void external_data_is_not_multiplied(void **state)
{
    (void)state;
    onnx_case   c;
    mxdi_graph *g       = NULL;
    mxd_error   err     = MXD_ERROR_INIT;
    int64_t     dims[1] = { 15 };
    put_file("w.bin", 64);
    external_case(&c, dims, "w.bin", "1", NULL);
    for (size_t k = 1; k < 3; k++) {
        c.tensor[k]      = c.tensor[0];
        c.tensor[k].name = onnx_text(k == 1 ? "v" : "u");
    }
    c.graph.n_initializer = 3;
    assert_int_equal(onnx_load(&g, &c, ".", &err), MXD_E_UNSUPPORTED);
    ASSERT_SAYS(err, "overlap");
}

static void files_are_found_beside_the_model(void **state)
{
    (void)state;
    onnx_case   c;
    mxdi_graph *g       = NULL;
    mxd_error   err     = MXD_ERROR_INIT;
    int64_t     dims[1] = { 4 };
    assert_ok(mxdi_mkdirs("model", NULL));
    put_file("model/w.bin", 64);
    external_case(&c, dims, "w.bin", NULL, NULL);
    mxdi_bytes b = onnx_pack(&c);
    assert_ok(mxdi_file_write("model/m.onnx", b.data, b.size, NULL));
    assert_ok(mxdi_file_write("m.onnx", b.data, b.size, NULL));
    assert_ok(mxdi_onnx_load(&g, "model/m.onnx", NULL, NULL));
    mxdi_graph_destroy(g);
    assert_int_equal(mxdi_onnx_load(&g, "m.onnx", NULL, &err), MXD_E_IO);
    ASSERT_SAYS(err, "m.onnx: tensor 'w'");
    assert_int_equal(mxdi_onnx_load(&g, "none.onnx", NULL, &err), MXD_E_IO);
    ASSERT_SAYS(err, "none.onnx");
    assert_null(g);
    assert_int_equal(mxdi_onnx_load(&g, "model", NULL, &err), MXD_E_IO);
    assert_ok(mxdi_file_write("text", "not a model", 11, NULL));
    assert_int_equal(mxdi_onnx_load(&g, "text", NULL, &err), MXD_E_PARSE);
    ASSERT_SAYS(err, "text: not an ONNX file");
    mxdi_bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(flipped_anywhere),
        cmocka_unit_test(things_that_are_no_models),
        cmocka_unit_test(continued_messages),
        cmocka_unit_test(broken_lists),
        cmocka_unit_test(swollen_files),
        cmocka_unit_test(out_of_memory_at_every_step),
        IN_FOLDER(external_data_is_mapped),
        IN_FOLDER(external_data_stays_inside),
        IN_FOLDER(external_data_is_not_multiplied),
        IN_FOLDER(files_are_found_beside_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
