/* SPDX-License-Identifier: Apache-2.0
 *
 * jansson with our errors and our way of writing files.
 */
#include "base/json.h"

#include "base/error.h"
#include "base/file.h"

mxd_status mxdi_json_parse(json_t **out, mxdi_view text, mxd_error *err)
{
    json_error_t e;
    *out = json_loadb(text.size ? (const char *)text.data : "", text.size, JSON_REJECT_DUPLICATES, &e);
    if (*out)
        return MXD_OK;
    if (json_error_code(&e) == json_error_out_of_memory)
        return mxdi_nomem(err);
    return mxdi_fail(err, MXD_E_PARSE, "line %d, column %d: %s", e.line < 0 ? 1 : e.line, e.column < 0 ? 1 : e.column,
                     e.text);
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
    if (json_dump_callback(value, write_piece, &s, JSON_INDENT(1) | JSON_ENCODE_ANY) != 0 && s.status == MXD_OK)
        s.status = mxdi_nomem(err);
    if (s.status == MXD_OK)
        s.status = mxdi_out_write(s.file, "\n", 1, err);
    if (s.status == MXD_OK)
        return mxdi_out_commit(s.file, err);
    mxdi_out_abort(s.file);
    return s.status;
}
