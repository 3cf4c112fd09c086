/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer matrix products of two activations, batched: QMatMul of docs/graph-ops.md without
 * constant weights; attention's two products. Operands are u8 as the backend stores them and may be
 * views: heads, rows and columns stand at strides of their own, so that nothing has to be
 * transposed first. B is packed panel by panel into the caller's scratch in every run. All variants
 * give the same integers. (With constant weights, use conv_q8.)
 */
#ifndef MXDI_KERNELS_MATMUL_Q8_H
#define MXDI_KERNELS_MATMUL_Q8_H

#include "base/arena.h"
#include "kernels/post_q8/post_q8.h"

enum { MXDI_MATMUL_Q8_BATCH = 6 };

/* Strides in elements; 0 broadcasts a or b. Rows of a and y are contiguous. */
typedef struct mxdi_matmul_q8_desc {
    int64_t m, n, k; /* a (m, k), b (k, n), y (m, n); n and k from 1 to 2^31 - 1 */
    int64_t a_row, b_k, b_n, y_row;
    int64_t batch[MXDI_MATMUL_Q8_BATCH]; /* leading dimensions, outermost first; unused: 1 */
    int64_t a_batch[MXDI_MATMUL_Q8_BATCH], b_batch[MXDI_MATMUL_Q8_BATCH],
        y_batch[MXDI_MATMUL_Q8_BATCH];
    int32_t          a_zero_point; /* as stored */
    const int32_t   *b_zero_point; /* (n), as stored; within 0..255 */
    mxdi_q8_epilogue epilogue;     /* vectors of n entries; the residual has y's strides */
} mxdi_matmul_q8_desc;

struct mxdi_matmul_q8_kernel;

typedef struct mxdi_matmul_q8 {
    mxdi_matmul_q8_desc desc; /* its vectors: n entries, then 0 up to whole panels */
    mxdi_post_q8        post;
    const int32_t      *minus_z; /* 128 less B's zero points */
    bool                shifted; /* some of them are not 0 */
    const struct mxdi_matmul_q8_kernel *kernel;
} mxdi_matmul_q8;

/* One run: batch[0] and m may be smaller than the descriptor's. */
typedef struct mxdi_matmul_q8_args {
    const uint8_t *a, *b, *r;
    void          *y;
    void          *scratch;
    int64_t        outer, m;
} mxdi_matmul_q8_args;

/* isa: flags of base/cpu.h; the best variant within them is taken. Vectors are copied into `arena`,
 * which has to outlive the operator. */
mxd_status  mxdi_matmul_q8_init(mxdi_matmul_q8 *op, const mxdi_matmul_q8_desc *desc, uint32_t isa,
                                mxdi_arena *arena, mxd_error *err);
const char *mxdi_matmul_q8_name(const mxdi_matmul_q8 *op); /* "matmul_q8_avx512vnni" */
/* Bytes that each running thread needs, 64-byte aligned. */
size_t mxdi_matmul_q8_scratch(const mxdi_matmul_q8 *op);
/* Independent pieces of work; tasks [begin, end) write disjoint parts of y. */
size_t mxdi_matmul_q8_tasks(const mxdi_matmul_q8 *op, int64_t outer, int64_t m);
void   mxdi_matmul_q8_run(const mxdi_matmul_q8 *op, const mxdi_matmul_q8_args *args, size_t begin,
                          size_t end);
#endif
