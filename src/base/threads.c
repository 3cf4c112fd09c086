/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread pool. A loop is cut into a few pieces per thread; each thread takes those of its own
 * range first, so that it meets the same images in layer after layer, and then what others have
 * left: a thread that lost its core to another process delays nobody. Who waits spins for some tens
 * of microseconds, since the next loop of a run comes within microseconds, and then sleeps on a
 * futex. Neither the rounding mode nor the treatment of denormals is touched: results would depend
 * on the thread that computes them.
 *
 * A claim names the loop it belongs to: a worker that wakes late finds another generation and takes
 * nothing. Only claimed pieces are waited for, so the caller may go on while such a worker still
 * sleeps.
 */
#include "base/threads.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

enum {
    MAX_THREADS = 1024,
    PER_THREAD  = 2,   /* pieces of a loop for each thread */
    SPINS       = 2000 /* pauses, some 40 us, before sleeping */
};

/* The pieces [next, end) of one thread's range that nobody has claimed: generation << 32 | next <<
 * 16 | end. */
struct lane {
    _Alignas(64) _Atomic uint64_t state;
};

struct mxdi_pool {
    unsigned     n;
    unsigned     started; /* threads that run */
    pthread_t   *thread;
    struct lane *lane; /* (n) */
    /* the loop at hand; read only by who has claimed a piece of it */
    void (*fn)(void *arg, size_t begin, size_t end, unsigned thread);
    void  *arg;
    size_t count, pieces;
    _Alignas(64) _Atomic uint32_t generation; /* of the loop; what idle workers wait on */
    _Atomic uint32_t sleepers;
    atomic_bool      stop;
    _Alignas(64) _Atomic uint32_t left; /* pieces not done; what the caller waits on */
    atomic_bool waiting;
};

struct worker {
    mxdi_pool *pool;
    unsigned   index;
};

static void futex_wait(_Atomic uint32_t *at, uint32_t value)
{
    syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *at)
{
    syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- taking and doing pieces ---- */

static bool claim(struct lane *l, uint32_t generation, size_t *piece)
{
    uint64_t s = atomic_load_explicit(&l->state, memory_order_acquire);
    do {
        const uint32_t next = (uint32_t)(s >> 16) & 0xFFFF, end = (uint32_t)s & 0xFFFF;
        if ((uint32_t)(s >> 32) != generation || next >= end)
            return false;
        *piece = next;
    } while (!atomic_compare_exchange_weak_explicit(&l->state, &s, s + (1u << 16),
                                                    memory_order_acq_rel, memory_order_acquire));
    return true;
}

static void do_piece(mxdi_pool *p, size_t piece, unsigned thread)
{
    const size_t each = p->count / p->pieces, longer = p->count % p->pieces;
    const size_t begin = piece * each + (piece < longer ? piece : longer);
    p->fn(p->arg, begin, begin + each + (piece < longer), thread);
    if (atomic_fetch_sub(&p->left, 1) == 1 && atomic_load(&p->waiting))
        futex_wake(&p->left);
}

static void work(mxdi_pool *p, uint32_t generation, unsigned thread)
{
    size_t piece;
    for (unsigned k = 0; k < p->n; k++)
        while (claim(&p->lane[(thread + k) % p->n], generation, &piece))
            do_piece(p, piece, thread);
}

/* ---- workers ---- */

/* The next generation after `seen`. */
static uint32_t next_generation(mxdi_pool *p, uint32_t seen)
{
    for (int spin = 0;; spin++) {
        const uint32_t g = atomic_load_explicit(&p->generation, memory_order_acquire);
        if (g != seen)
            return g;
        if (spin < SPINS) {
            pause_briefly();
            continue;
        }
        atomic_fetch_add(&p->sleepers, 1);
        futex_wait(&p->generation, seen);
        atomic_fetch_sub(&p->sleepers, 1);
    }
}

static void *run_worker(void *context)
{
    const struct worker w = *(struct worker *)context;
    mxdi_free(NULL, context);
    uint32_t seen = 0;
    for (;;) {
        seen = next_generation(w.pool, seen);
        if (atomic_load(&w.pool->stop))
            return NULL;
        work(w.pool, seen, w.index);
    }
}

static void publish(mxdi_pool *p)
{
    atomic_fetch_add(&p->generation, 1);
    if (atomic_load(&p->sleepers))
        futex_wake(&p->generation);
}

static mxd_status start_workers(mxdi_pool *p, mxd_error *err)
{
    for (unsigned k = 1; k < p->n; k++) {
        struct worker *const w = MXDI_ALLOC(NULL, struct worker, 1);
        if (!w)
            return mxdi_nomem(err);
        *w = (struct worker){ p, k };
        if (pthread_create(&p->thread[k], NULL, run_worker, w) != 0) {
            mxdi_free(NULL, w);
            return mxdi_fail(err, MXD_E_NOMEM, "threads: thread %u of %u cannot be started", k + 1,
                             p->n);
        }
        p->started = k;
    }
    return MXD_OK;
}

/* ---- the pool ---- */

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
    p->n                = n;
    p->thread           = MXDI_ALLOC(NULL, pthread_t, n);
    p->lane             = MXDI_ALLOC(NULL, struct lane, n);
    const mxd_status st = p->thread && p->lane ? start_workers(p, err) : mxdi_nomem(err);
    if (st != MXD_OK) {
        mxdi_pool_destroy(p);
        return st;
    }
    *out = p;
    return MXD_OK;
}

void mxdi_pool_destroy(mxdi_pool *p)
{
    if (!p)
        return;
    atomic_store(&p->stop, true);
    publish(p);
    for (unsigned k = 1; k <= p->started; k++)
        pthread_join(p->thread[k], NULL);
    mxdi_free(NULL, p->thread);
    mxdi_free(NULL, p->lane);
    mxdi_free(NULL, p);
}

unsigned mxdi_pool_threads(const mxdi_pool *p)
{
    return p ? p->n : 1;
}

static void wait_for_pieces(mxdi_pool *p)
{
    for (int spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&p->left, memory_order_acquire) == 0)
            return;
        pause_briefly();
    }
    atomic_store(&p->waiting, true);
    for (uint32_t left; (left = atomic_load(&p->left)) != 0;)
        futex_wait(&p->left, left);
    atomic_store(&p->waiting, false);
}

void mxdi_parallel_for(mxdi_pool *p,
                       void (*fn)(void *arg, size_t begin, size_t end, unsigned thread), void *arg,
                       size_t n)
{
    if (!p || p->n == 1 || n < 2) {
        if (n)
            fn(arg, 0, n, 0);
        return;
    }
    const size_t   wanted = (size_t)p->n * PER_THREAD, pieces = n < wanted ? n : wanted;
    const uint32_t next = atomic_load(&p->generation) + 1;
    p->fn               = fn;
    p->arg              = arg;
    p->count            = n;
    p->pieces           = pieces;
    atomic_store(&p->left, (uint32_t)pieces);
    for (unsigned k = 0; k < p->n; k++) {
        const uint64_t begin = k * pieces / p->n, end = (k + 1) * pieces / p->n;
        atomic_store_explicit(&p->lane[k].state, (uint64_t)next << 32 | begin << 16 | end,
                              memory_order_release);
    }
    publish(p);
    work(p, next, 0);
    wait_for_pieces(p);
}
