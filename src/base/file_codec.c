/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a whole file, decompressing .gz and .xz on the way, without ever holding more than the
 * caller allows.
 */
#include <lzma.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"
#include "base/file.h"

enum { PIECE = 1 << 16 };
static const uint64_t XZ_MEMORY = 256u
                                  << 20; /* of the decoder: its largest presets ask for 65 MiB */

/* Both libraries allocate through the caller's allocator. */
static void *zlib_alloc(void *user, unsigned count, unsigned size)
{
    return mxdi_alloc(user, count, size);
}

static void zlib_free(void *user, void *p)
{
    mxdi_free(user, p);
}

static void *xz_alloc(void *user, size_t count, size_t size)
{
    return mxdi_alloc(user, count, size);
}

static void xz_free(void *user, void *p)
{
    mxdi_free(user, p);
}

/* Append a piece of output; false when that exceeds max_bytes or memory, told in err. */
static mxd_status take(mxdi_bytes *out, const void *piece, size_t n, size_t max_bytes,
                       mxd_error *err)
{
    if (n > max_bytes - out->size)
        return mxdi_fail(err, MXD_E_RANGE, "expected at most %zu bytes, got more", max_bytes);
    return mxdi_bytes_append(out, piece, n) ? MXD_OK : mxdi_nomem(err);
}

static mxd_status gunzip(mxdi_bytes *out, mxdi_view in, size_t max_bytes, mxd_error *err)
{
    uint8_t  piece[PIECE];
    z_stream z  = { .zalloc = zlib_alloc,
                    .zfree  = zlib_free,
                    .opaque = (void *)(uintptr_t)out->alloc };
    size_t   at = 0;
    int      ok = inflateInit2(&z, 15 + 16); /* gzip only */
    if (ok != Z_OK)
        return mxdi_nomem(err);
    mxd_status st    = MXD_OK;
    bool       ended = false; /* a member ended just now; another may follow */
    while (st == MXD_OK) {
        if (z.avail_in == 0) {
            z.next_in  = (Bytef *)(uintptr_t)(in.data + at);
            z.avail_in = (uInt)(in.size - at < PIECE ? in.size - at : PIECE);
            at += z.avail_in;
        }
        if (ended && z.avail_in == 0)
            break;
        z.next_out  = piece;
        z.avail_out = PIECE;
        ok          = inflate(&z, Z_NO_FLUSH);
        st          = take(out, piece, PIECE - z.avail_out, max_bytes, err);
        if (st != MXD_OK)
            break;
        ended = ok == Z_STREAM_END;
        if (ended)
            (void)inflateReset(&z);
        else if (ok == Z_BUF_ERROR ||
                 (ok == Z_OK && z.avail_out && z.avail_in == 0 && at == in.size))
            st = mxdi_fail(err, MXD_E_PARSE, "gzip data: cut short");
        else if (ok == Z_MEM_ERROR)
            st = mxdi_nomem(err);
        else if (ok != Z_OK)
            st = mxdi_fail(err, MXD_E_PARSE, "gzip data: %s", z.msg ? z.msg : "broken");
    }
    inflateEnd(&z);
    return st;
}

static mxd_status unxz(mxdi_bytes *out, mxdi_view in, size_t max_bytes, mxd_error *err)
{
    uint8_t              piece[PIECE];
    const lzma_allocator alloc = { xz_alloc, xz_free, (void *)(uintptr_t)out->alloc };
    lzma_stream          z     = LZMA_STREAM_INIT;
    z.allocator                = &alloc;
    lzma_ret ok                = lzma_stream_decoder(&z, XZ_MEMORY, LZMA_CONCATENATED);
    if (ok != LZMA_OK)
        return mxdi_nomem(err);
    mxd_status st = MXD_OK;
    z.next_in     = in.data;
    z.avail_in    = in.size;
    while (st == MXD_OK && ok != LZMA_STREAM_END) {
        z.next_out  = piece;
        z.avail_out = PIECE;
        ok          = lzma_code(&z, LZMA_FINISH);
        st          = take(out, piece, PIECE - z.avail_out, max_bytes, err);
        if (st != MXD_OK || ok == LZMA_OK || ok == LZMA_STREAM_END)
            continue;
        st = ok == LZMA_MEM_ERROR || ok == LZMA_MEMLIMIT_ERROR
                 ? mxdi_nomem(err)
                 : mxdi_fail(err, MXD_E_PARSE, "xz data: %s",
                             ok == LZMA_BUF_ERROR ? "cut short" : "broken");
    }
    lzma_end(&z);
    return st;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

mxd_status mxdi_file_read(mxdi_bytes *out, const char *path, size_t max_bytes, mxd_error *err)
{
    mxdi_file file = MXDI_FILE_INIT;
    MXD_TRY(mxdi_file_map(&file, path, err));
    out->size     = 0;
    mxd_status st = ends_with(path, ".gz") ? gunzip(out, file.bytes, max_bytes, err)
                    : ends_with(path, ".xz")
                        ? unxz(out, file.bytes, max_bytes, err)
                        : take(out, file.bytes.data, file.bytes.size, max_bytes, err);
    mxdi_file_unmap(&file);
    if (st != MXD_OK)
        mxdi_bytes_free(out);
    return mxdi_wrap(err, st, "%s", path);
}
