/* SPDX-License-Identifier: Apache-2.0
 *
 * data: specifications, right and wrong. None of these looks at a data file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "data/data_impl.h"
#include "data_case.h"
#include "test_folder.h"

static mxdi_arena arena;

static int start(void **state)
{
    mxdi_arena_init(&arena, NULL);
    return enter_folder(state);
}

static int stop(void **state)
{
    mxdi_arena_fini(&arena);
    return leave_folder(state);
}

static mxdi_data_spec parse(const char *text)
{
    mxdi_data_spec s;
    mxd_error      err = MXD_ERROR_INIT;
    if (mxdi_data_spec_parse(&s, text, &arena, &err) != MXD_OK)
        fail_msg("'%s': %s", text, err.msg);
    return s;
}

/* The specification is refused as wrong usage, and the message says each of the words (NULL ends
 * them). */
static void spec_refused(const char *text, const char *const *says)
{
    mxdi_data_spec s;
    mxd_error      err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_data_spec_parse(&s, text, &arena, &err), MXD_E_USAGE);
    assert_int_equal(err.status, MXD_E_USAGE);
    for (; *says; says++)
        if (!strstr(err.msg, *says))
            fail_msg("'%s': '%s' does not say '%s'", text, err.msg, *says);
    assert_int_equal(mxdi_data_spec_parse(&s, text, &arena, NULL), MXD_E_USAGE);
}
#define REFUSES(text, ...) spec_refused(text, (const char *const[]){ __VA_ARGS__, NULL })

static void presets_and_kinds(void **state)
{
    (void)state;
    assert_int_equal(parse("fashion-mnist").kind, MXDI_DATA_FASHION);
    assert_int_equal(parse("fashion-mnist").n_files, 0);
    mxdi_data_spec s = parse("fashion-mnist:train,subset=100");
    assert_string_equal(s.file[0], "train");
    assert_int_equal(s.subset, 100);
    assert_int_equal(parse("fashion-mnist,skip=3").skip, 3);
    s = parse("cifar10:a.bin,b.bin.xz,/c/d=1.bin");
    assert_int_equal(s.kind, MXDI_DATA_CIFAR10);
    assert_int_equal(s.n_files, 3);
    assert_string_equal(s.file[1], "b.bin.xz");
    assert_string_equal(s.file[2], "/c/d=1.bin");
    s = parse("npy:C:/with:colons.npy");
    assert_string_equal(s.file[0], "C:/with:colons.npy");
    s = parse("cifar10:1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17");
    assert_int_equal(s.n_files, 17);
    assert_string_equal(s.file[8], "9");
    assert_string_equal(s.file[16], "17");
}

static void keys_and_lists(void **state)
{
    (void)state;
    const mxdi_data_spec s =
        parse("npy:a,,b.npy,labels=l,,1.npy,scale=1/255,mean=0.485:0.456:0.406,std=0.5,layout=nhwc,"
              "channels=bgr,skip=5,subset=7,shuffle=0,shape=3:4:5");
    assert_string_equal(s.file[0], "a,b.npy");
    assert_string_equal(s.labels, "l,1.npy");
    assert_true(s.scale.n == 1 && s.scale.at[0] == (float)(1.0 / 255) && s.scaled);
    assert_true(s.mean.n == 3 && s.mean.at[2] == 0.406f);
    assert_true(s.std.n == 1 && s.std.at[0] == 0.5f);
    assert_true(s.nhwc && s.bgr && s.shuffled);
    assert_true(s.skip == 5 && s.subset == 7 && s.seed == 0);
    assert_true(s.n_shape == 3 && s.shape[0] == 3 && s.shape[2] == 5);
    const mxdi_data_spec plain = parse("npy:a.npy");
    assert_true(!plain.nhwc && !plain.bgr && !plain.shuffled && !plain.scaled && plain.subset < 0 &&
                plain.skip == 0);
    assert_true(plain.scale.at[0] == 1 && plain.mean.at[0] == 0 && plain.std.at[0] == 1);
    const mxdi_data_spec z = parse("npz:a.npz,inputs=ids:input_ids:mask:attention,labels=y");
    assert_int_equal(z.n_inputs, 2);
    assert_string_equal(z.inputs[2], "mask");
    assert_string_equal(z.inputs[3], "attention");
    const mxdi_data_spec i = parse("images:dir,resize=256,crop=224:192");
    assert_true(i.n_resize == 1 && i.resize[0] == 256 && i.n_crop == 2 && i.crop[1] == 192);
}

