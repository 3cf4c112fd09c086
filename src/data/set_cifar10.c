/* SPDX-License-Identifier: Apache-2.0
 *
 * CIFAR-10 in its official binary form: records of one label byte and 3 x 32 x 32 planar RGB bytes.
 * Several batches make one set.
 */
#include "base/error.h"
#include "data/data_impl.h"

enum { PIXELS = 3 * 32 * 32, RECORD = 1 + PIXELS, CLASSES = 10 };

static mxd_status open_batch(mxdi_data *d, mxdi_data_segment *out, const char *path, mxd_error *err)
{
    mxdi_view file;
    MXD_TRY(mxdi_data_hold(d, &file, path, err));
    if (file.size % RECORD)
        return mxdi_fail(err, MXD_E_PARSE,
                         "%s: expected CIFAR-10 records of %d bytes, got %zu bytes: cut short",
                         path, RECORD, file.size);
    for (size_t at = 0; at < file.size; at += RECORD)
        if (file.data[at] >= CLASSES)
            return mxdi_fail(err, MXD_E_PARSE, "%s: record %zu: expected a label below %d, got %d",
                             path, at / RECORD, CLASSES, file.data[at]);
    *out = (mxdi_data_segment){ file.size ? file.data + 1 : NULL, RECORD,
                                (int64_t)(file.size / RECORD) };
    d->stored += out->n;
    return MXD_OK;
}

mxd_status mxdi_data_open_cifar10(mxdi_data *d, mxd_error *err)
{
    const uint32_t n = d->spec.n_files;
    MXD_TRY(mxdi_data_make_fields(d, 1, n, err));
    mxdi_data_field *const f = &d->field[0];
    f->stored                = MXD_U8;
    f->as.rank               = 3;
    f->as.dim[0]             = d->spec.nhwc ? 32 : 3;
    f->as.dim[1]             = 32;
    f->as.dim[2]             = d->spec.nhwc ? 3 : 32;
    f->n_segments            = n;
    for (uint32_t i = 0; i < n; i++)
        MXD_TRY(open_batch(d, &f->segment[i], d->spec.file[i], err));
    d->all_labels = MXDI_NEW(&d->arena, int64_t, (size_t)d->stored);
    if (!d->all_labels)
        return mxdi_nomem(err);
    int64_t at = 0;
    for (uint32_t i = 0; i < n; i++)
        for (int64_t k = 0; k < f->segment[i].n; k++)
            d->all_labels[at++] = f->segment[i].base[k * RECORD - 1];
    return MXD_OK;
}
