/* SPDX-License-Identifier: Apache-2.0
 *
 * What this CPU and its operating system can run, from cpuid and xgetbv (Intel SDM vol. 2A; AMD APM
 * vol. 3) or from the kernel's hardware capabilities on Arm; names for it; cache sizes.
 */
#include "base/cpu.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "base/error.h"
#include "base/text.h"

/* Lowest first; a cap allows its own row and those above it in this table. */
static const struct row {
    const char *name;
    uint32_t    flag;
} rows[] = {
    { "scalar", 0 },
    { "avx2", MXDI_ISA_AVX2 },
    { "avxvnni", MXDI_ISA_AVXVNNI },
    { "avx512", MXDI_ISA_AVX512 },
    { "avx512vnni", MXDI_ISA_AVX512VNNI },
    { "avx512bf16", MXDI_ISA_AVX512BF16 },
    { "amx", MXDI_ISA_AMX },
    { "neon", MXDI_ISA_NEON },
    { "dotprod", MXDI_ISA_DOTPROD },
    { "i8mm", MXDI_ISA_I8MM },
};
enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

#if defined(__x86_64__)

struct regs {
    uint32_t a, b, c, d;
};

static struct regs cpuid(uint32_t leaf, uint32_t sub)
{
    struct regs r = { 0, 0, 0, 0 };
    (void)__get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c,
                            &r.d); /* zeros where the leaf does not exist */
    return r;
}

static bool has(uint32_t reg, unsigned bit)
{
    return reg >> bit & 1u;
}

