/* SPDX-License-Identifier: Apache-2.0
 *
 * base: mapping, decompressing, and writing files as a whole. Every test works in a folder of its
 * own.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <lzma.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "test_folder.h"

/* Entries of the test's folder, which is the working directory. */
static int entries(void)
{
    DIR *const d = opendir(".");
    int        n = 0;
    assert_non_null(d);
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void assert_holds(const char *path, const char *text)
{
    mxdi_bytes b = MXDI_BYTES_INIT;
    assert_int_equal(mxdi_file_read(&b, path, 1 << 20, NULL), MXD_OK);
    assert_int_equal(b.size, strlen(text));
    assert_memory_equal(b.data ? b.data : (uint8_t *)"", text, b.size);
    mxdi_bytes_free(&b);
}

static void map_reads_and_refuses(void **state)
{
    (void)state;
    mxdi_file f   = MXDI_FILE_INIT;
    mxd_error err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_file_write("a", "hello", 5, &err), MXD_OK);
    assert_int_equal(mxdi_file_map(&f, "a", &err), MXD_OK);
    assert_int_equal(f.bytes.size, 5);
    assert_memory_equal(f.bytes.data, "hello", 5);
    mxdi_file_unmap(&f);
    mxdi_file_unmap(&f);
    assert_int_equal(mxdi_file_write("empty", "", 0, &err), MXD_OK);
    assert_int_equal(mxdi_file_map(&f, "empty", &err), MXD_OK);
    assert_int_equal(f.bytes.size, 0);
    mxdi_file_unmap(&f);
    assert_int_equal(mxdi_file_map(&f, "none", &err), MXD_E_IO);
    assert_string_equal(err.msg, "none: cannot be opened: No such file or directory");
    assert_int_equal(mkdir("folder", 0777), 0);
    assert_int_equal(mxdi_file_map(&f, "folder", &err), MXD_E_IO);
    assert_string_equal(err.msg, "folder: expected a file, got a folder");
    assert_int_equal(mkfifo("pipe", 0666), 0);
    assert_int_equal(mxdi_file_map(&f, "pipe", &err), MXD_E_IO);
    assert_string_equal(err.msg, "pipe: expected a file, got a pipe");
}

enum { N = 200000 };

static void fill(uint8_t *data)
{
    for (size_t i = 0; i < N; i++)
        data[i] = (uint8_t)(i * i >> 7);
}

static void compressed_files_read_whole(void **state)
{
    (void)state;
    static uint8_t data[N], packed[N + 4096];
    mxdi_bytes     b   = MXDI_BYTES_INIT;
    mxd_error      err = MXD_ERROR_INIT;
    fill(data);

    const gzFile z = gzopen("x.gz", "wb");
    assert_int_equal(gzwrite(z, data, N), N);
    assert_int_equal(gzclose(z), Z_OK);
    const gzFile more = gzopen("x.gz", "ab"); /* a second member */
    assert_int_equal(gzwrite(more, "tail", 4), 4);
    assert_int_equal(gzclose(more), Z_OK);
    assert_int_equal(mxdi_file_read(&b, "x.gz", N + 4, &err), MXD_OK);
    assert_int_equal(b.size, N + 4);
    assert_memory_equal(b.data, data, N);
    assert_memory_equal(b.data + N, "tail", 4);
    mxdi_bytes_free(&b);
    assert_int_equal(mxdi_file_read(&b, "x.gz", N + 3, &err),
                     MXD_E_RANGE); /* one byte too many: a bomb is refused */
    assert_non_null(strstr(err.msg, "x.gz: expected at most"));
    assert_null(b.data);

    size_t n = 0;
    assert_int_equal(
        lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, NULL, data, N, packed, &n, sizeof(packed)),
        LZMA_OK);
    assert_int_equal(mxdi_file_write("x.xz", packed, n, &err), MXD_OK);
    assert_int_equal(mxdi_file_read(&b, "x.xz", N, &err), MXD_OK);
    assert_int_equal(b.size, N);
    assert_memory_equal(b.data, data, N);
    mxdi_bytes_free(&b);
    assert_int_equal(mxdi_file_read(&b, "x.xz", N - 1, &err), MXD_E_RANGE);

    for (size_t cut = 0; cut < n;
         cut += n / 7 + 1) { /* any prefix is told to be cut, not read as shorter data */
        assert_int_equal(mxdi_file_write("cut.xz", packed, cut, &err), MXD_OK);
        assert_int_equal(mxdi_file_read(&b, "cut.xz", N, &err), MXD_E_PARSE);
        assert_string_equal(err.msg, "cut.xz: xz data: cut short");
    }
    mxdi_file f = MXDI_FILE_INIT;
    assert_int_equal(mxdi_file_map(&f, "x.gz", &err), MXD_OK);
    for (size_t cut = 0; cut + 20 < f.bytes.size; cut += f.bytes.size / 7) {
        assert_int_equal(mxdi_file_write("cut.gz", f.bytes.data, cut, &err), MXD_OK);
        assert_int_equal(mxdi_file_read(&b, "cut.gz", N + 4, &err), MXD_E_PARSE);
        assert_string_equal(err.msg, "cut.gz: gzip data: cut short");
    }
    mxdi_file_unmap(&f);
    assert_int_equal(mxdi_file_write("text.gz", "no gzip at all", 14, &err), MXD_OK);
    assert_int_equal(mxdi_file_read(&b, "text.gz", N, &err), MXD_E_PARSE);
    assert_int_equal(mxdi_file_write("text.xz", "no xz data at all", 17, &err), MXD_OK);
    assert_int_equal(mxdi_file_read(&b, "text.xz", N, &err), MXD_E_PARSE);
}

