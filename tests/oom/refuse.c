/* SPDX-License-Identifier: Apache-2.0
 *
 * malloc and its family, refusing on demand and counting what is alive.
 */
#include "refuse.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static atomic_long live;           /* blocks */
static atomic_long countdown = -1; /* allocations before one is refused; negative: none is */
static atomic_bool once, refused;

static bool refuse(void)
{
    if (atomic_load(&countdown) < 0)
        return false;
    if (atomic_load(&countdown) > 0) {
        atomic_fetch_sub(&countdown, 1);
        return false;
    }
    if (atomic_load(&once))
        atomic_store(&countdown, -1);
    atomic_store(&refused, true);
    return true;
}

static void *counted(void *p)
{
    atomic_fetch_add(&live, p != NULL);
    return p;
}

/* ---- the names that the linker puts in place of malloc ... ---- */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
int   __real_posix_memalign(void **out, size_t align, size_t n);
char *__real_strdup(const char *s);
void  __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
int   __wrap_posix_memalign(void **out, size_t align, size_t n);
char *__wrap_strdup(const char *s);
void  __wrap_free(void *p);

void *__wrap_malloc(size_t n)
{
    return refuse() ? NULL : counted(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuse() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
    if (refuse())
        return NULL;
    void *const grown = __real_realloc(p, n);
    return p ? grown : counted(grown);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return refuse() ? NULL : counted(__real_aligned_alloc(align, n));
}

int __wrap_posix_memalign(void **out, size_t align, size_t n)
{
    if (refuse())
        return 12; /* ENOMEM */
    const int failed = __real_posix_memalign(out, align, n);
    atomic_fetch_add(&live, !failed);
    return failed;
}

char *__wrap_strdup(const char *s)
{
    return refuse() ? NULL : counted(__real_strdup(s));
}

void __wrap_free(void *p)
{
    atomic_fetch_sub(&live, p != NULL);
    __real_free(p);
}

/* ---- fingerprints ---- */

uint64_t refuse_hash(uint64_t seed, const void *data, size_t bytes)
{
    for (size_t k = 0; k < bytes; k++)
        seed = (seed ^ ((const uint8_t *)data)[k]) * 1099511628211u;
    return seed;
}

uint64_t refuse_hash_file(const char *path)
{
    static uint8_t piece[1 << 16];
    uint64_t       hash = REFUSE_SEED;
    FILE *const    f    = fopen(path, "rb");
    assert_non_null(f);
    for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
        hash = refuse_hash(hash, piece, n);
    (void)fclose(f);
    return hash;
}

/* ---- the loop ---- */

static int files_here(void)
{
    int        n = 0;
    DIR *const d = opendir(".");
    assert_non_null(d);
    while (readdir(d))
        n++;
    (void)closedir(d);
    return n;
}

/* One run that refuses allocation n; false when it ended before that one. any: how it ends does not
 * matter. */
static bool run_refusing(const char *what, refuse_work work, void *state, long n, bool alone,
                         bool any, uint64_t want)
{
    const long live_before  = atomic_load(&live);
    const int  files_before = files_here();
    uint64_t   result       = REFUSE_SEED;
    mxd_error  err          = MXD_ERROR_INIT;
    atomic_store(&once, alone);
    atomic_store(&refused, false);
    atomic_store(&countdown, n);
    const mxd_status st = work(state, &result, &err);
    atomic_store(&countdown, -1);
    const char *const how = alone ? "alone" : "and all after it";
    if (st != MXD_OK && ((st != MXD_E_NOMEM && !any) || err.status != st || err.msg[0] == '\0'))
        fail_msg("%s, allocation %ld %s refused: status %d, '%s'", what, n, how, st, err.msg);
    if (st == MXD_OK && result != want && !any)
        fail_msg("%s, allocation %ld %s refused: success, but another result", what, n, how);
    if (atomic_load(&live) != live_before)
        fail_msg("%s, allocation %ld %s refused: %ld blocks left", what, n, how,
                 atomic_load(&live) - live_before);
    if (files_here() != files_before)
        fail_msg("%s, allocation %ld %s refused: a file left", what, n, how);
    if (st != MXD_OK && !atomic_load(&refused))
        fail_msg("%s: fails undisturbed: '%s'", what, err.msg);
    return atomic_load(&refused);
}

void refuse_each(const char *what, refuse_work work, void *state, long step, bool reads_json)
{
    uint64_t  want = REFUSE_SEED;
    mxd_error err  = MXD_ERROR_INIT;
    if (work(state, &want, &err) !=
        MXD_OK) /* the first run makes the files that are replaced later */
        fail_msg("%s: %s", what, err.msg);
    for (int alone = 1; alone >= 0; alone--) {
        long n = 0;
        while (run_refusing(what, work, state, n, alone, alone && reads_json, want))
            n += step;
        print_message("%s: %ld allocations\n", what, n);
    }
}
