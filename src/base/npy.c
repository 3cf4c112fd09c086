/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's .npy files (numpy.lib.format, versions 1.0 to 3.0). The header is a Python dictionary
 * literal; just the three keys that the format defines are understood.
 */
#include "base/npy.h"

#include <ctype.h>
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/file.h"

static const char MAGIC[] = "\x93NUMPY";

/* NumPy's type codes without the byte order. */
static const struct code {
    char      text[3];
    mxd_dtype dtype;
} codes[] = {
    { "f4", MXD_F32 }, { "f8", MXD_F64 }, { "f2", MXD_F16 }, { "i1", MXD_S8 },  { "u1", MXD_U8 },
    { "i2", MXD_S16 }, { "u2", MXD_U16 }, { "i4", MXD_S32 }, { "i8", MXD_S64 }, { "b1", MXD_BOOL },
};

/* What is left of the header. */
struct cursor {
    const char *at, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && isspace((unsigned char)*c->at))
        c->at++;
}

static bool take(struct cursor *c, const char *word)
{
    skip_space(c);
    const size_t n = strlen(word);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
        return false;
    c->at += n;
    return true;
}

/* A quoted string into out[size]. */
static bool take_string(struct cursor *c, char *out, size_t size)
{
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
        return false;
    const char        quote = *c->at++;
    const char *const close = memchr(c->at, quote, (size_t)(c->end - c->at));
    if (!close || (size_t)(close - c->at) >= size)
        return false;
    memcpy(out, c->at, (size_t)(close - c->at));
    out[close - c->at] = '\0';
    c->at              = close + 1;
    return true;
}

/* A tuple of counts: "()", "(3,)", "(3, 4)". */
static mxd_status take_shape(struct cursor *c, mxd_tensor *out, mxd_error *err)
{
    if (!take(c, "("))
        return mxdi_fail(err, MXD_E_PARSE, "npy header: shape: expected a tuple");
    out->rank = 0;
    while (!take(c, ")")) {
        int64_t n = 0;
        if (out->rank == MXD_MAX_RANK)
            return mxdi_fail(err, MXD_E_UNSUPPORTED,
                             "npy header: shape: expected at most %d dimensions", MXD_MAX_RANK);
        skip_space(c);
        if (c->at == c->end || !isdigit((unsigned char)*c->at))
            return mxdi_fail(err, MXD_E_PARSE, "npy header: shape: expected a count");
        for (; c->at < c->end && isdigit((unsigned char)*c->at); c->at++)
            if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *c->at - '0', &n))
                return mxdi_fail(err, MXD_E_RANGE, "npy header: shape: a dimension is too large");
        (void)take(c, "L"); /* Python 2 wrote 3L */
        out->dim[out->rank++] = n;
        if (!take(c, ",") && (skip_space(c), c->at == c->end || *c->at != ')'))
            return mxdi_fail(err, MXD_E_PARSE, "npy header: shape: expected ',' or ')'");
    }
    return MXD_OK;
}

static mxd_status take_descr(struct cursor *c, mxd_tensor *out, mxd_error *err)
{
    char text[16];
    if (!take_string(c, text, sizeof(text)))
        return mxdi_fail(err, MXD_E_UNSUPPORTED,
                         "npy header: descr: expected a plain element type");
    if (text[0] == '<' || text[0] == '|' || text[0] == '=')
        for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
            if (strcmp(text + 1, codes[i].text) == 0) {
                out->dtype = codes[i].dtype;
                return MXD_OK;
            }
    return mxdi_fail(
        err, MXD_E_UNSUPPORTED,
        "npy header: descr: expected little-endian f2 f4 f8 i1 i2 i4 i8 u1 u2 or b1, got '%s'",
        text);
}

static mxd_status parse_header(struct cursor c, mxd_tensor *out, mxd_error *err)
{
    bool fortran = false, have_descr = false, have_order = false, have_shape = false;
    if (!take(&c, "{"))
        return mxdi_fail(err, MXD_E_PARSE, "npy header: expected '{'");
    while (!take(&c, "}")) {
        char key[16];
        if (!take_string(&c, key, sizeof(key)) || !take(&c, ":"))
            return mxdi_fail(err, MXD_E_PARSE, "npy header: expected a key and ':'");
        if (strcmp(key, "descr") == 0) {
            MXD_TRY(take_descr(&c, out, err));
            have_descr = true;
        } else if (strcmp(key, "shape") == 0) {
            MXD_TRY(take_shape(&c, out, err));
            have_shape = true;
        } else if (strcmp(key, "fortran_order") == 0) {
            fortran = take(&c, "True");
            if (!fortran && !take(&c, "False"))
                return mxdi_fail(err, MXD_E_PARSE,
                                 "npy header: fortran_order: expected True or False");
            have_order = true;
        } else {
            return mxdi_fail(err, MXD_E_PARSE,
                             "npy header: expected descr, fortran_order and shape, got '%s'", key);
        }
        if (!take(&c, ",") && (skip_space(&c), c.at == c.end || *c.at != '}'))
            return mxdi_fail(err, MXD_E_PARSE, "npy header: expected ',' or '}'");
    }
    if (!have_descr || !have_order || !have_shape)
        return mxdi_fail(err, MXD_E_PARSE, "npy header: expected descr, fortran_order and shape");
    if (fortran && out->rank > 1)
        return mxdi_fail(
            err, MXD_E_UNSUPPORTED,
            "npy header: expected C order, got Fortran order; save numpy.ascontiguousarray(x)");
    return MXD_OK;
}

