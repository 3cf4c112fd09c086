/* SPDX-License-Identifier: Apache-2.0
 *
 * base: .npy headers as NumPy writes them, broken ones, and what we write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/dtype.h"
#include "base/file.h"
#include "base/npy.h"

/* A version-`major` file with this header text and `n` data bytes 0, 1, 2 ... into out; its size.
 */
static size_t make(uint8_t *out, uint8_t major, const char *header, size_t n)
{
    const size_t length = strlen(header), start = major == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = major;
    out[7] = 0;
    out[8] = (uint8_t)length;
    out[9] = (uint8_t)(length >> 8);
    if (major > 1)
        out[10] = out[11] = 0;
    memcpy(out + start, header, length);
    for (size_t i = 0; i < n; i++)
        out[start + length + i] = (uint8_t)i;
    return start + length + n;
}

static mxd_status parse(mxd_tensor *t, uint8_t major, const char *header, size_t n, mxd_error *err)
{
    static uint8_t file[4096];
    const size_t   size = make(file, major, header, n);
    return mxdi_npy_parse(t, (mxdi_view){ file, size }, err);
}

static void headers_as_written_by_numpy(void **state)
{
    (void)state;
    mxd_tensor t;
    assert_int_equal(parse(&t, 1,
                           "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }     \n", 24,
                           NULL),
                     MXD_OK);
    assert_int_equal(t.dtype, MXD_F32);
    assert_int_equal(t.rank, 2);
    assert_int_equal(t.dim[1], 3);
    assert_int_equal(((const uint8_t *)t.data)[5], 5);
    assert_int_equal(
        parse(&t, 2, "{'descr': '|i1', 'fortran_order': False, 'shape': (7,), }\n", 7, NULL),
        MXD_OK);
    assert_int_equal(t.dtype, MXD_S8);
    assert_int_equal(t.rank, 1);
    assert_int_equal(
        parse(&t, 3, "{\"shape\":(),\"descr\":\"<i8\",\"fortran_order\":True}", 8, NULL), MXD_OK);
    assert_int_equal(t.dtype, MXD_S64);
    assert_int_equal(t.rank, 0);
    assert_int_equal(
        parse(&t, 1, "{'descr': '|b1', 'fortran_order': False, 'shape': (0, 4L), }", 0, NULL),
        MXD_OK);
    assert_int_equal(t.dim[0], 0);
}

