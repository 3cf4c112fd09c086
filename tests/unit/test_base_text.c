/* SPDX-License-Identifier: Apache-2.0
 *
 * base: error text, patterns, near misses, numbers, fingerprints, JSON.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"

static void status_has_text(void **state)
{
    (void)state;
    assert_string_equal(mxd_status_text(MXD_OK), "success");
    assert_string_equal(mxd_status_text(MXD_E_MISMATCH), "results differ");
    assert_string_equal(mxd_status_text((mxd_status)99), "unknown status");
    assert_int_equal(strspn(mxd_version(), "0123456789."), strlen(mxd_version()));
}

static void fail_tells_one_line(void **state)
{
    (void)state;
    mxd_error err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_fail(&err, MXD_E_SHAPE, "Conv '%s': expected %d", "c1", 3), MXD_E_SHAPE);
    assert_int_equal(err.status, MXD_E_SHAPE);
    assert_string_equal(err.msg, "Conv 'c1': expected 3");
    assert_int_equal(mxdi_fail(NULL, MXD_E_IO, "x"), MXD_E_IO);
    assert_int_equal(mxdi_nomem(&err), MXD_E_NOMEM);
    assert_string_equal(err.msg, "out of memory");

    /* Bytes of a hostile file: control characters, a lone continuation, an overlong form, a
     * surrogate, a cut sequence. */
    mxdi_fail(&err, MXD_E_PARSE, "%s",
              "a\nb\x1b[1m \x80 \xC0\xAF \xED\xA0\x80 gr\xC3\xBC\xC3\x9F \xE2\x82");
    assert_string_equal(err.msg, "a?b?[1m ? ?? ??? gr\xC3\xBC\xC3\x9F ??");
}

static void long_text_is_cut_between_characters(void **state)
{
    (void)state;
    char text[3001];
    for (int i = 0; i < 3000; i += 3)
        memcpy(text + i, "\xE2\x82\xAC", 3);
    text[3000] = '\0';
    for (int shift = 0; shift < 3; shift++) {
        mxd_error err = MXD_ERROR_INIT;
        mxdi_fail(&err, MXD_E_PARSE, "%.*s%s", shift, "xx", text);
        const size_t n = strlen(err.msg);
        assert_in_range(n, sizeof(err.msg) - 4, sizeof(err.msg) - 1);
        assert_string_equal(err.msg + n - 3, "...");
        assert_null(strchr(err.msg, '?'));
    }
}

static void wrap_and_also(void **state)
{
    (void)state;
    mxd_error err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_wrap(&err, MXD_OK, "place"), MXD_OK);
    assert_string_equal(err.msg, "");
    mxdi_fail(&err, MXD_E_PARSE, "line 3: got x");
    assert_int_equal(mxdi_wrap(&err, MXD_E_PARSE, "%s", "net.onnx"), MXD_E_PARSE);
    assert_string_equal(err.msg, "net.onnx: line 3: got x");

    err = (mxd_error)MXD_ERROR_INIT;
    assert_int_equal(mxdi_also(&err, MXD_E_USAGE, "key '%s'", "a"), MXD_E_USAGE);
    mxdi_also(&err, MXD_E_USAGE, "key '%s'", "b");
    assert_int_equal(err.status, MXD_E_USAGE);
    assert_string_equal(err.msg, "key 'a'; key 'b'");
    for (int i = 0; i < 300; i++)
        mxdi_also(&err, MXD_E_USAGE, "key '%d'", i);
    assert_true(strlen(err.msg) < sizeof(err.msg));
    assert_string_equal(err.msg + strlen(err.msg) - 3, "...");
    assert_int_equal(mxdi_also(NULL, MXD_E_USAGE, "x"), MXD_E_USAGE);
}