mxd_status mxdi_npy_parse(mxd_tensor *out, mxdi_view file, mxd_error *err)
{
    const uint8_t *const p = file.data;
    mxd_tensor           t = { .rank = 0 };
    if (file.size < 10 || memcmp(p, MAGIC, 6) != 0)
        return mxdi_fail(err, MXD_E_PARSE, "npy header: expected NumPy's .npy format");
    if (p[6] < 1 || p[6] > 3 || (p[6] > 1 && file.size < 12))
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "npy header: expected version 1 to 3, got %d.%d",
                         p[6], p[7]);
    const size_t start  = p[6] == 1 ? 10 : 12;
    const size_t length = (size_t)p[8] | (size_t)p[9] << 8 |
                          (p[6] == 1 ? 0 : (size_t)p[10] << 16 | (size_t)p[11] << 24);
    if (length > file.size - start)
        return mxdi_fail(err, MXD_E_PARSE, "npy header: expected %zu bytes, got %zu", length,
                         file.size - start);
    const char *const text = (const char *)p + start;
    MXD_TRY(parse_header((struct cursor){ text, text + length }, &t, err));
    size_t bytes;
    if (!mxdi_tensor_bytes(&bytes, &t))
        return mxdi_fail(err, MXD_E_RANGE, "npy header: shape: too large");
    const size_t held = file.size - start - length;
    if (bytes > held)
        return mxdi_fail(err, MXD_E_PARSE, "npy data: expected %zu bytes, got %zu: cut short",
                         bytes, held);
    t.data = (void *)(uintptr_t)(p + start + length);
    *out   = t;
    return MXD_OK;
}

/* The type a tensor is written as. */
static mxd_dtype written_as(mxd_dtype d)
{
    return d == MXD_S4                        ? MXD_S8
           : d == MXD_U4                      ? MXD_U8
           : d == MXD_BF16 || d == MXD_F8E4M3 ? MXD_F32
                                              : d;
}

static bool format_header(mxdi_bytes *out, const mxd_tensor *t, const char *code)
{
    mxdi_bytes text = { .alloc = out->alloc };
    bool       ok = mxdi_bytes_printf(&text, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                                code[1] == '1' ? '|' : '<', code);
    for (int32_t i = 0; ok && i < t->rank; i++)
        ok = mxdi_bytes_printf(&text, i ? ", %lld" : "%lld", (long long)t->dim[i]);
    ok = ok && mxdi_bytes_printf(&text, t->rank == 1 ? ",), }" : "), }");
    while (ok && (10 + text.size + 1) % 64) /* data starts at a multiple of 64, as NumPy has it */
        ok = mxdi_bytes_append(&text, " ", 1);
    ok                    = ok && mxdi_bytes_append(&text, "\n", 1);
    const uint8_t head[4] = { 1, 0, (uint8_t)text.size, (uint8_t)(text.size >> 8) };
    ok = ok && mxdi_bytes_append(out, MAGIC, 6) && mxdi_bytes_append(out, head, 4) &&
         mxdi_bytes_append(out, text.data, text.size);
    mxdi_bytes_free(&text);
    return ok;
}

static bool append_converted(mxdi_bytes *out, const mxd_tensor *t, mxd_dtype d, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint64_t element = 0;
        if (mxdi_dtype_is_float(d))
            mxdi_store_f64(&element, d, 0, mxdi_load_f64(t->data, t->dtype, i));
        else
            mxdi_store_s64(&element, d, 0, mxdi_load_s64(t->data, t->dtype, i));
        if (!mxdi_bytes_append(out, &element, mxd_dtype_bits(d) / 8))
            return false;
    }
    return true;
}

mxd_status mxdi_npy_format(mxdi_bytes *out, const mxd_tensor *t, mxd_error *err)
{
    const size_t    old  = out->size;
    const mxd_dtype d    = written_as(t->dtype);
    const char     *code = NULL;
    int64_t         count;
    size_t          bytes;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].dtype == d)
            code = codes[i].text;
    if (!code || !mxdi_tensor_bytes(&bytes, t) || !mxdi_shape_count(&count, t->dim, t->rank))
        return mxdi_fail(err, MXD_E_INVAL, "npy: expected a tensor of known type and size, got %s",
                         mxd_dtype_name(t->dtype));
    if (format_header(out, t, code) && (d == t->dtype ? mxdi_bytes_append(out, t->data, bytes)
                                                      : append_converted(out, t, d, count)))
        return MXD_OK;
    out->size = old;
    return mxdi_nomem(err);
}

mxd_status mxdi_npy_save(const char *path, const mxd_tensor *t, mxd_error *err)
{
    mxdi_bytes text = MXDI_BYTES_INIT;
    mxd_status st   = mxdi_npy_format(&text, t, err);
    if (st == MXD_OK)
        st = mxdi_file_write(path, text.data, text.size, err);
    mxdi_bytes_free(&text);
    return st;
}
