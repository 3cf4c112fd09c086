/* SPDX-License-Identifier: Apache-2.0
 *
 * What the operators conv_q8 and dwconv_q8 have in common: checks, memory, the rectangles of the
 * output that see the same taps, and the biases that zero points and padding leave for each.
 */
#ifndef MXDI_KERNELS_Q8_BASE_H
#define MXDI_KERNELS_Q8_BASE_H

#include <string.h>

#include "base/arena.h"
#include "kernels/post_q8/post_q8.h"
#include "kernels/window.h"

typedef struct mxdi_q8_base {
    mxdi_arena    arena; /* all memory of the operator but itself */
    size_t        bytes;
    size_t        row; /* of simd/q8.inc */
    mxdi_blocked  x, y;
    mxdi_window2d window;
    int32_t       x_zero_point;
    int32_t       nothing; /* what products take off x */
    mxdi_post_q8  post;
    int32_t       y_size; /* bytes of an output element */
    mxdi_span    *spans_y, *spans_x;
    int32_t       n_y, n_x;
} mxdi_q8_base;

/* A range in n parts of `few` elements, the first `more` of them with one more. */
typedef struct mxdi_parts {
    int64_t n, few, more;
} mxdi_parts;

static inline mxdi_parts mxdi_parts_make(int64_t elements, int64_t n)
{
    return (mxdi_parts){ n, elements / n, elements % n };
}

/* The first element of part i, or with i = n the end of the last. */
static inline int64_t mxdi_parts_begin(const mxdi_parts *p, int64_t i)
{
    return i * p->few + (i < p->more ? i : p->more);
}

static inline int64_t mxdi_div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Term j (0..3) of lane l of vector `at` in packed weights of `lanes` lanes. weight_bytes 1: s8,
 * four terms side by side; 2: s16, a vector of the terms 0 and 2 of every lane, then one of 1
 * and 3. */
static inline void mxdi_q8_put_weight(uint8_t *to, int32_t weight_bytes, int64_t lanes, int64_t at,
                                      int64_t l, int64_t j, int16_t q)
{
    if (weight_bytes == 1)
        to[(at * lanes + l) * 4 + j] = (uint8_t)q;
    else
        memcpy(to + (((2 * at + j % 2) * lanes + l) * 2 + j / 2) * 2, &q, sizeof(q));
}

/* Checks everything, takes the best row of simd/q8.inc for n weights, and allocates nothing. `what`
 * names the family in errors. */
mxd_status mxdi_q8_base_init(mxdi_q8_base *base, const char *what, const mxdi_conv_q8_desc *desc,
                             size_t n_weights, uint32_t isa, const mxd_allocator *alloc,
                             mxd_error *err);
/* Zeroed memory of the operator, aligned to 64 and counted in `bytes`; NULL when there is none
 * left. */
void *mxdi_q8_base_alloc(mxdi_q8_base *base, size_t count, size_t size);
/* Copies of w and the epilogue's vectors for the plain definition; their pointers are replaced. */
mxd_status mxdi_q8_base_keep(mxdi_q8_base *base, const int16_t **w, size_t n_weights,
                             mxdi_q8_epilogue *epilogue, mxd_error *err);

/* Fills the spans. */
mxd_status mxdi_q8_base_spans(mxdi_q8_base *base, mxd_error *err);
/* Rectangles that differ in their biases: one where padding changes nothing. */
size_t mxdi_q8_base_biases(const mxdi_q8_base *base);
/* 32-bit words that mxdi_q8_base_fold needs. */
size_t mxdi_q8_base_scratch(const mxdi_q8_base *base);
/* bias[i * step] of rectangle i, for an output channel with weights w (c_in, kh, kw) and bias b. */
void mxdi_q8_base_fold(const mxdi_q8_base *base, int32_t *bias, size_t step, int32_t b,
                       const int16_t *w, int32_t c_in, uint32_t *scratch);
#endif
