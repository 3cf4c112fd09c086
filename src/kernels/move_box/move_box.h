/* SPDX-License-Identifier: Apache-2.0
 *
 * Copying and filling boxes of memory with strides: transpose, slice, expand, concat, split, the
 * inside and the border of a pad, space-to-depth. Plain C on every processor: runs are memcpy's,
 * transposes go in tiles.
 *
 * rank 0..MXDI_BOX_RANK; `size` bytes per element: 1, 2, 4 or 8; strides in elements, any sign, 0
 * in x to repeat an element. A dimension of 0 is an empty box. y's elements are distinct and do not
 * overlap x; nothing else is touched. Threads split the box along a dimension. */
#ifndef MXDI_KERNELS_MOVE_BOX_H
#define MXDI_KERNELS_MOVE_BOX_H

#include <stddef.h>

#include "kernels/box.h"

void mxdi_move_copy(void *y, const void *x, size_t size, int32_t rank, const int64_t *dim,
                    const int64_t *y_stride, const int64_t *x_stride);

/* Every element of the box becomes the one at `value`. */
void mxdi_move_fill(void *y, const void *value, size_t size, int32_t rank, const int64_t *dim,
                    const int64_t *y_stride);
#endif
