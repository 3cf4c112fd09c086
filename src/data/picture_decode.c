/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG and PNG files in memory to RGB bytes, by libjpeg and libpng. Their errors come back by
 * longjmp, which is kept inside two functions; damage that they would paper over is an error here.
 * The format is told by the first bytes.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>
#include <png.h>

#include "base/error.h"
#include "data/data_impl.h"

static const uint64_t MAX_PIXELS = (uint64_t)1
                                   << 26; /* a small hostile file may declare any size */

static mxd_status set_size(mxdi_picture *p, uint64_t h, uint64_t w, mxd_error *err)
{
    if (h == 0 || w == 0 || h > MAX_PIXELS || w > MAX_PIXELS / h)
        return mxdi_fail(err, MXD_E_RANGE, "expected a picture of 1 to %llu pixels, got %llux%llu",
                         (unsigned long long)MAX_PIXELS, (unsigned long long)h,
                         (unsigned long long)w);
    p->h = (int64_t)h;
    p->w = (int64_t)w;
    return MXD_OK;
}

static mxd_status make_pixels(mxdi_picture *p, const mxd_allocator *alloc, mxd_error *err)
{
    p->pixels = mxdi_alloc(alloc, (size_t)(p->h * p->w), 3);
    return p->pixels ? MXD_OK : mxdi_nomem(err);
}

/* ---- JPEG ---- */

struct jpeg {
    struct jpeg_decompress_struct codec;
    struct jpeg_error_mgr         errors;
    jmp_buf                       back;
    char                          text[JMSG_LENGTH_MAX];
};

static void jpeg_failed(j_common_ptr codec)
{
    struct jpeg *const j = codec->client_data;
    codec->err->format_message(codec, j->text);
    longjmp(j->back, 1);
}

/* Warnings of lost pixels are errors; those of odd but harmless headers are not. */
static void jpeg_warned(j_common_ptr codec, int level)
{
    const int code = codec->err->msg_code;
    if (level < 0 &&
        (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE))
        jpeg_failed(codec);
}

/* With size_only, nothing but the header. */
static mxd_status decode_jpeg(mxdi_picture *out, mxdi_view file, bool size_only,
                              const mxd_allocator *alloc, mxd_error *err)
{
    struct jpeg         j;
    volatile mxd_status st = MXD_OK;
    memset(&j, 0, sizeof(j));
    j.codec.err           = jpeg_std_error(&j.errors);
    j.codec.client_data   = &j;
    j.errors.error_exit   = jpeg_failed;
    j.errors.emit_message = jpeg_warned;
    if (setjmp(j.back)) {
        st = mxdi_fail(err, strstr(j.text, "memory") ? MXD_E_NOMEM : MXD_E_PARSE, "JPEG: %s",
                       j.text);
        goto done;
    }
    jpeg_create_decompress(&j.codec);
    jpeg_mem_src(&j.codec, file.data, (unsigned long)file.size);
    (void)jpeg_read_header(&j.codec, TRUE);
    st = set_size(out, j.codec.image_height, j.codec.image_width, err);
    if (st == MXD_OK && j.codec.num_components != 1 && j.codec.num_components != 3)
        st = mxdi_fail(err, MXD_E_UNSUPPORTED, "JPEG: expected grey or colour, got %d components",
                       j.codec.num_components);
    if (st != MXD_OK || size_only)
        goto done;
    st = make_pixels(out, alloc, err);
    if (st != MXD_OK)
        goto done;
    j.codec.out_color_space = JCS_RGB;
    (void)jpeg_start_decompress(&j.codec);
    while (j.codec.output_scanline < j.codec.output_height) {
        JSAMPROW row = out->pixels + (size_t)j.codec.output_scanline * (size_t)out->w * 3;
        (void)jpeg_read_scanlines(&j.codec, &row, 1);
    }
    (void)jpeg_finish_decompress(&j.codec);
done:
    jpeg_destroy_decompress(&j.codec);
    return st;
}

