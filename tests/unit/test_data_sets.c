/* SPDX-License-Identifier: Apache-2.0
 *
 * data: idx, cifar10, npy, npz and onnx sets made here, read back exactly; order, layout, scaling;
 * broken files.
 */
#include <lzma.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/npy.h"
#include "data_case.h"
#include "test_folder.h"

static void read_all(const mxdi_data *d, void *out)
{
    mxd_error err = MXD_ERROR_INIT;
    if (mxdi_data_read(d, 0, 0, mxdi_data_samples(d), out, &err) != MXD_OK)
        fail_msg("%s", err.msg);
}

static void write_gz(const char *path, const void *data, unsigned n)
{
    const gzFile z = gzopen(path, "wb");
    assert_int_equal(gzwrite(z, data, n), (int)n);
    assert_int_equal(gzclose(z), Z_OK);
}

static void save(const char *path, mxd_dtype dtype, const void *data, int32_t rank,
                 const int64_t *dim)
{
    mxd_tensor t = { (void *)(uintptr_t)data, dtype, rank, { 0 } };
    memcpy(t.dim, dim, (size_t)rank * sizeof(*dim));
    assert_int_equal(mxdi_npy_save(path, &t, NULL), MXD_OK);
}

/* Five pictures of 2 x 3 and their labels. */
static const uint8_t idx_pictures[16 + 30] = { 0,  0,  8,  3,  0,   0,   0,   5,   0,   0,  0,  2,
                                               0,  0,  0,  3,  0,   1,   2,   3,   4,   5,  10, 11,
                                               12, 13, 14, 15, 20,  21,  22,  23,  24,  25, 30, 31,
                                               32, 33, 34, 35, 250, 251, 252, 253, 254, 255 };
static const uint8_t idx_labels[8 + 5]     = { 0, 0, 8, 1, 0, 0, 0, 5, 7, 6, 5, 4, 3 };

static void idx_files(void **state)
{
    (void)state;
    float x[30];
    write_bytes("x", idx_pictures, sizeof(idx_pictures));
    write_gz("y.gz", idx_labels, sizeof(idx_labels));
    mxdi_data *d = open_set("idx:x,y.gz,scale=1/255,mean=0.1,std=0.3");
    assert_int_equal(mxdi_data_samples(d), 5);
    assert_int_equal(mxdi_data_n_inputs(d), 1);
    const mxdi_data_input *const in = mxdi_data_input_at(d, 0);
    assert_true(in->rank == 3 && in->dim[0] == 1 && in->dim[1] == 2 && in->dim[2] == 3 &&
                in->dtype == MXD_F32);
    assert_true(in->elements == 6 && in->bytes == 24 && in->name == NULL);
    assert_int_equal(mxdi_data_labels(d)[0], 7);
    assert_int_equal(mxdi_data_labels(d)[4], 3);
    read_all(d, x);
    for (int i = 0; i < 30; i++) { /* each operation rounds once, in this order */
        const float scaled = (float)idx_pictures[16 + i] * (float)(1.0 / 255);
        const float moved  = scaled - 0.1f;
        assert_true(x[i] == moved / 0.3f);
    }
    assert_int_equal(mxdi_data_read(d, 0, 4, 2, x, NULL), MXD_E_RANGE);
    assert_int_equal(mxdi_data_read(d, 1, 0, 1, x, NULL), MXD_E_RANGE);
    assert_int_equal(mxdi_data_read(d, 0, -1, 1, x, NULL), MXD_E_RANGE);
    assert_int_equal(mxdi_data_read(d, 0, 5, 0, x, NULL), MXD_OK);
    mxdi_data_close(d);
    mxdi_data_close(NULL);

    d = open_set("idx:x,skip=1,subset=2");
    assert_null(mxdi_data_labels(d));
    assert_int_equal(mxdi_data_samples(d), 2);
    read_all(d, x);
    assert_true(x[0] == 10 && x[11] == 25);
    mxdi_data_close(d);
    d = open_set("idx:x,layout=nhwc,shape=6");
    read_all(d, x);
    assert_true(x[7] == 11 && mxdi_data_input_at(d, 0)->rank == 1);
    mxdi_data_close(d);
    d = open_set("idx:x,y.gz,skip=4,subset=100");
    assert_int_equal(mxdi_data_samples(d), 1);
    assert_int_equal(mxdi_data_labels(d)[0], 3);
    mxdi_data_close(d);
}