static void all_that_is_wrong_is_told(void **state)
{
    (void)state;
    REFUSES("npy:x.npy,mean=0.5:1e39,scale=-1e400", "'1e39'", "'-1e400'");
    REFUSES("cifar10:nowhere.bin,sclae=1", "'sclae'", "'scale'");
    REFUSES("npy:x.npy,mean=0.5:1e39,scale=-1e400", "'1e39'", "'-1e400'");
    REFUSES("cifar10:nowhere.bin,sclae=1,subste=5,mean=x,std=0", "'sclae'", "'scale'", "'subste'",
            "'subset'", "mean", "'x'", "std: expected no zero");
    REFUSES("npy:a.npy,zebra=1", "'zebra'", "npy takes", "labels", "shape");
    REFUSES("npy:a.npy,resize=5", "'resize' is not for npy");
    REFUSES("images:d,layout=nhwc", "'layout' is not for images");
    REFUSES("npy:a.npy,scale=1,scale=2", "'scale' is given twice");
    REFUSES("npy:a.npy,layout=nwhc", "nchw or nhwc");
    REFUSES("npy:a.npy,skip=-1", "whole number", "'-1'");
    REFUSES("npy:a.npy,skip=1.5", "whole number");
    REFUSES("npy:a.npy,subset=0", "whole number");
    REFUSES("npy:a.npy,skip=1:2", "skip: expected one value, got 2");
    REFUSES("npy:a.npy,shape=3:0:5", "shape", "'0'");
    REFUSES("npy:a.npy,shape=1:1:1:1:1:1:1:1:1", "at most 8");
    REFUSES("npy:a.npy,scale=", "scale: expected");
    REFUSES("npy:a.npy,mean=1::2", "mean");
    REFUSES("npy:a.npy,scale=nan", "'nan'");
    REFUSES("npy:a.npy,,,skip=1,", "between commas");
    REFUSES("images:d,crop=1:2:3", "crop: expected at most 2");
    REFUSES("npz:a.npz,inputs=a:b:c", "pairs");
    REFUSES("npz:a.npz,x=a,inputs=a:b", "got both");
}

static void kinds_and_files(void **state)
{
    (void)state;
    REFUSES("cifar:a.bin", "'cifar'", "'cifar10'");
    REFUSES("fashion_mnist", "'fashion-mnist'");
    REFUSES("photos:x", "fashion-mnist", "images", "onnx");
    REFUSES("data/x.npy", "'npy:data/x.npy'");
    REFUSES("x.json", "'@x.json'");
    REFUSES("", "KIND:FILE");
    REFUSES("npy", "expected one .npy file, got 0");
    REFUSES("npy:a.npy,b.npy", "expected one .npy file, got 2");
    REFUSES("idx:a,b,c", "IMAGES, LABELS");
    REFUSES("npy:scale=1", "expected one .npy file");
}

