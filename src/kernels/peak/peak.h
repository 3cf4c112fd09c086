/* SPDX-License-Identifier: Apache-2.0
 *
 * What this machine can do at most, measured: multiply-adds from registers, one loop for each
 * instruction set and precision, and bytes read from each level of memory. The roofs that profiles
 * are held against; takes some milliseconds.
 */
#ifndef MXDI_KERNELS_PEAK_H
#define MXDI_KERNELS_PEAK_H

#include "base/alloc.h"
#include "base/threads.h"

/* A loop of independent multiply-adds. Rows of one `computed` stand slowest first. */
typedef struct mxdi_peak_row {
    const char *computed;    /* "f32", "bf16", "u8s8", "s16" */
    const char *instruction; /* "vpdpbusd zmm" */
    uint32_t    needs;       /* flags of base/cpu.h */
    double      ops;         /* of one round, a multiply-add being two */
    void (*run)(size_t rounds);
} mxdi_peak_row;

/* A loop that reads `bytes`, a multiple of 512, from 64-byte aligned memory. */
typedef struct mxdi_peak_reader {
    const char *instruction;
    uint32_t    needs;
    void (*run)(const void *from, size_t bytes);
} mxdi_peak_reader;

extern const mxdi_peak_row    mxdi_peak_rows[];
extern const size_t           mxdi_peak_n_rows;
extern const mxdi_peak_reader mxdi_peak_readers[]; /* the first needs nothing */
extern const size_t           mxdi_peak_n_readers;

/* The last row of `computed` that needs nothing outside `isa`; NULL: none. */
const mxdi_peak_row    *mxdi_peak_select(const char *computed, uint32_t isa);
const mxdi_peak_reader *mxdi_peak_reader_select(uint32_t isa);

/* 10^9 operations a second of all threads of the pool (NULL: this one) together. */
double mxdi_peak_compute(const mxdi_peak_row *row, mxdi_pool *pool);
/* 10^9 bytes a second that all threads together read, `bytes` of its own each, again and again. */
mxd_status mxdi_peak_read(double *out, const mxdi_peak_reader *reader, size_t bytes,
                          mxdi_pool *pool, const mxd_allocator *alloc, mxd_error *err);
#endif
