/* SPDX-License-Identifier: Apache-2.0
 *
 * data: folders and lists of pictures made here with libjpeg and libpng.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>
#include <png.h>

#include "base/npy.h"
#include "data/data_impl.h"
#include "data_case.h"
#include "test_folder.h"

/* Channel c of pixel (y, x) of picture `seed`: smooth, and different in every direction. */
static uint8_t pixel(int seed, int y, int x, int c)
{
    return (uint8_t)(seed * 40 + y * 3 + x * 2 + c * 30);
}

static void write_png(const char *path, int seed, int h, int w, int format)
{
    const int      channels = (int)PNG_IMAGE_SAMPLE_CHANNELS((unsigned)format);
    uint8_t *const p        = malloc((size_t)(h * w * channels));
    png_image      image    = { .version = PNG_IMAGE_VERSION,
                                .width   = (unsigned)w,
                                .height  = (unsigned)h,
                                .format  = (unsigned)format };
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < channels; c++)
                p[(y * w + x) * channels + c] = pixel(seed, y, x, c);
    assert_true(png_image_write_to_file(&image, path, 0, p, 0, NULL));
    free(p);
}

static void write_jpeg(const char *path, int seed, int h, int w, int channels)
{
    struct jpeg_compress_struct codec;
    struct jpeg_error_mgr       errors;
    FILE *const                 f   = fopen(path, "wb");
    uint8_t *const              row = malloc((size_t)(w * channels));
    codec.err                       = jpeg_std_error(&errors);
    jpeg_create_compress(&codec);
    jpeg_stdio_dest(&codec, f);
    codec.image_width      = (unsigned)w;
    codec.image_height     = (unsigned)h;
    codec.input_components = channels;
    codec.in_color_space   = channels == 3 ? JCS_RGB : channels == 4 ? JCS_CMYK : JCS_GRAYSCALE;
    jpeg_set_defaults(&codec);
    jpeg_set_quality(&codec, 100, TRUE);
    codec.comp_info[0].h_samp_factor = codec.comp_info[0].v_samp_factor =
        1; /* chroma as fine as luma */
    jpeg_start_compress(&codec, TRUE);
    for (int y = 0; y < h; y++) {
        for (int i = 0; i < w * channels; i++)
            row[i] = pixel(seed, y, i / channels, i % channels);
        JSAMPROW rows = row;
        jpeg_write_scanlines(&codec, &rows, 1);
    }
    jpeg_finish_compress(&codec);
    jpeg_destroy_compress(&codec);
    fclose(f);
    free(row);
}

static void png_is_exact_jpeg_is_near(void **state)
{
    (void)state;
    float x[2][3 * 12 * 10];
    assert_int_equal(mxdi_mkdirs("d", NULL), MXD_OK);
    write_png("d/a.png", 1, 12, 10, PNG_FORMAT_RGB);
    write_jpeg("d/b.JPEG", 1, 12, 10, 3);
    write_text("d/readme.txt", "not a picture");
    mxdi_data *d = open_set("images:d");
    assert_int_equal(mxdi_data_samples(d), 2);
    assert_null(mxdi_data_labels(d));
    const mxdi_data_input *const in = mxdi_data_input_at(d, 0);
    assert_true(in->rank == 3 && in->dim[0] == 3 && in->dim[1] == 12 && in->dim[2] == 10);
    assert_int_equal(mxdi_data_read(d, 0, 0, 2, x, NULL), MXD_OK);
    for (int i = 0; i < 360; i++) {
        const int c = i / 120, y = i % 120 / 10, col = i % 10;
        assert_true(x[0][i] == pixel(1, y, col, c));
        assert_true(fabsf(x[1][i] - pixel(1, y, col, c)) <= 4);
    }
    mxdi_data_close(d);
    d = open_set("images:d,channels=bgr,scale=1/255,subset=1");
    assert_int_equal(mxdi_data_read(d, 0, 0, 1, x, NULL), MXD_OK);
    assert_true(x[0][0] == (float)pixel(1, 0, 0, 2) * (float)(1.0 / 255));
    mxdi_data_close(d);
    d = open_set("images:d,shape=1:12:10,subset=1"); /* grey */
    assert_int_equal(mxdi_data_read(d, 0, 0, 1, x, NULL), MXD_OK);
    assert_true(fabsf(x[0][0] - (0.299f * pixel(1, 0, 0, 0) + 0.587f * pixel(1, 0, 0, 1) +
                                 0.114f * pixel(1, 0, 0, 2))) < 0.51f);
    mxdi_data_close(d);
    refuses("images:d,shape=3:10:12", MXD_E_SHAPE, "d/a.png: shape: expected 3:12:10");
}