static void json_form(void **state)
{
    (void)state;
    assert_int_equal(mxdi_mkdirs("deep", NULL), MXD_OK);
    write_text(
        "deep/a.json",
        "{\"kind\": \"npy\", \"files\": [\"../x,y.npy\"], \"labels\": \"l.npy\", \"scale\": \"1/255\","
        " \"mean\": [0.485, 48.5303407, 1], \"std\": 0.5847029, \"skip\": 200, \"subset\": \"5\"}");
    const mxdi_data_spec s = parse("@deep/a.json");
    assert_string_equal(s.file[0], "deep/../x,y.npy");
    assert_string_equal(s.labels, "deep/l.npy");
    assert_true(s.scale.at[0] == (float)(1.0 / 255) && s.mean.at[1] == 48.5303407f &&
                s.mean.at[2] == 1);
    assert_true(s.std.at[0] == 0.5847029f && s.skip == 200 && s.subset == 5);
    write_text(
        "b.json",
        "{\"kind\": \"npz\", \"files\": \"z.npz\", \"labels\": \"y\", \"inputs\": {\"x:0\": \"a\", \"m\": \"b\"}}");
    const mxdi_data_spec z = parse("@b.json");
    assert_string_equal(z.file[0], "z.npz");
    assert_string_equal(z.labels, "y"); /* a name in the .npz, not a file */
    assert_int_equal(z.n_inputs, 2);
    assert_string_equal(z.inputs[0], "x:0");
    write_text("c.json", "{\"kind\": \"fashion-mnist\", \"files\": [\"train\"]}");
    assert_string_equal(parse("@c.json").file[0], "train");
}

static void wrong_json(void **state)
{
    (void)state;
    write_text(
        "a.json",
        "{\"kind\": \"cifar10\", \"files\": [\"x\"], \"sclae\": 1, \"mean\": [true], \"skip\": {}}");
    REFUSES("@a.json", "a.json", "'sclae'", "'scale'", "mean", "skip");
    write_text("a.json", "{\"files\": [\"x\"]}");
    REFUSES("@a.json", "'kind'");
    write_text("a.json", "[1]");
    REFUSES("@a.json", "'kind'");
    write_text("a.json", "{\"kind\": \"cifar\", \"files\": [\"x\"]}");
    REFUSES("@a.json", "'cifar10'");
    mxdi_data_spec s;
    mxd_error      err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_data_spec_parse(&s, "@none.json", &arena, &err), MXD_E_IO);
    assert_non_null(strstr(err.msg, "none.json"));
    write_text("a.json", "{\"kind\": ");
    assert_int_equal(mxdi_data_spec_parse(&s, "@a.json", &arena, &err), MXD_E_PARSE);
    assert_non_null(strstr(err.msg, "a.json: line 1"));
}

static void scaling_alone(void **state)
{
    (void)state;
    mxdi_data_scaling s;
    assert_int_equal(mxdi_data_scaling_parse(&s, "scale=1/255,std=0.5:2:4", &arena, NULL), MXD_OK);
    assert_true(s.scale.n == 1 && s.scale.at[0] == (float)(1.0 / 255));
    assert_true(s.mean.n == 1 && s.mean.at[0] == 0);
    assert_true(s.std.n == 3 && s.std.at[2] == 4);
    static const char *const wrong[][3] = {
        { "skip=3", "scale=, mean= or std=", "'skip='" },
        { "x.npy", "'x.npy'", "mean=" },
        { "scale=1,scale=2", "twice", "scale" },
        { "mean=a,std=0,sclae=1", "'a'", "no zero" },
        { "", "''", "scale=" },
    };
    for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
        mxd_error err = MXD_ERROR_INIT;
        assert_int_equal(mxdi_data_scaling_parse(&s, wrong[k][0], &arena, &err), MXD_E_USAGE);
        for (int i = 1; i < 3; i++)
            if (!strstr(err.msg, wrong[k][i]))
                fail_msg("'%s': '%s' does not say '%s'", wrong[k][0], err.msg, wrong[k][i]);
    }
}

#define SPEC_TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPEC_TEST(presets_and_kinds),
        SPEC_TEST(keys_and_lists),
        SPEC_TEST(all_that_is_wrong_is_told),
        SPEC_TEST(kinds_and_files),
        SPEC_TEST(json_form),
        SPEC_TEST(wrong_json),
        SPEC_TEST(scaling_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