static void broken_idx_files(void **state)
{
    (void)state;
    write_bytes("x", idx_pictures, sizeof(idx_pictures));
    write_bytes("y", idx_labels, sizeof(idx_labels));
    write_bytes("cut", idx_pictures, sizeof(idx_pictures) - 1);
    write_bytes("head", idx_pictures, 9);
    write_bytes("four", idx_labels + 4, 4);
    uint8_t labels[sizeof(idx_labels)];
    memcpy(labels, idx_labels, sizeof(labels));
    labels[7] = 4;
    write_bytes("fewer", labels, sizeof(labels));
    labels[2] = 13;
    write_bytes("floats", labels, sizeof(labels));
    write_bytes("png", "\x89PNG\r\n\x1a\n", 8);
    const uint8_t huge[] = {
        0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255
    };
    write_bytes("huge", huge, sizeof(huge));
    refuses("idx:nowhere", MXD_E_IO, "nowhere: cannot be opened: No such file");
    refuses("idx:x,nowhere", MXD_E_IO, "nowhere");
    refuses("idx:cut", MXD_E_PARSE, "cut: IDX: expected 30 bytes of data, got 29: cut short");
    refuses("idx:head", MXD_E_PARSE, "cut short");
    refuses("idx:png", MXD_E_PARSE, "png: expected an IDX file");
    refuses("idx:huge", MXD_E_RANGE, "too large");
    refuses("idx:x,floats", MXD_E_UNSUPPORTED, "type 8");
    refuses("idx:x,fewer", MXD_E_SHAPE, "fewer: labels: expected 5, one per sample, got 4");
    refuses("idx:x,x", MXD_E_SHAPE, "labels");
    refuses("idx:x,y,skip=5", MXD_E_RANGE, "skip: expected less than the 5 samples");
    refuses("idx:x,mean=1:2", MXD_E_USAGE, "mean: expected 1 or 1 numbers");
    refuses("idx:x,channels=bgr", MXD_E_USAGE, "expected 3 channels, got 1");
    refuses("idx:x,shape=7", MXD_E_SHAPE, "expected 6 elements");
}

/* Record r: label r, pixel k of channel c: (r * 64 + c * 16 + k) & 255. */
static void fill_cifar(uint8_t *records, int n)
{
    for (int r = 0; r < n; r++) {
        records[r * 3073] = (uint8_t)(r % 10);
        for (int k = 0; k < 3072; k++)
            records[r * 3073 + 1 + k] = (uint8_t)(r * 64 + k / 1024 * 16 + k % 1024);
    }
}