static void write_replaces_as_a_whole(void **state)
{
    (void)state;
    mxdi_out_file *f = NULL;
    assert_int_equal(mxdi_file_write("a", "old", 3, NULL), MXD_OK);
    assert_int_equal(chmod("a", 0640), 0);
    assert_int_equal(mxdi_out_open(&f, "a", NULL, NULL), MXD_OK);
    static char piece[5000];
    memset(piece, 'x', sizeof(piece));
    for (int i = 0; i < 40; i++) { /* more than any buffer */
        assert_int_equal(mxdi_out_write(f, piece, sizeof(piece), NULL), MXD_OK);
        assert_holds("a", "old");
    }
    assert_int_equal(mxdi_out_write(f, NULL, 0, NULL), MXD_OK);
    assert_int_equal(mxdi_out_commit(f, NULL), MXD_OK);
    struct stat info;
    assert_int_equal(stat("a", &info), 0);
    assert_int_equal(info.st_size, 200000);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(entries(), 1);

    assert_int_equal(mxdi_out_open(&f, "b", NULL, NULL), MXD_OK);
    assert_int_equal(mxdi_out_write(f, "x", 1, NULL), MXD_OK);
    mxdi_out_abort(f);
    mxdi_out_abort(NULL);
    assert_int_equal(entries(), 1);

    assert_int_equal(symlink("a", "link"), 0); /* a link stays one */
    assert_int_equal(mxdi_file_write("link", "new", 3, NULL), MXD_OK);
    assert_holds("a", "new");
    assert_int_equal(lstat("link", &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    const mode_t old = umask(027);
    assert_int_equal(mxdi_file_write("c", "x", 1, NULL), MXD_OK);
    umask(old);
    assert_int_equal(stat("c", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
}

/* A disk that is full after 100 KiB: the old file stays, nothing is left beside it, the message
 * names the path. */
static void full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    static char         big[300 << 10];
    mxd_error           err   = MXD_ERROR_INIT;
    const struct rlimit small = { 100 << 10, RLIM_INFINITY };
    struct rlimit       before;
    assert_int_equal(mxdi_file_write("a", "old", 3, NULL), MXD_OK);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const mxd_status at_once = mxdi_file_write("a", big, sizeof(big), &err);
    mxdi_out_file   *f       = NULL;
    mxd_status       st      = mxdi_out_open(&f, "b", NULL, NULL);
    while (st == MXD_OK)
        st = mxdi_out_write(f, big, 1000, NULL);
    const mxd_status again  = mxdi_out_write(f, big, 0, NULL);
    const mxd_status commit = mxdi_out_commit(f, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(at_once, MXD_E_IO);
    assert_string_equal(err.msg, "a: cannot be written: File too large");
    assert_int_equal(st, MXD_E_IO);
    assert_int_equal(again, MXD_OK);
    assert_int_equal(commit, MXD_E_IO); /* a failed write cannot be committed */
    assert_holds("a", "old");
    assert_int_equal(entries(), 1);
}

static void unwritable_places(void **state)
{
    (void)state;
    mxd_error err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_file_write("no/such/a", "x", 1, &err), MXD_E_IO);
    assert_string_equal(err.msg, "no/such/a: cannot be written: No such file or directory");
    assert_int_equal(mkdir("folder", 0777), 0);
    assert_int_equal(mxdi_file_write("folder", "x", 1, &err), MXD_E_IO);
    assert_string_equal(err.msg, "folder: expected a file to write, got a folder");
    assert_int_equal(mxdi_file_write("", "x", 1, &err), MXD_E_IO);
    char name[5000];
    memset(name, 'n', sizeof(name));
    name[4999] = '\0';
    assert_int_equal(mxdi_file_write(name, "x", 1, &err), MXD_E_IO);
    name[255] = '\0';
    assert_int_equal(mxdi_file_write(name, "x", 1, &err), MXD_E_IO);
    if (mxdi_path_exists("/dev/full")) { /* a device is written directly, and stays */
        assert_int_equal(mxdi_file_write("/dev/full", "x", 1, &err), MXD_E_IO);
        assert_string_equal(err.msg, "/dev/full: cannot be written: No space left on device");
        assert_int_equal(mxdi_file_write("/dev/null", "x", 1, &err), MXD_OK);
        struct stat info;
        assert_true(stat("/dev/null", &info) == 0 && S_ISCHR(info.st_mode));
    }
    assert_int_equal(entries(), 1);
}

static void on_signal(int signal_number)
{
    (void)signal_number;
    mxdi_out_abort_all();
    _exit(130);
}

static void a_signal_removes_temporary_files(void **state)
{
    (void)state;
    assert_int_equal(mxdi_file_write("a", "old", 3, NULL), MXD_OK);
    const pid_t child = fork();
    if (child == 0) {
        mxdi_out_file *f = NULL, *g = NULL;
        (void)signal(SIGTERM, on_signal);
        if (mxdi_out_open(&f, "a", NULL, NULL) == MXD_OK &&
            mxdi_out_open(&g, "b", NULL, NULL) == MXD_OK && entries() == 3)
            (void)raise(SIGTERM);
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 130);
    assert_int_equal(entries(), 1);
    assert_holds("a", "old");
}

static void many_files_at_once(void **state)
{
    (void)state;
    enum { MANY = 80 };
    mxdi_out_file *f[MANY];
    char           name[16];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof(name), "f%d", i);
        assert_int_equal(mxdi_out_open(&f[i], name, NULL, NULL), MXD_OK);
        assert_int_equal(mxdi_out_write(f[i], name, strlen(name), NULL), MXD_OK);
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal(mxdi_out_commit(f[i], NULL), MXD_OK);
    assert_int_equal(entries(), MANY);
    assert_holds("f79", "f79");
}

static void folders_and_paths(void **state)
{
    (void)state;
    char      path[64];
    mxd_error err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_mkdirs("x/y/z", &err), MXD_OK);
    assert_int_equal(mxdi_mkdirs("x/y/z/", &err), MXD_OK);
    assert_int_equal(mxdi_mkdirs(".", &err), MXD_OK);
    assert_true(mxdi_path_exists("x/y/z"));
    assert_int_equal(mxdi_file_write("x/file", "x", 1, NULL), MXD_OK);
    assert_int_equal(mxdi_mkdirs("x/file/deeper", &err), MXD_E_IO);
    assert_non_null(strstr(err.msg, "x/file"));
    assert_true(mxdi_path_beside(path, sizeof(path), "models/a/eval.json", "../data/x.npy"));
    assert_string_equal(path, "models/a/../data/x.npy");
    assert_true(mxdi_path_beside(path, sizeof(path), "eval.json", "x.npy"));
    assert_string_equal(path, "x.npy");
    assert_true(mxdi_path_beside(path, sizeof(path), "a/eval.json", "/abs/x.npy"));
    assert_string_equal(path, "/abs/x.npy");
    assert_true(mxdi_path_beside(path, 4, "a/b", "x"));
    assert_false(mxdi_path_beside(path, 3, "a/b", "x"));
    assert_false(mxdi_path_exists("nowhere"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(map_reads_and_refuses),     IN_FOLDER(compressed_files_read_whole),
        IN_FOLDER(write_replaces_as_a_whole), IN_FOLDER(full_disk_leaves_the_old_file),
        IN_FOLDER(unwritable_places),         IN_FOLDER(a_signal_removes_temporary_files),
        IN_FOLDER(many_files_at_once),        IN_FOLDER(folders_and_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
