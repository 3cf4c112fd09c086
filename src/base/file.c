/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading files: mapping them, and what else is asked about paths. Writing is in file_out.c,
 * decompression in file_codec.c.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)    ? "a folder"
           : S_ISFIFO(mode) ? "a pipe"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

mxd_status mxdi_file_map(mxdi_file *out, const char *path, mxd_error *err)
{
    struct stat info;
    *out         = (mxdi_file)MXDI_FILE_INIT;
    const int fd = open(path, O_RDONLY | O_CLOEXEC |
                                  O_NONBLOCK); /* a pipe without a writer must not hang us */
    if (fd < 0)
        return mxdi_fail_errno(err, path, "cannot be opened");
    mxd_status st = MXD_OK;
    if (fstat(fd, &info) != 0) {
        st = mxdi_fail_errno(err, path, "cannot be read");
    } else if (!S_ISREG(info.st_mode)) {
        st = mxdi_fail(err, MXD_E_IO, "%s: expected a file, got %s", path, kind_of(info.st_mode));
    } else if (info.st_size > 0) {
        const size_t size = (size_t)info.st_size;
        void *const  p    = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            st = mxdi_fail_errno(err, path, "cannot be mapped");
        else
            out->bytes = (mxdi_view){ p, size };
    }
    close(fd);
    return st;
}

void mxdi_file_unmap(mxdi_file *f)
{
    if (f->bytes.size)
        munmap((void *)(uintptr_t)f->bytes.data, f->bytes.size);
    *f = (mxdi_file)MXDI_FILE_INIT;
}

mxd_status mxdi_mkdirs(const char *path, mxd_error *err)
{
    char         part[PATH_MAX];
    const size_t n = strlen(path);
    if (n >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return mxdi_fail_errno(err, path, "folder cannot be made");
    }
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0777) != 0) {
            struct stat info;
            const int   why = errno;
            if (stat(part, &info) != 0 || !S_ISDIR(info.st_mode)) {
                errno = why;
                return mxdi_fail_errno(err, part, "folder cannot be made");
            }
        }
        part[i] = path[i];
    }
    return MXD_OK;
}

bool mxdi_path_beside(char *out, size_t size, const char *path, const char *name)
{
    const char *const slash  = strrchr(path, '/');
    const size_t      folder = slash && name[0] != '/' ? (size_t)(slash - path) + 1 : 0;
    const size_t      n      = strlen(name);
    if (folder >= size || n >= size - folder)
        return false;
    memcpy(out, path, folder);
    memcpy(out + folder, name, n + 1);
    return true;
}

bool mxdi_path_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}
