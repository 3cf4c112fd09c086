/* SPDX-License-Identifier: Apache-2.0
 *
 * The register tile under conv_f32 and matmul_f32: a strided batch-reduce product, C (rows, lanes)
 * = init + sum over taps of A_tap (rows, k) x B_tap (k, lanes), then what follows a convolution.
 * The f32 tiles compute one fmaf chain per output in the order ky, kx, k, and so equal the plain C
 * definitions of both families bit for bit.
 *
 * A word is one f32, or with `terms` 2 a pair of bf16 of neighbouring k; A, B and all their strides
 * count words. B is packed in panels of `full` lanes: [panel][tap][k][full], 64-byte aligned, the
 * last one of `narrow` = full/2 lanes where that is enough. Stateless; any number of threads.
 */
#ifndef MXDI_KERNELS_TILE_F32_H
#define MXDI_KERNELS_TILE_F32_H

#include "base/cpu.h"

enum { MXDI_TILE_F32_MAX_ROWS = 32, MXDI_TILE_F32_MAX_WIDE = 3, MXDI_TILE_F32_MAX_LANES = 128 };

typedef enum mxdi_tile_f32_finish {
    MXDI_TILE_F32_SCALE, /* c = alpha * sum, all lanes */
    MXDI_TILE_F32_CLAMP, /* c = min(max(sum, lo), hi), all lanes */
    MXDI_TILE_F32_FULL   /* everything below */
} mxdi_tile_f32_finish;

typedef struct mxdi_tile_f32_args {
    /* Row i of a tile of m rows stands at i*row, from i = (m + 1)/2 on at half + (i - (m +
     * 1)/2)*row. */
    const float *a;
    int64_t      a_row, a_half;
    int64_t      a_k, a_kx, a_ky; /* steps of A: within a tap, between taps */
    int64_t      k, n_kx, n_ky;   /* counts, each >= 0 */
    const float *b;
    int64_t      b_ky;    /* skipped in B behind the n_kx taps of one ky */
    int64_t      b_panel; /* between panels, of wide tiles */
    int64_t      b_next;  /* from the words of a k step to a cache line of B that is read later, to
                             fetch it meanwhile; 0: what comes next here */
    const float *init;    /* per lane */
    float       *c;
    int64_t      c_row, c_half;
    const float *r;             /* residual with c's strides, or NULL */
    float        alpha, lo, hi; /* c = clamp(round(alpha * sum) + r); NaN passes the clamp */
    int32_t      lanes;         /* stored, 1 .. the tile's; others are not touched */
    int32_t      round_bf16;
    mxdi_tile_f32_finish finish;
} mxdi_tile_f32_args;

typedef void (*mxdi_tile_f32_fn)(const mxdi_tile_f32_args *args);

struct mxdi_tile_f32 {
    const char      *name; /* "avx512" */
    uint32_t         needs;
    int32_t          terms;                               /* f32 or bf16 values in a word */
    int32_t          rows;                                /* tiles of 1 .. rows rows */
    int32_t          full, narrow;                        /* lanes of a panel */
    mxdi_tile_f32_fn full_fn[MXDI_TILE_F32_MAX_ROWS + 1]; /* by the number of rows; [0] is NULL */
    mxdi_tile_f32_fn narrow_fn[MXDI_TILE_F32_MAX_ROWS + 1];
    /* With few rows one panel is not enough work in flight: wide_panels[rows] full panels at once.
     */
    mxdi_tile_f32_fn wide_fn[MXDI_TILE_F32_MAX_WIDE + 1];
    int32_t          wide_panels[MXDI_TILE_F32_MAX_WIDE + 1];
    /* A's words of n values rounded to bf16: dst (ceil(n / terms)), src (n). */
    void (*prepare)(float *dst, const float *src, int64_t n);
    /* One panel of `lanes` (full or narrow) from b(k, n) = src[k*row + n], or src[n*row + k] with
     * transposed set, for n < used; the other lanes are 0. With `bf16` the values are rounded;
     * terms 2 always rounds. */
    void (*pack)(float *dst, const float *src, int64_t row, int64_t k, int32_t lanes, int32_t used,
                 int32_t transposed, int32_t bf16);
    /* What follows the sums (rows, vecs*narrow) of a tile, from memory. */
    void (*finish)(const mxdi_tile_f32_args *args, const float *sum, int rows, int vecs);
};

/* Slowest first. */
extern const struct mxdi_tile_f32 *const mxdi_tile_f32_variants[];
extern const size_t                      mxdi_tile_f32_count;

/* The best tile within `isa`; with `bf16` for values rounded to bf16. NULL: none, the plain C
 * definition has to do. */
const struct mxdi_tile_f32 *mxdi_tile_f32_select(uint32_t isa, int32_t bf16);
#endif