static void cifar_batches(void **state)
{
    (void)state;
    static uint8_t records[5 * 3073], packed[20000];
    static float   x[5 * 3072];
    size_t         n = 0;
    fill_cifar(records, 5);
    write_bytes("a.bin", records, 2 * 3073);
    assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, NULL, records + 2 * 3073,
                                             2 * 3073, packed, &n, sizeof(packed)),
                     LZMA_OK);
    write_bytes("b.bin.xz", packed, n);
    write_gz("c.bin.gz", records + 4 * 3073, 3073);
    mxdi_data *d = open_set("cifar10:a.bin,b.bin.xz,c.bin.gz,channels=bgr,mean=1:2:3,scale=2:3:4");
    assert_int_equal(mxdi_data_samples(d), 5);
    read_all(d, x);
    for (int r = 0; r < 5; r++) {
        assert_int_equal(mxdi_data_labels(d)[r], r);
        for (int k = 0; k < 3072;
             k++) { /* scale and mean belong to the channel that is delivered */
            const int c = k / 1024;
            assert_true(x[r * 3072 + k] ==
                        (float)records[r * 3073 + 1 + (2 - c) * 1024 + k % 1024] * (float)(c + 2) -
                            (float)(c + 1));
        }
    }
    const int64_t index[] = { 4, 0, 4 };
    assert_int_equal(mxdi_data_gather(d, 0, index, 3, x, NULL), MXD_OK);
    assert_true(x[0] == x[2 * 3072] && x[1024] == (float)records[4 * 3073 + 1025] * 3 - 2);
    const int64_t outside[] = { 5 }, negative[] = { -1 };
    assert_int_equal(mxdi_data_gather(d, 0, outside, 1, x, NULL), MXD_E_RANGE);
    assert_int_equal(mxdi_data_gather(d, 0, negative, 1, x, NULL), MXD_E_RANGE);
    mxdi_data_close(d);

    write_bytes("cut.bin", records, 3000);
    refuses("cifar10:a.bin,cut.bin", MXD_E_PARSE, "cut.bin: expected CIFAR-10 records");
    records[3073] = 10;
    write_bytes("bad.bin", records, sizeof(records));
    refuses("cifar10:bad.bin", MXD_E_PARSE, "bad.bin: record 1: expected a label below 10, got 10");
    write_bytes("empty.bin", records, 0);
    refuses("cifar10:empty.bin", MXD_E_INVAL, "expected samples, got none");
    refuses("cifar10:nowhere.bin,sclae=1", MXD_E_USAGE, "'scale'"); /* keys before files */
}

/* Bytes as they are in the file, for networks that scale them: both orders of both layouts, and
 * other orders of channels and samples as ever. */
static void raw_bytes(void **state)
{
    (void)state;
    uint8_t       raw[2 * 2 * 4 * 3], x[sizeof(raw)];
    const int64_t first[4] = { 2, 3, 2, 4 }, last[4] = { 2, 2, 4, 3 };
    for (size_t i = 0; i < sizeof(raw); i++)
        raw[i] = (uint8_t)(i * 5 + 7);
    save("first.npy", MXD_U8, raw, 4, first);
    save("last.npy", MXD_U8, raw, 4, last);
    for (int form = 0; form < 8; form++) {
        char       spec[96];
        const bool nhwc = form & 1, to_last = form & 2, bgr = form & 4;
        (void)snprintf(spec, sizeof(spec), "npy:%s,scale=1/255,mean=1:2:3%s,skip=1%s",
                       nhwc ? "last.npy" : "first.npy", nhwc ? ",layout=nhwc" : "",
                       bgr ? ",channels=bgr" : "");
        mxdi_data *const d = open_set(spec);
        assert_true(mxdi_data_is_bytes(d, 0) && !mxdi_data_is_bytes(d, 1));
        assert_int_equal(mxdi_data_read_bytes(d, 0, 0, 1, to_last, x, NULL), MXD_OK);
        for (int c = 0; c < 3; c++)
            for (int p = 0; p < 8; p++) {
                const int from = bgr ? 2 - c : c;
                assert_int_equal(x[to_last ? 3 * p + c : 8 * c + p],
                                 raw[24 + (nhwc ? 3 * p + from : 8 * from + p)]);
            }
        assert_int_equal(mxdi_data_read_bytes(d, 0, 0, 2, to_last, x, NULL), MXD_E_RANGE);
        mxdi_data_close(d);
    }
    const float scaled[2] = { 0.5f, 1 };
    save("f.npy", MXD_F32, scaled, 1, (const int64_t[]){ 2 });
    mxdi_data *const d = open_set("npy:f.npy");
    assert_false(mxdi_data_is_bytes(d, 0));
    assert_int_equal(mxdi_data_read_bytes(d, 0, 0, 1, false, x, NULL), MXD_E_DTYPE);
    mxdi_data_close(d);
}

