/* SPDX-License-Identifier: Apache-2.0
 *
 * How the window families leave padding out exactly: every axis of the output is cut into spans
 * whose outputs see the same kernel taps, and a rectangle of outputs within one span per axis is
 * walked as runs of equally spaced rows.
 */
#ifndef MXDI_KERNELS_WINDOW_H
#define MXDI_KERNELS_WINDOW_H

#include "base/alloc.h"
#include "kernels/layout.h"

/* Outputs [begin, end) see exactly the taps [k_begin, k_end), which may be none. */
typedef struct mxdi_span {
    int32_t begin, end, k_begin, k_end;
} mxdi_span;

/* One axis: sizes of output and input, kernel, stride, dilation, padding before. */
typedef struct mxdi_window1d {
    int32_t out, in, kernel, stride, dilation, pad;
} mxdi_window1d;

/* The spans of [0, out) in ascending order; returns how many. spans NULL: only counts. An empty
 * range is [0, 0). */
int32_t mxdi_spans(mxdi_span *spans, const mxdi_window1d *axis);

/* The two axes of a window over x that makes y. */
void mxdi_window_axes(mxdi_window1d *rows, mxdi_window1d *cols, const mxdi_blocked *x,
                      const mxdi_blocked *y, const mxdi_window2d *window);

/* Sums of w (kh, kw) over the taps of each rectangle, modulo 2^32: sums (n_y, n_x). prefix:
 * scratch, (kh + 1)*(kw + 1). */
void mxdi_window_sums(uint32_t *sums, uint32_t *prefix, const uint32_t *w,
                      const mxdi_window2d *window, const mxdi_span *y, int32_t n_y,
                      const mxdi_span *x, int32_t n_x);

/* Sizes, strides and pitches of x, y and window that a kernel can run: MXD_E_SHAPE with `place` in
 * front otherwise. */
mxd_status mxdi_window_check(const char *place, const mxdi_blocked *x, const mxdi_blocked *y,
                             const mxdi_window2d *window, mxd_error *err);

/* Nested counts, innermost first, with the distance of two neighbours in x and in y. */
enum { MXDI_WALK_DIMS = 4 };
typedef struct mxdi_walk {
    int32_t rank; /* dimensions in use, at least 1 */
    int64_t n[MXDI_WALK_DIMS], x[MXDI_WALK_DIMS], y[MXDI_WALK_DIMS];
} mxdi_walk;

/* Drops dimensions of 1, joins neighbours that continue each other in x and in y, and puts a longer
 * dimension first where two runs of the first would fill less than half of a tile of `rows`. Order
 * is free: every row is an output of its own. */
void mxdi_walk_simplify(mxdi_walk *walk, int64_t rows);
#endif