static void kinds_of_pictures(void **state)
{
    (void)state;
    float x[3 * 8 * 8];
    write_png("grey.png", 2, 8, 8, PNG_FORMAT_GRAY);
    write_png("alpha.png", 2, 8, 8, PNG_FORMAT_RGBA);
    write_jpeg("grey.jpg", 2, 8, 8, 1);
    write_text("list", "grey.png\nalpha.png\n\ngrey.jpg\r\n");
    mxdi_data *d = open_set("images:list");
    assert_int_equal(mxdi_data_samples(d), 3);
    assert_int_equal(mxdi_data_read(d, 0, 0, 1, x, NULL), MXD_OK);
    assert_true(x[1] == pixel(2, 0, 1, 0) && x[64 + 1] == x[1] && x[128 + 1] == x[1]);
    assert_int_equal(mxdi_data_read(d, 0, 1, 1, x, NULL), MXD_OK);
    assert_true(x[9] == pixel(2, 1, 1, 0) &&
                x[64 + 9] == pixel(2, 1, 1, 1)); /* alpha is dropped, not blended */
    assert_int_equal(mxdi_data_read(d, 0, 2, 1, x, NULL), MXD_OK);
    assert_true(fabsf(x[1] - pixel(2, 0, 1, 0)) <= 2 && x[64 + 1] == x[1]);
    mxdi_data_close(d);
    write_jpeg("cmyk.jpg", 2, 8, 8, 4);
    write_text("list", "cmyk.jpg\n");
    refuses("images:list", MXD_E_UNSUPPORTED, "cmyk.jpg: JPEG: expected grey or colour, got 4");
}

static void labels_of_folders(void **state)
{
    (void)state;
    static const char *const named[] = { "d/cat", "d/dog" }, *const numbered[] = { "e/2", "e/10" };
    char path[64];
    for (int c = 0; c < 2; c++) {
        assert_int_equal(mxdi_mkdirs(named[c], NULL), MXD_OK);
        assert_int_equal(mxdi_mkdirs(numbered[c], NULL), MXD_OK);
        for (int i = 0; i <= c; i++) {
            (void)snprintf(path, sizeof(path), "%s/%d.png", named[c], i);
            write_png(path, c, 4, 4, PNG_FORMAT_RGB);
            (void)snprintf(path, sizeof(path), "%s/%d.png", numbered[c], i);
            write_png(path, c, 4, 4, PNG_FORMAT_RGB);
        }
    }
    mxdi_data *d = open_set("images:d");
    assert_int_equal(mxdi_data_samples(d), 3);
    assert_true(mxdi_data_labels(d)[0] == 0 && mxdi_data_labels(d)[1] == 1 &&
                mxdi_data_labels(d)[2] == 1);
    mxdi_data_close(d);
    d           = open_set("images:e");
    int64_t sum = 0; /* folders named by numbers are those classes, in whatever order */
    for (int i = 0; i < 3; i++)
        sum += mxdi_data_labels(d)[i];
    assert_int_equal(sum, 22);
    mxdi_data_close(d);

    write_text("labels.txt", "5\n6\n7\n");
    d = open_set("images:d,labels=labels.txt");
    assert_int_equal(mxdi_data_labels(d)[2], 7);
    mxdi_data_close(d);
    write_text("fewer.txt", "5\n6\n");
    refuses("images:d,labels=fewer.txt", MXD_E_SHAPE,
            "fewer.txt: labels: expected 3, one per picture, got 2");
    write_text("words.txt", "5\ncat\n7\n");
    refuses("images:d,labels=words.txt", MXD_E_PARSE,
            "words.txt: line 2: expected a label, got 'cat'");
    const uint8_t    bytes[3] = { 9, 8, 7 };
    const mxd_tensor t        = { (void *)(uintptr_t)bytes, MXD_U8, 1, { 3 } };
    assert_int_equal(mxdi_npy_save("labels.npy", &t, NULL), MXD_OK);
    d = open_set("images:d,labels=labels.npy");
    assert_int_equal(mxdi_data_labels(d)[0], 9);
    mxdi_data_close(d);
}