static void npy_arrays(void **state)
{
    (void)state;
    int16_t       raw[2 * 3 * 4 * 2];
    const int64_t dim[4] = { 2, 3, 4, 2 }, label_dim[2] = { 2, 1 };
    float         x[48];
    for (int i = 0; i < 48; i++)
        raw[i] = (int16_t)(i * 700 - 16000);
    save("x.npy", MXD_S16, raw, 4, dim);
    const int64_t labels[2] = { -1, 1000 };
    save("y.npy", MXD_S64, labels, 2, label_dim);
    mxdi_data                   *d  = open_set("npy:x.npy,labels=y.npy,layout=nhwc,mean=1:2");
    const mxdi_data_input *const in = mxdi_data_input_at(d, 0);
    assert_true(in->dim[0] == 2 && in->dim[1] == 3 && in->dim[2] == 4);
    assert_int_equal(mxdi_data_labels(d)[0], -1);
    read_all(d, x);
    for (int n = 0; n < 2; n++)
        for (int c = 0; c < 2; c++)
            for (int p = 0; p < 12; p++)
                assert_true(x[n * 24 + c * 12 + p] ==
                            (float)raw[n * 24 + p * 2 + c] - (float)(c + 1));
    mxdi_data_close(d);

    const double doubles[3] = { 0.1, -1e300, 16777217.0 };
    save("d.npy", MXD_F64, doubles, 1, (const int64_t[]){ 3 });
    d = open_set("npy:d.npy");
    assert_int_equal(mxdi_data_input_at(d, 0)->rank, 0);
    read_all(d, x);
    assert_true(x[0] == 0.1f && x[1] < -3e38f && x[2] == 16777216.0f);
    mxdi_data_close(d);
    const int64_t big[1] = { ((int64_t)1 << 54) + ((int64_t)1 << 30) +
                             1 }; /* through a double it would round to even first */
    save("b.npy", MXD_S64, big, 1, (const int64_t[]){ 1 });
    d = open_set("npy:b.npy");
    read_all(d, x);
    assert_true(x[0] == (float)big[0] && x[0] > 0x1p54f);
    mxdi_data_close(d);

    refuses("npy:x.npy,labels=d.npy", MXD_E_DTYPE, "d.npy: labels: expected integers, got f64");
    refuses("npy:x.npy,labels=b.npy", MXD_E_SHAPE, "b.npy: labels: expected 2");
    refuses("npy:x.npy,std=1:2", MXD_E_USAGE,
            "std: expected 1 or 3 numbers, one per channel, got 2");
    save("s.npy", MXD_F32, x, 0, dim);
    refuses("npy:s.npy", MXD_E_SHAPE, "got a scalar");
    save("e.npy", MXD_F32, x, 2, (const int64_t[]){ 3, 0 });
    refuses("npy:e.npy", MXD_E_SHAPE, "with elements");
    write_bytes("t.npy", "hello", 5);
    refuses("npy:t.npy", MXD_E_PARSE, "t.npy: npy header");
}

static void shuffled_and_split(void **state)
{
    (void)state;
    enum { N = 100 };
    float raw[N], x[N], again[N], tail[N];
    for (int i = 0; i < N; i++)
        raw[i] = (float)i;
    save("x.npy", MXD_F32, raw, 1, (const int64_t[]){ N });
    mxdi_data *d = open_set("npy:x.npy,shuffle=3");
    read_all(d, x);
    mxdi_data_close(d);
    d = open_set("npy:x.npy,shuffle=3,subset=60");
    read_all(d, again);
    assert_memory_equal(x, again, 60 * sizeof(float));
    mxdi_data_close(d);
    d = open_set("npy:x.npy,shuffle=3,skip=60");
    read_all(d, tail);
    assert_memory_equal(x + 60, tail, 40 * sizeof(float));
    mxdi_data_close(d);
    int met[N] = { 0 }, in_place = 0;
    for (int i = 0; i < N; i++) {
        assert_int_equal(met[(int)x[i]]++, 0);
        in_place += x[i] == (float)i;
    }
    assert_true(in_place < 20);
    d = open_set("npy:x.npy,shuffle=4");
    read_all(d, again);
    assert_memory_not_equal(x, again, sizeof(x));
    mxdi_data_close(d);
}

