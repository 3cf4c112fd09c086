/* SPDX-License-Identifier: Apache-2.0
 * One pool per session. The host's cores are the cgroup's and the affinity mask's, not the
 * machine's. */
#ifndef MXDI_BASE_THREADS_H
#define MXDI_BASE_THREADS_H

#include "base/alloc.h"

typedef struct mxdi_pool mxdi_pool;
unsigned                 mxdi_cores(void); /* usable by this process; at least 1 */
/* Whole cores under the control group's quota, 0 without one; of /proc/self/cgroup and
 * /sys/fs/cgroup, or a test's own. */
unsigned mxdi_cgroup_quota(const char *proc_cgroup, const char *mount);
/* n threads, the caller among them; 0: mxdi_cores(). No thread is made for n == 1. */
mxd_status mxdi_pool_create(mxdi_pool **out, unsigned n, mxd_error *err);
void       mxdi_pool_destroy(mxdi_pool *p);
unsigned   mxdi_pool_threads(const mxdi_pool *p); /* NULL: 1 */
/* Calls fn(arg, begin, end, thread) over [0, n) in a few pieces per thread, each index once;
 * returns when all are done. No two pieces that run at once have the same `thread`, which is below
 * mxdi_pool_threads(). p NULL: in place. One caller at a time. */
void mxdi_parallel_for(mxdi_pool *p,
                       void (*fn)(void *arg, size_t begin, size_t end, unsigned thread), void *arg,
                       size_t n);
#endif