static void lists(void **state)
{
    (void)state;
    assert_int_equal(mxdi_mkdirs("deep/er", NULL), MXD_OK);
    write_png("deep/er/a b.png", 1, 4, 4, PNG_FORMAT_RGB);
    write_png("deep/c.png", 2, 4, 4, PNG_FORMAT_RGB);
    write_text("deep/list.txt", "er/a b.png 3\nc.png\t12\n");
    mxdi_data *d = open_set("images:deep/list.txt");
    assert_int_equal(mxdi_data_samples(d), 2);
    assert_true(mxdi_data_labels(d)[0] == 3 && mxdi_data_labels(d)[1] == 12);
    mxdi_data_close(d);
    write_text("deep/half.txt", "c.png 3\nc.png\n");
    refuses("images:deep/half.txt", MXD_E_PARSE, "on every line or on none");
    write_text("deep/empty.txt", "\n\n");
    refuses("images:deep/empty.txt", MXD_E_INVAL, "got none");
    refuses("images:deep/er/none", MXD_E_IO, "deep/er/none");
    assert_int_equal(mxdi_mkdirs("nothing", NULL), MXD_OK);
    refuses("images:nothing", MXD_E_INVAL, "nothing: expected .jpg, .jpeg or .png files");
}

static void resized_and_cropped(void **state)
{
    (void)state;
    float x[3 * 40 * 40];
    write_png("a.png", 0, 20, 30, PNG_FORMAT_RGB);
    write_text("l", "a.png\n");
    mxdi_data *d = open_set("images:l,crop=4:6");
    assert_int_equal(mxdi_data_read(d, 0, 0, 1, x, NULL), MXD_OK);
    assert_true(x[0] == pixel(0, 8, 12, 0) && x[23] == pixel(0, 11, 17, 0)); /* the centre */
    mxdi_data_close(d);
    d = open_set(
        "images:l,resize=10"); /* the shorter side; a ramp halved stays a ramp, but at the border */
    assert_true(mxdi_data_input_at(d, 0)->dim[1] == 10 && mxdi_data_input_at(d, 0)->dim[2] == 15);
    assert_int_equal(mxdi_data_read(d, 0, 0, 1, x, NULL), MXD_OK);
    for (int y = 1; y < 9; y++)
        for (int col = 1; col < 14; col++)
            assert_true(fabsf(x[y * 15 + col] -
                              (3 * (2 * (float)y + 0.5f) + 2 * (2 * (float)col + 0.5f))) <= 1);
    mxdi_data_close(d);
    d = open_set("images:l,resize=40:40,crop=40");
    assert_int_equal(mxdi_data_read(d, 0, 0, 1, x, NULL), MXD_OK);
    assert_true(x[0] == 0 && fabsf(x[20 * 40 + 20] - (3 * 9.75f + 2 * 14.875f)) <= 1);
    mxdi_data_close(d);
    refuses("images:l,crop=21", MXD_E_SHAPE, "a.png: crop: expected at most 20x30");

    write_png("b.png", 0, 21, 30, PNG_FORMAT_RGB);
    write_text("l", "a.png\nb.png\n");
    d             = open_set("images:l");
    mxd_error err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_data_read(d, 0, 1, 1, x, &err), MXD_E_SHAPE);
    assert_string_equal(
        err.msg,
        "data: b.png: expected 20x30 as the first picture, got 21x30; use resize= and crop=");
    mxdi_data_close(d);
    d = open_set("images:l,resize=5,crop=5");
    assert_int_equal(mxdi_data_read(d, 0, 0, 2, x, NULL), MXD_OK);
    mxdi_data_close(d);
}

