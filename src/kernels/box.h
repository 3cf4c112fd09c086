/* SPDX-License-Identifier: Apache-2.0
 *
 * Boxes: up to three arrays of one shape walked together, each with strides of its own. Dimensions
 * that lie behind each other in all arrays become one, so that what remains has the longest
 * runs. */
#ifndef MXDI_KERNELS_BOX_H
#define MXDI_KERNELS_BOX_H

#include <stdbool.h>
#include <stdint.h>

enum { MXDI_BOX_RANK = 10, MXDI_BOX_ARRAYS = 3 };

typedef struct mxdi_box {
    int32_t rank; /* at least 1 after init */
    int32_t arrays;
    int64_t dim[MXDI_BOX_RANK];
    int64_t stride[MXDI_BOX_ARRAYS][MXDI_BOX_RANK]; /* elements; any sign, 0 repeats */
} mxdi_box;

/* A position in the first dimensions of a box; all zeros is the first. */
typedef struct mxdi_box_walk {
    int64_t index[MXDI_BOX_RANK];
    int64_t at[MXDI_BOX_ARRAYS]; /* element offset in each array */
} mxdi_box_walk;

/* stride[a] is (rank), of array a; rank 0..MXDI_BOX_RANK. False when the box is empty. With
 * `sorted`, dimensions are put in the order of array 0, its smallest stride last; else their order
 * stays. */
bool mxdi_box_init(mxdi_box *b, int32_t rank, const int64_t *dim, int32_t arrays,
                   const int64_t *const *stride, bool sorted);

/* Steps through the first `rank` dimensions, the last of them fastest; false after the last
 * position. */
bool mxdi_box_next(const mxdi_box *b, int32_t rank, mxdi_box_walk *w);
#endif