/* ---- PNG ---- */

struct png {
    mxdi_view left;
    char      text[128];
};

static void png_failed(png_structp codec, png_const_charp text)
{
    struct png *const p = png_get_error_ptr(codec);
    (void)snprintf(p->text, sizeof(p->text), "%s", text);
    png_longjmp(codec, 1);
}

static void png_warned(png_structp codec, png_const_charp text)
{
    (void)codec;
    (void)text;
}

static void png_bytes(png_structp codec, png_bytep out, size_t n)
{
    struct png *const p = png_get_io_ptr(codec);
    if (n > p->left.size)
        png_error(codec, "cut short");
    memcpy(out, p->left.data, n);
    p->left.data += n;
    p->left.size -= n;
}

/* 8-bit RGB from whatever the file has; alpha is dropped. */
static void ask_for_rgb(png_structp codec, png_infop info)
{
    png_set_expand(codec);
    png_set_scale_16(codec);
    png_set_strip_alpha(codec);
    png_set_gray_to_rgb(codec);
    (void)png_set_interlace_handling(codec);
    png_read_update_info(codec, info);
}

static mxd_status decode_png(mxdi_picture *out, mxdi_view file, bool size_only,
                             const mxd_allocator *alloc, mxd_error *err)
{
    struct png p             = { file, "" };
    png_infop  info          = NULL;
    png_bytep *volatile rows = NULL;
    volatile mxd_status st   = MXD_OK;
    png_structp codec = png_create_read_struct(PNG_LIBPNG_VER_STRING, &p, png_failed, png_warned);
    if (!codec || !(info = png_create_info_struct(codec))) {
        st = mxdi_nomem(err);
        goto done;
    }
    if (setjmp(png_jmpbuf(codec))) {
        st = mxdi_fail(err, MXD_E_PARSE, "PNG: %s", p.text);
        goto done;
    }
    png_set_user_limits(codec, 1u << 26, 1u << 26);
    png_set_read_fn(codec, &p, png_bytes);
    png_read_info(codec, info);
    st = set_size(out, png_get_image_height(codec, info), png_get_image_width(codec, info), err);
    if (st != MXD_OK || size_only)
        goto done;
    ask_for_rgb(codec, info);
    st   = make_pixels(out, alloc, err);
    rows = MXDI_ALLOC(alloc, png_bytep, (size_t)out->h);
    if (st != MXD_OK || !rows) {
        st = mxdi_nomem(err);
        goto done;
    }
    for (int64_t y = 0; y < out->h; y++)
        rows[y] = out->pixels + y * out->w * 3;
    png_read_image(codec, rows);
    png_read_end(codec, NULL);
done:
    png_destroy_read_struct(&codec, &info, NULL);
    mxdi_free(alloc, (void *)rows);
    return st;
}

static mxd_status decode(mxdi_picture *out, mxdi_view file, bool size_only,
                         const mxd_allocator *alloc, mxd_error *err)
{
    *out = (mxdi_picture){ NULL, 0, 0 };
    if (file.size >= 3 && memcmp(file.data, "\xFF\xD8\xFF", 3) == 0)
        return decode_jpeg(out, file, size_only, alloc, err);
    if (file.size >= 8 && memcmp(file.data, "\x89PNG\r\n\x1a\n", 8) == 0)
        return decode_png(out, file, size_only, alloc, err);
    return mxdi_fail(err, MXD_E_PARSE, "expected a JPEG or PNG file");
}

mxd_status mxdi_picture_decode(mxdi_picture *out, mxdi_view file, const mxd_allocator *alloc,
                               mxd_error *err)
{
    const mxd_status st = decode(out, file, false, alloc, err);
    if (st != MXD_OK) {
        mxdi_free(alloc, out->pixels);
        out->pixels = NULL;
    }
    return st;
}

mxd_status mxdi_picture_size(mxdi_picture *out, mxdi_view file, mxd_error *err)
{
    return decode(out, file, true, NULL, err);
}
