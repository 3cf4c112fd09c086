/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing files as a whole: to a temporary name beside the target, renamed when everything is on
 * disk. An existing target that is no regular file (/dev/stdout, a pipe) is written directly.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

enum { BUFFER = 1 << 16, MAX_PATH = PATH_MAX, MAX_LIVE = 64 };

struct mxdi_out_file {
    const mxd_allocator *alloc;
    int                  fd;
    int                  failure; /* the errno of the first write that failed: commit fails too */
    int                  slot;    /* of live[], or -1 */
    bool                 direct;  /* no temporary file */
    char                 name[MAX_PATH];   /* as the user gave it: for messages */
    char                 target[MAX_PATH]; /* with symbolic links followed: they stay links */
    char                 temp[MAX_PATH];
    size_t               used;
    uint8_t              buffer[BUFFER];
};

/* The library's only mutable static: temporary files that exist now, so that a signal handler
 * (which gets no argument) can remove them. A slot goes FREE -> TAKEN -> LIVE -> TAKEN -> FREE; its
 * path is read only while LIVE. Writes beyond MAX_LIVE at once work, but a signal leaves their
 * temporary file. */
enum { FREE, TAKEN, LIVE };
static struct live_slot {
    atomic_int state;
    char       path[MAX_PATH];
} live[MAX_LIVE];

static int live_add(const char *path)
{
    for (int i = 0; i < MAX_LIVE; i++) {
        int expected = FREE;
        if (atomic_compare_exchange_strong(&live[i].state, &expected, TAKEN)) {
            memcpy(live[i].path, path, strlen(path) + 1);
            atomic_store(&live[i].state, LIVE);
            return i;
        }
    }
    return -1;
}

static void live_remove(int slot)
{
    if (slot >= 0)
        atomic_store(&live[slot].state, FREE);
}

void mxdi_out_abort_all(void)
{
    for (int i = 0; i < MAX_LIVE; i++)
        if (atomic_load(&live[i].state) == LIVE)
            unlink(live[i].path);
}

/* A new file beside `target`: its name with a dot before and six digits behind. */
static int open_temp(mxdi_out_file *f, mode_t mode)
{
    const char *const slash = strrchr(f->target, '/');
    const char *const base  = slash ? slash + 1 : f->target;
    struct timespec   now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t tag = (uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 32 ^ (uint64_t)(uintptr_t)f;
    for (int attempt = 0; attempt < 100; attempt++) {
        tag          = tag * 6364136223846793005u + 1442695040888963407u;
        const int n  = snprintf(f->temp, sizeof(f->temp), "%.*s.%s.%06x", (int)(base - f->target),
                                f->target, base, (unsigned)(tag >> 40));
        const int fd = n > 0 && n < (int)sizeof(f->temp)
                           ? open(f->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
                           : (errno = ENAMETOOLONG, -1);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Where the bytes go: fills target, direct, temp, fd. */
static mxd_status open_target(mxdi_out_file *f, mxd_error *err)
{
    struct stat info;
    const bool  exists = stat(f->name, &info) == 0;
    if (exists && S_ISDIR(info.st_mode))
        return mxdi_fail(err, MXD_E_IO, "%s: expected a file to write, got a folder", f->name);
    f->direct = exists && !S_ISREG(info.st_mode);
    if (f->direct) {
        f->fd = open(f->name, O_WRONLY | O_CLOEXEC);
    } else {
        if (exists && access(f->name, W_OK) != 0)
            return mxdi_fail_errno(err, f->name, "cannot be written");
        if (!exists || !realpath(f->name, f->target))
            memcpy(f->target, f->name, sizeof(f->target));
        f->fd = open_temp(f, 0666);
        if (f->fd >= 0 && exists)
            (void)fchmod(
                f->fd, info.st_mode &
                           07777); /* the new file keeps the old one's permissions, where it may */
        if (f->fd >= 0)
            f->slot = live_add(f->temp);
    }
    return f->fd >= 0 ? MXD_OK : mxdi_fail_errno(err, f->name, "cannot be written");
}

mxd_status mxdi_out_open(mxdi_out_file **out, const char *path, const mxd_allocator *alloc,
                         mxd_error *err)
{
    *out           = NULL;
    const size_t n = strlen(path);
    if (n == 0 || n >= MAX_PATH) {
        errno = n ? ENAMETOOLONG : ENOENT;
        return mxdi_fail_errno(err, n ? path : "\"\"", "cannot be written");
    }
    mxdi_out_file *const f = MXDI_ALLOC(alloc, mxdi_out_file, 1);
    if (!f)
        return mxdi_nomem(err);
    f->alloc = alloc;
    f->fd    = -1;
    f->slot  = -1;
    memcpy(f->name, path, n + 1);
    const mxd_status st = open_target(f, err);
    if (st == MXD_OK)
        *out = f;
    else
        mxdi_free(alloc, f);
    return st;
}

static mxd_status write_all(mxdi_out_file *f, const uint8_t *data, size_t n, mxd_error *err)
{
    while (n && !f->failure) {
        const ssize_t written = write(f->fd, data, n);
        if (written > 0) {
            data += written;
            n -= (size_t)written;
        } else if (written < 0 && errno != EINTR) {
            f->failure = errno;
        }
    }
    if (!f->failure)
        return MXD_OK;
    errno = f->failure;
    return mxdi_fail_errno(err, f->name, "cannot be written");
}

static mxd_status flush(mxdi_out_file *f, mxd_error *err)
{
    const size_t n = f->used;
    f->used        = 0;
    return write_all(f, f->buffer, n, err);
}

mxd_status mxdi_out_write(mxdi_out_file *f, const void *data, size_t n, mxd_error *err)
{
    if (n > BUFFER - f->used)
        MXD_TRY(flush(f, err));
    if (n >= BUFFER)
        return write_all(f, data, n, err);
    if (n)
        memcpy(f->buffer + f->used, data, n);
    f->used += n;
    return MXD_OK;
}

/* Best effort: makes the rename itself durable. */
static void sync_folder(mxdi_out_file *f)
{
    char *const slash = strrchr(f->temp, '/');
    if (slash)
        slash[slash == f->temp] = '\0';
    const int fd = open(slash ? f->temp : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

mxd_status mxdi_out_commit(mxdi_out_file *f, mxd_error *err)
{
    mxd_status st = flush(f, err);
    if (st == MXD_OK && !f->direct && fsync(f->fd) != 0)
        st = mxdi_fail_errno(err, f->name, "cannot be written");
    if (close(f->fd) != 0 && st == MXD_OK)
        st = mxdi_fail_errno(err, f->name, "cannot be written");
    f->fd = -1;
    if (st == MXD_OK && !f->direct && rename(f->temp, f->target) != 0)
        st = mxdi_fail_errno(err, f->name, "cannot be replaced");
    if (st != MXD_OK) {
        mxdi_out_abort(f);
        return st;
    }
    live_remove(f->slot);
    if (!f->direct)
        sync_folder(f);
    mxdi_free(f->alloc, f);
    return MXD_OK;
}

void mxdi_out_abort(mxdi_out_file *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    if (!f->direct)
        unlink(f->temp);
    live_remove(f->slot);
    mxdi_free(f->alloc, f);
}

mxd_status mxdi_file_write(const char *path, const void *data, size_t n, mxd_error *err)
{
    mxdi_out_file *f = NULL;
    MXD_TRY(mxdi_out_open(&f, path, NULL, err));
    const mxd_status st = mxdi_out_write(f, data, n, err);
    if (st == MXD_OK)
        return mxdi_out_commit(f, err);
    mxdi_out_abort(f);
    return st;
}