/* An .npz of name and array pairs. */
static void save_npz(const char *path, const char *const *name, const mxd_tensor *t, size_t n)
{
    int          code = 0;
    mxdi_bytes   b[4] = { MXDI_BYTES_INIT, MXDI_BYTES_INIT, MXDI_BYTES_INIT, MXDI_BYTES_INIT };
    zip_t *const z    = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    assert_non_null(z);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(mxdi_npy_format(&b[i], &t[i], NULL), MXD_OK);
        assert_true(zip_file_add(z, name[i], zip_source_buffer(z, b[i].data, b[i].size, 0), 0) >=
                    0);
    }
    assert_int_equal(zip_close(z), 0);
    for (size_t i = 0; i < n; i++)
        mxdi_bytes_free(&b[i]);
}

static void npz_arrays(void **state)
{
    (void)state;
    int64_t                  ids[6]   = { 1, 2, 3, 4, 5, (int64_t)1 << 40 };
    float                    mask[6]  = { 0, 1, 0, 1, 0, 1 };
    uint8_t                  label[2] = { 1, 0 };
    const mxd_tensor         t[]      = { { ids, MXD_S64, 2, { 2, 3 } },
                                          { mask, MXD_F32, 2, { 2, 3 } },
                                          { label, MXD_U8, 1, { 2 } } };
    static const char *const names[]  = { "ids.npy", "mask.npy", "y.npy" };
    save_npz("a.npz", names, t, 3);
    mxdi_data *d = open_set("npz:a.npz,inputs=input_ids:ids:m:mask,labels=y,scale=2");
    assert_int_equal(mxdi_data_n_inputs(d), 2);
    assert_string_equal(mxdi_data_input_at(d, 0)->name, "input_ids");
    assert_string_equal(mxdi_data_input_at(d, 1)->name, "m");
    assert_int_equal(mxdi_data_input_at(d, 0)->dtype, MXD_S64); /* integers are not scaled */
    assert_int_equal(mxdi_data_labels(d)[0], 1);
    int64_t got[3];
    float   x[6];
    assert_int_equal(mxdi_data_read(d, 0, 1, 1, got, NULL), MXD_OK);
    assert_memory_equal(got, ids + 3, sizeof(got));
    assert_int_equal(mxdi_data_read(d, 1, 0, 2, x, NULL), MXD_OK);
    assert_true(x[0] == 0 && x[5] == 2);
    mxdi_data_close(d);
    d = open_set("npz:a.npz,x=ids");
    read_all(d, x);
    assert_true(mxdi_data_input_at(d, 0)->dtype == MXD_F32 && x[5] == 0x1p40f);
    mxdi_data_close(d);
    refuses("npz:a.npz", MXD_E_USAGE, "expected x=NAME");
    refuses("npz:a.npz,x=idz", MXD_E_USAGE,
            "a.npz: no array 'idz', did you mean 'ids'; there are ids mask y");
    refuses("npz:none.npz", MXD_E_IO, "none.npz: no such file");
    save_npz("two.npz", names + 1, t + 1, 2);
    d = open_set("npz:two.npz,labels=y"); /* the only array left is the input */
    assert_int_equal(mxdi_data_samples(d), 2);
    mxdi_data_close(d);

    mxdi_file f = MXDI_FILE_INIT;
    assert_int_equal(mxdi_file_map(&f, "a.npz", NULL), MXD_OK);
    write_bytes("cut.npz", f.bytes.data, f.bytes.size / 2);
    mxdi_file_unmap(&f);
    refuses("npz:cut.npz,x=ids", MXD_E_PARSE, "cut.npz");
    const mxd_tensor fewer[] = { { ids, MXD_S64, 2, { 2, 3 } }, { mask, MXD_F32, 2, { 1, 3 } } };
    save_npz("b.npz", names, fewer, 2);
    refuses("npz:b.npz,inputs=a:ids:b:mask", MXD_E_SHAPE,
            "mask: expected 2 samples as in the first input, got 1");
}

