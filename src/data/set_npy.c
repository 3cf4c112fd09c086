/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy arrays: one .npy with the batch first, or arrays of one .npz.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/npy.h"
#include "base/text.h"
#include "data/data_impl.h"

enum { PIECE = 1 << 16, MAX_NAMES = 64 };

static mxd_status open_array(mxdi_data *d, mxd_tensor *out, const char *path, mxd_error *err)
{
    mxdi_view file;
    MXD_TRY(mxdi_data_hold(d, &file, path, err));
    const mxd_status st = mxdi_npy_parse(out, file, err);
    return mxdi_wrap(err, st, "%s", path);
}

mxd_status mxdi_data_open_npy(mxdi_data *d, mxd_error *err)
{
    mxd_tensor t;
    MXD_TRY(mxdi_data_make_fields(d, 1, 1, err));
    MXD_TRY(open_array(d, &t, d->spec.file[0], err));
    MXD_TRY(mxdi_data_field_from(d, 0, NULL, &t, d->spec.file[0], err));
    if (!d->spec.labels)
        return MXD_OK;
    MXD_TRY(open_array(d, &t, d->spec.labels, err));
    return mxdi_data_labels_from(d, &t, d->spec.labels, err);
}

/* An open .npz and the names of its arrays (without .npy). */
struct npz {
    const char *path;
    zip_t      *zip;
    const char *name[MAX_NAMES];
    uint32_t    n;
};

/* Everything in one entry, unpacked piece by piece: a false declared size costs nothing. */
static mxd_status unpack(mxdi_bytes *out, zip_file_t *entry, mxd_error *err)
{
    uint8_t piece[PIECE];
    for (;;) {
        const zip_int64_t n = zip_fread(entry, piece, sizeof(piece));
        if (n < 0)
            return mxdi_fail(err, MXD_E_PARSE, "%s", zip_file_strerror(entry));
        if (n == 0)
            return MXD_OK;
        if (out->size > ((size_t)2 << 30) - PIECE)
            return mxdi_fail(err, MXD_E_RANGE, "expected at most 2 GiB");
        if (!mxdi_bytes_append(out, piece, (size_t)n))
            return mxdi_nomem(err);
    }
}

static mxd_status no_such_array(const struct npz *z, const char *name, mxd_error *err)
{
    const char *const near = mxdi_nearest(name, z->name, z->n);
    mxd_status st = mxdi_fail(err, MXD_E_USAGE, "%s: no array '%s'%s%s%s; there are", z->path, name,
                              near ? ", did you mean '" : "", near ? near : "", near ? "'" : "");
    for (uint32_t i = 0; i < z->n && err; i++) {
        const size_t used = strlen(err->msg), left = sizeof(err->msg) - used;
        if (strlen(z->name[i]) + 2 < left)
            (void)snprintf(err->msg + used, left, " %s", z->name[i]);
    }
    return st;
}

static mxd_status open_entry(mxdi_data *d, const struct npz *z, mxd_tensor *out, const char *name,
                             mxd_error *err)
{
    mxdi_bytes  bytes = { .alloc = d->alloc };
    char *const file  = mxdi_arena_printf(&d->arena, "%s.npy", name);
    if (!file)
        return mxdi_nomem(err);
    zip_file_t *const entry = zip_fopen(z->zip, file, 0);
    if (!entry)
        return zip_name_locate(z->zip, file, 0) < 0
                   ? no_such_array(z, name, err)
                   : mxdi_fail(err, MXD_E_PARSE, "%s: %s: %s", z->path, name, zip_strerror(z->zip));
    mxd_status st = unpack(&bytes, entry, err);
    (void)zip_fclose(entry);
    if (st == MXD_OK)
        st = mxdi_npy_parse(out, (mxdi_view){ bytes.data, bytes.size }, err);
    if (st == MXD_OK)
        st = mxdi_data_adopt(d, &bytes, err);
    mxdi_bytes_free(&bytes);
    return mxdi_wrap(err, st, "%s: %s", z->path, name);
}

static mxd_status list_names(mxdi_data *d, struct npz *z, mxd_error *err)
{
    const zip_int64_t n = zip_get_num_entries(z->zip, 0);
    for (zip_int64_t i = 0; i < n && z->n < MAX_NAMES; i++) {
        const char *const name   = zip_get_name(z->zip, (zip_uint64_t)i, 0);
        const size_t      length = name ? strlen(name) : 0;
        if (length <= 4 || strcmp(name + length - 4, ".npy") != 0)
            continue;
        z->name[z->n] = mxdi_arena_strndup(&d->arena, name, length - 4);
        if (!z->name[z->n++])
            return mxdi_nomem(err);
    }
    return MXD_OK;
}

/* The input of a set with one: x=, or the only array that is not the labels. */
static mxd_status single_input(const char **out, const struct npz *z, const mxdi_data_spec *s,
                               mxd_error *err)
{
    const char *only = NULL;
    if ((*out = s->x))
        return MXD_OK;
    for (uint32_t i = 0; i < z->n; i++) {
        if (s->labels && strcmp(z->name[i], s->labels) == 0)
            continue;
        if (only)
            return mxdi_fail(
                err, MXD_E_USAGE,
                "%s: expected x=NAME or inputs=..., since there are several arrays: %s, %s",
                z->path, only, z->name[i]);
        only = z->name[i];
    }
    *out = only;
    return only ? MXD_OK : mxdi_fail(err, MXD_E_INVAL, "%s: expected arrays, got none", z->path);
}

static mxd_status read_npz(mxdi_data *d, struct npz *z, mxd_error *err)
{
    const mxdi_data_spec *const s = &d->spec;
    mxd_tensor                  t;
    const char                 *name;
    MXD_TRY(list_names(d, z, err));
    MXD_TRY(mxdi_data_make_fields(d, s->n_inputs ? s->n_inputs : 1, 1, err));
    if (!s->n_inputs) {
        MXD_TRY(single_input(&name, z, s, err));
        MXD_TRY(open_entry(d, z, &t, name, err));
        MXD_TRY(mxdi_data_field_from(d, 0, NULL, &t, name, err));
    }
    for (uint32_t i = 0; i < s->n_inputs; i++) {
        name = s->inputs[2 * i + 1];
        MXD_TRY(open_entry(d, z, &t, name, err));
        MXD_TRY(mxdi_data_field_from(d, i, s->inputs[2 * i], &t, name, err));
        d->field[i].keep = !mxdi_dtype_is_float(t.dtype);
    }
    if (!s->labels)
        return MXD_OK;
    MXD_TRY(open_entry(d, z, &t, s->labels, err));
    return mxdi_data_labels_from(d, &t, s->labels, err);
}

mxd_status mxdi_data_open_npz(mxdi_data *d, mxd_error *err)
{
    struct npz z    = { .path = d->spec.file[0] };
    int        code = 0;
    z.zip           = zip_open(z.path, ZIP_RDONLY, &code);
    if (!z.zip) {
        zip_error_t e;
        zip_error_init_with_code(&e, code);
        const mxd_status st = code == ZIP_ER_MEMORY ? MXD_E_NOMEM
                              : code == ZIP_ER_NOENT || code == ZIP_ER_OPEN || code == ZIP_ER_READ
                                  ? MXD_E_IO
                                  : MXD_E_PARSE;
        mxdi_fail(err, st, "%s: %s", z.path,
                  code == ZIP_ER_NOENT ? "no such file" : zip_error_strerror(&e));
        zip_error_fini(&e);
        return st;
    }
    const mxd_status st = read_npz(d, &z, err);
    zip_discard(z.zip);
    return st;
}
