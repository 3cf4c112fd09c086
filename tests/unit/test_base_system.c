/* SPDX-License-Identifier: Apache-2.0
 *
 * base: instruction sets, cores, the thread pool.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/threads.h"

static void caps_are_subsets(void **state)
{
    (void)state;
    static const char *const names[] = { "scalar",     "avx2", "avxvnni", "avx512",  "avx512vnni",
                                         "avx512bf16", "amx",  "neon",    "dotprod", "i8mm" };
    const uint32_t           here    = mxdi_cpu_isa();
    uint32_t                 last    = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint32_t         isa = 0xFFFFFFFFu;
        mxd_error        err = MXD_ERROR_INIT;
        const mxd_status st  = mxdi_isa_cap(&isa, names[i], &err);
        if (st == MXD_OK) {
            assert_int_equal(isa & ~here, 0);
            assert_int_equal(last & ~isa, 0); /* a higher cap allows all that a lower one did */
            assert_string_equal(mxdi_isa_name(isa), names[i]);
            last = isa;
        } else {
            assert_int_equal(st, MXD_E_UNSUPPORTED);
            assert_non_null(strstr(err.msg, names[i]));
        }
    }
    assert_int_equal(last, here);
    uint32_t  isa = 0;
    mxd_error err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_isa_cap(&isa, "scalar", NULL), MXD_OK);
    assert_int_equal(isa, 0);
    assert_int_equal(mxdi_isa_cap(&isa, "axv512", &err), MXD_E_USAGE);
    assert_non_null(strstr(err.msg, "did you mean 'avx512'"));
}

static void the_machine_has_facts(void **state)
{
    (void)state;
    assert_true(strlen(mxdi_cpu_model()) > 3);
    assert_ptr_equal(mxdi_cpu_model(), mxdi_cpu_model());
    for (int level = 1; level <= 3; level++)
        assert_in_range(mxdi_cache_bytes(level), 4 << 10, (uint64_t)4 << 30);
    assert_true(mxdi_cache_bytes(1) <= mxdi_cache_bytes(2));
}

static void affinity_counts(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    assert_in_range(mxdi_cores(), 1, CPU_COUNT(&before));
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    const unsigned cores = mxdi_cores();
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(cores, 1);
}

static void put(const char *root, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(mxdi_file_write(path, text, strlen(text), NULL), MXD_OK);
}

static unsigned quota(const char *root, const char *cgroup)
{
    char path[256];
    put(root, "cgroup", cgroup);
    (void)snprintf(path, sizeof(path), "%s/cgroup", root);
    return mxdi_cgroup_quota(path, root);
}

static void cgroup_quotas(void **state)
{
    (void)state;
    char root[] = "/tmp/test_base_system_XXXXXX", path[256];
    assert_non_null(mkdtemp(root));
    (void)snprintf(path, sizeof(path), "%s/a/b", root);
    assert_int_equal(mxdi_mkdirs(path, NULL), MXD_OK);
    (void)snprintf(path, sizeof(path), "%s/cpu/c", root);
    assert_int_equal(mxdi_mkdirs(path, NULL), MXD_OK);
    put(root, "a/b/cpu.max", "max 100000\n");
    assert_int_equal(quota(root, "0::/a/b\n"), 0);
    put(root, "a/b/cpu.max", "350000 100000\n");
    assert_int_equal(quota(root, "0::/a/b\n"), 3);
    put(root, "a/cpu.max", "200000 100000\n"); /* the group above is tighter */
    assert_int_equal(quota(root, "0::/a/b\n"), 2);
    put(root, "cpu.max",
        "50000 100000\n"); /* half a core is one thread; as a container sees it: the root itself */
    assert_int_equal(quota(root, "0::/a/b\n"), 1);
    assert_int_equal(quota(root, "0::/\n"), 1);
    put(root, "cpu/c/cpu.cfs_quota_us", "400000\n");
    put(root, "cpu/c/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota(root, "12:cpuset:/x\n5:cpu,cpuacct:/c\n"), 4);
    assert_int_equal(quota(root, "12:cpuset:/c\n"), 0);
    put(root, "cpu/c/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(quota(root, "5:cpu,cpuacct:/c\n"), 0);
    assert_int_equal(quota(root, "nonsense\n"), 0);
    assert_int_equal(mxdi_cgroup_quota("/nonexistent", root), 0);
    (void)snprintf(path, sizeof(path), "rm -rf %s", root);
    assert_int_equal(system(path), 0);
}

struct visits {
    atomic_int count[1000];
    atomic_int running[64];
    unsigned   threads;
};

static void visit(void *arg, size_t begin, size_t end, unsigned thread)
{
    struct visits *const v = arg;
    assert_true(thread < v->threads);
    assert_int_equal(atomic_fetch_add(&v->running[thread], 1), 0);
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add(&v->count[i], 1);
    atomic_fetch_sub(&v->running[thread], 1);
}

static void every_index_once(void **state)
{
    (void)state;
    static struct visits v;
    static const size_t  sizes[] = { 0, 1, 2, 3, 5, 7, 64, 999, 1000 };
    for (unsigned threads = 1; threads <= 5; threads++) {
        mxdi_pool *p = NULL;
        assert_int_equal(mxdi_pool_create(&p, threads, NULL), MXD_OK);
        assert_int_equal(mxdi_pool_threads(p), threads);
        v.threads = threads;
        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            mxdi_parallel_for(p, visit, &v, sizes[k]);
            for (size_t i = 0; i < 1000; i++)
                assert_int_equal(atomic_exchange(&v.count[i], 0), i < sizes[k]);
        }
        mxdi_pool_destroy(p);
    }
    v.threads = 1;
    mxdi_parallel_for(NULL, visit, &v, 10);
    assert_int_equal(atomic_load(&v.count[9]), 1);
    assert_int_equal(mxdi_pool_threads(NULL), 1);
    mxdi_pool_destroy(NULL);

    mxdi_pool *p   = NULL;
    mxd_error  err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_pool_create(&p, 0, NULL), MXD_OK);
    assert_int_equal(mxdi_pool_threads(p), mxdi_cores());
    mxdi_pool_destroy(p);
    assert_int_equal(mxdi_pool_create(&p, 100000, &err), MXD_E_RANGE);
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caps_are_subsets), cmocka_unit_test(the_machine_has_facts),
        cmocka_unit_test(affinity_counts),  cmocka_unit_test(cgroup_quotas),
        cmocka_unit_test(every_index_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
