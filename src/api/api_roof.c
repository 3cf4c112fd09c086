/* SPDX-License-Identifier: Apache-2.0
 *
 * Rooflines (Williams, Waterman, Patterson 2009): the machine's limits, and steps held against
 * them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/threads.h"
#include "kernels/peak/peak.h"
#include "mixdown/measure.h"

/* ---- the machine ---- */

static void measure_compute(mxd_peak *out, uint32_t isa, mxdi_pool *pool)
{
    static const char *const names[] = { "f32", "bf16", "s16", "u8s8" };
    for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
        const mxdi_peak_row *const row = mxdi_peak_select(names[k], isa);
        if (row)
            out->compute[out->n_compute++] =
                (mxd_rate){ row->computed, row->instruction, mxdi_peak_compute(row, pool), 0 };
    }
}

/* Half of each cache, which leaves room for what else is in it; and twice the last one. */
static mxd_status measure_memory(mxd_peak *out, uint32_t isa, mxdi_pool *pool, mxd_error *err)
{
    const mxdi_peak_reader *const reader = mxdi_peak_reader_select(isa);
    const size_t n = out->threads, l2 = mxdi_cache_bytes(2), l3 = mxdi_cache_bytes(3);
    const size_t each[] = { l2 / 2, l3 / 2 / n > 2 * l2 ? l3 / 2 / n : 2 * l2, 2 * l3 / n };
    out->memory[0]      = (mxd_rate){ "L2", reader->instruction, 0.0, l2 * n };
    out->memory[1]      = (mxd_rate){ "L3", reader->instruction, 0.0, l3 };
    out->memory[2]      = (mxd_rate){ "memory", reader->instruction, 0.0, 0 };
    for (; out->n_memory < 3; out->n_memory++)
        MXD_TRY(mxdi_peak_read(&out->memory[out->n_memory].per_second, reader, each[out->n_memory],
                               pool, NULL, err));
    return MXD_OK;
}

mxd_status mxd_peak_measure(mxd_peak *out, const char *isa, uint32_t threads, mxd_error *err)
{
    uint32_t   flags = mxdi_cpu_isa();
    mxdi_pool *pool  = NULL;
    *out             = (mxd_peak){ .threads = threads ? threads : mxdi_cores() };
    if (isa)
        MXD_TRY(mxdi_isa_cap(&flags, isa, err));
    if (out->threads > 1)
        MXD_TRY(mxdi_pool_create(&pool, out->threads, err));
    measure_compute(out, flags, pool);
    const mxd_status st = measure_memory(out, flags, pool, err);
    mxdi_pool_destroy(pool);
    return st;
}

/* ---- steps ---- */

/* What a kernel multiplies, and how many products of a direct computation one of its own stands
 * for. Rows in order of preference. */
static const struct cost {
    const char *algorithm, *computed, *peak;
    double      products;
} costs[] = {
    { "winograd", "f32", "f32", 0.25 },  /* F(4x4, 3x3): 36 products for 144 */
    { "winograd", "u8s8", "s16", 0.25 }, /* pairs */
    { NULL, "u8s8", "u8s8", 1.0 },       /* direct */
    { NULL, "bf16", "bf16", 1.0 },       /* where there are instructions for it */
    { NULL, NULL, "f32", 1.0 },          /* all else */
};

static const mxd_rate *find(const mxd_peak *peak, const char *name)
{
    for (uint32_t k = 0; k < peak->n_compute; k++)
        if (strcmp(peak->compute[k].name, name) == 0)
            return &peak->compute[k];
    return NULL;
}

/* The first row that fits and has a peak; NULL: none. */
static const mxd_rate *peak_of(double *products, const mxd_profile_row *r, const mxd_peak *peak)
{
    for (size_t k = 0; k < sizeof(costs) / sizeof(costs[0]); k++) {
        const struct cost *const c = &costs[k];
        const bool               fits =
            (!c->algorithm || (r->algorithm && strcmp(c->algorithm, r->algorithm) == 0)) &&
            (!c->computed || strcmp(c->computed, r->computed) == 0);
        const mxd_rate *const rate = fits ? find(peak, c->peak) : NULL;
        if (rate) {
            *products = c->products;
            return rate;
        }
    }
    return NULL;
}

