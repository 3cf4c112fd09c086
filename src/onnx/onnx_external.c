/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors whose data lies in a file beside the model. The location comes from the model and is not
 * trusted: it must stay inside the model's folder, links followed.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "onnx/onnx_impl.h"

struct mxdi_onnx_mapping {
    struct mxdi_onnx_mapping *next;
    const char               *location;
    mxdi_file                 file;
};

typedef struct reference {
    const char *location;
    size_t      offset, length;
    bool        has_length;
} reference;

static bool parse_size(size_t *out, const char *text)
{
    size_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text; text++) {
        const size_t digit = (size_t)(*text - '0');
        if (*text < '0' || *text > '9' || value > (SIZE_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

static mxd_status read_reference(reference *out, const MxdiOnnx__Tensor *t, mxd_error *err)
{
    *out = (reference){ "", 0, 0, false };
    for (size_t k = 0; k < t->n_external_data; k++) {
        const MxdiOnnx__TextPair *const pair  = t->external_data[k];
        const char *const               key   = pair->key ? pair->key : "";
        const char *const               value = pair->value ? pair->value : "";
        bool                            good  = true;
        if (strcmp(key, "location") == 0) {
            out->location = strncmp(value, "./", 2) == 0 ? value + 2 : value;
        } else if (strcmp(key, "offset") == 0) {
            good = parse_size(&out->offset, value);
        } else if (strcmp(key, "length") == 0) {
            good            = parse_size(&out->length, value);
            out->has_length = true;
        }
        if (!good)
            return mxdi_fail(err, MXD_E_INVAL,
                             "external data: %s: expected a number of bytes, got '%s'", key, value);
    }
    return MXD_OK;
}

/* Relative, each step names something below: then one file has one name here, links apart. */
static bool is_tame(const char *location)
{
    for (const char *step = location;; step++) {
        const size_t n = strcspn(step, "/");
        if (n == 0 || (n == 1 && step[0] == '.') || (n == 2 && step[0] == '.' && step[1] == '.'))
            return false;
        step += n;
        if (*step == '\0')
            return true;
    }
}

static mxd_status map_location(mxdi_view *out, mxdi_onnx_files *files, const char *location,
                               mxd_error *err)
{
    for (const struct mxdi_onnx_mapping *m = files->first; m; m = m->next)
        if (strcmp(m->location, location) == 0) {
            *out = m->file.bytes;
            return MXD_OK;
        }
    char path[PATH_MAX];
    if (!is_tame(location))
        return mxdi_fail(err, MXD_E_INVAL,
                         "external data: expected a file inside the model's folder, got '%s'",
                         location);
    const int n = snprintf(path, sizeof(path), "%s/%s", files->folder, location);
    if (n < 0 || (size_t)n >= sizeof(path))
        return mxdi_fail(err, MXD_E_INVAL, "external data: the path of '%s' is too long", location);
    if (!mxdi_path_exists(path))
        return mxdi_fail(err, MXD_E_IO, "external data: expected the file '%s', got none", path);
    if (!mxdi_path_inside(files->folder, path))
        return mxdi_fail(err, MXD_E_INVAL, "external data: '%s' links out of the model's folder",
                         location);
    struct mxdi_onnx_mapping *const m = MXDI_NEW(files->arena, struct mxdi_onnx_mapping, 1);
    if (!m)
        return mxdi_nomem(err);
    MXD_TRY(mxdi_file_map(&m->file, path, err));
    m->location  = location;
    m->next      = files->first;
    files->first = m;
    files->mapped += m->file.bytes.size;
    *out = m->file.bytes;
    return MXD_OK;
}

mxd_status mxdi_onnx_files_data(void **out, mxdi_onnx_files *files, const MxdiOnnx__Tensor *t,
                                size_t need, size_t align, mxd_error *err)
{
    reference ref;
    mxdi_view file = { NULL, 0 };
    if (!files || !files->folder)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "external data is not read here");
    MXD_TRY(read_reference(&ref, t, err));
    MXD_TRY(map_location(&file, files, ref.location, err));
    if (ref.has_length && ref.length != need)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "external data: expected %zu bytes for its shape, got length %zu", need,
                         ref.length);
    if (ref.offset > file.size || need > file.size - ref.offset)
        return mxdi_fail(err, MXD_E_INVAL,
                         "external data: expected %zu bytes at %zu, '%s' ends at %zu", need,
                         ref.offset, ref.location, file.size);
    *out = need > 0 ? (void *)(file.data + ref.offset) : NULL;
    if ((uintptr_t)*out % align == 0)
        return MXD_OK;
    /* the same bytes for many tensors: without a bound, memory would have none either */
    if (need > files->mapped - files->copied)
        return mxdi_fail(err, MXD_E_UNSUPPORTED,
                         "external data: tensors overlap and are not aligned");
    files->copied += need;
    *out = mxdi_arena_memdup(files->arena, *out, need, 64);
    return *out ? MXD_OK : mxdi_nomem(err);
}

void mxdi_onnx_files_close(mxdi_onnx_files *files)
{
    for (struct mxdi_onnx_mapping *m = files->first; m; m = m->next)
        mxdi_file_unmap(&m->file);
    files->first = NULL;
}
