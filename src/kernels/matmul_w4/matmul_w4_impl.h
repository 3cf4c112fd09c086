/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of matmul_w4: the packed operator and its tiles. Vectors of `lanes` columns stand in
 * bundles of MXDI_MATMUL_W4_BUNDLE, the last one of as many as are left. A bundle of w vectors
 * holds, for each 8 k, w words per lane; its scales stand likewise, w vectors for each block.
 * Columns past n have weights and scales of 0.
 */
#ifndef MXDI_KERNELS_MATMUL_W4_IMPL_H
#define MXDI_KERNELS_MATMUL_W4_IMPL_H

#include "kernels/matmul_w4/matmul_w4.h"

enum { MXDI_MATMUL_W4_BUNDLE = 4 };

/* Some rows over some vectors of one bundle. */
typedef struct mxdi_matmul_w4_args {
    const float    *x; /* prepared: k ascending */
    int64_t         x_row;
    const uint32_t *w;
    const float    *scale, *bias;
    int64_t         step;  /* words between groups of 8 k, and floats between blocks of scales */
    int64_t         k;     /* of x */
    int64_t         block; /* k of one scale */
    float          *y;
    const float    *r; /* NULL: none */
    int64_t         y_row;
    int64_t         columns; /* stored, from 1 to the vectors' lanes */
    float           lo, hi;
    int32_t         round_bf16, bf16;
} mxdi_matmul_w4_args;

typedef void (*mxdi_matmul_w4_fn)(const mxdi_matmul_w4_args *args);

struct mxdi_matmul_w4_tile {
    const char *name;
    uint32_t    needs;
    int32_t     lanes, terms; /* terms: values in one word of prepared x */
    int32_t quick_rows; /* up to so many, unpacking keeps up with weights that come from a cache, */
    int32_t quick_bytes; /* if they are at least so large unpacked */
    int32_t high_first;  /* the lowest k of a word is in its highest nibble, else its lowest */
    /* By rows: several vectors at once, and how many; one vector. */
    mxdi_matmul_w4_fn wide[MXDI_MATMUL_W4_ROWS + 1], single[MXDI_MATMUL_W4_ROWS + 1];
    int32_t           vectors[MXDI_MATMUL_W4_ROWS + 1];
    /* Words of n values rounded to bf16, as tile_f32's. */
    void (*prepare)(float *dst, const float *src, int64_t n);
};

struct mxdi_matmul_w4 {
    mxdi_matmul_w4_desc               desc; /* w, scale, bias: the operator's own */
    const struct mxdi_matmul_w4_tile *tile; /* NULL: ref */
    const mxd_allocator              *alloc;
    int64_t                           k, blocks; /* blocks: scales of a column */
    int64_t                           vectors, bundles;
    uint32_t                         *packed; /* with a tile */
    float                            *scale, *bias;
    int8_t                           *plain; /* ref: (n, k) */
    size_t                            bytes;
    char                              name[32];
};

/* Columns [begin, end) in plain C. */
void mxdi_matmul_w4_ref(const mxdi_matmul_w4 *op, const float *x, const float *r, float *y,
                        int64_t rows, int64_t begin, int64_t end);
#endif