static void broken_headers_are_refused(void **state)
{
    (void)state;
    static const struct row {
        const char *header;
        mxd_status  status;
        const char *says;
    } rows[] = {
        { "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", MXD_E_UNSUPPORTED,
          "Fortran" },
        { "{'descr': '>f4', 'fortran_order': False, 'shape': (6,), }", MXD_E_UNSUPPORTED, "'>f4'" },
        { "{'descr': '<c8', 'fortran_order': False, 'shape': (3,), }", MXD_E_UNSUPPORTED, "'<c8'" },
        { "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }", MXD_E_UNSUPPORTED,
          "plain" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }", MXD_E_PARSE,
          "expected 28 bytes, got 24" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
          MXD_E_UNSUPPORTED, "8 dimensions" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", MXD_E_RANGE,
          "too large" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
          MXD_E_RANGE, "too large" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", MXD_E_PARSE, "count" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}", MXD_E_PARSE, "','" },
        { "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}", MXD_E_PARSE, "True or False" },
        { "{'descr': '<f4', 'shape': (1,)}", MXD_E_PARSE, "fortran_order" },
        { "{'descr': '<f4', 'other': 1}", MXD_E_PARSE, "'other'" },
        { "{'descr': '<f4'", MXD_E_PARSE, "','" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,", MXD_E_PARSE, "count" },
        { "{'descr", MXD_E_PARSE, "key" },
        { "", MXD_E_PARSE, "'{'" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mxd_tensor t;
        mxd_error  err = MXD_ERROR_INIT;
        assert_int_equal(parse(&t, 1, rows[i].header, 24, &err), rows[i].status);
        if (!strstr(err.msg, rows[i].says))
            fail_msg("'%s' does not say '%s'", err.msg, rows[i].says);
    }
    mxd_tensor t;
    mxd_error  err = MXD_ERROR_INIT;
    assert_int_equal(
        mxdi_npy_parse(&t, (mxdi_view){ (const uint8_t *)"PK\3\4 something", 14 }, &err),
        MXD_E_PARSE);
    assert_int_equal(mxdi_npy_parse(&t, (mxdi_view){ NULL, 0 }, &err), MXD_E_PARSE);
    assert_int_equal(
        mxdi_npy_parse(&t, (mxdi_view){ (const uint8_t *)"\x93NUMPY\1\0\xFF\xFF{}", 12 }, &err),
        MXD_E_PARSE);
    assert_int_equal(
        mxdi_npy_parse(&t, (mxdi_view){ (const uint8_t *)"\x93NUMPY\2\0\xFF\xFF\xFF", 11 }, &err),
        MXD_E_UNSUPPORTED);
    assert_int_equal(
        mxdi_npy_parse(&t, (mxdi_view){ (const uint8_t *)"\x93NUMPY\7\0\0\0\0\0", 12 }, &err),
        MXD_E_UNSUPPORTED);
}

/* Cut at every length: refused or, once complete, read; never a byte past the end (heap copies show
 * it to ASan). */
static void any_prefix_is_safe(void **state)
{
    (void)state;
    uint8_t      file[256];
    const size_t size =
        make(file, 1, "{'descr': '<u2', 'fortran_order': False, 'shape': (2, 2), }\n", 8);
    for (size_t n = 0; n <= size; n++) {
        uint8_t *const exact = malloc(n ? n : 1);
        mxd_tensor     t;
        mxd_error      err = MXD_ERROR_INIT;
        memcpy(exact, file, n);
        const mxd_status st = mxdi_npy_parse(&t, (mxdi_view){ exact, n }, &err);
        assert_int_equal(st == MXD_OK, n == size);
        assert_int_equal(err.msg[0] != '\0', n != size);
        free(exact);
    }
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    char path[] = "/tmp/test_base_npy_XXXXXX";
    assert_int_equal(close(mkstemp(path)), 0);
    for (int d = MXD_NONE + 1; d < MXD_DTYPE_COUNT; d++) {
        for (int32_t rank = 0; rank <= MXD_MAX_RANK; rank++) {
            uint64_t   raw[16] = { 0 };
            mxd_tensor t       = { raw, (mxd_dtype)d, rank, { 3, 1, 2, 1, 1, 1, 2, 1 } }, again;
            mxdi_file  f       = MXDI_FILE_INIT;
            int64_t    n       = 0;
            assert_true(mxdi_shape_count(&n, t.dim, rank));
            for (int64_t i = 0; i < n; i++)
                mxdi_store_s64(raw, t.dtype, i, i % 2);
            assert_int_equal(mxdi_npy_save(path, &t, NULL), MXD_OK);
            assert_int_equal(mxdi_file_map(&f, path, NULL), MXD_OK);
            assert_int_equal(mxdi_npy_parse(&again, f.bytes, NULL), MXD_OK);
            assert_int_equal(((const uint8_t *)again.data - f.bytes.data) % 64, 0);
            assert_int_equal(again.rank, rank);
            for (int32_t k = 0; k < rank; k++)
                assert_int_equal(again.dim[k], t.dim[k]);
            for (int64_t i = 0; i < n; i++)
                assert_int_equal(mxdi_load_s64(again.data, again.dtype, i), i % 2);
            const mxd_dtype want = d == MXD_S4                        ? MXD_S8
                                   : d == MXD_U4                      ? MXD_U8
                                   : d == MXD_BF16 || d == MXD_F8E4M3 ? MXD_F32
                                                                      : (mxd_dtype)d;
            assert_int_equal(again.dtype, want);
            mxdi_file_unmap(&f);
        }
    }
    const mxd_tensor none = { NULL, MXD_NONE, 0, { 0 } };
    mxdi_bytes       b    = MXDI_BYTES_INIT;
    assert_int_equal(mxdi_npy_format(&b, &none, NULL), MXD_E_INVAL);
    mxdi_bytes_free(&b);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_as_written_by_numpy),
        cmocka_unit_test(broken_headers_are_refused),
        cmocka_unit_test(any_prefix_is_safe),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
