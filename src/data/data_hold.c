/* SPDX-License-Identifier: Apache-2.0
 *
 * What a data set owns: its files, mapped or in memory, and the fields and labels made from arrays
 * in them.
 */
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "data/data_impl.h"

static const size_t MAX_UNPACKED = (size_t)2 << 30; /* a packed file that grows beyond is refused */

struct mxdi_data_blob {
    struct mxdi_data_blob *next;
    mxdi_file              file;
    mxdi_bytes             bytes;
};

static struct mxdi_data_blob *add_blob(mxdi_data *d)
{
    struct mxdi_data_blob *const b = MXDI_NEW(&d->arena, struct mxdi_data_blob, 1);
    if (b) {
        b->bytes.alloc = d->alloc;
        b->next        = d->blobs;
        d->blobs       = b;
    }
    return b;
}

mxd_status mxdi_data_hold(mxdi_data *d, mxdi_view *out, const char *path, mxd_error *err)
{
    struct mxdi_data_blob *const b   = add_blob(d);
    const char *const            dot = strrchr(path, '.');
    if (!b)
        return mxdi_nomem(err);
    if (dot && (strcmp(dot, ".gz") == 0 || strcmp(dot, ".xz") == 0)) {
        MXD_TRY(mxdi_file_read(&b->bytes, path, MAX_UNPACKED, err));
        *out = (mxdi_view){ b->bytes.data, b->bytes.size };
    } else {
        MXD_TRY(mxdi_file_map(&b->file, path, err));
        *out = b->file.bytes;
    }
    return MXD_OK;
}

mxd_status mxdi_data_adopt(mxdi_data *d, mxdi_bytes *bytes, mxd_error *err)
{
    struct mxdi_data_blob *const b = add_blob(d);
    if (!b)
        return mxdi_nomem(err);
    b->bytes = *bytes;
    *bytes   = (mxdi_bytes){ .alloc = d->alloc };
    return MXD_OK;
}

void mxdi_data_close(mxdi_data *d)
{
    if (!d)
        return;
    for (struct mxdi_data_blob *b = d->blobs; b; b = b->next) {
        mxdi_file_unmap(&b->file);
        mxdi_bytes_free(&b->bytes);
    }
    mxdi_arena_fini(&d->arena);
    mxdi_free(d->alloc, d);
}

mxd_status mxdi_data_make_fields(mxdi_data *d, uint32_t n, uint32_t n_segments, mxd_error *err)
{
    d->field = MXDI_NEW(&d->arena, mxdi_data_field, n);
    if (!d->field)
        return mxdi_nomem(err);
    for (uint32_t i = 0; i < n; i++) {
        d->field[i].segment = MXDI_NEW(&d->arena, mxdi_data_segment, n_segments);
        if (!d->field[i].segment)
            return mxdi_nomem(err);
    }
    d->n_fields = n;
    return MXD_OK;
}

mxd_status mxdi_data_field_from(mxdi_data *d, uint32_t i, const char *name, const mxd_tensor *t,
                                const char *place, mxd_error *err)
{
    mxdi_data_field *const f = &d->field[i];
    int64_t                elements;
    size_t                 bytes;
    if (t->rank < 1)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "%s: expected an array with the batch first, got a scalar", place);
    if (mxd_dtype_bits(t->dtype) < 8)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "%s: expected elements of whole bytes, got %s",
                         place, mxd_dtype_name(t->dtype));
    if (!mxdi_shape_count(&elements, t->dim + 1, t->rank - 1) ||
        !mxdi_dtype_bytes(&bytes, t->dtype, elements))
        return mxdi_fail(err, MXD_E_RANGE, "%s: a sample is too large", place);
    f->as.name = name;
    f->as.rank = t->rank - 1;
    memcpy(f->as.dim, t->dim + 1, (size_t)f->as.rank * sizeof(t->dim[0]));
    f->stored     = t->dtype;
    f->segment[0] = (mxdi_data_segment){ t->data, bytes, t->dim[0] };
    f->n_segments = 1;
    if (i > 0 && t->dim[0] != d->stored)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "%s: expected %lld samples as in the first input, got %lld", place,
                         (long long)d->stored, (long long)t->dim[0]);
    d->stored = t->dim[0];
    return MXD_OK;
}

mxd_status mxdi_data_labels_from(mxdi_data *d, const mxd_tensor *t, const char *place,
                                 mxd_error *err)
{
    int64_t n;
    if (mxdi_dtype_is_float(t->dtype))
        return mxdi_fail(err, MXD_E_DTYPE, "%s: labels: expected integers, got %s", place,
                         mxd_dtype_name(t->dtype));
    if (!mxdi_shape_count(&n, t->dim, t->rank) || n != d->stored || t->rank < 1 || t->dim[0] != n)
        return mxdi_fail(err, MXD_E_SHAPE, "%s: labels: expected %lld, one per sample, got %lld",
                         place, (long long)d->stored, (long long)(t->rank ? t->dim[0] : 1));
    d->all_labels = MXDI_NEW(&d->arena, int64_t, (size_t)n);
    if (!d->all_labels)
        return mxdi_nomem(err);
    for (int64_t i = 0; i < n; i++)
        d->all_labels[i] = mxdi_load_s64(t->data, t->dtype, i);
    return MXD_OK;
}