/* A single bright pixel: the weights that it gets sum to one, widely spread when shrinking. */
static void resize_keeps_brightness(void **state)
{
    (void)state;
    for (int64_t to = 1; to <= 40; to++) {
        mxdi_picture p = { mxdi_alloc(NULL, 20 * 20, 3), 20, 20 };
        memset(p.pixels, 200, 20 * 20 * 3);
        assert_int_equal(mxdi_picture_resize(&p, to, 41 - to, NULL, NULL), MXD_OK);
        assert_true(p.h == to && p.w == 41 - to);
        for (int64_t i = 0; i < p.h * p.w * 3; i++)
            assert_int_equal(p.pixels[i], 200);
        mxdi_free(NULL, p.pixels);
    }
    mxdi_picture p = { mxdi_alloc(NULL, 8, 3), 1, 8 };
    p.pixels[3 * 3] =
        255; /* 8 -> 2: 1.5 and 2.5 from the centres 2 and 6: weights 5/8 and 3/8 of 3.5 */
    assert_int_equal(mxdi_picture_resize(&p, 1, 2, NULL, NULL), MXD_OK);
    assert_in_range(p.pixels[0], 45, 52);
    assert_in_range(p.pixels[3], 26, 28);
    mxdi_free(NULL, p.pixels);
    mxdi_picture q = { NULL, 1, 1 };
    assert_int_equal(mxdi_picture_resize(&q, 0, 5, NULL, NULL), MXD_E_RANGE);
}

static void damaged_pictures(void **state)
{
    (void)state;
    float                    x[3 * 64 * 64];
    mxdi_file                f       = MXDI_FILE_INIT;
    static const char *const names[] = { "a.jpg", "a.png" };
    write_jpeg("a.jpg", 1, 64, 64, 3);
    write_png("a.png", 1, 64, 64, PNG_FORMAT_RGB);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(mxdi_file_map(&f, names[k], NULL), MXD_OK);
        for (size_t cut = 0; cut < f.bytes.size - 2;
             cut += 37) { /* any prefix is refused: never half a picture */
            uint8_t *const exact = malloc(cut ? cut : 1);
            mxdi_picture   p     = { NULL, 0, 0 };
            mxd_error      err   = MXD_ERROR_INIT;
            memcpy(exact, f.bytes.data, cut);
            assert_int_equal(mxdi_picture_decode(&p, (mxdi_view){ exact, cut }, NULL, &err),
                             MXD_E_PARSE);
            assert_null(p.pixels);
            assert_true(err.msg[0] != '\0');
            free(exact);
        }
        assert_int_equal(mxdi_file_write("cut", f.bytes.data, f.bytes.size / 2, NULL), MXD_OK);
        mxdi_file_unmap(&f);
        write_text("l", "cut\n");
        mxdi_data *d   = open_set("images:l"); /* the header is whole */
        mxd_error  err = MXD_ERROR_INIT;
        assert_int_equal(mxdi_data_read(d, 0, 0, 1, x, &err), MXD_E_PARSE);
        assert_non_null(strstr(err.msg, "data: cut: "));
        mxdi_data_close(d);
    }
    write_text("text.png", "no picture");
    write_text("l", "text.png\n");
    refuses("images:l", MXD_E_PARSE, "text.png: expected a JPEG or PNG file");
    write_text("l", "missing.png\n");
    refuses("images:l", MXD_E_IO, "missing.png: cannot be opened");
    /* A PNG header that declares 2^31-1 x 2^31-1 pixels, its CRC right. */
    static const uint8_t huge[] = { 0x89, 'P',  'N', 'G', '\r', '\n', 0x1a, '\n', 0,    0,    0,
                                    13,   'I',  'H', 'D', 'R',  0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF,
                                    0xFF, 0xFF, 8,   2,   0,    0,    0,    0,    0,    0,    0 };
    mxdi_picture         p      = { NULL, 0, 0 };
    assert_int_not_equal(mxdi_picture_size(&p, (mxdi_view){ huge, sizeof(huge) }, NULL), MXD_OK);
}

static void memory_runs_out(void **state)
{
    (void)state;
    float x[3 * 4 * 4];
    assert_int_equal(mxdi_mkdirs("d/0", NULL), MXD_OK);
    write_png("d/0/a.png", 1, 12, 10, PNG_FORMAT_RGB);
    refuse_each_allocation("images:d,resize=5:6,crop=4", x);
    write_jpeg("b.jpg", 1, 12, 10, 3);
    write_text("list", "b.jpg 1\n");
    refuse_each_allocation("images:list,resize=4:4", x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(png_is_exact_jpeg_is_near), IN_FOLDER(kinds_of_pictures),
        IN_FOLDER(labels_of_folders),         IN_FOLDER(lists),
        IN_FOLDER(resized_and_cropped),       IN_FOLDER(resize_keeps_brightness),
        IN_FOLDER(damaged_pictures),          IN_FOLDER(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
