/* SPDX-License-Identifier: Apache-2.0
 *
 * IDX files (LeCun's MNIST format: 0, 0, type, rank, big-endian dimensions, elements) and
 * Fashion-MNIST, which Debian ships as such.
 */
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "data/data_impl.h"

static const char FASHION[] = "/usr/share/datasets/fashion-mnist";

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static mxd_status parse(mxd_tensor *out, mxdi_view file, mxd_error *err)
{
    mxd_tensor           t = { .rank = 0 };
    const uint8_t *const p = file.data;
    if (file.size < 4 || p[0] || p[1])
        return mxdi_fail(err, MXD_E_PARSE,
                         "expected an IDX file, which starts with two zero bytes");
    if (p[2] != 8 && p[2] != 9)
        return mxdi_fail(err, MXD_E_UNSUPPORTED,
                         "IDX: expected elements of type 8 (u8) or 9 (s8), got %d", p[2]);
    if (p[3] < 1 || p[3] > MXD_MAX_RANK)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "IDX: expected 1 to %d dimensions, got %d",
                         MXD_MAX_RANK, p[3]);
    t.dtype             = p[2] == 8 ? MXD_U8 : MXD_S8;
    t.rank              = p[3];
    const size_t header = 4 + 4 * (size_t)t.rank;
    if (file.size < header)
        return mxdi_fail(err, MXD_E_PARSE,
                         "IDX: expected a header of %zu bytes, got %zu: cut short", header,
                         file.size);
    for (int32_t i = 0; i < t.rank; i++)
        t.dim[i] = big_endian(p + 4 + 4 * i);
    size_t bytes;
    if (!mxdi_tensor_bytes(&bytes, &t))
        return mxdi_fail(err, MXD_E_RANGE, "IDX: dimensions too large");
    if (bytes > file.size - header)
        return mxdi_fail(err, MXD_E_PARSE, "IDX: expected %zu bytes of data, got %zu: cut short",
                         bytes, file.size - header);
    t.data = (void *)(uintptr_t)(p + header);
    *out   = t;
    return MXD_OK;
}

static mxd_status open_array(mxdi_data *d, mxd_tensor *out, const char *path, mxd_error *err)
{
    mxdi_view file;
    MXD_TRY(mxdi_data_hold(d, &file, path, err));
    const mxd_status st = parse(out, file, err);
    return mxdi_wrap(err, st, "%s", path);
}

/* The preset's files, and its scale unless one is given. */
static mxd_status use_fashion(mxdi_data *d, mxd_error *err)
{
    static const float        to_one = (float)(1.0 / 255);
    static const mxdi_numbers scale  = { &to_one, 1 };
    mxdi_data_spec *const     s      = &d->spec;
    const char *const         part   = s->n_files ? s->file[0] : "test";
    const char *const         prefix = strcmp(part, "train") == 0 ? "train" : "t10k";
    if (strcmp(part, "train") != 0 && strcmp(part, "test") != 0)
        return mxdi_fail(err, MXD_E_USAGE, "fashion-mnist: expected train or test, got '%s'", part);
    if (!mxdi_path_exists(FASHION))
        return mxdi_fail(err, MXD_E_IO, "%s: no such folder; apt-get install dataset-fashion-mnist",
                         FASHION);
    s->file = MXDI_NEW(&d->arena, const char *, 2);
    if (!s->file)
        return mxdi_nomem(err);
    s->file[0] = mxdi_arena_printf(&d->arena, "%s/%s-images-idx3-ubyte.gz", FASHION, prefix);
    s->file[1] = mxdi_arena_printf(&d->arena, "%s/%s-labels-idx1-ubyte.gz", FASHION, prefix);
    s->n_files = 2;
    if (!s->scaled)
        s->scale = scale;
    return s->file[0] && s->file[1] ? MXD_OK : mxdi_nomem(err);
}

mxd_status mxdi_data_open_idx(mxdi_data *d, mxd_error *err)
{
    mxd_tensor t;
    if (d->spec.kind == MXDI_DATA_FASHION)
        MXD_TRY(use_fashion(d, err));
    MXD_TRY(mxdi_data_make_fields(d, 1, 1, err));
    MXD_TRY(open_array(d, &t, d->spec.file[0], err));
    if (t.rank == 3) { /* grey pictures (N, H, W): one channel */
        const int64_t h = t.dim[1], w = t.dim[2];
        const int64_t nchw[4] = { t.dim[0], 1, h, w }, nhwc[4] = { t.dim[0], h, w, 1 };
        t.rank = 4;
        memcpy(t.dim, d->spec.nhwc ? nhwc : nchw, sizeof(nchw));
    }
    MXD_TRY(mxdi_data_field_from(d, 0, NULL, &t, d->spec.file[0], err));
    if (d->spec.n_files == 1)
        return MXD_OK;
    MXD_TRY(open_array(d, &t, d->spec.file[1], err));
    return mxdi_data_labels_from(d, &t, d->spec.file[1], err);
}