static void glob_matches_whole_text(void **state)
{
    (void)state;
    static const struct row {
        const char *pattern, *text;
        bool        matches;
    } rows[] = {
        { "layer4.*", "layer4.0.conv1", true },
        { "layer4.*", "xlayer4.0", false },
        { "*", "", true },
        { "", "", true },
        { "", "a", false },
        { "a?c", "abc", true },
        { "a?c", "ac", false },
        { "*conv*1", "a.conv2.conv1", true },
        { "*conv*1", "a.conv2.conv12", false },
        { "a*b*c", "aXbXbXc", true },
        { "a**", "a", true },
        { "[a]", "a", false },
        { "a.b", "axb", false },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(mxdi_glob(rows[i].pattern, rows[i].text), rows[i].matches);

    /* Many stars against a text that almost matches: work must stay a product, not a power. */
    char pattern[201], text[5001];
    memset(text, 'a', 5000);
    text[5000] = '\0';
    for (size_t i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[199] = 'b';
    pattern[200] = '\0';
    assert_false(mxdi_glob(pattern, text));
}

static void nearest_finds_slips(void **state)
{
    (void)state;
    static const char *const words[] = { "scale",  "mean",   "std", "labels",
                                         "layout", "subset", "skip" };
    enum { N = sizeof(words) / sizeof(words[0]) };
    assert_string_equal(mxdi_nearest("sclae", words, N), "scale");
    assert_string_equal(mxdi_nearest("scail", words, N), "scale"); /* two slips in five letters */
    assert_string_equal(mxdi_nearest("Scale", words, N), "scale");
    assert_string_equal(mxdi_nearest("label", words, N), "labels");
    assert_string_equal(mxdi_nearest("substt", words, N), "subset");
    assert_string_equal(mxdi_nearest("sdt", words, N), "std");
    assert_null(mxdi_nearest("zebra", words, N));
    assert_null(mxdi_nearest("x", words, N));
    assert_null(mxdi_nearest("", words, N));
    char longer[200];
    memset(longer, 's', sizeof(longer));
    longer[199] = '\0';
    assert_null(mxdi_nearest(longer, words, N));
}

static void numbers_and_fractions(void **state)
{
    (void)state;
    double v = 0;
    assert_true(mxdi_parse_number(&v, "1/255") && v == 1.0 / 255);
    assert_true(mxdi_parse_number(&v, "-0.5847029") && v == -0.5847029);
    assert_true(mxdi_parse_number(&v, "1e-3/2") && v == 1e-3 / 2);
    assert_true(mxdi_parse_number(&v, ".5") && v == 0.5);
    static const char *const wrong[] = { "",      "x",   "1x",  "1/",   "/2",    "1/0",
                                         "1/2/3", "nan", "inf", "0x10", "1e999", " 1 ",
                                         "1 ",    "--1", "e5",  "1,5",  "+",     "." };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(mxdi_parse_number(&v, wrong[i]));
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8")) {
        assert_true(mxdi_parse_number(&v, "0.25") && v == 0.25);
        setlocale(LC_NUMERIC, "C");
    }
    const uint64_t before = mxdi_now_ns();
    assert_true(mxdi_now_ns() >= before);
}

static void hash_is_xxh3(void **state)
{
    (void)state;
    char text[33];
    mxdi_hash_text(text, mxdi_hash_bytes(NULL, 0)); /* the published value of the empty input */
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f");
    mxdi_hash_text(text, mxdi_hash_bytes("mixdown", 7));
    assert_int_equal(strlen(text), 32);
    assert_true(mxdi_hash_bytes("a", 1).low != mxdi_hash_bytes("b", 1).low);
}

static mxd_status parse(json_t **out, const char *text, mxd_error *err)
{
    return mxdi_json_parse(out, (mxdi_view){ (const uint8_t *)text, strlen(text) }, err);
}

static void json_refuses_with_place(void **state)
{
    (void)state;
    json_t   *v   = NULL;
    mxd_error err = MXD_ERROR_INIT;
    assert_int_equal(parse(&v, "{\"a\": 1,\n \"b\" 2}", &err), MXD_E_PARSE);
    assert_null(v);
    assert_non_null(strstr(err.msg, "line 2, column"));
    static const char *const wrong[] = {
        "",      "{\"a\": 1, \"a\": 2}", "{\"a\": NaN}",     "[1e999]",
        "[1] x", "[\"\xFF\"]",           "{\"a\": Infinity}"
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        err = (mxd_error)MXD_ERROR_INIT;
        assert_int_equal(parse(&v, wrong[i], &err), MXD_E_PARSE);
        assert_null(v);
        assert_true(err.msg[0] != '\0');
    }
    assert_int_equal(mxdi_json_load(&v, "/nonexistent/x.json", &err), MXD_E_IO);
    assert_non_null(strstr(err.msg, "/nonexistent/x.json"));
}

static void json_saves_what_it_reads(void **state)
{
    (void)state;
    char path[] = "/tmp/test_base_text_XXXXXX";
    assert_int_equal(close(mkstemp(path)), 0);
    json_t *v = NULL, *again = NULL;
    assert_int_equal(
        parse(
            &v,
            "{\"z\": 0.1, \"a\": [1, -2.5e-30, 16777217.0, 3.4028234663852886e38], \"u\": \"\xC3\xBC\"}",
            NULL),
        MXD_OK);
    assert_int_equal(mxdi_json_save(v, path, NULL), MXD_OK);
    assert_int_equal(mxdi_json_load(&again, path, NULL), MXD_OK);
    assert_true(json_equal(v, again));
    assert_string_equal(json_object_iter_key(json_object_iter(again)), "z"); /* order kept */
    json_decref(v);
    json_decref(again);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_has_text),
        cmocka_unit_test(fail_tells_one_line),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(wrap_and_also),
        cmocka_unit_test(glob_matches_whole_text),
        cmocka_unit_test(nearest_finds_slips),
        cmocka_unit_test(numbers_and_fractions),
        cmocka_unit_test(hash_is_xxh3),
        cmocka_unit_test(json_refuses_with_place),
        cmocka_unit_test(json_saves_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
