/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix multiplication of few rows with constant weights of 4 bits, which stay packed in memory
 * and are unpacked in registers: with few rows a product is as fast as its weights arrive, and
 * these are an eighth of the floats that conv_f32 reads. w = (float)q * scale, rounded once; f32:
 * one fmaf chain per output from the bias with k ascending, so every variant is bit-equal to `ref`,
 * and to conv_f32 over the same w. compute bf16: x and w rounded to bf16; each variant adds like
 * conv_f32's of the same instruction set. y = clamp(round(product + bias) + r); NaN passes the
 * clamp. Packed, immutable operator; runs on disjoint task ranges may go in parallel.
 */
#ifndef MXDI_KERNELS_MATMUL_W4_H
#define MXDI_KERNELS_MATMUL_W4_H

#include <stdbool.h>

#include "base/alloc.h"

enum { MXDI_MATMUL_W4_ROWS = 8, MXDI_MATMUL_W4_GROUP = 8 /* k whose weights share a word */ };

/* k = taps * c_in; element (t, c) of row i of x stands at i*x_row + t*x_tap + c. All strides in
 * elements. */
typedef struct mxdi_matmul_w4_desc {
    int64_t       taps, c_in, n;
    int64_t       x_row, x_tap, y_row; /* r as y */
    const int8_t *w;                   /* (n, taps, c_in), -8..7; read during create only */
    const float  *scale;               /* (n, ceil(k/block)), or (n) without blocks; copied */
    int32_t       block;               /* k that share a scale, a multiple of 8; 0: all */
    const float  *bias;                /* (n) or NULL; copied */
    int32_t       residual;            /* r is added */
    float         y_min, y_max;        /* clamp, may be +-inf */
    int32_t       bf16;                /* compute in bf16 */
    int32_t       round_bf16;          /* round product + bias to bf16 */
} mxdi_matmul_w4_desc;

typedef struct mxdi_matmul_w4 mxdi_matmul_w4;

/* Whether so many rows are no slower over packed weights (k, n) than over unpacked ones, a rule of
 * measured sizes: unpacking costs, which pays as soon as unpacked weights would not fit a cache. */
bool mxdi_matmul_w4_pays(int64_t rows, int64_t k, int64_t n, bool bf16, uint32_t isa);

/* MXD_E_UNSUPPORTED where the sums of conv_f32 could not be met: blocks that are no multiple of 8;
 * with bf16, taps of an odd number of channels, or scales so small that weights are subnormal. */
mxd_status  mxdi_matmul_w4_create(mxdi_matmul_w4 **out, const mxdi_matmul_w4_desc *desc,
                                  uint32_t isa, const mxd_allocator *alloc, mxd_error *err);
void        mxdi_matmul_w4_destroy(mxdi_matmul_w4 *op);
const char *mxdi_matmul_w4_name(const mxdi_matmul_w4 *op); /* "matmul_w4_avx512" */
size_t      mxdi_matmul_w4_bytes(const mxdi_matmul_w4 *op);
/* Bytes that each running thread needs, 64-byte aligned; may be 0. */
size_t mxdi_matmul_w4_scratch(const mxdi_matmul_w4 *op);
/* Independent pieces of work; tasks [begin, end) write disjoint columns of y. */
size_t mxdi_matmul_w4_tasks(const mxdi_matmul_w4 *op);
/* rows: 1 .. MXDI_MATMUL_W4_ROWS. */
void mxdi_matmul_w4_run(const mxdi_matmul_w4 *op, const float *x, const float *r, float *y,
                        void *scratch, int64_t rows, size_t begin, size_t end);
#endif
