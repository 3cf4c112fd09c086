/* SPDX-License-Identifier: Apache-2.0
 *
 * jansson with our errors and our way of writing files.
 */
#include "base/json.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"

/* jansson tells some refusals of malloc as mistakes in the text. What is a mistake is one twice,
 * with memory to be had. */
mxd_status mxdi_json_parse(json_t **out, mxdi_view text, mxd_error *err)
{
    json_error_t e;
    for (int attempt = 0; attempt < 2; attempt++) {
        *out = json_loadb(text.size ? (const char *)text.data : "", text.size,
                          JSON_REJECT_DUPLICATES, &e);
        if (*out)
            return MXD_OK;
    }
    void *const probe = mxdi_alloc(NULL, 1, 1);
    mxdi_free(NULL, probe);
    if (!probe || json_error_code(&e) == json_error_out_of_memory || e.text[0] == '\0')
        return mxdi_nomem(err);
    return mxdi_fail(err, MXD_E_PARSE, "line %d, column %d: %s", e.line < 0 ? 1 : e.line,
                     e.column < 0 ? 1 : e.column, e.text);
}

mxd_status mxdi_json_load(json_t **out, const char *path, mxd_error *err)
{
    mxdi_file file = MXDI_FILE_INIT;
    *out           = NULL;
    MXD_TRY(mxdi_file_map(&file, path, err));
    const mxd_status st = mxdi_json_parse(out, file.bytes, err);
    mxdi_file_unmap(&file);
    return mxdi_wrap(err, st, "%s", path);
}

struct sink {
    mxdi_out_file *file;
    mxd_error     *err;
    mxd_status     status;
};

static int write_piece(const char *text, size_t n, void *user)
{
    struct sink *const s = user;
    s->status            = mxdi_out_write(s->file, text, n, s->err);
    return s->status == MXD_OK ? 0 : -1;
}

mxd_status mxdi_json_save(const json_t *value, const char *path, mxd_error *err)
{
    struct sink s = { NULL, err, MXD_OK };
    MXD_TRY(mxdi_out_open(&s.file, path, NULL, err));
    if (json_dump_callback(value, write_piece, &s, JSON_INDENT(1) | JSON_ENCODE_ANY) != 0 &&
        s.status == MXD_OK)
        s.status = mxdi_nomem(err);
    if (s.status == MXD_OK)
        s.status = mxdi_out_write(s.file, "\n", 1, err);
    if (s.status == MXD_OK)
        return mxdi_out_commit(s.file, err);
    mxdi_out_abort(s.file);
    return s.status;
}

struct text {
    mxdi_bytes *bytes;
    bool        failed;
};

static int append_piece(const char *text, size_t n, void *user)
{
    struct text *const t = user;
    t->failed            = !mxdi_bytes_append(t->bytes, text, n) || t->failed;
    return t->failed ? -1 : 0;
}

bool mxdi_json_format(mxdi_bytes *out, const json_t *value)
{
    struct text t = { out, false };
    return json_dump_callback(value, append_piece, &t, JSON_COMPACT | JSON_ENCODE_ANY) == 0 &&
           !t.failed;
}

/* Bytes of the UTF-8 character at s (Unicode 15, table 3-7), 0 when there is none. */
static size_t utf8_length(const unsigned char *s)
{
    static const struct {
        unsigned char first, last, second_low, second_high, n;
    } forms[] = {
        { 0x01, 0x7F, 0x00, 0xFF, 1 }, { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 },
        { 0xE1, 0xEC, 0x80, 0xBF, 3 }, { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 },
        { 0xF0, 0xF0, 0x90, 0xBF, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
    };
    for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++) {
        if (s[0] < forms[k].first || s[0] > forms[k].last)
            continue;
        if (forms[k].n > 1 && (s[1] < forms[k].second_low || s[1] > forms[k].second_high))
            return 0;
        for (size_t i = 2; i < forms[k].n; i++)
            if ((s[i] & 0xC0) != 0x80)
                return 0;
        return forms[k].n;
    }
    return 0;
}

json_t *mxdi_json_text(const char *s)
{
    if (!s)
        return json_null();
    const unsigned char *p = (const unsigned char *)s;
    while (*p && utf8_length(p))
        p += utf8_length(p);
    if (!*p)
        return json_string_nocheck(s);
    char *const ascii = mxdi_strdup(NULL, s);
    for (char *c = ascii; c && *c; c++)
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    json_t *const j = ascii ? json_string_nocheck(ascii) : NULL;
    mxdi_free(NULL, ascii);
    return j;
}

json_t *mxdi_json_integers(const int64_t *v, size_t n)
{
    json_t *const list = json_array();
    for (size_t k = 0; k < n; k++)
        if (json_array_append_new(list, json_integer((json_int_t)v[k])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}