/* The register states that the operating system saves. */
static uint64_t saved_states(void)
{
    uint32_t lo, hi;
    if (!has(cpuid(1, 0).c, 27)) /* OSXSAVE */
        return 0;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

/* Linux hands out the tile registers on request, per process; asking again is harmless. */
static bool may_use_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

uint32_t mxdi_cpu_isa(void)
{
    const struct regs l1 = cpuid(1, 0), l7 = cpuid(7, 0), l71 = cpuid(7, 1);
    const uint64_t    saved = saved_states();
    const bool        ymm   = (saved & 0x06) == 0x06;
    const bool        zmm   = (saved & 0xE6) == 0xE6;
    const bool        tiles = (saved & 0x60000) == 0x60000;
    uint32_t          isa   = 0;
    if (!ymm || !has(l7.b, 5) || !has(l1.c, 12) || !has(l1.c, 29)) /* AVX2, FMA, F16C */
        return 0;
    isa |= MXDI_ISA_AVX2;
    if (has(l71.a, 4))
        isa |= MXDI_ISA_AVXVNNI;
    if (!zmm || !has(l7.b, 16) || !has(l7.b, 17) || !has(l7.b, 30) ||
        !has(l7.b, 31)) /* F, DQ, BW, VL */
        return isa;
    isa |= MXDI_ISA_AVX512;
    if (has(l7.c, 11))
        isa |= MXDI_ISA_AVX512VNNI;
    if (has(l71.a, 5))
        isa |= MXDI_ISA_AVX512BF16;
    if (tiles && has(l7.d, 24) && has(l7.d, 25) && has(l7.d, 22) &&
        may_use_tiles()) /* TILE, INT8, BF16 */
        isa |= MXDI_ISA_AMX;
    return isa;
}

/* "AMD EPYC, family 26 model 2": virtual machines hide the number behind the name, and timings
 * depend on it. */
static void describe(char *out, size_t size)
{
    char brand[49] = "x86-64";
    if (cpuid(0x80000000u, 0).a >= 0x80000004u)
        for (uint32_t i = 0; i < 3; i++) {
            const struct regs r = cpuid(0x80000002u + i, 0);
            memcpy(brand + i * sizeof(r), &r, sizeof(r));
        }
    brand[48]        = '\0';
    const char *name = brand + strspn(brand, " ");
    size_t      n    = strlen(name);
    while (n && name[n - 1] == ' ')
        n--;
    const uint32_t v      = cpuid(1, 0).a;
    const uint32_t family = (v >> 8 & 15u) + ((v >> 8 & 15u) == 15 ? v >> 20 & 255u : 0);
    const uint32_t model  = (v >> 4 & 15u) | (v >> 16 & 15u) << 4;
    (void)snprintf(out, size, "%.*s, family %u model %u", (int)n, name, family, model);
}

#elif defined(__aarch64__)

uint32_t mxdi_cpu_isa(void)
{
    enum {
        CAP_ASIMD   = 1 << 1,
        CAP_ASIMDDP = 1 << 20,
        CAP2_I8MM   = 1 << 13
    }; /* Linux uapi/asm/hwcap.h */
    const unsigned long cap = getauxval(AT_HWCAP), cap2 = getauxval(AT_HWCAP2);
    uint32_t            isa = 0;
    if (!(cap & CAP_ASIMD))
        return 0;
    isa |= MXDI_ISA_NEON;
    if (cap & CAP_ASIMDDP)
        isa |= MXDI_ISA_DOTPROD;
    if ((cap & CAP_ASIMDDP) && (cap2 & CAP2_I8MM))
        isa |= MXDI_ISA_I8MM;
    return isa;
}

static void describe(char *out, size_t size)
{
    char        line[256], implementer[16] = "?", part[16] = "?";
    FILE *const f = fopen("/proc/cpuinfo", "re");
    while (f && fgets(line, sizeof(line), f)) {
        (void)sscanf(line, "CPU implementer : %15s", implementer);
        if (sscanf(line, "CPU part : %15s", part) == 1)
            break;
    }
    if (f)
        fclose(f);
    (void)snprintf(out, size, "aarch64, implementer %s part %s", implementer, part);
}

#else

uint32_t mxdi_cpu_isa(void)
{
    return 0;
}

static void describe(char *out, size_t size)
{
    (void)snprintf(out, size, "unknown CPU");
}

#endif

mxd_status mxdi_isa_cap(uint32_t *out, const char *name, mxd_error *err)
{
    const uint32_t here    = mxdi_cpu_isa();
    uint32_t       allowed = 0;
    const char    *names[N_ROWS];
    for (size_t i = 0; i < N_ROWS; i++) {
        names[i] = rows[i].name;
        allowed |= rows[i].flag;
        if (strcmp(name, rows[i].name) != 0)
            continue;
        if (rows[i].flag & ~here)
            return mxdi_fail(err, MXD_E_UNSUPPORTED,
                             "isa: expected at most %s, got %s: this CPU lacks it",
                             mxdi_isa_name(here), name);
        *out = allowed & here;
        return MXD_OK;
    }
    const char *const near = mxdi_nearest(name, names, N_ROWS);
    return mxdi_fail(
        err, MXD_E_USAGE,
        "isa: expected scalar, avx2, avxvnni, avx512, avx512vnni, avx512bf16, amx, neon, dotprod or i8mm, "
        "got '%s'%s%s%s",
        name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

const char *mxdi_isa_name(uint32_t isa)
{
    size_t i = N_ROWS - 1;
    while (rows[i].flag && !(rows[i].flag & isa))
        i--;
    return rows[i].name;
}

/* A constant of the machine, computed once. */
static char           model[96];
static pthread_once_t model_once = PTHREAD_ONCE_INIT;

static void fill_model(void)
{
    describe(model, sizeof(model));
}

const char *mxdi_cpu_model(void)
{
    pthread_once(&model_once, fill_model);
    return model;
}

/* One short file of the kernel's tables, without its newline; false when it does not exist. */
static bool read_line(char *out, int size, const char *path)
{
    FILE *const f  = fopen(path, "re");
    const bool  ok = f && fgets(out, size, f);
    if (f)
        fclose(f);
    if (ok)
        out[strcspn(out, "\n")] = '\0';
    return ok;
}

size_t mxdi_cache_bytes(int level)
{
    static const size_t usual[] = { 32u << 10, 1u << 20, 16u << 20 };
    char                path[96], text[32];
    for (int i = 0; i < 8; i++) {
        (void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/level", i);
        if (!read_line(text, sizeof(text), path))
            break;
        if (atoi(text) != level)
            continue;
        (void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/type", i);
        if (!read_line(text, sizeof(text), path) || strcmp(text, "Instruction") == 0)
            continue;
        (void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        if (!read_line(text, sizeof(text), path))
            continue;
        char        *unit;
        const size_t n     = (size_t)strtoull(text, &unit, 10);
        const size_t bytes = *unit == 'K' ? n << 10 : *unit == 'M' ? n << 20 : n;
        if (bytes)
            return bytes;
    }
    return usual[level < 1 ? 0 : level > 3 ? 2 : level - 1];
}
