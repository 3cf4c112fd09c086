/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread pool, over pthreadpool. Between the loops of one run workers wait actively, since the next loop comes
 * within microseconds; mxdi_pool_rest() sends them to sleep when the run ends. Neither the rounding mode nor the
 * treatment of denormals is touched: results would depend on the thread that computes them.
 */
#include "base/threads.h"

#include <pthreadpool.h>

#include "base/error.h"

/* ThreadSanitizer cannot see into the pool's library: what orders a loop's start and end is told to it here. */
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define TSAN_ACQUIRE(p) __tsan_acquire(p)
#define TSAN_RELEASE(p) __tsan_release(p)
#else
#define TSAN_ACQUIRE(p) (void)(p)
#define TSAN_RELEASE(p) (void)(p)
#endif

enum { MAX_THREADS = 1024 };

struct mxdi_pool {
    pthreadpool_t workers; /* NULL for one thread */
    unsigned      n;
};

mxd_status mxdi_pool_create(mxdi_pool **out, unsigned n, mxd_error *err)
{
    *out = NULL;
    if (n == 0)
        n = mxdi_cores();
    if (n > MAX_THREADS)
        return mxdi_fail(err, MXD_E_RANGE, "threads: expected 1 to %d, got %u", MAX_THREADS, n);
    mxdi_pool *const p = MXDI_ALLOC(NULL, mxdi_pool, 1);
    if (!p)
        return mxdi_nomem(err);
    p->n = n;
    if (n > 1) {
        p->workers = pthreadpool_create(n);
        if (!p->workers) {
            mxdi_free(NULL, p);
            return mxdi_nomem(err);
        }
        mxdi_pool_rest(p);
    }
    *out = p;
    return MXD_OK;
}

void mxdi_pool_destroy(mxdi_pool *p)
{
    if (!p)
        return;
    if (p->workers)
        pthreadpool_destroy(p->workers);
    mxdi_free(NULL, p);
}

unsigned mxdi_pool_threads(const mxdi_pool *p)
{
    return p ? p->n : 1;
}

/* One loop: [0, n) in `pieces` of equal size, give or take one. */
struct loop {
    void (*fn)(void *arg, size_t begin, size_t end, unsigned thread);
    void  *arg;
    size_t each, longer; /* the first `longer` pieces have one index more */
};

static void run_piece(void *context, size_t piece)
{
    struct loop *const l = context;
    TSAN_ACQUIRE(l);
    const size_t begin = piece * l->each + (piece < l->longer ? piece : l->longer);
    l->fn(l->arg, begin, begin + l->each + (piece < l->longer), (unsigned)piece);
    TSAN_RELEASE(l);
}

void mxdi_parallel_for(mxdi_pool *p, void (*fn)(void *arg, size_t begin, size_t end, unsigned thread), void *arg, size_t n)
{
    const size_t threads = mxdi_pool_threads(p);
    const size_t pieces  = n < threads ? n : threads;
    if (pieces > 1) {
        struct loop l = { fn, arg, n / pieces, n % pieces };
        TSAN_RELEASE(&l);
        pthreadpool_parallelize_1d(p->workers, run_piece, &l, pieces, 0);
        TSAN_ACQUIRE(&l);
    } else if (n) {
        fn(arg, 0, n, 0);
    }
}

static void nothing(void *context, size_t piece)
{
    (void)context;
    (void)piece;
}

void mxdi_pool_rest(mxdi_pool *p)
{
    if (p && p->workers)
        pthreadpool_parallelize_1d(p->workers, nothing, NULL, p->n, PTHREADPOOL_FLAG_YIELD_WORKERS);
}
