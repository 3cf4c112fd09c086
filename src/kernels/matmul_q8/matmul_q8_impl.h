/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of matmul_q8: the contract of its kernels.
 *
 *     sum (qa - za) * (qb - zb) = sum qa*b' - (zb - 128) * sum qa - za * sum b' + k*za*(zb - 128)
 *
 * with b' = qb - 128, which fits s8. The first term is what the tiles compute; the second, which is
 * 0 for symmetric B, takes sums over the rows of a, the others are a bias of each column. A panel
 * is two vectors of columns: [k4][2][lanes][4] weights in the order of simd/q8_<variant>.h.
 */
#ifndef MXDI_KERNELS_MATMUL_Q8_IMPL_H
#define MXDI_KERNELS_MATMUL_Q8_IMPL_H

#include "kernels/matmul_q8/matmul_q8.h"
#include "kernels/simd/q8.h"

enum { MXDI_MATMUL_Q8_MAX_ROWS = 12, MXDI_MATMUL_Q8_MAX_PANEL = 32 };

/* A panel of B to pack. */
typedef struct mxdi_matmul_q8_source {
    const uint8_t *b;              /* of the panel's first column */
    int64_t        k, n, b_k, b_n; /* n columns, >= 1 */
} mxdi_matmul_q8_source;

/* Rows of a times a packed panel. */
typedef struct mxdi_matmul_q8_panel {
    const uint8_t      *a;
    int64_t             a_row, rows, k4;
    const uint8_t      *w;
    const int32_t      *sums; /* of the rows of a; NULL: B is symmetric */
    const int32_t      *bias; /* the panel's lanes of the vectors */
    const int32_t      *minus_z;
    const float        *m, *bias_float;
    uint8_t            *y;
    const uint8_t      *r;
    int64_t             y_row; /* bytes */
    size_t              n;
    const mxdi_post_q8 *post;
} mxdi_matmul_q8_panel;

struct mxdi_matmul_q8_kernel {
    const char *name;
    int32_t     columns; /* of a panel; 0: the plain definition, the rest is not used */
    int32_t     weight_bytes, nothing; /* as in conv_q8 */
    /* sums: those of b' over each column of the panel. */
    void (*pack)(uint8_t *w, int32_t *sums, const mxdi_matmul_q8_source *source);
    void (*multiply)(const mxdi_matmul_q8_panel *panel);
};

#define MXD_Q8(variant, needs, weights) \
    extern const struct mxdi_matmul_q8_kernel mxdi_matmul_q8_##variant;
#include "kernels/simd/q8.inc"
#undef MXD_Q8

/* Rows [i, end) of one product in plain C; a, b, r, y: its first elements. */
void mxdi_matmul_q8_rows_ref(const mxdi_matmul_q8 *op, const mxdi_matmul_q8_args *at, int64_t i,
                             int64_t end);
#endif
