/* SPDX-License-Identifier: Apache-2.0
 * What the files of src/data share: the parsed specification, and the form into which each kind of
 * file is brought. */
#ifndef MXDI_DATA_DATA_IMPL_H
#define MXDI_DATA_DATA_IMPL_H

#include "base/arena.h"
#include "base/file.h"
#include "data/data.h"

typedef enum mxdi_data_kind {
    MXDI_DATA_FASHION,
    MXDI_DATA_IDX,
    MXDI_DATA_CIFAR10,
    MXDI_DATA_NPY,
    MXDI_DATA_NPZ,
    MXDI_DATA_IMAGES,
    MXDI_DATA_ONNX,
    MXDI_DATA_KINDS
} mxdi_data_kind;

/* A specification, checked as far as that goes without files. Strings and arrays live in the arena
 * it was parsed into. */
typedef struct mxdi_data_spec {
    mxdi_data_kind     kind;
    const char       **file;
    uint32_t           n_files;
    const char        *labels, *x;
    const char *const *inputs; /* pairs: the network's input, the array's name */
    uint32_t           n_inputs;
    mxdi_numbers       scale, mean, std;
    bool               nhwc, bgr, shuffled;
    bool               scaled; /* `scale` was given */
    uint64_t           seed;
    int64_t            skip, subset; /* subset < 0: all */
    int64_t            shape[MXD_MAX_RANK], resize[2], crop[2];
    uint32_t           n_shape, n_resize, n_crop; /* 0: not given */
} mxdi_data_spec;

mxd_status mxdi_data_spec_parse(mxdi_data_spec *out, const char *text, mxdi_arena *arena,
                                mxd_error *err);
/* One key with its values (lists are split already). Adds to err what is wrong; MXD_E_NOMEM at
 * once. */
mxd_status mxdi_data_spec_set(mxdi_data_spec *s, const char *key, const char *const *value,
                              uint32_t n, uint32_t *seen, mxdi_arena *arena, mxd_error *err);
/* Whether `key` takes a list, and so is split at ':'. */
bool        mxdi_data_key_is_list(const char *key);
const char *mxdi_data_kind_name(mxdi_data_kind kind);
/* False for an unknown name; then *nearest (may become NULL) is what was perhaps meant. */
bool mxdi_data_kind_parse(mxdi_data_kind *out, const char *name, size_t n, const char **nearest);
/* The number of files that a kind takes. */
void mxdi_data_kind_files(mxdi_data_kind kind, uint32_t *least, uint32_t *most, const char **what);

/* Equally spaced samples in memory. */
typedef struct mxdi_data_segment {
    const uint8_t *base;
    size_t         stride;
    int64_t        n;
} mxdi_data_segment;

/* One input as it lies in the files. */
typedef struct mxdi_data_field {
    mxdi_data_input    as; /* what is delivered; the kinds fill name, rank and dim as stored */
    mxd_dtype          stored;
    bool               keep; /* integers that are not scaled */
    mxdi_data_segment *segment;
    uint32_t           n_segments;
} mxdi_data_field;

struct mxdi_data_blob; /* a file held open or in memory */

struct mxdi_data {
    const mxd_allocator   *alloc;
    mxdi_arena             arena;
    mxdi_data_spec         spec;
    struct mxdi_data_blob *blobs;
    mxdi_data_field       *field;
    uint32_t               n_fields;
    int64_t                stored;     /* samples in the files */
    int64_t               *all_labels; /* (stored), or NULL */
    const char           **picture;    /* (stored) paths of `images`, else NULL */
    int64_t                samples;
    int64_t               *order;  /* (samples): where each sample is in the files */
    int64_t               *labels; /* (samples), or NULL */
};

/* Each kind's files into field, n_fields, stored, all_labels (and picture). */
mxd_status mxdi_data_open_idx(mxdi_data *d, mxd_error *err);
mxd_status mxdi_data_open_cifar10(mxdi_data *d, mxd_error *err);
mxd_status mxdi_data_open_npy(mxdi_data *d, mxd_error *err);
mxd_status mxdi_data_open_npz(mxdi_data *d, mxd_error *err);
mxd_status mxdi_data_open_images(mxdi_data *d, mxd_error *err);
mxd_status mxdi_data_open_onnx(mxdi_data *d, mxd_error *err);

/* A file's bytes (decompressed), held until the set is closed. */
mxd_status mxdi_data_hold(mxdi_data *d, mxdi_view *out, const char *path, mxd_error *err);
/* Take over `bytes`, likewise. */
mxd_status mxdi_data_adopt(mxdi_data *d, mxdi_bytes *bytes, mxd_error *err);
/* n fields, each with room for n_segments. */
mxd_status mxdi_data_make_fields(mxdi_data *d, uint32_t n, uint32_t n_segments, mxd_error *err);
/* An array with the batch first becomes field i, in one segment. `place` names it in messages. */
mxd_status mxdi_data_field_from(mxdi_data *d, uint32_t i, const char *name, const mxd_tensor *t,
                                const char *place, mxd_error *err);
/* Integers, one per sample, become all_labels. */
mxd_status mxdi_data_labels_from(mxdi_data *d, const mxd_tensor *t, const char *place,
                                 mxd_error *err);

/* A JPEG or PNG in memory as (H, W, 3) bytes; free `pixels` with mxdi_free(alloc, ...). */
typedef struct mxdi_picture {
    uint8_t *pixels;
    int64_t  h, w;
} mxdi_picture;
mxd_status mxdi_picture_decode(mxdi_picture *out, mxdi_view file, const mxd_allocator *alloc,
                               mxd_error *err);
mxd_status mxdi_picture_size(mxdi_picture *out, mxdi_view file, mxd_error *err); /* h and w only */
/* Bilinear, smoothing where it shrinks. Replaces p's pixels. */
mxd_status mxdi_picture_resize(mxdi_picture *p, int64_t h, int64_t w, const mxd_allocator *alloc,
                               mxd_error *err);
/* Sample `at` of an `images` set as (H, W, C) bytes of the field's size into out. */
mxd_status mxdi_data_read_picture(const mxdi_data *d, int64_t at, uint8_t *out, mxd_error *err);
#endif