/* TensorProto messages, written by hand. */
static void write_set(int set, int input, const void *bytes, size_t n)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "m/test_data_set_%d", set);
    assert_int_equal(mxdi_mkdirs(path, NULL), MXD_OK);
    (void)snprintf(path, sizeof(path), "m/test_data_set_%d/input_%d.pb", set, input);
    write_bytes(path, bytes, n);
}
#define PROTO(set, input, text) write_set(set, input, text, sizeof(text) - 1)

static void onnx_test_sets(void **state)
{
    (void)state;
    /* dims 1, 2 one by one; float; name "x"; raw_data 1.0, 2.0 */
    PROTO(0, 0, "\x08\x01\x08\x02\x10\x01\x42\x01x\x4A\x08\0\0\x80\x3F\0\0\0\x40");
    /* dims packed; float_data packed: 3, 4, -0.5, 0 in two samples; an unknown field that must be
     * skipped */
    PROTO(
        1, 0,
        "\x0A\x02\x02\x02\x10\x01\x22\x10\0\0\x40\x40\0\0\x80\x40\0\0\0\xBF\0\0\0\0\xF2\x01\x02zz");
    /* int64 ids: int64_data 7, -1 one by one; then raw in the second set */
    PROTO(
        0, 1,
        "\x08\x01\x08\x02\x10\x07\x38\x07\x38\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x42\x03ids");
    PROTO(
        1, 1,
        "\x08\x02\x08\x02\x10\x07\x4A\x20\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0");
    mxdi_data *d = open_set("onnx:m,scale=2");
    assert_int_equal(mxdi_data_samples(d), 3);
    assert_int_equal(mxdi_data_n_inputs(d), 2);
    assert_string_equal(mxdi_data_input_at(d, 0)->name, "x");
    assert_string_equal(mxdi_data_input_at(d, 1)->name, "ids");
    float         x[6];
    int64_t       ids[6];
    const float   want_x[6]   = { 2, 4, 6, 8, -1, 0 };
    const int64_t want_ids[6] = { 7, -1, 1, 2, 3, 4 };
    read_all(d, x);
    assert_memory_equal(x, want_x, sizeof(x));
    assert_int_equal(mxdi_data_read(d, 1, 0, 3, ids, NULL), MXD_OK);
    assert_memory_equal(ids, want_ids, sizeof(ids));
    mxdi_data_close(d);
}

static void broken_onnx_sets(void **state)
{
    (void)state;
    static const struct row {
        const char *bytes;
        size_t      n;
        mxd_status  status;
        const char *says;
    } rows[] = {
#define ROW(text, status, says) { text, sizeof(text) - 1, status, says }
        ROW("", MXD_E_UNSUPPORTED, "element type 0"),
        ROW("\x08\x01\x08", MXD_E_PARSE, "cut short"),
        ROW("\x08\x01\x08\x02\x10\x01\x4A\x08\0\0\x80\x3F", MXD_E_PARSE, "cut short"),
        ROW("\x08\x01\x08\x02\x10\x01\x4A\x04\0\0\x80\x3F", MXD_E_PARSE,
            "expected 8 bytes of data, got 4"),
        ROW("\x08\x01\x10\x01\x4A\x08\0\0\x80\x3F\0\0\0\0", MXD_E_PARSE,
            "expected 4 bytes of data, got 8"),
        ROW("\x08\x01\x08\x02\x10\x01\x22\x04\0\0\x80\x3F", MXD_E_PARSE,
            "expected 2 elements, got 1"),
        ROW("\x08\x01\x10\x01\x22\x03\0\0\x80", MXD_E_PARSE, "elements"),
        ROW("\x08\x01\x10\x08\x32\x01\x61", MXD_E_UNSUPPORTED, "element type 8"),
        ROW("\x08\x01\x10\x01\x70\x01", MXD_E_UNSUPPORTED, "external"),
        ROW("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\x08\x7F\x10\x01", MXD_E_RANGE, "too large"),
        ROW("\x08\xFF\xFF\xFF\xFF\x0F\x10\x01", MXD_E_PARSE, "expected 4294967295 elements"),
        ROW("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x10\x01", MXD_E_PARSE,
            "not one"), /* dim -1 */
        ROW("\x10\x01\x4A\x04\0\0\x80\x3F", MXD_E_SHAPE, "scalar"),
        ROW("\x0F\x01", MXD_E_PARSE, "not one"),
        ROW("<html>", MXD_E_PARSE, "not one"),
#undef ROW
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_set(0, 0, rows[i].bytes, rows[i].n);
        refuses("onnx:m", rows[i].status, rows[i].says);
    }
    PROTO(0, 0, "\x08\x01\x10\x01\x4A\x04\0\0\x80\x3F");
    PROTO(1, 0, "\x08\x01\x08\x01\x10\x01\x4A\x04\0\0\x80\x3F");
    refuses("onnx:m", MXD_E_SHAPE, "test_data_set_1/input_0.pb: expected the type and shape");
    uint8_t many[8 + 16000] = "\x08\x01\x10\x01\x22\x80\x7D"; /* 4000 elements for a shape of one,
                                                                 past any block of memory */
    write_set(0, 0, many, 7 + 16000);
    refuses("onnx:m", MXD_E_PARSE, "expected 1 elements, got 4000");
    refuses("onnx:none", MXD_E_IO, "none: expected a folder with test_data_set_0");
}

