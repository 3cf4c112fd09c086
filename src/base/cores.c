/* SPDX-License-Identifier: Apache-2.0
 *
 * How many cores this process may use: its affinity mask, cut by the CPU quota of its control group
 * (versions 1 and 2).
 */
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/threads.h"

static unsigned affinity_cores(void)
{
    for (int n = 1024; n <= 1 << 16; n *= 4) {
        cpu_set_t *const set   = CPU_ALLOC((size_t)n);
        const size_t     bytes = CPU_ALLOC_SIZE((size_t)n);
        if (!set)
            break;
        const bool ok =
            sched_getaffinity(0, bytes, set) == 0; /* fails while the set is too small */
        const unsigned cores = ok ? (unsigned)CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (cores)
            return cores;
    }
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

/* The first line of DIR/NAME as text; false when there is none. */
static bool read_setting(char *out, int size, const char *dir, const char *name)
{
    char      path[PATH_MAX];
    const int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (n < 0 || n >= (int)sizeof(path))
        return false;
    FILE *const f  = fopen(path, "re");
    const bool  ok = f && fgets(out, size, f);
    if (f)
        fclose(f);
    return ok;
}

/* Whole cores that one group's own settings allow; 0: no limit here. */
static unsigned group_quota(const char *dir, bool v2)
{
    char      text[64], period_text[64];
    long long quota = -1, period = 100000;
    if (v2) {
        if (!read_setting(text, sizeof(text), dir, "cpu.max") ||
            sscanf(text, "%lld %lld", &quota, &period) != 2)
            return 0; /* "max 100000": no limit */
    } else {
        if (!read_setting(text, sizeof(text), dir, "cpu.cfs_quota_us") ||
            !read_setting(period_text, sizeof(period_text), dir, "cpu.cfs_period_us"))
            return 0;
        quota  = atoll(text);
        period = atoll(period_text);
    }
    if (quota <= 0 || period <= 0)
        return 0;
    const long long cores =
        quota / period; /* a thread more than the quota pays for would be throttled */
    return cores < 1 ? 1 : cores > UINT_MAX ? 0 : (unsigned)cores;
}

/* The least quota of the group `path` under `mount` and of the groups above it. */
static unsigned least_quota(const char *mount, const char *path, bool v2)
{
    char      dir[PATH_MAX];
    unsigned  least = 0;
    const int n     = snprintf(dir, sizeof(dir), "%s%s", mount, path);
    if (n < 0 || n >= (int)sizeof(dir))
        return 0;
    for (;;) {
        const unsigned q = group_quota(dir, v2);
        if (q && (!least || q < least))
            least = q;
        char *const slash = strrchr(dir, '/');
        if (!slash || slash < dir + strlen(mount))
            return least;
        *slash = '\0';
    }
}

/* Whether "cpu" is one of the controllers "cpu,cpuacct". */
static bool lists_cpu(const char *controllers)
{
    for (const char *c = controllers; c; c = strchr(c, ',')) {
        c += *c == ',';
        if (strncmp(c, "cpu", 3) == 0 && (c[3] == ',' || c[3] == '\0'))
            return true;
    }
    return false;
}

unsigned mxdi_cgroup_quota(const char *proc_cgroup, const char *mount)
{
    char        line[PATH_MAX];
    unsigned    least = 0;
    FILE *const f     = fopen(proc_cgroup, "re");
    while (f && fgets(line, sizeof(line),
                      f)) { /* ID:CONTROLLERS:PATH, version 2 with ID 0 and no controllers */
        line[strcspn(line, "\n")] = '\0';
        char *const controllers   = strchr(line, ':');
        char *const path          = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path         = '\0';
        const bool v2 = controllers[1] == '\0';
        if (!v2 && !lists_cpu(controllers + 1))
            continue;
        char v1_mount[PATH_MAX];
        if (snprintf(v1_mount, sizeof(v1_mount), "%s/cpu", mount) >= (int)sizeof(v1_mount))
            continue;
        const unsigned q = least_quota(v2 ? mount : v1_mount, path + 1, v2);
        if (q && (!least || q < least))
            least = q;
    }
    if (f)
        fclose(f);
    return least;
}

unsigned mxdi_cores(void)
{
    const unsigned cores = affinity_cores();
    const unsigned quota = mxdi_cgroup_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    return quota && quota < cores ? quota : cores;
}
