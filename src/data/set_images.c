/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures: a folder (with a subfolder per class, in the order of their names) or a list of files.
 * Names are gathered and the size of a sample is settled when the set is opened; pictures are
 * decoded when they are read.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/npy.h"
#include "data/data_impl.h"

/* A growing list of strings in the set's arena. */
struct names {
    const char **at;
    size_t       n, capacity;
};

static mxd_status add_name(mxdi_data *d, struct names *l, const char *name, mxd_error *err)
{
    if (l->n == l->capacity) {
        const size_t       capacity = l->capacity ? 2 * l->capacity : 64;
        const char **const grown    = MXDI_NEW(&d->arena, const char *, capacity);
        if (!grown)
            return mxdi_nomem(err);
        if (l->n)
            memcpy(grown, l->at, l->n * sizeof(*grown));
        l->at       = grown;
        l->capacity = capacity;
    }
    return name && (l->at[l->n++] = name) ? MXD_OK : mxdi_nomem(err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_picture(const char *name)
{
    const char *const dot = strrchr(name, '.');
    return dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 ||
                   strcasecmp(dot, ".png") == 0);
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Paths of the pictures, or of the subfolders, directly in `dir`, in the order of their names. */
static mxd_status list_folder(mxdi_data *d, struct names *out, const char *dir, bool folders,
                              mxd_error *err)
{
    mxd_status st = MXD_OK;
    DIR *const s  = opendir(dir);
    if (!s)
        return mxdi_fail_errno(err, dir, "cannot be opened");
    const size_t first = out->n;
    for (const struct dirent *e = readdir(s); e && st == MXD_OK; e = readdir(s)) {
        if (e->d_name[0] == '.' || (!folders && !is_picture(e->d_name)))
            continue;
        char *const path = mxdi_arena_printf(&d->arena, "%s/%s", dir, e->d_name);
        if (!path)
            st = mxdi_nomem(err);
        else if (is_folder(path) == folders)
            st = add_name(d, out, path, err);
    }
    closedir(s);
    if (out->n > first)
        qsort(out->at + first, out->n - first, sizeof(*out->at), by_name);
    return st;
}

/* Class numbers of subfolders: their names where all are numbers ("10" is not before "2"), else
 * their places. */
static bool names_are_numbers(const struct names *classes)
{
    for (size_t i = 0; i < classes->n; i++) {
        const char *const name = strrchr(classes->at[i], '/') + 1;
        if (strlen(name) > 9 || strspn(name, "0123456789") != strlen(name))
            return false;
    }
    return true;
}

static mxd_status open_folder(mxdi_data *d, struct names *pictures, const char *dir, mxd_error *err)
{
    struct names classes = { NULL, 0, 0 };
    size_t       done    = 0;
    MXD_TRY(list_folder(d, &classes, dir, true, err));
    if (classes.n == 0 || d->spec.labels)
        MXD_TRY(list_folder(d, pictures, dir, false, err));
    if (pictures->n)
        return MXD_OK;
    const bool numbers = names_are_numbers(&classes);
    size_t    *ends    = MXDI_NEW(&d->arena, size_t, classes.n);
    if (!ends)
        return mxdi_nomem(err);
    for (size_t c = 0; c < classes.n; c++) {
        MXD_TRY(list_folder(d, pictures, classes.at[c], false, err));
        ends[c] = pictures->n;
    }
    if (d->spec.labels)
        return MXD_OK;
    d->all_labels = MXDI_NEW(&d->arena, int64_t, pictures->n);
    if (!d->all_labels)
        return mxdi_nomem(err);
    for (size_t c = 0; c < classes.n; c++)
        for (; done < ends[c]; done++)
            d->all_labels[done] = numbers ? atoll(strrchr(classes.at[c], '/') + 1) : (int64_t)c;
    return MXD_OK;
}

/* The label at the end of a line "PATH LABEL", which is cut off; -1 when there is none. */
static int64_t cut_label(char *line)
{
    size_t n = strlen(line);
    while (n && isdigit((unsigned char)line[n - 1]))
        n--;
    const size_t digits = strlen(line + n);
    if (digits == 0 || digits > 9 || n == 0 || !isspace((unsigned char)line[n - 1]))
        return -1;
    const int64_t label = atoll(line + n);
    while (n && isspace((unsigned char)line[n - 1]))
        n--;
    line[n] = '\0';
    return label;
}

/* The next line of *text as a string without its end, NULL on the last or without memory. */
static char *next_line(mxdi_data *d, mxdi_view *text)
{
    const uint8_t *const end = text->size ? memchr(text->data, '\n', text->size) : NULL;
    const size_t         n   = end ? (size_t)(end - text->data) : text->size;
    char *const          s   = mxdi_arena_strndup(&d->arena, (const char *)text->data, n);
    text->data += end ? n + 1 : n;
    text->size -= end ? n + 1 : n;
    for (size_t k = s ? strlen(s) : 0; k && isspace((unsigned char)s[k - 1]); k--)
        s[k - 1] = '\0';
    return s;
}

/* Lines "PATH" or "PATH LABEL"; paths count from the list's folder. */
static mxd_status open_list(mxdi_data *d, struct names *pictures, const char *path, mxd_error *err)
{
    mxdi_view text;
    char      full[PATH_MAX];
    size_t    capacity = 0, labelled = 0;
    int64_t  *labels = NULL;
    MXD_TRY(mxdi_data_hold(d, &text, path, err));
    for (size_t i = 0; i < text.size; i++)
        capacity += text.data[i] == '\n';
    labels = MXDI_NEW(&d->arena, int64_t, capacity + 1);
    if (!labels)
        return mxdi_nomem(err);
    while (text.size) {
        char *const line = next_line(d, &text);
        if (!line)
            return mxdi_nomem(err);
        if (!*line)
            continue;
        const int64_t label = cut_label(line);
        labelled += label >= 0;
        labels[pictures->n] = label;
        if (!mxdi_path_beside(full, sizeof(full), path, line))
            return mxdi_fail(err, MXD_E_IO, "%s: line %zu: path too long", path, pictures->n + 1);
        MXD_TRY(add_name(d, pictures, mxdi_arena_strdup(&d->arena, full), err));
    }
    if (labelled && labelled != pictures->n)
        return mxdi_fail(err, MXD_E_PARSE,
                         "%s: expected a label on every line or on none, got %zu on %zu lines",
                         path, labelled, pictures->n);
    d->all_labels = labelled ? labels : NULL;
    return MXD_OK;
}

/* labels=FILE: an .npy, or a text with one number per line, in the order of the pictures' names. */
static mxd_status read_labels(mxdi_data *d, const char *path, mxd_error *err)
{
    mxdi_view         file;
    mxd_tensor        t;
    const char *const dot = strrchr(path, '.');
    MXD_TRY(mxdi_data_hold(d, &file, path, err));
    if (dot && strcmp(dot, ".npy") == 0) {
        const mxd_status st = mxdi_npy_parse(&t, file, err);
        return st == MXD_OK ? mxdi_data_labels_from(d, &t, path, err)
                            : mxdi_wrap(err, st, "%s", path);
    }
    int64_t *const labels = MXDI_NEW(&d->arena, int64_t, (size_t)d->stored);
    int64_t        n      = 0;
    if (!labels)
        return mxdi_nomem(err);
    while (file.size) {
        char *const line = next_line(d, &file);
        if (!line)
            return mxdi_nomem(err);
        const size_t length = strlen(line);
        if (length == 0)
            continue;
        if (length > 9 || strspn(line, "0123456789") != length)
            return mxdi_fail(err, MXD_E_PARSE, "%s: line %lld: expected a label, got '%s'", path,
                             (long long)n + 1, line);
        if (n < d->stored)
            labels[n] = atoll(line);
        n++;
    }
    if (n != d->stored)
        return mxdi_fail(err, MXD_E_SHAPE, "%s: labels: expected %lld, one per picture, got %lld",
                         path, (long long)d->stored, (long long)n);
    d->all_labels = labels;
    return MXD_OK;
}

/* How large a picture of h x w becomes by resize=: exactly H:W, or the shorter side N. */
static void resized(const mxdi_data_spec *s, int64_t *h, int64_t *w)
{
    if (s->n_resize == 2) {
        *h = s->resize[0];
        *w = s->resize[1];
    } else if (s->n_resize == 1) {
        const int64_t shorter = *h < *w ? *h : *w, n = s->resize[0];
        *h = *h == shorter ? n : *h * n / shorter;
        *w = *w == shorter ? n : *w * n / shorter;
    }
}

/* The same after crop=; false when the crop is larger than the picture. */
static bool cropped(const mxdi_data_spec *s, int64_t *h, int64_t *w)
{
    if (!s->n_crop)
        return true;
    const int64_t crop_h = s->crop[0], crop_w = s->crop[s->n_crop - 1];
    if (crop_h > *h || crop_w > *w)
        return false;
    *h = crop_h;
    *w = crop_w;
    return true;
}

/* A sample's size: that of the first picture after resize= and crop=. */
static mxd_status settle_size(mxdi_data *d, mxd_error *err)
{
    const mxdi_data_spec *const s    = &d->spec;
    mxdi_data_input *const      in   = &d->field[0].as;
    mxdi_file                   file = MXDI_FILE_INIT;
    mxdi_picture                p    = { NULL, 0, 0 };
    MXD_TRY(mxdi_file_map(&file, d->picture[0], err));
    const mxd_status st = mxdi_picture_size(&p, file.bytes, err);
    mxdi_file_unmap(&file);
    if (st != MXD_OK)
        return mxdi_wrap(err, st, "%s", d->picture[0]);
    resized(s, &p.h, &p.w);
    if (!cropped(s, &p.h, &p.w))
        return mxdi_fail(err, MXD_E_SHAPE, "%s: crop: expected at most %lldx%lld", d->picture[0],
                         (long long)p.h, (long long)p.w);
    in->rank   = 3;
    in->dim[0] = p.h;
    in->dim[1] = p.w;
    in->dim[2] = s->n_shape && s->shape[0] == 1 ? 1 : 3;
    if (s->n_shape &&
        (s->n_shape != 3 || s->shape[0] != in->dim[2] || s->shape[1] != p.h || s->shape[2] != p.w))
        return mxdi_fail(err, MXD_E_SHAPE,
                         "%s: shape: expected %lld:%lld:%lld, or resize= and crop= that give it",
                         d->picture[0], (long long)in->dim[2], (long long)p.h, (long long)p.w);
    return MXD_OK;
}

mxd_status mxdi_data_open_images(mxdi_data *d, mxd_error *err)
{
    const char *const path     = d->spec.file[0];
    struct names      pictures = { NULL, 0, 0 };
    MXD_TRY(is_folder(path) ? open_folder(d, &pictures, path, err)
                            : open_list(d, &pictures, path, err));
    if (pictures.n == 0)
        return mxdi_fail(err, MXD_E_INVAL, "%s: expected .jpg, .jpeg or .png files, got none",
                         path);
    d->picture = pictures.at;
    d->stored  = (int64_t)pictures.n;
    if (d->spec.labels)
        MXD_TRY(read_labels(d, d->spec.labels, err));
    MXD_TRY(mxdi_data_make_fields(d, 1, 1, err));
    d->field[0].stored = MXD_U8;
    return settle_size(d, err);
}

/* The centre of p as (H, W, C) bytes; one channel is ITU-R BT.601 luma, as other tools convert to
 * grey. */
static void copy_centre(uint8_t *out, const mxdi_picture *p, int64_t h, int64_t w, int64_t channels)
{
    const int64_t top = (p->h - h) / 2, left = (p->w - w) / 2;
    for (int64_t y = 0; y < h; y++) {
        const uint8_t *const row = p->pixels + ((top + y) * p->w + left) * 3;
        if (channels == 3) {
            memcpy(out + y * w * 3, row, (size_t)w * 3);
            continue;
        }
        for (int64_t x = 0; x < w; x++)
            out[y * w + x] = (uint8_t)((19595u * row[3 * x] + 38470u * row[3 * x + 1] +
                                        7471u * row[3 * x + 2] + 32768u) >>
                                       16);
    }
}

mxd_status mxdi_data_read_picture(const mxdi_data *d, int64_t at, uint8_t *out, mxd_error *err)
{
    const int64_t *const dim  = d->field[0].as.dim; /* (C, H, W) */
    const char *const    path = d->picture[at];
    mxdi_file            file = MXDI_FILE_INIT;
    mxdi_picture         p    = { NULL, 0, 0 };
    MXD_TRY(mxdi_file_map(&file, path, err));
    mxd_status st = mxdi_picture_decode(&p, file.bytes, d->alloc, err);
    mxdi_file_unmap(&file);
    if (st == MXD_OK) {
        int64_t h = p.h, w = p.w;
        resized(&d->spec, &h, &w);
        st = mxdi_picture_resize(&p, h, w, d->alloc, err);
    }
    if (st == MXD_OK) {
        int64_t h = p.h, w = p.w;
        if (cropped(&d->spec, &h, &w) && h == dim[1] && w == dim[2])
            copy_centre(out, &p, h, w, dim[0]);
        else
            st = mxdi_fail(
                err, MXD_E_SHAPE,
                "expected %lldx%lld as the first picture, got %lldx%lld; use resize= and crop=",
                (long long)dim[1], (long long)dim[2], (long long)h, (long long)w);
    }
    mxdi_free(d->alloc, p.pixels);
    return st == MXD_OK ? st : mxdi_wrap(err, st, "data: %s", path);
}
