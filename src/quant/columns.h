/* SPDX-License-Identifier: Apache-2.0
 *
 * What the outputs of a layer are sums over: the input under the window (im2col), or a row of the
 * matrix, as columns of a matrix.
 */
#ifndef MXDI_QUANT_COLUMNS_H
#define MXDI_QUANT_COLUMNS_H

#include "ir/ops.h"

typedef struct mxdi_columns {
    int64_t     groups, k; /* each group of output channels sums over columns of k elements */
    int64_t     places;    /* of the window on one image; 1 for a matrix, whose rows count */
    bool        conv;
    int64_t     channels, plane; /* of one image: all input channels, elements of one */
    int64_t     taps;
    mxdi_window window;
} mxdi_columns;

/* Of a Conv, Gemm (without transA) or MatMul with inferred shapes; k runs over (channel, tap) as
 * the weights do. */
mxd_status mxdi_columns_of(mxdi_columns *out, const mxdi_graph *g, const mxd_node *node,
                           mxd_error *err);
/* Columns that input `x` has. */
int64_t mxdi_columns_count(const mxdi_columns *c, const mxd_tensor *x);
/* offset (taps, n): where the taps of columns at[0..n) stand in an input, from the first of a
 * group's channels; -1: outside the image. */
void mxdi_columns_find(int64_t *offset, const mxdi_columns *c, const int64_t *at, int64_t n);
/* out (k, n): those columns of x for one group, zeros outside the image. */
void mxdi_columns_take(float *out, const mxdi_columns *c, const mxd_tensor *x, int64_t group,
                       const int64_t *offset, int64_t n);
#endif