static void memory_runs_out(void **state)
{
    (void)state;
    static uint8_t records[3073], packed[4096];
    float          x[3072];
    int64_t        ids[6] = { 0 };
    size_t         n      = 0;
    fill_cifar(records, 1);
    write_gz("x.gz", idx_pictures, sizeof(idx_pictures));
    write_bytes("y", idx_labels, sizeof(idx_labels));
    refuse_each_allocation("idx:x.gz,y,mean=1,shuffle=1", x);
    assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, records, sizeof(records),
                                             packed, &n, sizeof(packed)),
                     LZMA_OK);
    write_bytes("c.xz", packed, n);
    refuse_each_allocation("cifar10:c.xz", x);
    const mxd_tensor t[] = { { ids, MXD_S64, 2, { 2, 3 } }, { ids, MXD_S64, 1, { 2 } } };
    save_npz("a.npz", (const char *const[]){ "ids.npy", "y.npy" }, t, 2);
    refuse_each_allocation("npz:a.npz,inputs=a:ids,labels=y", x);
    save("x.npy", MXD_S64, ids, 2, (const int64_t[]){ 2, 3 });
    refuse_each_allocation("npy:x.npy,shape=3:1", x);
    PROTO(0, 0, "\x08\x01\x08\x02\x10\x01\x42\x01x\x22\x08\0\0\x80\x3F\0\0\0\x40");
    refuse_each_allocation("onnx:m", x);
}

static void fashion_mnist(void **state)
{
    (void)state;
    if (!mxdi_path_exists("/usr/share/datasets/fashion-mnist")) {
        print_message("[  SKIP  ] dataset-fashion-mnist is not installed\n");
        refuses("fashion-mnist", MXD_E_IO, "apt-get install dataset-fashion-mnist");
        return;
    }
    mxdi_data *d = open_set("fashion-mnist,subset=2");
    float      x[2 * 784], largest = 0;
    read_all(d, x);
    for (int i = 0; i < 2 * 784; i++) {
        assert_true(x[i] >= 0 && x[i] <= 1);
        largest = x[i] > largest ? x[i] : largest;
    }
    assert_true(largest > 0.9f);
    assert_int_equal(mxdi_data_labels(d)[0], 9); /* an ankle boot */
    assert_int_equal(mxdi_data_labels(d)[1], 2);
    mxdi_data_close(d);
    refuses("fashion-mnist:val", MXD_E_USAGE, "train or test, got 'val'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(idx_files),       IN_FOLDER(broken_idx_files), IN_FOLDER(cifar_batches),
        IN_FOLDER(npy_arrays),      IN_FOLDER(npz_arrays),       IN_FOLDER(shuffled_and_split),
        IN_FOLDER(onnx_test_sets),  IN_FOLDER(broken_onnx_sets), IN_FOLDER(fashion_mnist),
        IN_FOLDER(memory_runs_out), IN_FOLDER(raw_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