/* The nearest memory that holds so much. */
static const mxd_rate *memory_of(const mxd_peak *peak, double bytes)
{
    uint32_t k = 0;
    while (k + 1 < peak->n_memory && peak->memory[k].bytes && bytes > (double)peak->memory[k].bytes)
        k++;
    return &peak->memory[k];
}

enum { SMALL_K = 64, SHORT_NS = 20000 };

/* One line: what keeps the step from its roof. */
static void explain(mxd_roof *roof, const mxd_profile_row *r, bool memory)
{
    char *const  why  = roof->why;
    const size_t size = sizeof(roof->why);
    const double mb   = (double)r->bytes * 1e-6,
                 gbs  = r->ms > 0.0 ? (double)r->bytes / (r->ms * 1e6) : 0.0;
    if (r->reason)
        (void)snprintf(why, size, "%s", r->reason);
    else if (strcmp(r->kernel, "interp") == 0)
        (void)snprintf(
            why, size,
            "reference interpreter: the backend left this node out, `mixdown audit` says why");
    else if (r->node[0] == '\0')
        (void)snprintf(why, size, "reformat: %.2f MB go into another layout at %.0f GB/s", mb, gbs);
    else if (r->macs == 0)
        (void)snprintf(why, size, "not fused with a product: %.2f MB at %.0f GB/s", mb, gbs);
    else if (memory)
        (void)snprintf(why, size,
                       "memory-bound: %.2f MB, %.2f of them constants, at %.0f GB/s (%s)", mb,
                       (double)r->constant_bytes * 1e-6, gbs, roof->bound);
    else if (r->depth > 0 && r->depth < SMALL_K)
        (void)snprintf(why, size,
                       "small K: %lld products in each output, so that loading and storing weigh",
                       (long long)r->depth);
    else if (r->ms * 1e6 < SHORT_NS)
        (void)snprintf(why, size, "short: starting it and its ends weigh");
    else if (r->algorithm && strcmp(r->algorithm, "winograd") == 0)
        (void)snprintf(why, size, "winograd: transforms beside a quarter of the products");
    else
        (void)snprintf(why, size, "compute-bound");
}

static mxd_roof roof_of(const mxd_profile_row *r, double all_constants, const mxd_peak *peak)
{
    double                products = 1.0;
    const mxd_rate *const compute  = peak_of(&products, r, peak);
    const double ops = 2.0 * (double)r->macs, moving = (double)(r->bytes - r->constant_bytes);
    const mxd_rate *const constants = memory_of(peak, all_constants), *const rest =
                                                                          memory_of(peak, moving);
    const double memory_ms = (double)r->constant_bytes / (constants->per_second * 1e6) +
                             moving / (rest->per_second * 1e6);
    const double compute_ms =
        compute && r->macs ? ops * products / (compute->per_second * 1e6) : 0.0;
    const bool memory = memory_ms >= compute_ms;
    mxd_roof roof = { .ms = memory ? memory_ms : compute_ms, .gops = NAN, .percent_of_peak = NAN };
    roof.bound    = !memory                              ? compute->name
                    : (double)r->constant_bytes > moving ? constants->name
                                                         : rest->name;
    if (r->macs && r->ms > 0.0)
        roof.gops = ops / (r->ms * 1e6);
    if (compute && r->macs && r->ms > 0.0)
        roof.percent_of_peak = compute_ms / r->ms * 100.0;
    explain(&roof, r, memory);
    return roof;
}

void mxd_roof_of(mxd_roof *roof, const mxd_profile_row *rows, uint32_t n, const mxd_peak *peak)
{
    double constants = 0.0;
    for (uint32_t k = 0; k < n; k++)
        constants += (double)rows[k].constant_bytes;
    for (uint32_t k = 0; k < n; k++)
        roof[k] = roof_of(&rows[k], constants, peak);
}
