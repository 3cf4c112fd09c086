/* SPDX-License-Identifier: Apache-2.0
 * Files: mapped for reading, replaced as a whole when written. All paths are as the user gave them.
 */
#ifndef MXDI_BASE_FILE_H
#define MXDI_BASE_FILE_H

#include "base/bytes.h"

/* A read-only private mapping. */
typedef struct mxdi_file {
    mxdi_view bytes;
} mxdi_file;
#define MXDI_FILE_INIT \
    {                  \
        {              \
            NULL, 0    \
        }              \
    }

mxd_status mxdi_file_map(mxdi_file *out, const char *path,
                         mxd_error *err); /* regular files; an empty one maps to size 0 */
void       mxdi_file_unmap(mxdi_file *f);
/* The whole file, decompressed when its name ends in .gz or .xz; at most max_bytes, refused beyond.
 * Caller frees `out`. */
mxd_status mxdi_file_read(mxdi_bytes *out, const char *path, size_t max_bytes, mxd_error *err);

/* Writing goes to a temporary name beside `path`, renamed by commit. Nothing is left beside the old
 * file otherwise. */
typedef struct mxdi_out_file mxdi_out_file;
mxd_status mxdi_out_open(mxdi_out_file **out, const char *path, const mxd_allocator *alloc,
                         mxd_error *err);
mxd_status mxdi_out_write(mxdi_out_file *f, const void *data, size_t n, mxd_error *err);
mxd_status mxdi_out_commit(mxdi_out_file *f,
                           mxd_error     *err);  /* flush, fsync, rename; frees f in any case */
void       mxdi_out_abort(mxdi_out_file *f); /* NULL is fine */
mxd_status mxdi_file_write(const char *path, const void *data, size_t n,
                           mxd_error *err); /* the four in one */
/* Remove temporary files of writes in progress: safe in a signal handler. */
void mxdi_out_abort_all(void);

mxd_status mxdi_mkdirs(const char *path, mxd_error *err); /* like mkdir -p */
/* Folder of `path` joined with `name`, into out[size]; false when it does not fit. Absolute names
 * stay as they are. */
bool mxdi_path_beside(char *out, size_t size, const char *path, const char *name);
bool mxdi_path_exists(const char *path);
bool mxdi_path_inside(const char *folder,
                      const char *path); /* links followed; false when either is missing */
#endif
